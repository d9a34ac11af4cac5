import { createHash, randomUUID } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import { createKey, type Members, type Part, type SigningKey, signRaw } from './signing.ts'

/** A client's key for proofs, as its tokens name it. */
export interface ProofKey extends SigningKey {
  /** The public key alone, as proofs have it. */
  readonly publicJwk: Members
  readonly jkt: string
}

/** A key pair of a client; its tokens have `cnf: { jkt }`. */
export async function createProofKey(alg?: SigningKey['alg']): Promise<ProofKey> {
  const key = await createKey(alg)
  const { kid: _, alg: __, use: ___, ...publicJwk } = key.jwk
  return { ...key, publicJwk, jkt: await calculateJwkThumbprint(key.jwk) }
}

/** The `ath` of a token (RFC 9449 §4.2). */
export const athOf = (token: string): string =>
  createHash('sha256').update(token).digest('base64url')

/** What a proof is for; `claims` and `header` are laid over the good ones, `undefined` leaves one out. */
export interface ProofOptions {
  readonly url: string
  readonly method?: string
  readonly token?: string
  /** Seconds since the epoch. */
  readonly now?: number
  readonly claims?: Members
  readonly header?: Members
}

/** A proof of a request (RFC 9449 §4.2), good unless told otherwise. */
export function proofOf(key: ProofKey, options: ProofOptions): Promise<string> {
  const { url, method = 'GET', token, now = Math.floor(Date.now() / 1000) } = options
  const header: Part = { typ: 'dpop+jwt', alg: key.alg, jwk: key.publicJwk, ...options.header }
  const claims: Part = {
    jti: randomUUID(),
    htm: method,
    htu: url,
    iat: now,
    ...(token !== undefined && { ath: athOf(token) }),
    ...options.claims,
  }
  return signRaw(header, claims, key)
}
