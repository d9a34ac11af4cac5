import type { Admission } from '../base/admission.ts'
import type { JsonObject } from '../base/json.ts'
import type { RequestHead } from '../base/request.ts'
import type { Result } from '../base/result.ts'
import type { Connection } from './connection.ts'
import type { AccessToken, AgentIdentity } from './token.ts'

/** The facts that a condition can read. */
export interface ConditionFacts {
  /** Caches values that depend on the token alone. */
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
  /** The arguments of one call to an MCP server, for conditions of such calls. */
  readonly arguments?: JsonObject | undefined
  /** The caller's network address, if known. */
  readonly caller?: string | undefined
  readonly connection?: Connection | undefined
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Why a condition has no result: a constant phrase for logs, without data of request or token. */
export type ConditionFault = string

/** A part of a condition and its value, for operators; it may show claims. */
export interface Operand {
  readonly source: string
  /** The value, truncated; absent where evaluation failed. */
  readonly value?: unknown
  /** Why evaluation failed. */
  readonly error?: string
  /** Both sides of a comparison, without literals. */
  readonly sides?: readonly Operand[]
}

/** A compiled condition over token, request and time. It never throws and never waits. */
export interface Condition {
  readonly source: string
  /** Header and query names that it may read; headers in lower case. */
  readonly headers: readonly string[]
  readonly query: readonly string[]
  /** Path parameters that it reads. */
  readonly params: readonly string[]
  /** Members of a call's arguments that it reads. */
  readonly arguments?: readonly string[]
  /** Names that it may read inside of those members, as far as they are literals. */
  readonly members?: readonly string[]
  /** Most steps of one evaluation. */
  readonly steps: number
  evaluate(facts: ConditionFacts): Result<boolean, ConditionFault>
  /** The source of the first operand that makes the condition false, or that `failed`; truncated. */
  blamed(facts: ConditionFacts, failed: boolean): string | undefined
  /** Each operand of `&&`, `||`, `!` and `?:`, evaluated on its own. */
  operands(facts: ConditionFacts): readonly Operand[]
}
