import type { CryptoKey } from 'jose'
import { base64UrlDecode, utf8Encode } from '../bytes.ts'
import { LIMITS } from '../limits.ts'
import { perObject } from '../memo.ts'
import type { Algorithm } from '../model/issuer.ts'

/** A kind of key and the parameters of `crypto.subtle.verify` for it. */
type Scheme = readonly [kind: string, parameters: VerifyParameters]

interface VerifyParameters {
  readonly name: string
  readonly hash?: string
  readonly saltLength?: number
}

const ecdsa = (curve: string, hash: string): Scheme => [`ECDSA ${curve}`, { name: 'ECDSA', hash }]
const PKCS1 = 'RSASSA-PKCS1-v1_5'
const pkcs1 = (hash: string): Scheme => [`${PKCS1} ${hash}`, { name: PKCS1 }]
const pss = (hash: string, saltLength: number): Scheme => [
  `RSA-PSS ${hash}`,
  { name: 'RSA-PSS', saltLength },
]
const plain = (name: string): Scheme => [name, { name }]

/** Algorithms of WebCrypto (RFC 7518 §3.3 to §3.5, RFC 8037 §3.1, RFC 9964). */
const SCHEMES: Readonly<Record<Algorithm, Scheme>> = {
  ES256: ecdsa('P-256', 'SHA-256'),
  ES384: ecdsa('P-384', 'SHA-384'),
  ES512: ecdsa('P-521', 'SHA-512'),
  RS256: pkcs1('SHA-256'),
  RS384: pkcs1('SHA-384'),
  RS512: pkcs1('SHA-512'),
  PS256: pss('SHA-256', 32),
  PS384: pss('SHA-384', 48),
  PS512: pss('SHA-512', 64),
  Ed25519: plain('Ed25519'),
  'ML-DSA-44': plain('ML-DSA-44'),
  'ML-DSA-65': plain('ML-DSA-65'),
  'ML-DSA-87': plain('ML-DSA-87'),
}

/** The kind of a key, as in {@link Scheme}; for an unusable key, the reason instead. */
const kindOf = perObject(({ type, usages, algorithm }: CryptoKey): string => {
  const { name, hash, namedCurve, modulusLength } = algorithm as KeyAlgorithm
  const more = hash?.name ?? namedCurve
  if (type !== 'public' || !usages.includes('verify')) return 'not for verifying'
  if (modulusLength !== undefined && modulusLength < LIMITS.rsaBits) return 'RSA, too short'
  return more === undefined ? name : `${name} ${more}`
})

interface KeyAlgorithm {
  readonly name: string
  readonly hash?: { readonly name: string }
  readonly namedCurve?: string
  readonly modulusLength?: number
}

/**
 * Whether the key made the signature of a compact JWS; `false` where WebCrypto cannot read it. The parts must be
 * canonical base64url. Throws for a key of the wrong kind. Reads neither header nor payload.
 */
export async function isSigned(
  compact: string,
  algorithm: Algorithm,
  key: CryptoKey,
): Promise<boolean> {
  const [kind, parameters] = SCHEMES[algorithm]
  if (kindOf(key) !== kind) throw new Error(`the key is not one of ${algorithm}: ${kindOf(key)}`)
  const end = compact.lastIndexOf('.')
  const signature = base64UrlDecode(compact.slice(end + 1))
  if (!signature) return false
  try {
    return await crypto.subtle.verify(parameters, key, signature, utf8Encode(compact.slice(0, end)))
  } catch {
    return false
  }
}
