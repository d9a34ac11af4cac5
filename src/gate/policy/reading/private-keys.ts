import { type CryptoKey, importJWK } from 'jose'
import { base64UrlDecode, bitLength } from '../../base/bytes.ts'
import { isObject, type JsonObject, own, ownText, parseJsonObject } from '../../base/json.ts'
import { isKid } from '../../base/jws.ts'
import { LIMITS } from '../../base/limits.ts'
import type { DecryptionKey, KeyManagement } from '../../model/issuer.ts'
import { quote, quoteAll, type Report } from './issues.ts'

/**
 * Reads a secret that contains a private JWK set (RFC 7517 §5) as JSON. `read` makes a key of an entry, or says what is
 * wrong with it: the end of a sentence. Reports mistakes by the name of the secret and the place of the key, and
 * repeats nothing of it.
 */
export function readPrivateSet<Key extends object>(
  { value, name, most }: { readonly value: string; readonly name: string; readonly most: number },
  read: (entry: unknown, place: number) => Key | string,
  report: Report,
): readonly Key[] {
  const document = parseJsonObject(value)
  const entries = document && own(document, 'keys')
  const secret = `the secret ${quote(name)}`
  if (!Array.isArray(entries) || entries.length === 0 || entries.length > most) {
    report(
      [],
      `${secret} must be a private JWK set as JSON, { "keys": [ … ] }, with 1 to ${most} keys`,
    )
    return []
  }
  return entries.flatMap((entry, i) => {
    const key = read(entry, i + 1)
    if (typeof key !== 'string') return [key]
    report([], `key ${i + 1} of ${secret} ${key}`)
    return []
  })
}

/**
 * The private keys of a secret for these key management algorithms. Each key must be usable with one of them. Imports
 * none.
 */
export function privateKeys(
  value: string,
  name: string,
  among: readonly KeyManagement[],
  report: Report,
): readonly DecryptionKey[] {
  const set = { value, name, most: LIMITS.keys }
  const keys = readPrivateSet(set, (entry) => readKey(entry, among), report)
  const kids = keys.map(({ kid }) => kid)
  const secret = `the secret ${quote(name)}`
  if (kids.length > 1 && kids.includes(undefined)) {
    report([], `${secret} contains several keys, so each needs a kid`)
  }
  if (kids.some((kid, i) => kid !== undefined && kids.indexOf(kid) !== i)) {
    report([], `${secret} contains two keys with one kid`)
  }
  return keys
}

/** The members of a private JWK (RFC 7518 §6.2, §6.3, RFC 8037 §2), and what it may be used for. */
interface Shape {
  readonly members: readonly string[]
  /** Bytes of each member; RSA keys have no one length. */
  readonly bytes?: number
  readonly algorithms: readonly KeyManagement[]
  readonly operations: readonly string[]
}

const agreement = (bytes: number, members: readonly string[] = ['x', 'y', 'd']): Shape => ({
  members,
  bytes,
  algorithms: ['ECDH-ES', 'ECDH-ES+A256KW'],
  operations: ['deriveKey', 'deriveBits'],
})

const SHAPES: Readonly<Record<string, Shape>> = {
  RSA: {
    members: ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'],
    algorithms: ['RSA-OAEP-256'],
    operations: ['decrypt', 'unwrapKey'],
  },
  'EC P-256': agreement(32),
  'EC P-384': agreement(48),
  'EC P-521': agreement(66),
  'OKP X25519': agreement(32, ['x', 'd']),
}

/** A key, or what is wrong with it: the end of a sentence, without anything of the key. */
const readKey = (jwk: unknown, among: readonly KeyManagement[]): DecryptionKey | string => {
  if (!isObject(jwk)) return 'must be a JWK'
  const [kty, crv, kid, alg, use] = ['kty', 'crv', 'kid', 'alg', 'use'].map((n) => own(jwk, n))
  const kind = kty === 'RSA' ? kty : `${kty} ${crv}`
  if (kty === 'oct') return 'is symmetric: whoever encrypts with it could also read every token'
  const shape = Object.hasOwn(SHAPES, kind) ? SHAPES[kind] : undefined
  if (!shape) return `must be one of ${Object.keys(SHAPES).join(', ')}`
  if (!Object.hasOwn(jwk, 'd')) return 'is public: the gate needs the private key'
  if (kid !== undefined && !isKid(kid)) return 'has a kid that is not short visible ASCII'
  if (use !== undefined && use !== 'enc') return 'is not for encryption: its use must be enc'
  if (!isForOpening(own(jwk, 'key_ops'), shape)) {
    return `has key_ops without ${shape.operations.join(' or ')}`
  }
  const fitting = shape.algorithms.filter((one) => alg === undefined || one === alg)
  const algorithms = among.filter((one) => fitting.includes(one))
  if (algorithms.length === 0) return `is for none of ${quoteAll(among)}`
  const bare = membersOf(jwk, shape)
  if (!bare || Object.hasOwn(jwk, 'oth')) {
    return `must have ${shape.members.join(', ')}, each in base64url and of its length`
  }
  const modulus = kty === 'RSA' ? base64UrlDecode(bare.n ?? '') : undefined
  if (modulus && bitLength(modulus) < LIMITS.rsaBits) {
    return `has fewer than ${LIMITS.rsaBits} bits (RFC 7518 §4.3)`
  }
  return keyOf({ kty, ...(shape.bytes !== undefined && { crv }), ...bare }, kid, algorithms)
}

const isForOpening = (operations: unknown, shape: Shape): boolean =>
  operations === undefined ||
  (Array.isArray(operations) && shape.operations.some((one) => operations.includes(one)))

/** These members of a JWK; `undefined` unless each is base64url, of so many bytes where that is known. */
export function membersOf(
  jwk: JsonObject,
  { members, bytes }: Pick<Shape, 'members' | 'bytes'>,
): Readonly<Record<string, string>> | undefined {
  const read: Record<string, string> = {}
  for (const member of members) {
    const text = ownText(jwk, member) ?? ''
    const length = base64UrlDecode(text)?.length ?? 0
    if (length === 0 || (bytes !== undefined && length !== bytes)) return undefined
    read[member] = text
  }
  return read
}

const keyOf = (
  jwk: JsonObject,
  kid: string | undefined,
  algorithms: readonly KeyManagement[],
): DecryptionKey => {
  // Only the outcome is kept: a promise would belong to the request that made it.
  let imported: { readonly key: CryptoKey | undefined } | undefined
  return Object.freeze({
    ...(kid !== undefined && { kid }),
    algorithms: Object.freeze(algorithms),
    async load() {
      const key = () => importJWK(jwk, algorithms[0], { extractable: false }) as Promise<CryptoKey>
      imported ??= { key: await key().catch(() => undefined) }
      return imported.key
    },
  })
}
