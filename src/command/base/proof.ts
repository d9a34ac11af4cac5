import { existsSync } from 'node:fs'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { sha256Name } from '../../gate/base/bytes.ts'
import { ok, type Result } from '../../gate/base/result.ts'
import { writeSecret } from './files.ts'
import { type PrivateKey, readPrivateKey } from './key-file.ts'

/** A client's key for DPoP proofs. Never printed. */
export type ProofKey = Omit<PrivateKey, 'jwk'>

/** Reads the file of a client's key. */
export function readProofKey(path: string): Promise<Result<ProofKey, string>> {
  return readPrivateKey(path, 'mint --dpop FILE')
}

/** A new key, which is in no file. */
export async function createProofKey(): Promise<ProofKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const publicJwk = await exportJWK(publicKey)
  return { key: privateKey, publicJwk, jkt: await calculateJwkThumbprint(publicJwk) }
}

/** The key in a file. If there is no file, makes one that only its owner can read. Never overwrites a file. */
export async function proofKeyAt(
  path: string,
): Promise<Result<ProofKey & { readonly isNew: boolean }, string>> {
  const isNew = !existsSync(path)
  if (isNew) {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const written = await writeSecret(path, await exportJWK(privateKey))
    if (!written.ok) return written
  }
  const key = await readProofKey(path)
  return key.ok ? ok({ ...key.value, isNew }) : key
}

/** What a proof is for. `now` is in seconds since the epoch. */
export interface ProofRequest {
  readonly method: string
  readonly url: URL
  readonly token: string
  readonly nonce?: string | undefined
  readonly now: number
}

/** Sets the header of a token. For a token that is bound to a key also a proof (RFC 9449 §4.2), unless there is one. */
export async function authorize(
  headers: Headers,
  bound: ProofKey | undefined,
  { method, url, token, nonce, now }: ProofRequest,
): Promise<void> {
  headers.set('authorization', `${bound ? 'DPoP' : 'Bearer'} ${token}`)
  if (!bound || headers.has('dpop')) return
  const proof = new SignJWT({
    jti: crypto.randomUUID(),
    htm: method,
    htu: url.origin + url.pathname,
    iat: Math.floor(now),
    ath: await sha256Name(token),
    ...(nonce !== undefined && { nonce }),
  }).setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: bound.publicJwk })
  headers.set('dpop', await proof.sign(bound.key))
}
