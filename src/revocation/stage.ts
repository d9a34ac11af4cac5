import { type Outcome, stage } from '../core/chain.ts'
import { type CodeOf, type DenialTable, joined } from '../core/denial.ts'
import type { RevocationTerms } from '../core/model/revocation.ts'
import type { Route } from '../core/model/route.ts'
import { fail, ok } from '../core/result.ts'
import type { StandingCheck, StandingFacts, StandingPorts } from './checks/check.ts'
import { expired } from './checks/expired.ts'
import { revoked } from './checks/revoked.ts'

/** What must hold of a token's standing, in the order of their denials. A new check is one row. */
export const CHECKS = [revoked, expired] as const

export interface Needs extends StandingFacts {
  readonly route: Route
}

type Code = CodeOf<(typeof CHECKS)[number]['denials']>

export type Standing = Outcome<object, Code>

const checks: readonly Omit<StandingCheck<unknown, Code>, 'denials'>[] = CHECKS

/**
 * The token still stands, by all checks of CHECKS. The last wait before a request is forwarded, as fresh as the rule
 * asks; what cannot be asked denies.
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
 * Whether a token stands now, as fresh as the terms say; without terms as `strict` asks. All checks ask at once, and
 * judge at one moment after the last answer. Gives no promise where nothing has to be waited for.
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

/** In place of an answer. */
class Unanswered {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

/** An answer, a promise of one that never rejects, or why there is none. */
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

/** Throws where the check has no denial for it: then the stage denies all the same. */
const unanswered = ({ unavailable }: (typeof checks)[number], { error }: Unanswered) => {
  if (!unavailable) throw error
  return unavailable(error)
}
