/** Encrypted tokens: a signed JWT inside a compact JWE (RFC 7516, RFC 7518). docs/configuration/issuers.md */
import {
  constants,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  privateDecrypt,
  timingSafeEqual,
} from 'node:crypto'
import { fromBase64url } from './base64url.ts'
import { isObject, readJsonBytes } from './json.ts'
import type { JsonObject, Jwk } from './types.ts'

/** A compact JWE that was read, and not decrypted. */
export interface Encrypted {
  header: JsonObject
  /** The first part as it was sent, which is authenticated too. */
  additional: string
  encryptedKey: Uint8Array
  iv: Uint8Array
  ciphertext: Uint8Array
  tag: Uint8Array
}

/** Reads a compact JWE of five parts. `undefined` if it is not one. */
export function readEncrypted(token: string): Encrypted | undefined {
  const parts = token.split('.')
  if (parts.length !== 5) return undefined
  const [head, encryptedKey, iv, ciphertext, tag] = parts.map(fromBase64url)
  if (!head || !encryptedKey || !iv || !ciphertext || !tag) return undefined
  const header = readJsonBytes(head)
  if (!header.ok || !isObject(header.value)) return undefined
  return { header: header.value, additional: parts[0] ?? '', encryptedKey, iv, ciphertext, tag }
}

/** Bytes of the key for each `enc`. */
const KEY_BYTES: Record<string, number> = { A128GCM: 16, A256GCM: 32, 'A128CBC-HS256': 32 }

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** A text with its length before it, for the Concat KDF. */
function withLength(bytes: Uint8Array): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes])
}

/** A key from a Diffie-Hellman secret (RFC 7518 §4.6.2). All keys have at most 32 bytes, so one round is enough. */
function concatKdf(secret: Buffer, algorithm: string, header: JsonObject, bytes: number): Buffer {
  const party = (value: unknown): Uint8Array => {
    if (value === undefined) return new Uint8Array()
    const read = typeof value === 'string' ? fromBase64url(value) : undefined
    if (!read) throw new Error('apu or apv is not base64url')
    return read
  }
  return createHash('sha256')
    .update(uint32(1))
    .update(secret)
    .update(withLength(Buffer.from(algorithm, 'ascii')))
    .update(withLength(party(header.apu)))
    .update(withLength(party(header.apv)))
    .update(uint32(bytes * 8))
    .digest()
    .subarray(0, bytes)
}

/** The key of the content. */
function contentKey({ header, encryptedKey }: Encrypted, key: Jwk): Buffer {
  const [alg, enc] = [String(header.alg), String(header.enc)]
  const bytes = Object.hasOwn(KEY_BYTES, enc) ? KEY_BYTES[enc] : undefined
  if (bytes === undefined) throw new Error('this enc is not known')
  const privateKey = createPrivateKey({ format: 'jwk', key: key as Record<string, string> })
  if (alg === 'RSA-OAEP-256') {
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    return privateDecrypt({ key: privateKey, padding, oaepHash: 'sha256' }, encryptedKey)
  }
  if (alg !== 'ECDH-ES' && alg !== 'ECDH-ES+A256KW') throw new Error('this alg is not known')
  const epk = header.epk
  if (!isObject(epk) || epk.kty !== key.kty || epk.crv !== key.crv) {
    throw new Error('epk is not a key of the same curve')
  }
  const { kty, crv, x, y } = epk
  const members = { kty, crv, x, ...(y !== undefined && { y }) } as Record<string, string>
  const publicKey = createPublicKey({ format: 'jwk', key: members })
  const secret = diffieHellman({ privateKey, publicKey })
  if (alg === 'ECDH-ES') {
    if (encryptedKey.length > 0) throw new Error('ECDH-ES has no encrypted key')
    return concatKdf(secret, enc, header, bytes)
  }
  const wrapping = concatKdf(secret, alg, header, 32)
  const decipher = createDecipheriv('id-aes256-wrap', wrapping, Buffer.alloc(8, 0xa6))
  return Buffer.concat([decipher.update(encryptedKey), decipher.final()])
}

function openGcm({ additional, iv, ciphertext, tag }: Encrypted, key: Buffer): Buffer {
  if (iv.length !== 12 || tag.length !== 16) throw new Error('iv or tag has the wrong length')
  const name = key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm'
  const decipher = createDecipheriv(name, key, iv, { authTagLength: 16 })
  decipher.setAAD(Buffer.from(additional, 'ascii'))
  decipher.setAuthTag(tag)
  return Buffer.concat([decipher.update(ciphertext), decipher.final()])
}

function openCbc({ additional, iv, ciphertext, tag }: Encrypted, key: Buffer): Buffer {
  if (iv.length !== 16 || tag.length !== 16) throw new Error('iv or tag has the wrong length')
  const data = Buffer.from(additional, 'ascii')
  const mac = createHmac('sha256', key.subarray(0, 16))
    .update(data)
    .update(iv)
    .update(ciphertext)
    .update(Buffer.concat([uint32(0), uint32(data.length * 8)]))
    .digest()
    .subarray(0, 16)
  if (!timingSafeEqual(mac, tag)) throw new Error('the tag is wrong')
  const decipher = createDecipheriv('aes-128-cbc', key.subarray(16), iv)
  return Buffer.concat([decipher.update(ciphertext), decipher.final()])
}

/** Decrypts a JWE with a private key. The text inside, or `undefined` whatever the reason. */
export function decrypt(encrypted: Encrypted, key: Jwk): string | undefined {
  try {
    const content = contentKey(encrypted, key)
    const enc = String(encrypted.header.enc)
    if (content.length !== KEY_BYTES[enc]) return undefined
    const open = enc === 'A128CBC-HS256' ? openCbc : openGcm
    return new TextDecoder('utf-8', { fatal: true }).decode(open(encrypted, content))
  } catch {
    return undefined
  }
}
