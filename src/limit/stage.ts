import { type Admission, weigh } from '../core/admission.ts'
import { type Outcome, stage } from '../core/chain.ts'
import { type CodeOf, denials } from '../core/denial.ts'
import type { LineFacts } from '../core/model/facts.ts'
import {
  type Allowance,
  type Counted,
  type Exhausted,
  limitName,
  type RateLimit,
} from '../core/model/limit.ts'
import type { Limits } from '../core/model/ports.ts'
import type { AgentIdentity } from '../core/model/token.ts'
import { fail, ok, type Result } from '../core/result.ts'

const deny = denials({
  rate_limited: [
    'tooMany',
    'Too many requests on this route within its period or day',
    'Wait as long as Retry-After says, then go on more slowly',
  ],
  rate_limit_key_missing: [
    'forbidden',
    'This route counts requests by a client or workflow that the token does not name',
    'Get a token that was issued to a client, or for a workflow',
  ],
  rate_limit_unavailable: [
    'unavailable',
    'The request count of this route is not available at the moment',
    'Keep the token and try again after Retry-After',
  ],
})

interface Needs extends Pick<LineFacts, 'route' | 'access' | 'agent'> {
  readonly admission: Admission
}

export interface LimitPorts {
  readonly limits: Pick<Limits, 'take'>
}

export interface Limited {
  readonly rule: RateLimit
  readonly allowance: Allowance
}

export interface LimitFacts {
  /** Only where the rule has a limit and is not in shadow mode. */
  readonly limited: Limited | undefined
}

type Stays = Outcome<LimitFacts, CodeOf<typeof deny>>

/**
 * Checks the rule's rate limit and counts the request. Runs after all other checks of the request itself, so that
 * denied requests do not count. A request that is refused later still counts. In shadow mode it only checks.
 */
export const limit = stage({
  name: 'limit',
  establishes: 'the rule is within its rate limit, if it has one',
  without: ({ route }: Pick<Needs, 'route'>) =>
    route.rateLimit ? undefined : { limited: undefined },
  found: ({ limited }: LimitFacts) =>
    limited ? { per: limited.rule.per, limit: limited.rule.kind, ...limited.allowance } : {},
  denials: [deny],
  run(needs: Needs, { limits }: LimitPorts): Stays | Promise<Stays> {
    const { route, agent } = needs
    const { rateLimit: rule } = route
    if (!rule) return ok({ limited: undefined })
    const value = COUNTS[rule.per](agent)
    if (value === undefined) return fail(deny('rate_limit_key_missing', { per: rule.per }))
    const spends = route.mode !== 'shadow'
    const judge = (taken: Result<Allowance, Exhausted>): Stays => {
      const limited = spends
        ? { rule, allowance: taken.ok ? taken.value : taken.reason }
        : undefined
      if (taken.ok) return ok({ limited })
      const { retryAfter } = taken.reason
      const detail = { limit: rule.kind, per: rule.per, retry_after: retryAfter }
      return { ...fail(deny('rate_limited', detail, { retryAfter })), value: { limited } }
    }
    return nameOf(rule.per, value, needs)
      .then((name) => limits.take(rule, name, spends))
      .then(judge, (error) => fail(deny('rate_limit_unavailable', { error: String(error) })))
  },
})

const COUNTS: Readonly<Record<Counted, (agent: AgentIdentity) => string | undefined>> = {
  agent: ({ id }) => id,
  client: ({ clientId }) => clientId,
  workflow: ({ workflowId }) => workflowId,
  issuer: ({ issuer }) => issuer,
}

/** Estimated bytes of a name with its map entry. */
const NAME_BYTES = 256

/** The name, made once per admission. Its promise is not kept: it belongs to one request. */
const nameOf = async (
  per: Counted,
  value: string,
  { access: { issuer }, route, admission }: Needs,
): Promise<string> => {
  const known = admission.made.get(limit)
  if (typeof known === 'string') return known
  const name = await limitName({ issuer, per, value, route: route.name, host: route.host })
  admission.made.set(limit, name)
  weigh(admission, NAME_BYTES)
  return name
}
