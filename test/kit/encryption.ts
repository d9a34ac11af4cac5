import {
  constants,
  createCipheriv,
  createPublicKey,
  type JsonWebKey,
  publicEncrypt,
  randomBytes,
  randomUUID,
} from 'node:crypto'
import { CompactEncrypt, type CryptoKey, exportJWK, generateKeyPair, type JWK } from 'jose'
import type { Members } from './signing.ts'

/** What a test key may be used with, and on which curve. */
export interface EncryptionOptions {
  /** RSA-OAEP-256 unless given. */
  readonly alg?: 'RSA-OAEP-256' | 'ECDH-ES' | 'ECDH-ES+A256KW'
  readonly kid?: string
  /** P-256 unless given. */
  readonly crv?: 'P-256' | 'P-384' | 'P-521' | 'X25519'
}

/** A key pair of a gate: the public half is what an authorization server encrypts with. */
export interface EncryptionKey {
  readonly alg: string
  readonly kid: string
  readonly publicKey: CryptoKey
  readonly publicJwk: JWK
  /** With `kid`, `alg` and `use`. */
  readonly privateJwk: JWK
}

export async function createEncryptionKey({
  alg = 'RSA-OAEP-256',
  kid = randomUUID(),
  ...options
}: EncryptionOptions = {}): Promise<EncryptionKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true, ...options })
  const named = { kid, alg, use: 'enc' }
  return {
    alg,
    kid,
    publicKey,
    publicJwk: { ...(await exportJWK(publicKey)), ...named },
    privateJwk: { ...(await exportJWK(privateKey)), ...named },
  }
}

/** The text of a secret that holds these private keys. */
export const secretOf = (...keys: readonly (EncryptionKey | JWK)[]): string =>
  JSON.stringify({ keys: keys.map((key) => ('privateJwk' in key ? key.privateJwk : key)) })

/** Encrypts a token as an authorization server would; header members laid over good ones. */
export const encrypt = (
  inner: string | Uint8Array,
  { alg, kid, publicKey }: EncryptionKey,
  header: Members = {},
): Promise<string> =>
  new CompactEncrypt(typeof inner === 'string' ? new TextEncoder().encode(inner) : inner)
    .setProtectedHeader({ alg, enc: 'A256GCM', cty: 'JWT', kid, ...header })
    .encrypt(publicKey)

const base64url = (bytes: string | Uint8Array): string => Buffer.from(bytes).toString('base64url')

/**
 * A JWE whose header is whatever is given, as text or as an object, though its content is
 * A256GCM under a key sent with RSA-OAEP-256, or with RSA1_5.
 */
export function encryptRaw(
  header: Members | string,
  inner: string | Uint8Array,
  { publicJwk }: Pick<EncryptionKey, 'publicJwk'>,
  padding: 'oaep' | 'pkcs1' = 'oaep',
): string {
  const first = base64url(typeof header === 'string' ? header : JSON.stringify(header))
  const { kty, n, e } = publicJwk
  const key = createPublicKey({ key: { kty, n, e } as JsonWebKey, format: 'jwk' })
  const [content, iv] = [randomBytes(32), randomBytes(12)]
  const sent = publicEncrypt(
    padding === 'oaep'
      ? { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
      : { key, padding: constants.RSA_PKCS1_PADDING },
    content,
  )
  const cipher = createCipheriv('aes-256-gcm', content, iv).setAAD(Buffer.from(first))
  const text = Buffer.concat([cipher.update(inner), cipher.final()])
  return [first, ...[sent, iv, text, cipher.getAuthTag()].map(base64url)].join('.')
}

/** The token with one of its parts put through a function. */
export const withPart = (token: string, at: number, change: (part: string) => string): string =>
  token
    .split('.')
    .map((part, i) => (i === at ? change(part) : part))
    .join('.')

/** One bit of its first byte changed. */
export const flipped = (part: string): string => {
  const bytes = Buffer.from(part, 'base64url')
  bytes[0] = (bytes[0] ?? 0) ^ 1
  return base64url(bytes)
}
