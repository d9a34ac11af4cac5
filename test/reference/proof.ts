/** Proof of possession: DPoP (RFC 9449) and mutual TLS (RFC 8705). docs/possession.md */
import { createHash } from 'node:crypto'
import type { Asked } from './asked.ts'
import type { Credential } from './credential.ts'
import type { Issuer } from './issuer.ts'
import { algorithmOfKey, type Parts, readCompact, thumbprint, verify } from './jose.ts'
import { isObject } from './json.ts'
import type { Rule } from './rule.ts'
import type { Proof } from './singleUse.ts'
import { type Json, type JsonObject, type Request, refuse } from './types.ts'
import { presentSecond } from './values.ts'

/** How the sender has shown that the token is its own. */
export interface Possession {
  possession: 'bearer' | 'dpop' | 'mtls'
  /** The proof that is used up. */
  proof?: Proof
}

/** Algorithms of proofs. */
export const PROOF_ALGORITHMS = ['ES256', 'Ed25519', 'EdDSA', 'PS256', 'RS256', 'ES384']

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** The path with its escapes in one form. `undefined` if it has dot segments. */
function plainPath(path: string): string | undefined {
  const plain = path.replace(/%([0-9a-fA-F]{2})/g, (escaped, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16))
    return /[A-Za-z0-9\-._~]/.test(character) ? character : escaped.toUpperCase()
  })
  const hasDots = plain.split('/').some((segment) => segment === '.' || segment === '..')
  return hasDots ? undefined : plain || '/'
}

