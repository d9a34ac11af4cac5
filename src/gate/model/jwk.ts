import { base64url, type CryptoKey, type JWK } from 'jose'
import { base64UrlDecode, bitLength, utf8Encode } from '../base/bytes.ts'
import { type JsonObject, own } from '../base/json.ts'
import { LIMITS } from '../base/limits.ts'
import { perObject } from '../base/memo.ts'
import { type Algorithm, algorithmOf } from './issuer.ts'

/** Private and symmetric members (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 9964 for `priv`). */
const SECRETS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/**
 * The first private or symmetric member of a JWK; `undefined` where it has none.
 * @example secretMember({ kty: 'oct', k: 'AAAA' }) // 'k'
 */
export function secretMember(jwk: JsonObject): string | undefined {
  return SECRETS.find((name) => Object.hasOwn(jwk, name))
}

/** The bytes of a public member for import; `undefined` where they are not valid. */
type Member = (bytes: Uint8Array) => Uint8Array | undefined

/** The JWKs of an algorithm, and how WebCrypto verifies with them. */
interface Scheme {
  readonly kty: string
  readonly crv?: string
  /** Whether `alg` is required, because the key type alone does not give the algorithm. */
  readonly needsAlg?: true
  readonly members: Readonly<Record<string, Member>>
  /** What {@link kindOf} gives for its keys. */
  readonly kind: string
  /** Parameters of `crypto.subtle.verify`. */
  readonly parameters: {
    readonly name: string
    readonly hash?: string
    readonly saltLength?: number
  }
}

const sized =
  (length: number): Member =>
  (bytes) =>
    bytes.length === length ? bytes : undefined

/** An odd unsigned number whose bit length is in bounds, without leading zeros (RFC 7518 §2). */
const odd =
  (isInBounds: (bits: number) => boolean): Member =>
  (bytes) => {
    const bits = bitLength(bytes)
    const number = bytes.subarray(bytes.length - Math.ceil(bits / 8))
    return (number.at(-1) ?? 0) % 2 === 1 && isInBounds(bits) ? number : undefined
  }

const ec = (crv: string, bytes: number, hash: string): Scheme => ({
  kty: 'EC',
  crv,
  members: { x: sized(bytes), y: sized(bytes) },
  kind: `ECDSA ${crv}`,
  parameters: { name: 'ECDSA', hash },
})

/** Runtimes differ in the RSA keys that they refuse, so size and exponent are checked here. */
const rsa = (hash: string, parameters: Scheme['parameters']): Scheme => ({
  kty: 'RSA',
  members: {
    n: odd((bits) => bits >= LIMITS.rsaBits && bits <= LIMITS.rsaBitsMost),
    // An exponent of one bit would be 1, which leaves the message unchanged.
    e: odd((bits) => bits > 1 && bits <= 32),
  },
  kind: `${parameters.name} ${hash}`,
  parameters,
})
const PKCS1 = { name: 'RSASSA-PKCS1-v1_5' }
const pss = (saltLength: number) => ({ name: 'RSA-PSS', saltLength })

const plain = (name: string) => ({ kind: name, parameters: { name } })
const akp = (name: string, bytes: number): Scheme => ({
  kty: 'AKP',
  needsAlg: true,
  members: { pub: sized(bytes) },
  ...plain(name),
})

/** By RFC 7518 §3.3 to §3.5, §6.2.1 and §6.3.1, RFC 8037, and RFC 9964 with the sizes of FIPS 204. */
const SCHEMES: Readonly<Record<Algorithm, Scheme>> = {
  ES256: ec('P-256', 32, 'SHA-256'),
  ES384: ec('P-384', 48, 'SHA-384'),
  ES512: ec('P-521', 66, 'SHA-512'),
  RS256: rsa('SHA-256', PKCS1),
  RS384: rsa('SHA-384', PKCS1),
  RS512: rsa('SHA-512', PKCS1),
  PS256: rsa('SHA-256', pss(32)),
  PS384: rsa('SHA-384', pss(48)),
  PS512: rsa('SHA-512', pss(64)),
  Ed25519: { kty: 'OKP', crv: 'Ed25519', members: { x: sized(32) }, ...plain('Ed25519') },
  'ML-DSA-44': akp('ML-DSA-44', 1312),
  'ML-DSA-65': akp('ML-DSA-65', 1952),
  'ML-DSA-87': akp('ML-DSA-87', 2592),
}

/** A public key for one algorithm. */
export interface PublicKey {
  readonly algorithm: Algorithm
  readonly kid?: string
  /** The key for import: type, curve, algorithm and public members, each in canonical form. */
  readonly jwk: Readonly<JWK>
}

