import { mcp } from '../../mcp/operation/operation.ts'
import { type Detail, stage } from '../chain.ts'
import { type CodeOf, type DenialTable, joined } from '../denial.ts'
import type { Route } from '../model/route.ts'
import type { HeldBody } from './body.ts'
import { http } from './operation/http.ts'
import type { Asked, Asking, Reader, ReaderPorts } from './operation/operation-types.ts'

/** Who reads what is asked inside a rule: the first that is for the rule, and `http` for all others. A new reader is one row. */
export const READERS = [mcp, http] as const

type OperationOf<R> = R extends Reader<infer Op, string> ? Op : never
type Code = CodeOf<(typeof READERS)[number]['denials']>

/** What is asked of the resource. */
export type Operation = OperationOf<(typeof READERS)[number]>

export interface OperationFacts {
  readonly operation: Operation
  /** Read already: where the origin is to be told its digest, and where the reader reads it. */
  readonly held: HeldBody | undefined
}

type RuleReader = Omit<Reader<Operation, Code>, 'denials'>
const readers: readonly RuleReader[] = READERS

const readerFor = (route: Route): RuleReader => {
  for (const one of readers) if (one.reads(route)) return one
  return http
}

const readerOf = ({ kind }: Operation): RuleReader | undefined =>
  readers.find((one) => one.kind === kind)

/** Whether a rule has the bodies of requests read before they go on. */
export function holds(facts: Pick<Asking, 'policy' | 'route'>): boolean {
  return readerFor(facts.route).holds(facts)
}

/** Whether the body of a request is read before it goes on. */
export function isHeld(asking: Pick<Asking, 'request' | 'policy' | 'route'>): boolean {
  return holds(asking) && asking.request.body !== undefined
}

/** What the journal says of an operation beside its request. */
export function journalOf(operation: Operation): Detail | undefined {
  return readerOf(operation)?.journal?.(operation)
}

/**
 * What is asked inside the route, by the reader that is for it. A body is read only now, of an agent that is known,
 * and only where the reader holds it.
 */
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
    // Each reader takes bodies, and that table comes first.
    const tables: readonly DenialTable<never>[] = [http, ...READERS].map((one) => one.denials)
    return [joined(...tables) as DenialTable<Code>]
  },
  run: (
    asking: Asking,
    ports: ReaderPorts,
  ): Asked<Operation, Code> | Promise<Asked<Operation, Code>> =>
    readerFor(asking.route).read(asking, ports),
})
