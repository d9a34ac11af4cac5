import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import type { AssertionAlgorithm } from '../core/model/assertion.ts'
import type { AssertionKey, PublicKey } from './plan.ts'

/** The public key of a private one, with its thumbprint for a name (RFC 7638). */
export async function publicKeyOf(
  { kty, crv, x, y }: JWK,
  algorithm: AssertionAlgorithm,
): Promise<PublicKey> {
  const bare = { kty, crv, x, ...(y !== undefined && { y }) } as JWK
  const kid = await calculateJwkThumbprint(bare)
  return { kid, algorithm, jwk: { ...bare, kid, alg: algorithm, use: 'sig' } }
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
