/** Types of operation readers: each reader is one file and one row of READERS. */
import type { Detail, Outcome } from '../../base/chain.ts'
import type { DenialTable } from '../../base/denial.ts'
import type { RequestHead } from '../../base/request.ts'
import type { Room } from '../../base/room.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { Sessions } from '../../model/mcp.ts'
import type { Route } from '../../model/route.ts'
import type { HeldBody } from './body.ts'

/** The facts from which an operation is read. */
export interface Asking extends Pick<LineFacts, 'policy' | 'route' | 'agent'> {
  /** Without a `body` member there is only a head, as in an explanation; the body is then unknown. */
  readonly request: RequestHead & { readonly body?: ReadableStream<Uint8Array> | null }
  /** Opens the room for the body; the guard leaves it after the decision. */
  readonly hold: (owner: string) => Room
}

export interface ReaderPorts {
  readonly sessions: Pick<Sessions, 'open'>
}

/** The members of every operation. */
export interface AnyOperation {
  /** The kind; unique to its reader. */
  readonly kind: string
  /** The HTTP method. */
  readonly method: string
}

/** The result of a reader. `held`: the body, where it was read. */
export type Asked<Op extends AnyOperation, Code extends string> = Outcome<
  { readonly operation: Op; readonly held: HeldBody | undefined },
  Code
>

/** A reader of operations for one kind of server. */
export interface Reader<Op extends AnyOperation = AnyOperation, Code extends string = string> {
  readonly kind: Op['kind']
  readonly denials: DenialTable<Code>
  /** Whether this reader is for a rule. */
  reads(route: Route): boolean
  /** Whether it buffers request bodies under such a rule before they are forwarded. */
  holds(facts: Pick<Asking, 'policy' | 'route'>): boolean
  read(asking: Asking, ports: ReaderPorts): Asked<Op, Code> | Promise<Asked<Op, Code>>
  /** Details for explanations, beside kind and method. Names only, no other content of a body. */
  found?(operation: Op, held: HeldBody | undefined): Detail
  /** Members of the journal line. */
  journal?(operation: Op): Detail
}

/** Declares a reader. */
export function reader<Op extends AnyOperation, Code extends string>(
  row: Reader<Op, Code>,
): Reader<Op, Code> {
  return row
}
