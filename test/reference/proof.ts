/** Proof of possession: DPoP (RFC 9449) and mutual TLS (RFC 8705). docs/possession.md */
import { createHash } from 'node:crypto'
import { algorithmOfKey, type Parts, readCompact, thumbprint, verify } from './jose.ts'
import { isObject } from './json.ts'
import type { Json, JsonObject, Request } from './types.ts'
import { presentSecond } from './values.ts'

/** What the gate knows when it checks possession. */
export interface PossessionCase {
  request: Request
  /** The scheme of `Authorization`. */
  scheme: 'Bearer' | 'DPoP'
  /** The token as it was sent. */
  token: string
  /** The token's claim `cnf`; `undefined` if it is absent. */
  cnf: Json | undefined
  /** Whether the rule or the issuer has `possession = "required"`. */
  required: boolean
  /** Whether the issuer's `agentic_forms` have `bearer-proof`. */
  bearerProof: boolean
  /** `GATE.proof_max_age` and `GATE.proof_max_ahead`, in seconds. */
  maxAge: number
  maxAhead: number
  /** The rule's `resource`, and every other one of the policy: GATE's first. */
  resources: string[]
  /** With `GATE.dpop_nonce`: says of a nonce (or of none) whether it is from this gate and still valid. */
  nonce?: (nonce: string | undefined) => 'valid' | 'invalid' | 'unavailable'
}

/** What the check found. */
export type Possession =
  | { ok: true; method?: undefined }
  | { ok: true; method: 'mtls' }
  /** `use` is the key of `World.usedProofs`; `thumbprint` is the key's. */
  | { ok: true; method: 'dpop'; thumbprint: string; use: string; issued: number }
  | { ok: false; code: string }

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
function originOf({ request, resources }: PossessionCase): string {
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

function isInTime({ iat, exp, nbf }: JsonObject, possession: PossessionCase): boolean {
  const now = presentSecond(possession.request)
  const hasBegun = (time: Json | undefined) =>
    typeof time === 'number' && time <= now + possession.maxAhead
  const isOver = exp !== undefined && !(typeof exp === 'number' && now < exp)
  const isFresh = hasBegun(iat) && now - Number(iat) <= possession.maxAge
  return isFresh && !isOver && (nbf === undefined || hasBegun(nbf))
}

function checkNonce(nonce: Json | undefined, possession: PossessionCase): string | undefined {
  const state = possession.nonce?.(typeof nonce === 'string' ? nonce : undefined) ?? 'valid'
  if (state === 'unavailable') return 'nonce_unavailable'
  return state === 'invalid' ? 'proof_nonce_required' : undefined
}

/** Checks the proof of a request, in the order of docs/possession.md. `key` is the thumbprint that the token is bound to. */
function checkProof(possession: PossessionCase, key: string | undefined): Possession {
  const wrong = (code: string): Possession => ({ ok: false, code })
  const { request, token } = possession
  const headers = request.headers.filter(([name]) => name.toLowerCase() === 'dpop')
  const [header] = headers
  if (header === undefined) return wrong('proof_missing')
  const proof = headers.length === 1 ? readProof(header[1].trim()) : undefined
  if (!proof) return wrong('proof_malformed')
  const { alg, jwk } = proof.header
  if (typeof alg !== 'string' || !PROOF_ALGORITHMS.includes(alg))
    return wrong('proof_algorithm_forbidden')
  if (!isKeyOfProof(jwk, alg, proof)) return wrong('proof_key_invalid')
  if (!verify(proof, jwk, alg)) return wrong('proof_signature_invalid')
  if (proof.claims.htm !== request.method) return wrong('proof_method_mismatch')
  const url = readUrl(String(proof.claims.htu))
  const path = plainPath(request.target.split('?')[0] ?? '')
  const isUrl = url && url.path === path && url.origin === originOf(possession)
  if (!isUrl) return wrong('proof_url_mismatch')
  const nonceCode = checkNonce(proof.claims.nonce, possession)
  if (nonceCode !== undefined) return wrong(nonceCode)
  if (!isInTime(proof.claims, possession)) return wrong('proof_expired')
  const digest = createHash('sha256').update(token).digest('base64url')
  if (proof.claims.ath !== digest) return wrong('proof_token_mismatch')
  const own = thumbprint(jwk) ?? ''
  if (own !== key) return wrong('proof_key_mismatch')
  const use = JSON.stringify([own, proof.claims.jti, `${url.origin}${url.path}`])
  return { ok: true, method: 'dpop', thumbprint: own, use, issued: Number(proof.claims.iat) }
}

/** The SHA-256 of a certificate in base64url, also if it is written in hex. */
function certificateHash(sha256: string | undefined): string | undefined {
  if (sha256 === undefined || !/^[0-9a-fA-F]{64}$/.test(sha256)) return sha256
  return Buffer.from(sha256, 'hex').toString('base64url')
}

function checkCertificate({ request }: PossessionCase, hash: Json | undefined): Possession {
  const { certificate } = request
  if (!certificate?.presented || !certificate.verified || certificate.revoked)
    return { ok: false, code: 'certificate_missing' }
  if (typeof hash !== 'string' || certificateHash(certificate.sha256) !== hash) {
    return { ok: false, code: 'certificate_mismatch' }
  }
  return { ok: true, method: 'mtls' }
}

/**
 * Checks that the sender has the key that the token is bound to, if it is bound to one. It does not look whether the proof
 * was used before.
 */
export function checkPossession(possession: PossessionCase): Possession {
  const { cnf, scheme, required, bearerProof } = possession
  if (cnf === undefined) {
    if (scheme === 'DPoP') return { ok: false, code: 'token_not_bound' }
    return required ? { ok: false, code: 'possession_required' } : { ok: true }
  }
  const [member, ...others] = isObject(cnf) ? Object.keys(cnf) : []
  const value = isObject(cnf) && member !== undefined ? cnf[member] : undefined
  const isKnown = member === 'jkt' || member === 'jwk' || member === 'x5t#S256'
  if (!isKnown || others.length > 0) return { ok: false, code: 'confirmation_unsupported' }
  if (member === 'x5t#S256') {
    if (scheme === 'DPoP') return { ok: false, code: 'token_not_bound' }
    return checkCertificate(possession, value)
  }
  if (scheme === 'Bearer' && !bearerProof) return { ok: false, code: 'token_bound' }
  if (member === 'jkt') return checkProof(possession, typeof value === 'string' ? value : undefined)
  const isKey = isObject(value) && algorithmOfKey(value, PROOF_ALGORITHMS) !== undefined
  return checkProof(possession, isKey ? thumbprint(value) : undefined)
}
