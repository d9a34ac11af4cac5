import { type Outcome, stage } from '../core/chain.ts'
import { type CodeOf, type Denial, type DenialTable, denials, joined } from '../core/denial.ts'
import type { LineFacts } from '../core/model/facts.ts'
import type { Limits } from '../core/model/ports.ts'
import type { Revocation, RevocationTerms } from '../core/model/revocation.ts'
import { fail, ok } from '../core/result.ts'
import type { StandingCheck, StandingFacts, StandingPorts } from './checks/check.ts'
import { expired } from './checks/expired.ts'
import { revoked } from './checks/revoked.ts'

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

/** `throttles`: entries that allow so many requests a minute. Only the stage counts. */
export type Standing = Outcome<{ readonly throttles?: readonly Revocation[] }, Code>

const checks: readonly Omit<StandingCheck<unknown, Code>, 'denials'>[] = CHECKS

/**
 * The token is valid by all CHECKS. The last wait before forwarding, as fresh as the rule requires;
 * an unavailable check denies.
 */
export const revocation = stage({
  name: 'revocation',
  establishes:
    'the token is not revoked, as of now or of at most `max_staleness` ago, and has not expired meanwhile; its agent is within its throttle, if it has one',
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
    const standing = checkStanding(needs, ports, needs.route.revocation)
    return standing instanceof Promise ? standing.then(count) : count(standing)
  },
})

const MINUTE = 60_000
/** Where nobody counts, a throttled agent is refused. */
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
type Judge = (now: number) => Denial<Code> | readonly Revocation[] | undefined

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
  let throttles: readonly Revocation[] = []
  for (const judge of judges) {
    const said = judge(now)
    if (said && 'code' in said) return fail(said)
    if (said) throttles = said
  }
  return ok(throttles.length > 0 ? { throttles } : {})
}
