import {
  CompactSign,
  type CryptoKey,
  calculateJwkThumbprint,
  compactVerify,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose'
import { utf8Encode } from '../base/bytes.ts'
import type { KeyAlgorithm, KeyRule, OperatorKey } from '../model/assertion.ts'
import type { AssertionKey, PublicKey } from './plan.ts'

export interface ImportedKey extends PublicKey {
  /** Not exportable. */
  readonly key: CryptoKey
}

/** Any text; only its signature is tested. */
const TEXT = utf8Encode('edgewarden')

/**
 * Imports the operator's keys that are not withdrawn. Each must sign a text that its public key verifies, since some
 * runtimes import pairs that do not match. Rejects with the position of a bad key, without its content.
 */
export async function importOperatorKeys({
  operatorKeys,
  withdrawn,
}: KeyRule): Promise<readonly ImportedKey[]> {
  const keys = await Promise.all(
    operatorKeys.map(async (key) => {
      const publicKey = await publicKeyOf(key.privateJwk, key.algorithm)
      return withdrawn.includes(publicKey.kid) ? [] : [await imported(key, publicKey)]
    }),
  )
  return keys.flat()
}

const imported = async (
  { place, algorithm, privateJwk }: OperatorKey,
  publicKey: PublicKey,
): Promise<ImportedKey> => {
  try {
    const key = await importPrivate(privateJwk, algorithm)
    const signed = await new CompactSign(TEXT).setProtectedHeader({ alg: algorithm }).sign(key)
    await compactVerify(signed, await importJWK(publicKey.jwk, algorithm))
    return { ...publicKey, key }
  } catch {
    throw new Error(
      `key ${place} of the secret ASSERTION_KEYS cannot sign: its private and public members do not belong together`,
    )
  }
}

/** The public key of a private one; its `kid` is the thumbprint (RFC 7638). */
export async function publicKeyOf(
  { kty, crv, x, y, n, e }: JWK,
  algorithm: KeyAlgorithm,
): Promise<PublicKey> {
  const bare = (
    kty === 'RSA' ? { kty, n, e } : { kty, crv, x, ...(y !== undefined && { y }) }
  ) as JWK
  const kid = await calculateJwkThumbprint(bare)
  return { kid, algorithm, jwk: { ...bare, kid, alg: algorithm, use: 'sig' } }
}

/** Imports a private key for signing; it is not exportable. */
export function importPrivate(jwk: JWK, algorithm: KeyAlgorithm): Promise<CryptoKey> {
  return importJWK(jwk, algorithm, { extractable: false }) as Promise<CryptoKey>
}

/** Generates a key. */
export async function makeKey(algorithm: KeyAlgorithm, signsFrom: number): Promise<AssertionKey> {
  const options = { extractable: true, ...(algorithm === 'EdDSA' && { crv: 'Ed25519' }) }
  const { privateKey } = await generateKeyPair(algorithm, options)
  const privateJwk = await exportJWK(privateKey)
  return { ...(await publicKeyOf(privateJwk, algorithm)), privateJwk, signsFrom }
}
