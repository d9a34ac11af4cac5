import { writeFile } from 'node:fs/promises'
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose'
import { sha256Name } from '../../core/bytes.ts'
import { own, parseJsonObject } from '../../core/json.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { fileReason, readText } from './files.ts'

/** A client's key for DPoP proofs. Never printed. */
export interface ProofKey {
  readonly key: CryptoKey
  readonly publicJwk: JWK
  /** Its thumbprint (RFC 7638). */
  readonly jkt: string
}

/** Reads the file of a client's ES256 key, a private JWK. The reason of a failure contains nothing of the file. */
export async function readProofKey(path: string): Promise<Result<ProofKey, string>> {
  const text = await readText(path)
  if (!text.ok) return text
  const jwk = parseJsonObject(text.value)
  const [kty, crv, x, y, d] = ['kty', 'crv', 'x', 'y', 'd'].map((name) => jwk && own(jwk, name))
  if (kty !== 'EC' || crv !== 'P-256' || d === undefined) {
    return fail(`${path} is no ES256 private key; make one with: npx edgewarden mint --dpop FILE`)
  }
  try {
    const publicJwk = { kty, crv, x, y } as JWK
    const key = (await importJWK({ ...publicJwk, d } as JWK, 'ES256')) as CryptoKey
    return ok({ key, publicJwk, jkt: await calculateJwkThumbprint(publicJwk) })
  } catch {
    return fail(`${path} is a broken key`)
  }
}

/** A new key, which is in no file. */
export async function createProofKey(): Promise<ProofKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const publicJwk = await exportJWK(publicKey)
  return { key: privateKey, publicJwk, jkt: await calculateJwkThumbprint(publicJwk) }
}

/** The key of a file, which is made where it is not there: only its owner can read it. Never overwrites a file. */
export async function proofKeyAt(
  path: string,
): Promise<Result<ProofKey & { readonly isNew: boolean }, string>> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const text = `${JSON.stringify(await exportJWK(privateKey), null, 2)}\n`
  let isNew = true
  try {
    await writeFile(path, text, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) {
      return fail(`Cannot write the key to ${path}: ${fileReason(error)}.`)
    }
    isNew = false
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

/** Sets the header of a token; of one that is bound to a key also a proof of it (RFC 9449 §4.2), if there is none. */
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
