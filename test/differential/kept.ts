/**
 * Results of cryptography, kept while cases run: the second implementation has no memory, and Web Crypto waits for another
 * thread each time. Node's own functions say what is asked for the first time, and both get the same answer.
 */
import crypto, { KeyObject, type webcrypto } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

const MOST = 20_000

/** A map that begins anew when it is full. */
function keep<Value>() {
  const all = new Map<string, Value>()
  return (name: string, make: () => Value): Value => {
    const known = all.get(name)
    if (known !== undefined) return known
    if (all.size >= MOST) all.clear()
    const made = make()
    all.set(name, made)
    return made
  }
}

/** What is made of an object, once. */
function perObject<One extends object, Value>(make: (one: One) => Value): (one: One) => Value {
  const all = new WeakMap<One, Value>()
  return (one) => {
    const known = all.get(one)
    if (known !== undefined) return known
    const made = make(one)
    all.set(one, made)
    return made
  }
}

const { createPublicKey, verify, sign, createHash } = crypto
const { subtle } = globalThis.crypto
const Subtle = Object.getPrototypeOf(subtle) as typeof subtle

const keys = keep<KeyObject>()
const answers = keep<boolean>()

const keyOf = perObject((key: webcrypto.CryptoKey) => KeyObject.from(key))
const nameOf = perObject((key: KeyObject) => JSON.stringify(key.export({ format: 'jwk' })))

const textOf = (bytes: webcrypto.BufferSource): string =>
  ArrayBuffer.isView(bytes)
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
    : Buffer.from(bytes).toString('latin1')

const keptKey: typeof createPublicKey = (key) =>
  typeof key === 'object' && 'format' in key && key.format === 'jwk'
    ? keys(JSON.stringify(key.key), () => createPublicKey(key))
    : createPublicKey(key)

/** A public key, or one with options. */
type WithKey = KeyObject | { key: KeyObject; [option: string]: unknown }

type Asked = [hash: string | null, data: Buffer, by: WithKey, signature: Buffer]

function nameOfAll(...[hash, data, by, signature]: Asked): string {
  const { key, ...options } = by instanceof KeyObject ? { key: by } : by
  const about = [hash, JSON.stringify(options), nameOf(key), textOf(data), textOf(signature)]
  return about.join('\n')
}

const keptVerify = (...asked: Asked): boolean =>
  answers(nameOfAll(...asked), () => {
    const [hash, data, by, signature] = asked
    return verify(hash, data, by as never, signature)
  })

/** A signature that was just made with the private key is valid for exactly this key, these options and these bytes. */
export function keepSigned(...asked: Asked): void {
  answers(nameOfAll(...asked), () => true)
}

/** How Node is asked what Web Crypto is asked; `undefined` for what no token is signed with. */
function asNode(
  algorithm: webcrypto.AlgorithmIdentifier,
  key: webcrypto.CryptoKey,
  usage: webcrypto.KeyUsage,
) {
  const given = (typeof algorithm === 'string' ? { name: algorithm } : algorithm) as {
    name: string
    hash?: string
    saltLength?: number
  }
  const { name, hash } = key.algorithm as { name: string; hash?: { name: string } }
  if (given.name !== name || !key.usages.includes(usage)) return undefined
  const plain = (text = '') => text.toLowerCase().replace('-', '')
  if (name === 'Ed25519') return { hash: null, by: keyOf(key) }
  if (name === 'ECDSA' && typeof given.hash === 'string') {
    return { hash: plain(given.hash), by: { key: keyOf(key), dsaEncoding: 'ieee-p1363' } }
  }
  if (name === 'RSASSA-PKCS1-v1_5') return { hash: plain(hash?.name), by: keyOf(key) }
  if (name !== 'RSA-PSS') return undefined
  const padding = crypto.constants.RSA_PKCS1_PSS_PADDING
  return { hash: plain(hash?.name), by: { key: keyOf(key), padding, saltLength: given.saltLength } }
}

const bytesOf = (bytes: Buffer): ArrayBuffer => new Uint8Array(bytes).buffer

const OWN: Pick<typeof subtle, 'verify' | 'sign' | 'digest'> = {
  async verify(algorithm, key, signature, data) {
    const asked = asNode(algorithm, key, 'verify')
    if (!asked) return Subtle.verify.call(subtle, algorithm, key, signature, data)
    return keptVerify(asked.hash, data as Buffer, asked.by as WithKey, signature as Buffer)
  },
  async sign(algorithm, key, data) {
    const asked = asNode(algorithm, key, 'sign')
    if (!asked) return Subtle.sign.call(subtle, algorithm, key, data)
    return bytesOf(sign(asked.hash, data as Buffer, asked.by as never))
  },
  async digest(algorithm, data) {
    const name = typeof algorithm === 'string' ? algorithm : algorithm.name
    return bytesOf(
      createHash(name)
        .update(data as Buffer)
        .digest(),
    )
  },
}

let users = 0

/** Keeps results while `work` is done. */
export async function withKept<Value>(work: () => Promise<Value>): Promise<Value> {
  if (users++ === 0) {
    Object.assign(crypto, { createPublicKey: keptKey, verify: keptVerify })
    Object.assign(subtle, OWN)
    syncBuiltinESMExports()
  }
  try {
    return await work()
  } finally {
    if (--users === 0) {
      Object.assign(crypto, { createPublicKey, verify })
      for (const name of Object.keys(OWN)) Reflect.deleteProperty(subtle, name)
      syncBuiltinESMExports()
    }
  }
}
