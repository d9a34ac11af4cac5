import type { Outcome } from '../../chain.ts'
import type { Operation } from '../../model/operation.ts'
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

/** Whether the body of a request is read before it goes on: for an MCP server, and where the origin is told its digest. */
export function isHeld(asking: Pick<Asking, 'request' | 'policy' | 'route'>): boolean {
  return holds(asking) && asking.request.body !== undefined
}

/** Whether a rule has the bodies of requests read before they go on. */
export function holds({ policy, route }: Pick<Asking, 'policy' | 'route'>): boolean {
  return (
    route.mcp !== undefined ||
    (policy.gate.assertion?.binding === 'body' && !route.endpoint && route.mode !== 'shadow')
  )
}

export interface OperationFacts {
  readonly operation: Operation
  /** Read already: where the origin is to be told its digest, and where an MCP server stands behind the rule. */
  readonly held: HeldBody | undefined
}

/** What a reader of operations says. */
export type Asked<Code extends string> = Outcome<OperationFacts, Code>
