import { type Outcome, stage } from '../core/chain.ts'
import { type CodeOf, type DenialTable, joined } from '../core/denial.ts'
import type { RevocationTerms } from '../core/model/revocation.ts'
import type { Route } from '../core/model/route.ts'
import { fail, ok } from '../core/result.ts'
import type { StandingCheck, StandingFacts, StandingPorts } from './checks/check.ts'
import { expired } from './checks/expired.ts'
import { revoked } from './checks/revoked.ts'

/** The checks of a token's status, in order of their denials. */
export const CHECKS = [revoked, expired] as const

export interface Needs extends StandingFacts {
  readonly route: Route
}

type Code = CodeOf<(typeof CHECKS)[number]['denials']>

export type Standing = Outcome<object, Code>

const checks: readonly Omit<StandingCheck<unknown, Code>, 'denials'>[] = CHECKS

/**
 * The token is valid by all CHECKS. The last wait before forwarding, as fresh as the rule requires;
 * an unavailable check denies.
 */
export const revocation = stage({
  name: 'revocation',
  establishes:
    'the token is not revoked, as of now or of the staleness that the rule allows, and has not expired meanwhile',
  found: ({ subjects }) => ({ asked: [...new Set(subjects.map(({ kind }) => kind))] }),
  get denials(): readonly DenialTable<Code>[] {
    const tables: readonly DenialTable<never>[] = CHECKS.map((one) => one.denials)
    return [joined(...tables) as DenialTable<Code>]
  },
  run: (needs: Needs, ports: StandingPorts): Standing | Promise<Standing> =>
    checkStanding(needs, ports, needs.route.revocation),
})

/**
 * Checks whether a token is valid now, as fresh as `terms`, else `strict`. Lookups run at once; all
 * checks decide at one time after the last. Returns a promise only if a lookup has to wait.
 */
export function checkStanding(
  facts: StandingFacts,
  ports: StandingPorts,
  terms?: RevocationTerms,
): Standing | Promise<Standing> {
  const answers: unknown[] = []
  let waits = false
  for (const check of checks) {
    const answer = asked(check, facts, ports, terms)
    waits ||= answer instanceof Promise
    answers.push(answer)
  }
  return waits
    ? Promise.all(answers).then((all) => judged(all, facts, ports))
    : judged(answers, facts, ports)
}

/** The error of a failed lookup. */
class Unanswered {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

/** The answer, a promise of it that never rejects, or an {@link Unanswered}. */
const asked = (
  check: (typeof checks)[number],
  facts: StandingFacts,
  ports: StandingPorts,
  terms: RevocationTerms | undefined,
): unknown => {
  try {
    const answer = check.ask?.(facts, ports, terms)
    return isThenable(answer)
      ? Promise.resolve(answer).then(undefined, (error) => new Unanswered(error))
      : answer
  } catch (error) {
    return new Unanswered(error)
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value

const judged = (
  answers: readonly unknown[],
  facts: StandingFacts,
  { clock }: StandingPorts,
): Standing => {
  const now = clock.now()
  for (let i = 0; i < checks.length; i++) {
    const check = checks[i] as (typeof checks)[number]
    const answer = answers[i]
    const denial =
      answer instanceof Unanswered ? unanswered(check, answer) : check.judge(answer, facts, now)
    if (denial) return fail(denial)
  }
  return ok({})
}

/** Throws if the check has no denial; then the stage denies. */
const unanswered = ({ unavailable }: (typeof checks)[number], { error }: Unanswered) => {
  if (!unavailable) throw error
  return unavailable(error)
}
