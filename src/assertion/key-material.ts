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
import { utf8Encode } from '../core/bytes.ts'
import type { AssertionAlgorithm, AssertionRule, OperatorKey } from '../core/model/assertion.ts'
import type { AssertionKey, PublicKey } from './plan.ts'

/** A key of the operator's secret that can be signed with. */
export interface ImportedKey extends PublicKey {
  /** Cannot be exported. */
  readonly key: CryptoKey
}

/** Any text: the signature is only verified here. */
const TEXT = utf8Encode('edgewarden')

/**
 * Keys of the operator's secret that are not withdrawn, imported, each of which has signed what its public
 * half verifies: there are runtimes that import halves which do not belong together. Rejects with the
 * place of one that has not, and without anything of it.
 */
export async function importOperatorKeys({
  operatorKeys,
  withdrawn,
}: AssertionRule): Promise<readonly ImportedKey[]> {
  const all = await Promise.all(
    operatorKeys.map(
      async (key) => [key, await publicKeyOf(key.privateJwk, key.algorithm)] as const,
    ),
  )
  const kept = all.filter(([, { kid }]) => !withdrawn.includes(kid))
  return Promise.all(kept.map(([key, publicKey]) => imported(key, publicKey)))
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
      `key ${place} of the secret ASSERTION_KEYS cannot sign what its public half verifies: its numbers do not belong together`,
    )
  }
}

/** The public key of a private one, with its thumbprint for a name (RFC 7638). */
export async function publicKeyOf(
  { kty, crv, x, y }: JWK,
  algorithm: AssertionAlgorithm,
): Promise<PublicKey> {
  const bare = { kty, crv, x, ...(y !== undefined && { y }) } as JWK
  const kid = await calculateJwkThumbprint(bare)
  return { kid, algorithm, jwk: { ...bare, kid, alg: algorithm, use: 'sig' } }
}

/** A private key for signing that stays where it is. */
export function importPrivate(jwk: JWK, algorithm: AssertionAlgorithm): Promise<CryptoKey> {
  return importJWK(jwk, algorithm, { extractable: false }) as Promise<CryptoKey>
}

/** A new key. */
export async function makeKey(
  algorithm: AssertionAlgorithm,
  signsFrom: number,
): Promise<AssertionKey> {
  const options = { extractable: true, ...(algorithm === 'EdDSA' && { crv: 'Ed25519' }) }
  const { privateKey } = await generateKeyPair(algorithm, options)
  const privateJwk = await exportJWK(privateKey)
  return { ...(await publicKeyOf(privateJwk, algorithm)), privateJwk, signsFrom }
}
