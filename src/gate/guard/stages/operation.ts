import { type Detail, stage } from '../../base/chain.ts'
import { type CodeOf, type DenialTable, joined } from '../../base/denial.ts'
import { LIMITS } from '../../base/limits.ts'
import { ok } from '../../base/result.ts'
import type { Route } from '../../model/route.ts'
import { bodyDenials, type HeldBody, heldBody, ownerOf } from '../operation/body.ts'
import { mcp } from '../operation/mcp/operation.ts'
import {
  type AnyOperation,
  type Asked,
  type Asking,
  type Reader,
  type ReaderPorts,
  reader,
} from '../operation/operation-types.ts'

/** An operation of an HTTP API. */
interface HttpOperation extends AnyOperation {
  readonly kind: 'http'
}

/**
 * The reader for all rules: it reads the method. It reads the body if the origin gets its digest, or if an approval is
 * bound to it; never in shadow mode.
 */
const http = reader({
  kind: 'http',
  denials: bodyDenials,
  reads: () => true,
  holds: ({ policy, route }) =>
    (policy.gate.assertion?.binding === 'body' || route.approval !== undefined) &&
    !route.endpoint &&
    route.mode !== 'shadow',
  read(asking) {
    const { request, policy, agent, hold } = asking
    const operation: HttpOperation = { kind: 'http', method: request.method }
    const { assertion } = policy.gate
    if (!http.holds(asking) || request.body === undefined) {
      return ok({ operation, held: undefined })
    }
    const most = assertion?.maxBody ?? LIMITS.heldBodyBytes
    const withDigest = assertion?.binding === 'body'
    return heldBody(request, most, hold(ownerOf(agent)), withDigest).then((held) =>
      held.ok ? ok({ operation, held: held.value }) : held,
    )
  },
})

/** Readers of operations. The first reader that is for a rule applies, else `http`. A new reader is one row. */
export const READERS = [mcp, http] as const

type OperationOf<R> = R extends Reader<infer Op, string> ? Op : never
type Code = CodeOf<(typeof READERS)[number]['denials']>

/** The operation that a request asks for. */
export type Operation = OperationOf<(typeof READERS)[number]>

export interface OperationFacts {
  readonly operation: Operation
  /** The body, where the origin gets its digest or the reader reads it. */
  readonly held: HeldBody | undefined
}

type RuleReader = Omit<Reader<Operation, Code>, 'denials'>
const readers: readonly RuleReader[] = READERS

const readerFor = (route: Route): RuleReader => readers.find((one) => one.reads(route)) ?? http

const readerOf = ({ kind }: Operation): RuleReader | undefined =>
  readers.find((one) => one.kind === kind)

/** Whether request bodies under a rule are buffered before they are forwarded. */
export function holds(facts: Pick<Asking, 'policy' | 'route'>): boolean {
  return readerFor(facts.route).holds(facts)
}

/** Whether this request's body is buffered before it is forwarded. */
export function isHeld(asking: Pick<Asking, 'request' | 'policy' | 'route'>): boolean {
  return holds(asking) && asking.request.body !== undefined
}

/** Members of the journal line for an operation. */
export function journalOf(operation: Operation): Detail | undefined {
  return readerOf(operation)?.journal?.(operation)
}

/** Reads the operation with the rule's reader. A body is read only now, when the agent is known. */
export const operation = stage({
  name: 'operation',
  establishes:
    'the body was read whole, if the gate has to read it; the operation is known and unambiguous: an HTTP method, or the messages to an MCP server',
  found: ({ operation, held }: OperationFacts) => ({
    kind: operation.kind,
    method: operation.method,
    ...readerOf(operation)?.found?.(operation, held),
    ...(held && { body: held.bytes.length }),
  }),
  get denials(): readonly DenialTable<Code>[] {
    // Every reader can return body denials, and their table comes first.
    const tables: readonly DenialTable<never>[] = [http, ...READERS].map((one) => one.denials)
    return [joined(...tables) as DenialTable<Code>]
  },
  run: (
    asking: Asking,
    ports: ReaderPorts,
  ): Asked<Operation, Code> | Promise<Asked<Operation, Code>> =>
    readerFor(asking.route).read(asking, ports),
})