/**
 * Reads a JWK as a key for one of these algorithms: the one in its `alg`, or the first that its type can have.
 * `undefined` for an unusable entry: wrong type, use or size, a private or symmetric member, or a `kid` that is not
 * a short string. With `svid` a key must be for JWT-SVIDs. Does not check if a point is on its curve; the import does.
 */
export function publicKeyOf(
  entry: JsonObject,
  algorithms: readonly Algorithm[],
  svid = false,
): PublicKey | undefined {
  const kid = own(entry, 'kid')
  if (kid !== undefined && !(typeof kid === 'string' && kid.length <= LIMITS.kidLength)) return
  if (secretMember(entry) !== undefined || !isForVerifying(entry, svid)) return
  const algorithm = boundAlgorithm(entry, algorithms)
  const members = algorithm && membersOf(entry, SCHEMES[algorithm])
  if (!members) return
  const { kty, crv } = SCHEMES[algorithm]
  return {
    algorithm,
    ...(kid !== undefined && { kid }),
    jwk: { kty, ...(crv !== undefined && { crv }), alg: algorithm, ...members },
  }
}

/**
 * Whether `use` and `key_ops` allow verifying (RFC 7517 §4.2, §4.3). In a SPIFFE bundle `use` says for which kind of
 * SVID a key is, and must be there (SPIFFE Trust Domain and Bundle §4.2.2).
 */
const isForVerifying = (entry: JsonObject, svid: boolean): boolean => {
  const use = own(entry, 'use')
  const operations = own(entry, 'key_ops')
  if (svid ? use !== 'jwt-svid' : use !== undefined && use !== 'sig') return false
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'))
}

const boundAlgorithm = (entry: JsonObject, algorithms: readonly Algorithm[]) => {
  const alg = own(entry, 'alg')
  const named = algorithmOf(alg)
  return algorithms.find((algorithm) => {
    const { kty, crv, needsAlg } = SCHEMES[algorithm]
    if (own(entry, 'kty') !== kty || own(entry, 'crv') !== crv) return false
    return alg === undefined ? !needsAlg : named === algorithm
  })
}

const membersOf = (entry: JsonObject, { members }: Scheme) => {
  const read: Record<string, string> = {}
  for (const [name, member] of Object.entries(members)) {
    const text = own(entry, name)
    const written = typeof text === 'string' ? base64UrlDecode(text) : undefined
    const bytes = written && member(written)
    if (!bytes) return undefined
    read[name] = base64url.encode(bytes)
  }
  return read
}

/** The kind of a key, by its algorithm; for an unusable key, the reason instead. */
const kindOf = perObject(({ type, usages, algorithm }: CryptoKey): string => {
  const { name, hash, namedCurve, modulusLength } = algorithm as KeyAlgorithm
  const more = hash?.name ?? namedCurve
  if (type !== 'public' || !usages.includes('verify')) return 'not for verifying'
  if (modulusLength !== undefined && modulusLength < LIMITS.rsaBits) return 'RSA, too short'
  return more === undefined ? name : `${name} ${more}`
})

interface KeyAlgorithm {
  readonly name: string
  readonly hash?: { readonly name: string }
  readonly namedCurve?: string
  readonly modulusLength?: number
}

const { subtle } = crypto

/** Whether the key signed a compact JWS whose parts are canonical base64url. Throws for a key of the wrong kind. */
export async function isSigned(
  compact: string,
  algorithm: Algorithm,
  key: CryptoKey,
): Promise<boolean> {
  const { kind, parameters } = SCHEMES[algorithm]
  if (kindOf(key) !== kind) throw new Error(`the key is not one of ${algorithm}: ${kindOf(key)}`)
  const end = compact.lastIndexOf('.')
  try {
    const signature = base64url.decode(compact.slice(end + 1)) as Uint8Array<ArrayBuffer>
    return await subtle.verify(parameters, key, signature, utf8Encode(compact.slice(0, end)))
  } catch {
    return false
  }
}

/** A tenant id in the URLs of multi-tenant issuers: a UUID (RFC 9562 §4). */
const TENANT = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i

/**
 * Whether a published key belongs to another tenant than the issuer's, whose tokens it must not verify. Multi-tenant
 * servers publish all keys together and mark each with a member `issuer`: a tenant's URL, or a template.
 */
export function isOfAnotherTenant(key: JsonObject, issuer: string): boolean {
  const marked = own(key, 'issuer')
  const theirs = typeof marked === 'string' ? TENANT.exec(marked)?.[0] : undefined
  const ours = TENANT.exec(issuer)?.[0]
  return theirs !== undefined && ours !== undefined && theirs.toLowerCase() !== ours.toLowerCase()
}
