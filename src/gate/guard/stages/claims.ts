import type { Within } from '../../base/admission.ts'
import { type Detail, type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { type JsonObject, own } from '../../base/json.ts'
import { fail, ok } from '../../base/result.ts'
import { isIdentityText } from '../../base/text.ts'
import { acceptedAudiences, isForRoute } from '../../model/audience.ts'
import { claimHeaderValue, claimPathText, firstPresent, readClaim } from '../../model/claims.ts'
import type { LineFacts } from '../../model/facts.ts'
import type { Issuer } from '../../model/issuer.ts'
import type { Clock } from '../../model/ports.ts'
import { longestLife, type Route } from '../../model/route.ts'
import { grantsByScope, grantsFor, readScopes } from '../../model/scope.ts'
import type { AccessToken, VerifiedToken } from '../../model/token.ts'

const renew = 'Get a new token from the authorization server'

const deny = denials({
  time_malformed: [
    'invalidToken',
    "The token's exp, iat or nbf is missing or not a number of seconds",
    'The authorization server must issue tokens with numeric exp and iat',
  ],
  token_expired: ['invalidToken', 'The token has expired', renew],
  token_not_yet_valid: [
    'invalidToken',
    'The token is not valid yet',
    "Wait until the token's nbf, or check the authorization server's clock",
  ],
  token_issued_in_future: [
    'invalidToken',
    'The token was issued in the future',
    "The authorization server's clock is ahead; try again in a moment",
  ],
  token_lifetime: [
    'invalidToken',
    "The token's lifetime is longer than is accepted here",
    'Ask the authorization server for a token with a shorter lifetime',
  ],
  audience_mismatch: [
    'invalidToken',
    'The token is for another resource',
    'Request a token for this resource (RFC 8707 resource indicator); the metadata names it',
  ],
  claim_missing: [
    'invalidToken',
    'The token lacks a claim that the policy requires for its issuer or for this route',
    'The authorization server must put the claims of its profile (RFC 9068 §2.2) into the token',
  ],
  id_token: [
    'invalidToken',
    'The token looks like an ID token',
    'Send the access token instead of the ID token',
  ],
  claim_malformed: [
    'invalidToken',
    'An identity or scope claim of the token is not well formed',
    'The authorization server must issue non-empty text without control characters, and scopes as RFC 6749 §3.3 defines them',
  ],
  claim_not_encodable: [
    'invalidToken',
    'A claim of the token cannot be sent to the origin in a header',
    'Request a token whose claims are short text',
  ],
  claim_rejected: [
    'invalidToken',
    'A claim of the token does not have the value that the policy requires',
    'Request a token whose claims match the policy of this resource',
  ],
})

type Code = CodeOf<typeof deny>

type Needs = Pick<LineFacts, 'policy' | 'route' | 'issuer' | 'token'>

interface Judged extends Needs {
  readonly claims: JsonObject
  /** Seconds since the epoch. */
  readonly now: number
  readonly tolerance: number
  readonly exp: number
  readonly iat: number
  readonly nbf: number
}

/** `seen`: details of the denial, in addition to the times. */
type Rule = readonly [
  code: Code,
  holds: (judged: Judged) => boolean,
  seen?: (judged: Judged) => Detail,
]

/** The rule that a token has none of these claims. */
const noneOf = (code: Code, find: (judged: Judged) => readonly string[]): Rule => [
  code,
  (judged) => find(judged).length === 0,
  (judged) => ({ claims: find(judged) }),
]

/** A single-use token is identified by its `jti`, so the claim is then required. */
const requiredOf = ({ requiredClaims: all }: Issuer, { singleUse }: Route): readonly string[] =>
  singleUse && !all.includes('jti') ? [...all, 'jti'] : all

/** The claims that a token must have on a rule, and lacks. */
export function missingClaims({
  claims,
  issuer,
  route,
}: Pick<Judged, 'claims' | 'issuer' | 'route'>): readonly string[] {
  const missing = requiredOf(issuer, route).filter((name) => !Object.hasOwn(claims, name))
  return issuer.clientRequired && firstPresent(claims, issuer.clientId) === undefined
    ? [...new Set([...missing, issuer.clientId.map(claimPathText).join(' or ')])]
    : missing
}

/** Paths of rejected claims, without their values, which may be secret. */
const rejectedClaims = ({ claims, issuer, route }: Judged): readonly string[] =>
  [...issuer.claims, ...route.claims]
    .filter(({ path, accepts }) => !accepts(readClaim(claims, path)))
    .map(({ path }) => claimPathText(path))

/** Paths of claims that should be sent in headers, but whose values do not fit into one. */
const unfitClaims = ({ claims, policy, route }: Judged): readonly string[] =>
  [...policy.gate.identityHeaders, ...route.forwardClaims]
    .filter((header) => claimHeaderValue(claims, header) === null)
    .map(({ path }) => claimPathText(path))

/** Claims that only ID tokens have (OpenID Connect Core §2, §3.1.3.6). */
const ID_TOKEN_CLAIMS = ['nonce', 'at_hash', 'c_hash'] as const

/** The checks of every verified token, in order (RFC 7519 §4.1, RFC 9068 §4). */
const RULES: readonly Rule[] = [
  ['time_malformed', ({ exp, iat, nbf }) => [exp, iat, nbf].every(Number.isFinite)],
  ['token_expired', ({ exp, now, tolerance }) => exp > now - tolerance],
  ['token_not_yet_valid', ({ nbf, now, tolerance }) => nbf <= now + tolerance],
  ['token_issued_in_future', ({ iat, now, tolerance }) => iat <= now + tolerance],
  [
    'token_lifetime',
    (judged) => judged.exp - judged.iat <= longestLife(judged.issuer, judged.route),
    (judged) => ({ max_lifetime: longestLife(judged.issuer, judged.route) }),
  ],
  [
    'audience_mismatch',
    ({ claims, issuer, route }) => isForRoute(claims, issuer, route),
    ({ claims, issuer, route }) => ({
      accepted: acceptedAudiences(issuer, route),
      ...(issuer.audienceClaim === 'client_id' && {
        client_id: own(claims, 'client_id'),
        resource: route.resource,
      }),
    }),
  ],
  ['id_token', ({ claims }) => !ID_TOKEN_CLAIMS.some((name) => Object.hasOwn(claims, name))],
  noneOf('claim_missing', missingClaims),
  noneOf('claim_rejected', rejectedClaims),
  noneOf('claim_not_encodable', unfitClaims),
]

/**
 * Checks that the token is an access token for this resource, is currently valid, and has the claims that its issuer's
 * entry requires. Does not check `cnf`, `act`, revocation, or scopes against the rule.
 */
export const claims = stage({
  name: 'claims',
  establishes:
    "the token is for this resource, is currently valid, within the maximum lifetime, and has the claims that its issuer's entry requires",
  found: ({ access: { claims, issuedAt, expires, scopes, granted } }) => ({
    aud: own(claims, 'aud'),
    iat: issuedAt,
    exp: expires,
    scopes,
    granted_by: granted && grantsByScope(granted),
  }),
  denials: [deny],
  run(needs: Needs, { clock }: { readonly clock: Clock }): Outcome<{ access: AccessToken }, Code> {
    const { policy, token } = needs
    const { claims } = token
    const now = Math.floor(clock.now() / 1000)
    const judged: Judged = {
      ...needs,
      claims,
      now,
      tolerance: policy.gate.clockTolerance,
      exp: timeClaim(claims, 'exp', Number.NaN),
      iat: issuedAt(token, now),
      nbf: timeClaim(claims, 'nbf', 0),
    }
    const broken = RULES.find(([, holds]) => !holds(judged))
    if (broken) {
      const [code, , seen] = broken
      const { tolerance } = judged
      const [exp, iat, nbf, aud] = ['exp', 'iat', 'nbf', 'aud'].map((name) => own(claims, name))
      const denial = deny(code, { exp, iat, nbf, now, tolerance, aud, ...seen?.(judged) })
      const hint = code === 'audience_mismatch' ? needs.issuer.audienceHint : undefined
      return fail(hint === undefined ? denial : { ...denial, hint })
    }
    const access = accessOf(token)
    return access ? { ...ok({ access }), within: withinOf(judged) } : fail(deny('claim_malformed'))
  },
})

/** The time span in which an accepted token is valid. */
const withinOf = ({ exp, iat, nbf, tolerance }: Judged): Within => ({
  first: Math.ceil(Math.max(nbf, iat) - tolerance),
  last: Math.ceil(exp + tolerance) - 1,
})

/** Reads the claims of a verified token; `undefined` where one is malformed. Checks none of them. */
export function accessOf(token: VerifiedToken): AccessToken | undefined {
  const { claims, issuer, key } = token
  const subject = identityOf(own(claims, 'sub'))
  const clientId = identityOf(firstPresent(claims, issuer.clientId))
  const id = identityOf(own(claims, 'jti'))
  const session = identityOf(readClaim(claims, issuer.sessionId))
  const granted = grantsFor(claims, issuer.grants)
  const scopes = readScopes(claims, issuer, granted)
  if (subject === null || clientId === null || id === null || session === null || !scopes) {
    return undefined
  }
  return Object.freeze({
    claims,
    issuer: issuer.issuer,
    entry: issuer,
    issuedAt: issuedAt(token),
    expires: timeClaim(claims, 'exp', Number.NaN),
    scopes,
    ...(granted.length > 0 && { granted: Object.freeze(granted) }),
    ...(key.kid !== undefined && { kid: key.kid }),
    ...(subject !== undefined && { subject }),
    ...(clientId !== undefined && { clientId }),
    ...(id !== undefined && { id }),
    ...(session !== undefined && { session }),
  })
}

/**
 * When a token was issued. A JWT-SVID need not have `iat`. Without it the token counts as issued as early as its
 * lifetime allows, so that a revocation of older tokens covers it, but before `latest`.
 */
const issuedAt = (
  { claims, issuer: { trustDomain, maxLifetime } }: VerifiedToken,
  latest = Number.POSITIVE_INFINITY,
): number => {
  const earliest = Math.min(timeClaim(claims, 'exp', Number.NaN) - maxLifetime, latest)
  return timeClaim(claims, 'iat', trustDomain ? earliest : Number.NaN)
}

/** A time in seconds; `absent` where the claim is missing, `NaN` if it is not a number. */
const timeClaim = (claims: JsonObject, name: string, absent: number): number => {
  const value = own(claims, name)
  return value === undefined ? absent : typeof value === 'number' ? value : Number.NaN
}

/** The text of an identity claim; `null` where the claim is present but malformed. */
const identityOf = (value: unknown): string | undefined | null =>
  value === undefined ? undefined : isIdentityText(value) ? value : null
