import { base64url, type JWK } from 'jose'
import { base64UrlDecode, bitLength } from '../bytes.ts'
import { type JsonObject, own } from '../json.ts'
import { LIMITS } from '../limits.ts'
import { type Algorithm, algorithmOf } from './issuer.ts'

/** Private and symmetric members (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 9964 for `priv`). */
const SECRETS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** The first private or symmetric member of a JWK; `undefined` where it has none. */
export function secretMember(jwk: JsonObject): string | undefined {
  return SECRETS.find((name) => Object.hasOwn(jwk, name))
}

/** The bytes of a public member for import; `undefined` where they are not valid. */
type Member = (bytes: Uint8Array) => Uint8Array | undefined

interface Shape {
  readonly kty: string
  readonly crv?: string
  /** Whether `alg` is required, because the key type alone does not give the algorithm. */
  readonly needsAlg?: true
  readonly members: Readonly<Record<string, Member>>
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

/** Runtimes differ in the RSA keys that they refuse, so size and exponent are checked here. */
const RSA: Shape = {
  kty: 'RSA',
  members: {
    n: odd((bits) => bits >= LIMITS.rsaBits && bits <= LIMITS.rsaBitsMost),
    // An exponent of one bit would be 1, which leaves the message unchanged.
    e: odd((bits) => bits > 1 && bits <= 32),
  },
}

const ec = (crv: string, bytes: number): Shape => ({
  kty: 'EC',
  crv,
  members: { x: sized(bytes), y: sized(bytes) },
})

const akp = (bytes: number): Shape => ({
  kty: 'AKP',
  needsAlg: true,
  members: { pub: sized(bytes) },
})

/** Members by RFC 7518 §6.2.1 and §6.3.1, RFC 8037 §2, and RFC 9964 with the sizes of FIPS 204. */
const SHAPES: Readonly<Record<Algorithm, Shape>> = {
  ES256: ec('P-256', 32),
  ES384: ec('P-384', 48),
  ES512: ec('P-521', 66),
  RS256: RSA,
  RS384: RSA,
  RS512: RSA,
  PS256: RSA,
  PS384: RSA,
  PS512: RSA,
  Ed25519: { kty: 'OKP', crv: 'Ed25519', members: { x: sized(32) } },
  'ML-DSA-44': akp(1312),
  'ML-DSA-65': akp(1952),
  'ML-DSA-87': akp(2592),
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
  const members = algorithm && membersOf(entry, SHAPES[algorithm])
  if (!members) return
  const { kty, crv } = SHAPES[algorithm]
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
    const { kty, crv, needsAlg } = SHAPES[algorithm]
    if (own(entry, 'kty') !== kty || own(entry, 'crv') !== crv) return false
    return alg === undefined ? !needsAlg : named === algorithm
  })
}

const membersOf = (entry: JsonObject, { members }: Shape) => {
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

/** A tenant id in the URLs of multi-tenant issuers: a UUID (RFC 9562 §4). */
const TENANT = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i

/**
 * Whether a published key belongs to another tenant than the issuer's. Multi-tenant servers publish all keys together
 * and mark each with a member `issuer`: a tenant's URL, or a template. A key of one tenant must not verify tokens of
 * another.
 */
export function isOfAnotherTenant(key: JsonObject, issuer: string): boolean {
  const marked = own(key, 'issuer')
  const theirs = typeof marked === 'string' ? TENANT.exec(marked)?.[0] : undefined
  const ours = TENANT.exec(issuer)?.[0]
  return theirs !== undefined && ours !== undefined && theirs.toLowerCase() !== ours.toLowerCase()
}
