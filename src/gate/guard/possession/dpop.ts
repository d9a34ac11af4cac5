import { type CryptoKey, calculateJwkThumbprint, importJWK } from 'jose'
import { sha256Name } from '../../base/bytes.ts'
import { type CodeOf, type Denial, denials } from '../../base/denial.ts'
import { isObject, type JsonObject, own, ownText } from '../../base/json.ts'
import { decodeJwsPart, decodeSplitPart, mediaType, splitJws } from '../../base/jws.ts'
import { LIMITS } from '../../base/limits.ts'
import { createTextMemo, perObject } from '../../base/memo.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { canonicalPath, isLoopback, parseUrl } from '../../base/url.ts'
import { type Algorithm, algorithmOf } from '../../model/issuer.ts'
import { isSigned, publicKeyOf } from '../../model/jwk.ts'
import { partsOf } from '../../model/well-known.ts'
import { method, type ProofFacts, type ProofPorts } from './method.ts'

const again = 'Make a new proof for each request, with the key that the token is bound to'

const deny = denials({
  proof_missing: [
    'invalidProof',
    'The token is bound to a key, and no proof was sent',
    'Send a DPoP header with a proof for this request',
  ],
  proof_malformed: [
    'invalidProof',
    'The DPoP header is not one well-formed proof',
    'Send one DPoP header with one proof as RFC 9449 §4.2 defines it, with ath',
  ],
  proof_algorithm_forbidden: [
    'invalidProof',
    'The proof is not signed with an algorithm that is accepted here',
    'Sign the proof with one of the algorithms that the challenge names',
  ],
  proof_key_invalid: [
    'invalidProof',
    "The proof's jwk is not one public key for its algorithm",
    'Put the public key alone into the proof; an RSA key needs 2048 bits',
  ],
  proof_signature_invalid: [
    'invalidProof',
    "The proof's signature does not verify with its own key",
    again,
  ],
  proof_method_mismatch: [
    'invalidProof',
    'The proof is for another method',
    'Put the method of the request into htm, in the same case',
  ],
  proof_url_mismatch: [
    'invalidProof',
    'The proof is for another URL',
    'Put the URL of the request into htu, without query and fragment, with the host that the metadata names',
  ],
  proof_nonce_required: [
    'useNonce',
    'The proof has no nonce of this gate, or an old one',
    'Make a new proof with the nonce of the DPoP-Nonce header',
  ],
  nonce_unavailable: [
    'unavailable',
    "The proof's nonce cannot be checked at the moment",
    'Keep the token and try again after Retry-After',
  ],
  proof_expired: [
    'invalidProof',
    'The proof is too old, or was made in the future',
    'Make a new proof for each request; the clock of the client may be wrong',
  ],
  proof_token_mismatch: [
    'invalidProof',
    'The proof is for another token',
    'Put the SHA-256 of the token, in base64url, into ath',
  ],
  proof_key_mismatch: ['invalidProof', 'The token is bound to another key', again],
})

type Code = CodeOf<typeof deny>

/**
 * Algorithms of proofs, as challenges and metadata name them. ML-DSA and ES512 are left out: a stranger must not cause
 * the cost of verifying them.
 */
export const PROOF_ALGORITHMS = ['ES256', 'Ed25519', 'EdDSA', 'PS256', 'RS256', 'ES384'] as const

/** The key of a proof, as its header names it. */
interface ProofKey {
  readonly algorithm: Algorithm
  readonly jkt: string
  readonly key: CryptoKey
}

/** Keys of accepted proofs, by the header of the proof. A remembered key does not make a later proof valid. */
const keys = createTextMemo<ProofKey>(LIMITS.proofHeaderLength)

/** Reads the header of a proof: its key, and the algorithm of its signature. */
const readKey = async (header: string): Promise<Result<ProofKey, Code>> => {
  if (header.length > LIMITS.proofHeaderLength) return fail('proof_key_invalid')
  const head = decodeJwsPart(header) ?? {}
  const [typ, alg, jwk] = ['typ', 'alg', 'jwk'].map((name) => own(head, name))
  if (typeof typ !== 'string' || mediaType(typ) !== 'dpop+jwt' || Object.hasOwn(head, 'crit')) {
    return fail('proof_malformed')
  }
  const algorithm = algorithmOf(PROOF_ALGORITHMS.find((one) => one === alg))
  if (!algorithm) return fail('proof_algorithm_forbidden')
  const publicKey = isObject(jwk) ? publicKeyOf(jwk, [algorithm]) : undefined
  const key = publicKey && (await importJWK({ ...publicKey.jwk }, algorithm).catch(() => undefined))
  return key
    ? ok({ algorithm, jkt: await calculateJwkThumbprint(publicKey.jwk), key: key as CryptoKey })
    : fail('proof_key_invalid')
}