/** Scheme, host and port in one form, and the path. `undefined` if it is no URL of that kind. */
function readUrl(text: string): { origin: string; path: string } | undefined {
  const [, scheme, authority, path = ''] = /^(https?):\/\/([^/?#]+)([^?#]*)/i.exec(text) ?? []
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are what is refused.
  if (scheme === undefined || authority === undefined || /[\u0000-\u0020\u007f\\]/.test(text))
    return undefined
  if (authority.length > 259 || authority.includes('@')) return undefined
  const plain = plainPath(path)
  if (plain === undefined || !URL.canParse(`${scheme}://${authority}/`)) return undefined
  return { origin: new URL(`${scheme}://${authority}/`).origin, path: plain }
}

const isLoopback = (host: string) =>
  /(^|\.)localhost$/.test(host) || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)

/** The origin that `htu` must have for this request. */
function originOf({ policy, request }: Asked, rule: Rule | undefined): string {
  const others = [policy.gate.resource, ...policy.rules.map((each) => each.resource)]
  const resources = rule === undefined ? others : [rule.resource, ...others]
  const url = new URL(`${request.scheme}://${request.host ?? ''}/`)
  const ofHost = resources
    .map((text) => new URL(text))
    .find(({ hostname }) => hostname === url.hostname)
  if (ofHost !== undefined) return ofHost.origin
  return isLoopback(url.hostname) ? url.origin : `https://${url.hostname}`
}

/** Whether this is a proof at all: its form, its type and the members that it must have. */
function readProof(header: string): (Parts & { claims: JsonObject }) | undefined {
  if (header.length > 8192) return undefined
  const parts = readCompact(header)
  if (!parts?.claims) return undefined
  const { typ, crit } = parts.header
  const isProof = typeof typ === 'string' && /^(application\/)?dpop\+jwt$/i.test(typ)
  if (!isProof || crit !== undefined) return undefined
  const { jti, htm, htu, iat, ath } = parts.claims
  if (![jti, htm, htu, ath].every(isText) || typeof iat !== 'number') return undefined
  return { ...parts, claims: parts.claims }
}

/** Whether the header's `jwk` is one public key for the algorithm. */
function isKeyOfProof(jwk: Json | undefined, alg: string, parts: Parts): jwk is JsonObject {
  const isLong = parts.signed.indexOf('.') > 1500
  return isObject(jwk) && !isLong && algorithmOfKey(jwk, [alg]) !== undefined
}

function isInTime({ iat, exp, nbf }: JsonObject, { policy, request }: Asked): boolean {
  const now = presentSecond(request)
  const { proofMaxAge, proofMaxAhead } = policy.gate
  const hasBegun = (time: Json | undefined) =>
    typeof time === 'number' && time <= now + proofMaxAhead
  const isOver = exp !== undefined && !(typeof exp === 'number' && now < exp)
  const isFresh = hasBegun(iat) && now - Number(iat) <= proofMaxAge
  return isFresh && !isOver && (nbf === undefined || hasBegun(nbf))
}

/** With `dpop_nonce` a proof has a nonce of this gate. */
function checkNonce(nonce: Json | undefined, { policy, world }: Asked): void {
  if (!policy.gate.dpopNonce) return
  const otherwise = world.unavailable.signing ? 'unavailable' : 'invalid'
  const state = world.nonce?.(typeof nonce === 'string' ? nonce : undefined) ?? otherwise
  if (state === 'unavailable') refuse('nonce_unavailable')
  if (state === 'invalid') refuse('proof_nonce_required')
}

/** Checks the proof of a request, in the order of docs/possession.md. `key` is the thumbprint that the token is bound to. */
function checkProof(
  asked: Asked,
  rule: Rule | undefined,
  token: string,
  key: string | undefined,
): Possession {
  const { request } = asked
  const headers = request.headers.filter(([name]) => name.toLowerCase() === 'dpop')
  const [header] = headers
  if (header === undefined) refuse('proof_missing')
  const proof = headers.length === 1 ? readProof(header[1].trim()) : undefined
  if (!proof) refuse('proof_malformed')
  const { alg, jwk } = proof.header
  if (typeof alg !== 'string' || !PROOF_ALGORITHMS.includes(alg)) {
    refuse('proof_algorithm_forbidden')
  }
  if (!isKeyOfProof(jwk, alg, proof)) refuse('proof_key_invalid')
  if (!verify(proof, jwk, alg)) refuse('proof_signature_invalid')
  if (proof.claims.htm !== request.method) refuse('proof_method_mismatch')
  const url = readUrl(String(proof.claims.htu))
  const path = plainPath(request.target.split('?')[0] ?? '')
  if (!url || url.path !== path || url.origin !== originOf(asked, rule)) {
    refuse('proof_url_mismatch')
  }
  checkNonce(proof.claims.nonce, asked)
  if (!isInTime(proof.claims, asked)) refuse('proof_expired')
  const digest = createHash('sha256').update(token).digest('base64url')
  if (proof.claims.ath !== digest) refuse('proof_token_mismatch')
  const own = thumbprint(jwk) ?? ''
  if (own !== key) refuse('proof_key_mismatch')
  const use = JSON.stringify([own, proof.claims.jti, `${url.origin}${url.path}`])
  return { possession: 'dpop', proof: { use, issued: Number(proof.claims.iat) } }
}

/** The SHA-256 of a certificate in base64url, also if it is written in hex. */
function certificateHash(sha256: string | undefined): string | undefined {
  if (sha256 === undefined || !/^[0-9a-fA-F]{64}$/.test(sha256)) return sha256
  return Buffer.from(sha256, 'hex').toString('base64url')
}

function checkCertificate({ certificate }: Request, hash: Json | undefined): Possession {
  if (!certificate?.presented || !certificate.verified || certificate.revoked) {
    refuse('certificate_missing')
  }
  const isSame = typeof hash === 'string' && certificateHash(certificate.sha256) === hash
  return isSame ? { possession: 'mtls' } : refuse('certificate_mismatch')
}

/**
 * Checks that the sender has the key that the token is bound to, if it is bound to one. It does not look whether the proof
 * was used before.
 */
export function checkPossession(
  asked: Asked,
  rule: Rule | undefined,
  issuer: Issuer,
  { scheme, token, isElsewhere }: Credential,
  { cnf }: JsonObject,
): Possession {
  if (cnf === undefined) {
    if (scheme === 'DPoP') refuse('token_not_bound')
    const isRequired = [issuer, rule].some((each) => each?.possession === 'required')
    return isRequired ? refuse('possession_required') : { possession: 'bearer' }
  }
  if (isElsewhere) refuse('token_bound_elsewhere')
  const [member, ...others] = isObject(cnf) ? Object.keys(cnf) : []
  const value = isObject(cnf) && member !== undefined ? cnf[member] : undefined
  const isKnown = member === 'jkt' || member === 'jwk' || member === 'x5t#S256'
  if (!isKnown || others.length > 0) refuse('confirmation_unsupported')
  if (member === 'x5t#S256') {
    if (scheme === 'DPoP') refuse('token_not_bound')
    return checkCertificate(asked.request, value)
  }
  const isAgentic = issuer.profileName === 'agentic-jwt'
  const takesBearer = isAgentic && issuer.agenticForms.includes('bearer-proof')
  if (scheme === 'Bearer' && !takesBearer) refuse('token_bound')
  if (member === 'jkt') {
    return checkProof(asked, rule, token, typeof value === 'string' ? value : undefined)
  }
  const isKey = isObject(value) && algorithmOfKey(value, PROOF_ALGORITHMS) !== undefined
  return checkProof(asked, rule, token, isKey ? thumbprint(value) : undefined)
}
