import { ALWAYS, type Within } from '../../base/admission.ts'
import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { own } from '../../base/json.ts'
import { fail, ok } from '../../base/result.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { Clock } from '../../model/ports.ts'
import type { AuthenticationRule } from '../../model/route.ts'
import type { AccessToken } from '../../model/token.ts'

const deny = denials({
  authentication_malformed: [
    'invalidToken',
    "The token's acr or auth_time is not well formed, or is in the future",
    'The authorization server must issue acr as text and auth_time as seconds (RFC 9068 §2.2.1)',
  ],
  authentication_insufficient: [
    'stepUp',
    'The user has to be authenticated more strongly or more recently',
    'Send the user to the authorization server with the acr_values and max_age of the challenge, then use the new token (RFC 9470)',
  ],
  user_missing: [
    'forbidden',
    'The route needs a user who was authenticated, and the token has none',
    'Call with a token that a user has authorized',
  ],
})

type Code = CodeOf<typeof deny>

type Needs = Pick<LineFacts, 'policy' | 'route' | 'access'>

/**
 * Checks how and when the user was authenticated (RFC 9470). An agent without a user is denied without a challenge,
 * since no new token could help. `acr` and `auth_time` are those of the token's subject, never of its actors.
 */
export const authentication = stage({
  name: 'authentication',
  establishes: 'the user was authenticated strongly and recently enough for the rule',
  found: ({ route, access }) => (route.authentication ? claimsOf(access) : {}),
  denials: [deny],
  run(
    { policy, route, access }: Needs,
    { clock }: { readonly clock: Clock },
  ): Outcome<object, Code> {
    const { authentication: rule } = route
    if (!rule) return ok({})
    const now = Math.floor(clock.now() / 1000)
    const { clockTolerance } = policy.gate
    const code = broken(rule, access, now, clockTolerance)
    if (!code) return { ...ok({}), within: withinOf(rule, access, clockTolerance) }
    const seen = { ...claimsOf(access), now }
    return fail(code === 'authentication_insufficient' ? deny(code, seen, rule) : deny(code, seen))
  },
})

/** What the token says of its user's authentication (RFC 9068 §2.2.1). */
const claimsOf = ({ claims }: AccessToken) => ({
  acr: own(claims, 'acr'),
  auth_time: own(claims, 'auth_time'),
})

const broken = (
  { acrValues, maxAge }: AuthenticationRule,
  access: AccessToken,
  now: number,
  tolerance: number,
): Code | undefined => {
  const { acr, auth_time: time } = claimsOf(access)
  if (acr === undefined && time === undefined && actsForNobody(access)) return 'user_missing'
  const isPast = time === undefined || (isSeconds(time) && time <= now + tolerance)
  if (!isPast || (acr !== undefined && typeof acr !== 'string')) return 'authentication_malformed'
  const isStrong = !acrValues || acrValues.some((one) => one === acr)
  const isRecent = maxAge === undefined || (time !== undefined && now - time <= maxAge + tolerance)
  return isStrong && isRecent ? undefined : 'authentication_insufficient'
}

/** The time span in which an accepted authentication stays recent enough. */
const withinOf = (
  { maxAge = Number.POSITIVE_INFINITY }: AuthenticationRule,
  access: AccessToken,
  tolerance: number,
): Within => {
  const { auth_time: time } = claimsOf(access)
  return isSeconds(time)
    ? { first: Math.ceil(time - tolerance), last: Math.floor(time + maxAge + tolerance) }
    : ALWAYS
}

const isSeconds = (value: unknown): value is number => Number.isFinite(value)

/** Whether a token has no user: its `sub` is then the client (RFC 9068 §2.2); Auth0 appends `@clients`. */
const actsForNobody = ({ subject, clientId }: AccessToken): boolean =>
  subject === undefined ||
  (clientId !== undefined && (subject === clientId || subject === `${clientId}@clients`))
