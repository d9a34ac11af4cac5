/** What a reader of operations is made of: one file and one row of READERS each. */
import type { Detail, Outcome } from '../../chain.ts'
import type { DenialTable } from '../../denial.ts'
import type { Sessions } from '../../model/mcp.ts'
import type { Policy } from '../../model/policy.ts'
import type { Route } from '../../model/route.ts'
import type { AgentIdentity } from '../../model/token.ts'
import type { RequestHead } from '../../request.ts'
import type { Room } from '../../room.ts'
import type { HeldBody } from '../body.ts'

/** What an operation is read from. */
export interface Asking {
  /** Without a `body` member there is only a head, as in an explanation: nothing is known of the body. */
  readonly request: RequestHead & { readonly body?: ReadableStream<Uint8Array> | null }
  readonly policy: Policy
  readonly route: Route
  readonly agent: AgentIdentity
  /** Opens the room of this request, which is left when it is decided. */
  readonly hold: (owner: string) => Room
}

export interface ReaderPorts {
  readonly sessions: Pick<Sessions, 'open'>
}

/** What every operation says of itself. */
export interface AnyOperation {
  /** Each reader has a kind of its own. */
  readonly kind: string
  /** Of HTTP. */
  readonly method: string
}

/** What a reader says. `held`: the body, where it was read. */
export type Asked<Op extends AnyOperation, Code extends string> = Outcome<
  { readonly operation: Op; readonly held: HeldBody | undefined },
  Code
>

/** Reads what is asked of one kind of server. */
export interface Reader<Op extends AnyOperation = AnyOperation, Code extends string = string> {
  readonly kind: Op['kind']
  readonly denials: DenialTable<Code>
  /** Whether such a server stands behind a rule. */
  reads(route: Route): boolean
  /** Whether bodies of requests under such a rule are read before they go on. */
  holds(facts: Pick<Asking, 'policy' | 'route'>): boolean
  read(asking: Asking, ports: ReaderPorts): Asked<Op, Code> | Promise<Asked<Op, Code>>
  /** What explanations show of an operation, beside its kind and method. Nothing that bodies say but names. */
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
