import { type Admission, weigh } from '../../base/admission.ts'
import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { LineFacts } from '../../model/facts.ts'
import {
  type Allowance,
  type Counted,
  type Exhausted,
  limitName,
  type RateLimit,
} from '../../model/limit.ts'
import type { Limits, Revocations } from '../../model/ports.ts'
import type { AgentIdentity } from '../../model/token.ts'

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
  readonly limits: Pick<Limits, 'take' | 'remembered'>
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
    const judge = (taken: Result<Allowance, Exhausted>): Stays =>
      taken.ok
        ? ok({ limited: spends ? { rule, allowance: taken.value } : undefined })
        : exceeded(rule, taken.reason, spends)
    return nameOf(rule.per, value, needs)
      .then((name) => limits.take(rule, name, spends))
      .then(judge, (error) => fail(deny('rate_limit_unavailable', { error: String(error) })))
  },
})

const exceeded = (rule: RateLimit, exhausted: Exhausted, isTold: boolean) => {
  const { retryAfter } = exhausted
  const detail = { limit: rule.kind, per: rule.per, retry_after: retryAfter }
  const limited = isTold ? { rule, allowance: exhausted } : undefined
  return { ...fail(deny('rate_limited', detail, { retryAfter })), value: { limited } }
}

/**
 * Refuses what the limit would refuse, as far as this isolate remembers, before a body is read or an object is asked.
 * Goes on where the set of revocations has any entry about the token, or does not answer: a later stage has the code.
 * Goes on with messages to MCP servers, since their refusals have the id of the message. Counts and allows nothing.
 */
export const limitPrecheck = stage({
  name: 'limit_precheck',
  establishes: 'this isolate remembers no refusal of the limit that still lasts',
  without: (needs: Pick<Needs, 'route'>) => (mayRefuseEarly(needs) ? undefined : {}),
  // The `limit` stage declares this code.
  denials: [],
  run(needs: Needs & Asked, ports: LimitPorts & Asking): Early | Promise<Early> {
    const { route, admission } = needs
    const name = admission.made.get(limit)
    if (!route.rateLimit || typeof name !== 'string' || !mayRefuseEarly(needs)) return ok({})
    const refused = ports.limits.remembered?.(route.rateLimit, name)
    if (!refused) return ok({})
    const denial = exceeded(route.rateLimit, refused.reason, true)
    return isUnmentioned(needs, ports)
      .catch(() => false)
      .then((may) => (may ? denial : ok({})))
  },
})

/** Whether the set of revocations has no entry about the token, by data at most as old as GATE allows. */
const isUnmentioned = async ({ policy, subjects }: Asked, { revocations }: Asking) => {
  const { maxStaleness } = policy.gate.revocation
  const entries = await revocations.lookup(subjects, { consistency: 'bounded', maxStaleness })
  return entries.length === 0
}

type Asked = Pick<LineFacts, 'policy' | 'subjects'>
type Asking = { readonly revocations: Revocations }
type Early = Outcome<object, CodeOf<typeof deny>>

const mayRefuseEarly = ({ route }: Pick<Needs, 'route'>): boolean =>
  route.rateLimit?.kind === 'exact' && route.mode !== 'shadow' && !route.mcp

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
