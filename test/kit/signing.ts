import { createHmac, randomUUID } from 'node:crypto'
import { base64url, CompactSign, type CryptoKey, exportJWK, generateKeyPair, type JWK } from 'jose'

/** The algorithms a test key may have. */
export type Algorithm =
  | 'ES256'
  | 'ES384'
  | 'RS256'
  | 'PS256'
  | 'Ed25519'
  | 'ML-DSA-44'
  | 'ML-DSA-65'
  | 'ML-DSA-87'

/** A JSON object whose members a test may set to anything; `undefined` leaves one out. */
export type Members = Readonly<Record<string, unknown>>

/** A key pair of an issuer. */
export interface SigningKey {
  readonly alg: Algorithm
  readonly kid: string
  /** Public, with `kid`, `alg` and `use`. */
  readonly jwk: JWK
  readonly privateJwk: JWK
  readonly privateKey: CryptoKey
}

/** Header or payload: an object to be written as JSON, or the exact text or bytes. */
export type Part = string | Uint8Array | Members

const WEB_CRYPTO = {
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  ES384: { name: 'ECDSA', hash: 'SHA-384' },
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
  PS256: { name: 'RSA-PSS', saltLength: 32 },
  Ed25519: { name: 'Ed25519' },
  'ML-DSA-44': { name: 'ML-DSA-44' },
  'ML-DSA-65': { name: 'ML-DSA-65' },
  'ML-DSA-87': { name: 'ML-DSA-87' },
} as const

/** Makes a key pair; RSA keys have 2048 bits. */
export async function createKey(
  alg: Algorithm = 'ES256',
  kid: string = randomUUID(),
): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const named = { kid, alg, use: 'sig' }
  const jwk = { ...(await exportJWK(publicKey)), ...named }
  return { alg, kid, jwk, privateKey, privateJwk: { ...(await exportJWK(privateKey)), ...named } }
}

/** Signs with jose, which refuses a header the key does not fit. */
export async function sign(header: Members, payload: Members, key: SigningKey): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(payload))
  const named = { alg: key.alg, ...header }
  return new CompactSign(bytes).setProtectedHeader(named).sign(key.privateKey)
}

/**
 * Signs anything: header and payload go in as they are, whatever they say. With bytes for a key
 * the signature is HMAC-SHA-256 under them.
 */
export async function signRaw(
  header: Part,
  payload: Part,
  key: SigningKey | Uint8Array,
): Promise<string> {
  const input = `${encode(header)}.${encode(payload)}`
  const signature =
    key instanceof Uint8Array
      ? createHmac('sha256', key).update(input).digest()
      : new Uint8Array(
          await crypto.subtle.sign(WEB_CRYPTO[key.alg], key.privateKey, Buffer.from(input)),
        )
  return `${input}.${base64url.encode(signature)}`
}

/** A compact JWS whose third part is `signature` as it is, empty unless given. */
export function unsigned(header: Part, payload: Part, signature = ''): string {
  return `${encode(header)}.${encode(payload)}.${signature}`
}

function encode(part: Part): string {
  const bytes = typeof part === 'string' || part instanceof Uint8Array ? part : JSON.stringify(part)
  return base64url.encode(bytes)
}
