import type { Condition } from './condition.ts'

/** Who may approve: people with the scope `edgewarden:approve`, or the owners of the agent in the registry of agents. */
export const APPROVERS = ['operators', 'owners'] as const

/** That a person must approve each call. Times are milliseconds. */
export interface ApprovalRule {
  readonly by: (typeof APPROVERS)[number]
  /** From asking to the end of an approval. */
  readonly within: number
  /** How long a call is kept open for the decision; 0: not at all. */
  readonly hold: number
  /** No approval is needed where it is true. Where it cannot be evaluated, one is. */
  readonly unless?: Condition
  /** Paths in the arguments of an MCP call, or in the JSON body of another request, whose values the person is shown. */
  readonly shows?: readonly string[]
  /** Names of the headers that the approval is bound to, lower case. */
  readonly headers?: readonly string[]
}
