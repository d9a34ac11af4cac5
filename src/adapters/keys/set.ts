import { type CryptoKey, importJWK } from 'jose'
import { base64UrlDecode } from '../../base/bytes.ts'
import { isObject, type JsonObject, own } from '../../base/json.ts'
import { LIMITS } from '../../base/limits.ts'
import { type Algorithm, algorithmOf } from '../../model/issuer.ts'
import type { VerificationKey } from '../../model/ports.ts'

/** What a token's header says about its key. */
export interface KeyHeader {
  readonly algorithm: Algorithm
  readonly kid?: string
}

type MaybeKey = VerificationKey | undefined

/** The keys of one issuer, each bound to one algorithm. */
export interface KeySet {
  /** Keys that can be used at all. */
  readonly size: number
  /**
   * The one key that fits. `undefined` where none does, or where several do. Never throws, and
   * waits only for keys that are not imported yet.
   */
  find(header: KeyHeader): MaybeKey | Promise<MaybeKey>
}

interface Shape {
  readonly kty: string
  readonly crv?: string
  /** The public members, and the only ones handed to the import. */
  readonly members: readonly string[]
}

const RSA: Shape = { kty: 'RSA', members: ['n', 'e'] }
const ec = (crv: string): Shape => ({ kty: 'EC', crv, members: ['x', 'y'] })

/** RFC 7518 §3.1 and RFC 8037 §3.1. */
const SHAPES: Readonly<Record<Algorithm, Shape>> = {
  ES256: ec('P-256'),
  ES384: ec('P-384'),
  ES512: ec('P-521'),
  RS256: RSA,
  RS384: RSA,
  RS512: RSA,
  PS256: RSA,
  PS384: RSA,
  PS512: RSA,
  Ed25519: { kty: 'OKP', crv: 'Ed25519', members: ['x'] },
}

/** Private and symmetric members (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 9964 for `priv`). */
const SECRETS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/**
 * The entries of a JWK set document that may be kept: objects without a secret member, among the
 * first {@link LIMITS.keys}. `undefined` for what is no JWK set (RFC 7517 §5). Does not judge
 * whether an entry is usable.
 */
export const publicKeys = (document: unknown): readonly JsonObject[] | undefined => {
  const keys = isObject(document) ? own(document, 'keys') : undefined
  if (!Array.isArray(keys)) return undefined
  return keys
    .slice(0, LIMITS.keys)
    .filter((key) => isObject(key) && !SECRETS.some((member) => Object.hasOwn(key, member)))
}

/**
 * A set to search in. Entries that cannot be used are ignored (RFC 7517 §5). An entry without `alg`
 * stands for the first of the allowed algorithms that its type fits: one key, one algorithm.
 * `keys` come from {@link publicKeys}.
 */
export const createKeySet = (
  keys: readonly JsonObject[],
  algorithms: readonly Algorithm[],
): KeySet => {
  const candidates = keys.flatMap((jwk) => candidate(jwk, algorithms) ?? [])
  return {
    size: candidates.length,
    find({ algorithm, kid }) {
      const fitting = candidates.filter(
        (one) => one.algorithm === algorithm && (kid === undefined || one.kid === kid),
      )
      return fitting.every(({ imported }) => imported)
        ? onlyKey(fitting)
        : Promise.all(fitting.map(load)).then(() => onlyKey(fitting))
    },
  }
}

interface Candidate {
  readonly jwk: JsonObject
  readonly algorithm: Algorithm
  readonly kid?: string
  /** Only the outcome is kept: a promise would belong to the request that made it. */
  imported?: { readonly key: VerificationKey | undefined }
}

const candidate = (jwk: JsonObject, algorithms: readonly Algorithm[]): Candidate | undefined => {
  const kid = own(jwk, 'kid')
  if (kid !== undefined && typeof kid !== 'string') return undefined
  const algorithm = boundAlgorithm(jwk, algorithms)
  if (!algorithm || !isForVerifying(jwk) || !isSound(jwk)) return undefined
  return { jwk, algorithm, ...(kid !== undefined && { kid }) }
}

const boundAlgorithm = (jwk: JsonObject, algorithms: readonly Algorithm[]) => {
  const alg = own(jwk, 'alg')
  const fits = (algorithm: Algorithm) =>
    own(jwk, 'kty') === SHAPES[algorithm].kty && own(jwk, 'crv') === SHAPES[algorithm].crv
  return alg === undefined
    ? algorithms.find(fits)
    : algorithms.find((algorithm) => algorithm === algorithmOf(alg) && fits(algorithm))
}

const isForVerifying = (jwk: JsonObject): boolean => {
  const use = own(jwk, 'use')
  const operations = own(jwk, 'key_ops')
  if (use !== undefined && use !== 'sig') return false
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'))
}

/** Runtimes differ in the RSA keys they refuse, so size and exponent are judged here. */
const isSound = (jwk: JsonObject): boolean => {
  if (own(jwk, 'kty') !== 'RSA') return true
  const modulus = unsigned(own(jwk, 'n'))
  const exponent = unsigned(own(jwk, 'e'))
  if (!modulus || !exponent || exponent.length > 4) return false
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24
  const e = exponent.reduce((value, byte) => value * 256 + byte, 0)
  return bits >= LIMITS.rsaBits && e >= 3 && e % 2 === 1
}

/** Bytes of an unsigned number without the zeros some libraries put before it (RFC 7518 §2). */
const unsigned = (text: unknown): Uint8Array | undefined => {
  const bytes = typeof text === 'string' ? base64UrlDecode(text) : undefined
  const first = bytes?.findIndex((byte) => byte !== 0) ?? -1
  return first < 0 ? undefined : bytes?.subarray(first)
}

const load = async (one: Candidate): Promise<void> => {
  one.imported ??= { key: await imported(one) }
}

const onlyKey = (candidates: readonly Candidate[]): MaybeKey => {
  const keys = candidates.flatMap(({ imported }) => imported?.key ?? [])
  return keys.length === 1 ? keys[0] : undefined
}

const imported = async ({ jwk, algorithm, kid }: Candidate) => {
  const { kty, crv, members } = SHAPES[algorithm]
  const bare = Object.fromEntries(members.map((member) => [member, own(jwk, member)]))
  try {
    const key = await importJWK({ kty, ...(crv && { crv }), ...bare }, algorithm)
    return { key: key as CryptoKey, ...(kid !== undefined && { kid }) }
  } catch {
    return undefined
  }
}
