/** What can end a token's standing: one file and one row of CHECKS each. */
import type { Denial, DenialTable } from '../../core/denial.ts'
import type { Policy } from '../../core/model/policy.ts'
import type { Clock, Revocations } from '../../core/model/ports.ts'
import type { RevocationSubject, RevocationTerms } from '../../core/model/revocation.ts'
import type { AccessToken, AgentIdentity } from '../../core/model/token.ts'

/** What standing is judged by: the token alone, nothing of the request. */
export interface StandingFacts {
  readonly policy: Policy
  readonly access: AccessToken
  readonly agent: AgentIdentity
  readonly subjects: readonly RevocationSubject[]
}

export interface StandingPorts {
  readonly clock: Clock
  readonly revocations: Revocations
}

/** One check of whether a token still stands: before it is forwarded, and while its stream or upload is open. */
export interface StandingCheck<Answer = unknown, Code extends string = string> {
  readonly denials: DenialTable<Code>
  /** Asks the world, as fresh as the terms say; without terms as `strict` asks. All checks ask at once. */
  ask?(
    facts: StandingFacts,
    ports: StandingPorts,
    terms: RevocationTerms | undefined,
  ): Answer | PromiseLike<Answer>
  /** The denial where `ask` throws or rejects; its answer is `unavailable`, and streams ask again for a while. */
  unavailable?(error: unknown): Denial<Code>
  /** Judges what was answered at `now`, in milliseconds. Waits for nothing. */
  judge(answer: Answer, facts: StandingFacts, now: number): Denial<Code> | undefined
}

/** Declares a check. */
export function standingCheck<Answer, Code extends string>(
  row: StandingCheck<Answer, Code>,
): StandingCheck<Answer, Code> {
  return row
}
