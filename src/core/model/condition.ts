import type { Admission } from '../admission.ts'
import type { JsonObject } from '../json.ts'
import type { RequestHead } from '../request.ts'
import type { Result } from '../result.ts'
import type { Connection } from './connection.ts'
import type { AccessToken, AgentIdentity } from './token.ts'

/** What a condition may look at. */
export interface ConditionFacts {
  /** What is made of the token alone is kept with it. */
  readonly admission: Admission
  readonly access: AccessToken
  readonly agent: AgentIdentity
  readonly request: RequestHead
  /** Lower-case, without port. */
  readonly host: string
  /** The canonical path. */
  readonly path: string
  /** With the leading `?`; empty without one. */
  readonly query: string
  /** Raw values of the path's parameters, still percent-encoded. */
  readonly params: ReadonlyMap<string, string>
  /** Of one call to an MCP server, for what judges such a call. */
  readonly arguments?: JsonObject | undefined
  /** The address of who sent it, where it is known. */
  readonly caller?: string | undefined
  readonly connection?: Connection | undefined
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Why there is no answer: a constant word for logs, without anything of the request or its token. */
export type ConditionFault = string

/** A part of a condition and what it comes to, for operators: may show claims. */
export interface Operand {
  readonly source: string
  /** Short; absent where it has none. */
  readonly value?: unknown
  /** Why it has none. */
  readonly error?: string
  /** Of a comparison, what stands on either side; literals are left out. */
  readonly sides?: readonly Operand[]
}

/** A compiled rule over token, request and time. Nothing of it throws or waits. */
export interface Condition {
  readonly source: string
  /** Names it may read, lower-case. */
  readonly headers: readonly string[]
  readonly query: readonly string[]
  /** Parameters of the path that it reads. */
  readonly params: readonly string[]
  /** Members of a call's arguments that it reads. */
  readonly arguments?: readonly string[]
  /** Names that it may look up inside of these, as far as it writes them out. */
  readonly members?: readonly string[]
  /** Steps that one evaluation comes to at most. */
  readonly steps: number
  evaluate(facts: ConditionFacts): Result<boolean, ConditionFault>
  /** The first operand that is not as it is wanted, or that `failed`: as it is written, cut short. */
  blamed(facts: ConditionFacts, failed: boolean): string | undefined
  /** Every operand of its `&&`, `||`, `!` and `?:`, each evaluated by itself. */
  operands(facts: ConditionFacts): readonly Operand[]
}