/** The length of the host is bounded: a URL parser takes milliseconds for a long host with characters beyond ASCII. */
const HTU = /^([a-z][a-z0-9+.-]*:\/\/[^/?#\\@\s]{1,259})([^?#]*)/i

/** Whether `htu`, without query and fragment, is this URL in normal form (RFC 3986 §6.2.2). Refuses dot segments. */
const isForUrl = (htu: string, url: string): boolean => {
  if (htu === url) return true
  const [, origin = '', path = ''] = HTU.exec(htu) ?? []
  const canonical = canonicalPath(path || '/')
  return canonical.ok && parseUrl(origin)?.origin + canonical.value === url
}

/** The origin of each resource by its hostname. If two resources have the same hostname, the origin of the first. */
const originsBy = perObject(({ gate, resources }: ProofFacts['policy']) => {
  const urls = [gate.resource, ...resources.keys()].map((one) => new URL(one)).reverse()
  return new Map(urls.map(({ hostname, origin }) => [hostname, origin]))
})

const resourceOf = perObject(({ resource }: ProofFacts['route']) => partsOf(new URL(resource)))

/**
 * The URL of the request in normal form, without query. Scheme, host and port are those of the resource that has the
 * request's host: the rule's resource, or another one. `Host` gives a port only on loopback.
 */
const urlOf = ({ address, route, policy }: ProofFacts): string => {
  const { host, scheme, authority, path } = address
  const { hostname, origin } = resourceOf(route)
  const named = hostname === host ? origin : originsBy(policy).get(host)
  if (named !== undefined) return named + path
  return (isLoopback(host) ? new URL(`${scheme}://${authority}`).origin : `https://${host}`) + path
}

/** Checks the nonce of a proof (RFC 9449 §9); the value is the nonce for the answer, if the client needs one. */
const judgeNonce = async (
  nonce: unknown,
  resource: string,
  nonces: ProofPorts['nonces'],
): Promise<Result<string | undefined, Denial<Code>>> => {
  try {
    if (!nonces) throw new Error('there are no keys for nonces')
    const { isGood, next } =
      typeof nonce === 'string' ? await nonces.check(nonce, resource) : { isGood: false }
    if (isGood) return ok(next)
    return fail(deny('proof_nonce_required', undefined, { nonce: await nonces.issue(resource) }))
  } catch (error) {
    return fail(deny('nonce_unavailable', { error: String(error) }))
  }
}

/** Every check of RFC 9449 §4.3. `bound`: the thumbprint of the token's key. */
const verify = async (
  bound: string | undefined,
  facts: ProofFacts,
  { clock, nonces }: ProofPorts,
) => {
  const { request, policy, credential, remembered } = facts
  const compact = request.headers.get('dpop')
  if (compact === null) return fail(deny('proof_missing'))
  // Fetch joins several headers by a comma, which a JWT cannot contain.
  const parts = compact.length <= LIMITS.proofLength ? splitJws(compact) : undefined
  const claims = parts && decodeSplitPart(parts.payload)
  if (!claims) return fail(deny('proof_malformed'))
  const jti = ownText(claims, 'jti')
  const htm = ownText(claims, 'htm')
  const htu = ownText(claims, 'htu')
  const ath = ownText(claims, 'ath')
  const iat = own(claims, 'iat')
  const exp = own(claims, 'exp')
  const nbf = own(claims, 'nbf')
  if (!jti || !htm || !htu || !ath || typeof iat !== 'number') return fail(deny('proof_malformed'))
  const { header } = parts
  const known = keys.get(header)
  const read = known ? ok(known) : await readKey(header)
  if (!read.ok) return fail(deny(read.reason))
  const { algorithm, key, jkt } = read.value
  if (!(await isSigned(compact, algorithm, key))) return fail(deny('proof_signature_invalid'))
  if (htm !== request.method) return fail(deny('proof_method_mismatch', { htm }))
  const url = urlOf(facts)
  if (!isForUrl(htu, url)) return fail(deny('proof_url_mismatch', { htu, expected: url }))
  const next = policy.gate.dpopNonce
    ? await judgeNonce(own(claims, 'nonce'), policy.gate.resource, nonces)
    : ok(undefined)
  if (!next.ok) return next
  const now = Math.floor(clock.now() / 1000)
  const { proofMaxAge, proofMaxAhead } = policy.gate
  const hasBegun = (time: unknown) => typeof time === 'number' && time <= now + proofMaxAhead
  const isFresh = hasBegun(iat) && iat >= now - proofMaxAge
  const hasEnded = exp !== undefined && !(typeof exp === 'number' && exp > now)
  if (!isFresh || hasEnded || !(nbf === undefined || hasBegun(nbf))) {
    return fail(deny('proof_expired', { iat, exp, nbf, now }))
  }
  const digest = remembered?.ath ?? (await sha256Name(credential.token))
  if (remembered) remembered.ath = digest
  if (ath !== digest) return fail(deny('proof_token_mismatch'))
  if (jkt !== bound) return fail(deny('proof_key_mismatch', { jkt, bound }))
  if (!known) keys.keep(header, read.value)
  // Another gate at the same store, or this gate's next deployment, may accept the proof for longer.
  const expires = Math.ceil(iat + proofMaxAge) + LIMITS.lateTokenSeconds
  return ok({ nonce: next.value, proof: { jkt, jti, htu: url, expires } })
}

const row = {
  name: 'dpop',
  scheme: 'DPoP',
  denials: [deny],
} as const

/** DPoP (RFC 9449): each request has a proof, signed with the key whose thumbprint is in the token. */
export const dpop = method({
  ...row,
  member: 'jkt',
  verify: (jkt, facts, ports) => verify(typeof jkt === 'string' ? jkt : undefined, facts, ports),
  challenge: (common) => [...common, ['algs', PROOF_ALGORITHMS.join(' ')]],
  metadata: { dpop_signing_alg_values_supported: PROOF_ALGORITHMS },
})

/** The same proof, for a token that has the key itself (RFC 7800 §3.2), as Agentic JWT does. */
export const dpopOfJwk = method({
  ...row,
  member: 'jwk',
  async verify(jwk, facts, ports) {
    const key = isObject(jwk) ? publicKeyOf(jwk as JsonObject, BOUND) : undefined
    return verify(key && (await calculateJwkThumbprint(key.jwk)), facts, ports)
  },
})

/** Algorithms of the keys that a token may be bound to by `jwk`. */
export const BOUND = PROOF_ALGORITHMS.flatMap((name) => algorithmOf(name) ?? [])
