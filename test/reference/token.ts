/** The stages `credential` to `claims` of a token: header, issuer, key, times, audience, required claims. */
import { openEncrypted } from './encrypted.ts'
import { type Issuer, plainType } from './issuer.ts'
import { type Parts, plainAlgorithm, readCompact } from './jose.ts'
import { inexactMembers } from './json.ts'
import { claimIs, matchesWhole, readClaim } from './pattern.ts'
import type { Policy } from './policy.ts'
import type { Rule } from './rule.ts'
import { trustDomain } from './spiffe.ts'
import { type Json, type JsonObject, refuse, type World } from './types.ts'

/** A token that was read, and not verified yet. */
export interface Token {
  parts: Parts
  header: JsonObject
  claims: JsonObject
  /** The issuer whose key decrypted the token, if it was encrypted. */
  decryptedBy: Issuer | undefined
}

/** Algorithms that the gate knows. */
export const ALGORITHMS = [
  ...['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['Ed25519', 'EdDSA', 'ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'],
]

/** Members of a header that the gate refuses (SECURITY.md, "Tokens"). */
const FORBIDDEN = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c']

/** Types of other kinds of JWT, which are refused whatever `typ` of the issuer says. */
const OTHER_TYPES = [
  ...['aa-agent+jwt', 'aa-auth+jwt', 'aa-person+jwt', 'aa-resource+jwt', 'agent-assertion+jwt'],
  ...['client-authentication+jwt', 'dpop+jwt', 'dpop-nonce+jwt', 'entity-statement+jwt'],
  ...['jwk-set+jwt', 'logout+jwt', 'mcp-session+jwt', 'oauth-authz-req+jwt'],
  ...['oauth-client-attestation+jwt', 'oauth-client-attestation-pop+jwt', 'oauth-id-jag+jwt'],
  ...['secevent+jwt', 'statuslist+jwt', 'token-introspection+jwt', 'txntoken+jwt', 'wit+jwt'],
  'wpt+jwt',
]

/** Issuers whose tokens a rule accepts; without a rule, those whose tokens the gate's own endpoints accept. */
export function acceptedIssuers(policy: Policy, rule: Rule | undefined): Issuer[] {
  const all = Object.values(policy.issuers)
  if (rule === undefined) return all
  return all.filter(({ name, rules }) =>
    rule.issuers === undefined ? rules === true : rules !== false && rule.issuers.includes(name),
  )
}

/** Reads a token as it was sent: the rest of the stage `credential`. */
export function readToken(sent: string, accepted: Issuer[], world: World): Token {
  const isEncrypted = sent.split('.').length === 5
  const opened = isEncrypted ? openEncrypted(sent, accepted, world) : undefined
  const parts = readCompact(opened?.token ?? sent)
  if (parts?.claims === undefined) refuse('token_malformed')
  const { header, claims } = parts
  if (FORBIDDEN.some((name) => header[name] !== undefined)) refuse('header_forbidden')
  const { alg, typ, kid } = header
  if (typeof alg !== 'string' || !ALGORITHMS.includes(alg)) refuse('algorithm_forbidden')
  if (kid !== undefined && !isKid(kid)) refuse('token_malformed')
  // Only a JWT-SVID need not have `iss`.
  const isNamed = typeof claims.iss === 'string'
  if (!isNamed && !(claims.iss === undefined && trustDomain(claims.sub))) refuse('token_malformed')
  if (typ === undefined) return { parts, header, claims, decryptedBy: opened?.issuer }
  if (typeof typ !== 'string' || ['', 'absent'].includes(plainType(typ))) refuse('token_malformed')
  if (OTHER_TYPES.includes(plainType(typ))) refuse('type_forbidden')
  return { parts, header, claims, decryptedBy: opened?.issuer }
}

/** Whether a `kid` is 1 to 256 characters of visible ASCII. */
function isKid(kid: Json): boolean {
  return typeof kid === 'string' && /^[\x21-\x7e]{1,256}$/.test(kid)
}

/** The stage `issuer`. */
export function findIssuer(policy: Policy, token: Token, accepted: Issuer[]): Issuer {
  const issuer = issuerOf(policy, token.claims) ?? refuse('issuer_unknown')
  if (token.decryptedBy !== undefined && token.decryptedBy !== issuer) {
    refuse('encryption_issuer_mismatch')
  }
  if (!accepted.includes(issuer)) refuse('issuer_not_accepted')
  const alg = plainAlgorithm(token.header.alg as string)
  if (!issuer.algorithms.some((each) => plainAlgorithm(each) === alg)) {
    refuse('algorithm_not_accepted')
  }
  const typ = token.header.typ as string | undefined
  if (!issuer.typ.includes(typ === undefined ? 'absent' : plainType(typ))) {
    refuse('type_not_accepted')
  }
  return issuer
}

/** The issuer that a token names: by `iss`, or else by the trust domain of `sub`. */
function issuerOf(policy: Policy, claims: JsonObject): Issuer | undefined {
  const domain = trustDomain(claims.sub)
  const all = Object.values(policy.issuers)
  const named =
    all.find(({ issuer }) => issuer === claims.iss) ?? all.find(({ issuer }) => issuer === domain)
  // "A table of a trust domain never accepts a `sub` of another trust domain."
  return named?.profileName === 'spiffe' && named.issuer !== domain ? undefined : named
}

/** What the stage `claims` compares with. Times are in seconds, `now` in whole ones. */
export interface Demands {
  issuer: Issuer
  /** `undefined` at the gate's own endpoints. */
  rule: Rule | undefined
  resource: string
  now: number
  tolerance: number
}

/** Checks times, audience and required claims: the first part of the stage `claims`. */
export function checkClaims(claims: JsonObject, demands: Demands): void {
  checkTimes(claims, demands)
  checkAudience(claims, demands)
  const { issuer, rule } = demands
  const required = [...issuer.required, ...(rule?.singleUse ? ['jti'] : [])]
  for (const name of ['nonce', 'at_hash', 'c_hash']) {
    if (claims[name] !== undefined) refuse('id_token')
  }
  for (const name of required) if (!Object.hasOwn(claims, name)) refuse('claim_missing')
  const { clientRequired, clientId, distinctions } = issuer.profile
  const hasClient = clientId.some((path) => readClaim(claims, path) !== undefined)
  if (clientRequired && !hasClient) refuse('claim_missing')
  for (const distinction of distinctions) {
    if ('values' in distinction) {
      const value = claims[distinction.claim]
      if (!distinction.values.includes(value)) refuse('claim_rejected')
    } else {
      const value = claims[distinction.claim]
      const fits = typeof value === 'string' && matchesWhole(distinction.pattern, value)
      if (!fits) refuse('claim_rejected')
    }
  }
  for (const expected of [issuer.claims, rule?.claims ?? {}]) {
    for (const [path, value] of Object.entries(expected)) {
      if (!claimIs(claims, path, value)) refuse('claim_rejected')
    }
  }
}

/** When the token was issued, in seconds: `iat`, or `max_lifetime` before `exp` where `iat` may be missing. */
export function issuedAt(claims: JsonObject, issuer: Issuer): number {
  if (claims.iat === undefined) return (claims.exp as number) - issuer.maxLifetime
  return claims.iat as number
}

/** Whether a claim is an exact number. */
export function isTime(claims: JsonObject, name: string): boolean {
  return typeof claims[name] === 'number' && !inexactMembers(claims).has(name)
}

function checkTimes(claims: JsonObject, demands: Demands): void {
  const { issuer, rule, now, tolerance } = demands
  const mayLackIat = issuer.profile.iatMayBeMissing && claims.iat === undefined
  if (!isTime(claims, 'exp') || !(isTime(claims, 'iat') || mayLackIat)) refuse('time_malformed')
  if (claims.nbf !== undefined && !isTime(claims, 'nbf')) refuse('time_malformed')
  const exp = claims.exp as number
  if (now >= exp + tolerance) refuse('token_expired')
  if (claims.nbf !== undefined && (claims.nbf as number) > now + tolerance) {
    refuse('token_not_yet_valid')
  }
  const longest = Math.min(issuer.maxLifetime, rule?.maxLifetime ?? Infinity)
  const iat = issuedAt(claims, issuer)
  if (mayLackIat && iat > now) refuse('token_lifetime')
  if (iat > now + tolerance) refuse('token_issued_in_future')
  if (exp - iat > longest) refuse('token_lifetime')
}

function checkAudience(claims: JsonObject, demands: Demands): void {
  const { issuer, rule, resource } = demands
  const { aud } = claims
  const values = typeof aud === 'string' ? [aud] : Array.isArray(aud) ? aud : []
  if (issuer.profileName === 'cognito') {
    const accepted = rule?.audiences ?? issuer.audiences ?? []
    if (!accepted.includes(claims.client_id as string)) refuse('audience_mismatch')
    if (aud !== undefined && !names(values, [resource])) refuse('audience_mismatch')
    return
  }
  const configured = issuer.profile.readsAudiences
    ? (rule?.audiences ?? issuer.audiences)
    : undefined
  const accepted = configured ?? [resource]
  if (issuer.profile.oneAudience && values.length !== 1) refuse('audience_mismatch')
  if (!names(values, accepted)) refuse('audience_mismatch')
}

/** Whether all values are text, and one is accepted. A slash at the end of a URL without a path does not count. */
function names(values: Json[], accepted: string[]): boolean {
  const bare = (one: Json) => String(one).replace(/^(https?:\/\/[^/]+)\/$/, '$1')
  const isAccepted = (one: Json) => accepted.some((other) => bare(other) === bare(one))
  return values.every((one) => typeof one === 'string') && values.some(isAccepted)
}
