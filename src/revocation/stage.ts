import { type Outcome, stage } from '../core/chain.ts'
import { type CodeOf, type Denial, type DenialTable, joined } from '../core/denial.ts'
import type { LineFacts } from '../core/model/facts.ts'
import type { RevocationTerms } from '../core/model/revocation.ts'
import { fail, ok } from '../core/result.ts'
import type { StandingCheck, StandingFacts, StandingPorts } from './checks/check.ts'
import { expired } from './checks/expired.ts'
import { revoked } from './checks/revoked.ts'

/** The checks of a token's status, in order of their denials. */
export const CHECKS = [revoked, expired] as const

export type Needs = StandingFacts & Pick<LineFacts, 'route'>

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
  const judges: (Judge | Promise<Judge>)[] = []
  let waits = false
  for (const check of checks) {
    const judge = asked(check, facts, ports, terms)
    waits ||= judge instanceof Promise
    judges.push(judge)
  }
  const { clock } = ports
  return waits
    ? Promise.all(judges).then((all) => judged(all, clock.now()))
    : judged(judges as Judge[], clock.now())
}

/** Decides by the answer of a check's lookup. Throws for a failed one without a denial; then the stage denies. */
type Judge = (now: number) => Denial<Code> | undefined

/** Looks up. The promise never rejects. */
const asked = (
  check: (typeof checks)[number],
  facts: StandingFacts,
  ports: StandingPorts,
  terms: RevocationTerms | undefined,
): Judge | Promise<Judge> => {
  const answered =
    (answer: unknown): Judge =>
    (now) =>
      check.judge(answer, facts, now)
  const failed =
    (error: unknown): Judge =>
    () => {
      if (!check.unavailable) throw error
      return check.unavailable(error)
    }
  try {
    const answer = check.ask?.(facts, ports, terms)
    return isThenable(answer) ? Promise.resolve(answer).then(answered, failed) : answered(answer)
  } catch (error) {
    return failed(error)
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value

const judged = (judges: readonly Judge[], now: number): Standing => {
  for (const judge of judges) {
    const denial = judge(now)
    if (denial) return fail(denial)
  }
  return ok({})
}
