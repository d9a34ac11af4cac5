/** Checks that can end a token: each has its own file and a row in CHECKS. */

import type { Denial, DenialTable } from '../../base/denial.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { Clock, Revocations } from '../../model/ports.ts'
import type { Revocation, RevocationTerms } from '../../model/revocation.ts'
import type { Route } from '../../model/route.ts'

/** The facts of these checks: of the token only, not of the request. */
export interface StandingFacts
  extends Pick<LineFacts, 'policy' | 'access' | 'intent' | 'agent' | 'subjects'> {
  readonly route: Pick<Route, 'agents' | 'authentication' | 'endpoint'>
}

export interface StandingPorts {
  readonly clock: Clock
  readonly revocations: Revocations
}

/** A check that a token is still valid: before forwarding, and during streams and uploads. */
export interface StandingCheck<Answer = unknown, Code extends string = string> {
  readonly denials: DenialTable<Code>
  /** Starts the check's lookup, as fresh as `terms`, else `strict`. All checks start at once. */
  ask?(
    facts: StandingFacts,
    ports: StandingPorts,
    terms: RevocationTerms | undefined,
  ): Answer | PromiseLike<Answer>
  /** The denial if `ask` fails. With this member, a lookup that fails denies requests; streams retry for a while. */
  unavailable?(error: unknown): Denial<Code>
  /** Decides by the answer at `now`, in milliseconds: a denial, or entries that throttle. Synchronous. */
  judge(
    answer: Answer,
    facts: StandingFacts,
    now: number,
  ): Denial<Code> | readonly Revocation[] | undefined
}

/** Declares a check. */
export function standingCheck<Answer, Code extends string>(
  row: StandingCheck<Answer, Code>,
): StandingCheck<Answer, Code> {
  return row
}
