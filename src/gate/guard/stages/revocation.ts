import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, type DenialTable, denials, joined } from '../../base/denial.ts'
import { fail, ok, onceKnown } from '../../base/result.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { Limits } from '../../model/ports.ts'
import type { Revocation, RevocationTerms } from '../../model/revocation.ts'
import type { StandingCheck, StandingFacts, StandingPorts } from '../checks/check.ts'
import { expired } from '../checks/expired.ts'
import { revoked } from '../checks/revoked.ts'

/** The checks of a token's status, in order of their denials. */
export const CHECKS = [revoked, expired] as const

type Ports = StandingPorts & { readonly limits: Pick<Limits, 'take'> }
export type Needs = StandingFacts & Pick<LineFacts, 'route'>

const deny = denials({
  agent_throttled: [
    'tooMany',
    'The agent, or one that it acts with, is throttled for a while',
    'Wait as long as Retry-After says, then go on more slowly',
  ],
})

type Code = CodeOf<(typeof CHECKS)[number]['denials'] | typeof deny>

/**
 * `throttles`: entries that allow so many requests a minute. Only the stage counts requests; checks of open streams do
 * not.
 */
export type Standing = Outcome<{ readonly throttles?: readonly Revocation[] }, Code>

const checks: readonly Omit<StandingCheck<unknown, Code>, 'denials'>[] = CHECKS

/**
 * The token is valid by all CHECKS. The last wait before forwarding, as fresh as the rule requires;
 * an unavailable check denies.
 */
export const revocation = stage({
  name: 'revocation',
  establishes:
    'no revocation of the token is known, by data that is current or at most `max_staleness` old, and the token has not expired meanwhile; a throttled agent is within its limit',
  found: ({ subjects }) => ({ asked: [...new Set(subjects.map(({ kind }) => kind))] }),
  get denials(): readonly DenialTable<Code>[] {
    const tables: readonly DenialTable<never>[] = [...CHECKS.map((one) => one.denials), deny]
    return [joined(...tables) as DenialTable<Code>]
  },
  run(needs: Needs, ports: Ports): Standing | Promise<Standing> {
    const count = (standing: Standing) => {
      const { throttles = [] } = standing.ok ? standing.value : {}
      return throttles.length > 0 ? counted(throttles, needs, ports) : standing
    }
    return onceKnown(checkStanding(needs, ports, needs.route.revocation), count)
  },
})

const MINUTE = 60_000
/** The result while requests cannot be counted: a throttled agent is refused. */
const UNCOUNTED = fail({ retryAfter: 10 })

/** Counts a request of a throttled agent; then checks again, since that may have taken a while. */
const counted = async (
  throttles: readonly Revocation[],
  needs: Needs,
  ports: Ports,
): Promise<Standing> => {
  const { mode, revocation: terms } = needs.route
  for (const { id, limit = 1 } of throttles) {
    const quotas = { bucket: { limit, period: MINUTE } }
    const take = async () =>
      await ports.limits.take({ kind: 'exact', per: 'agent', quotas }, id, mode !== 'shadow')
    const taken = await take().catch(() => UNCOUNTED)
    if (taken.ok) continue
    const { retryAfter } = taken.reason
    return fail(deny('agent_throttled', { id, limit }, { retryAfter }))
  }
  return checkStanding(needs, ports, terms)
}

/**
 * Checks whether a token is valid now, as fresh as `terms`, else `strict`. Lookups run at once; all
 * checks decide at one time after the last. Returns a promise only if a lookup has to wait.
 */
export function checkStanding(
  facts: StandingFacts,
  ports: StandingPorts,
  terms?: RevocationTerms,
): Standing | Promise<Standing> {
  const lookups = checks.map((check) => lookUp(check, facts, ports, terms))
  const waits = lookups.some((one) => one instanceof Promise)
  return onceKnown(waits ? Promise.all(lookups) : (lookups as LookUp[]), (all) =>
    judged(all, facts, ports.clock.now()),
  )
}

/** The result of a check's lookup. */
type LookUp = { readonly answer: unknown } | { readonly error: unknown }

/** The promise never rejects. */
const lookUp = (
  check: (typeof checks)[number],
  facts: StandingFacts,
  ports: StandingPorts,
  terms: RevocationTerms | undefined,
): LookUp | Promise<LookUp> => {
  const failed = (error: unknown) => ({ error })
  try {
    const answer = check.ask?.(facts, ports, terms)
    return isThenable(answer)
      ? Promise.resolve(answer).then((answer) => ({ answer }), failed)
      : { answer }
  } catch (error) {
    return failed(error)
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value

/** Throws the error of a lookup for which the check has no denial; then the stage denies. */
const judged = (lookups: readonly LookUp[], facts: StandingFacts, now: number): Standing => {
  let throttles: readonly Revocation[] = []
  for (const [i, found] of lookups.entries()) {
    const check = checks[i] as (typeof checks)[number]
    if ('error' in found && !check.unavailable) throw found.error
    const said =
      'error' in found ? check.unavailable?.(found.error) : check.judge(found.answer, facts, now)
    if (said && 'code' in said) return fail(said)
    if (said) throttles = said
  }
  return ok(throttles.length > 0 ? { throttles } : {})
}
