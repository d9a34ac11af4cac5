import { type CryptoKey, importJWK } from 'jose'
import { isObject, type JsonObject, own } from '../core/json.ts'
import { LIMITS } from '../core/limits.ts'
import type { Algorithm, Issuer } from '../core/model/issuer.ts'
import { isOfAnotherTenant, type PublicKey, publicKeyOf, secretMember } from '../core/model/jwk.ts'
import type { KeyMiss } from '../core/model/ports.ts'
import type { VerificationKey } from '../core/model/token.ts'

/** What a token's header says about its key. */
export interface KeyHeader {
  readonly algorithm: Algorithm
  readonly kid?: string
}

/** A key, or why there is none. */
export type KeyFound = VerificationKey | KeyMiss

/** The keys of one issuer, each bound to one algorithm. */
export interface KeySet {
  /** Keys that can be used at all. */
  readonly size: number
  /** The keys by {@link keyIdentity}; a set that follows takes over what is unchanged. */
  readonly candidates: ReadonlyMap<string, Candidate>
  /**
   * The one key that fits: by `kid` where the token has one, else the only one of the algorithm.
   * Never throws, and waits only for keys that are not imported yet.
   */
  find(header: KeyHeader): KeyFound | Promise<KeyFound>
}

/** A key that can be used, until its first use as it was published. */
export interface Candidate {
  readonly key: PublicKey
  /** Only the outcome is kept: a promise would belong to the request that made it. */
  outcome?: Outcome
}

type Outcome = VerificationKey | Exclude<KeyMiss, 'ambiguous'>

/**
 * The entries of a JWK set document that may be kept: objects without a private or symmetric
 * member, among the first {@link LIMITS.keys}. `undefined` for what is no JWK set (RFC 7517 §5).
 * Does not judge whether an entry is usable.
 */
export function publicKeys(document: unknown): readonly JsonObject[] | undefined {
  const keys = isObject(document) ? own(document, 'keys') : undefined
  if (!Array.isArray(keys)) return undefined
  return keys
    .slice(0, LIMITS.keys)
    .filter((key) => isObject(key) && secretMember(key) === undefined)
}

/** All that makes a key the one it is: two entries with one identity are the same key twice. */
export function keyIdentity({ kid, jwk }: PublicKey): string {
  return JSON.stringify([kid, jwk])
}

/** {@link createKeySet}, of the keys that speak for this issuer and with its algorithms. */
export function keySetOf(
  keys: readonly JsonObject[],
  { issuer, algorithms }: Pick<Issuer, 'issuer' | 'algorithms'>,
  before?: KeySet,
): KeySet {
  return createKeySet(
    keys.filter((key) => !isOfAnotherTenant(key, issuer)),
    algorithms,
    before,
  )
}

/**
 * A set to search in. Entries that cannot be used are ignored (RFC 7517 §5), the same key twice is
 * one, and a key that was in `before` stays the very object it was there. `keys` come from
 * {@link publicKeys}.
 */
export function createKeySet(
  keys: readonly JsonObject[],
  algorithms: readonly Algorithm[],
  before?: KeySet,
): KeySet {
  const candidates = new Map<string, Candidate>()
  for (const entry of keys) {
    const key = publicKeyOf(entry, algorithms)
    if (!key) continue
    const identity = keyIdentity(key)
    candidates.set(identity, before?.candidates.get(identity) ?? { key })
  }
  const index = indexOf(candidates.values())
  return {
    size: candidates.size,
    candidates,
    find({ algorithm, kid }) {
      const fitting = index.get(algorithm)
      const slot = kid === undefined ? fitting?.all : fitting?.named.get(kid)
      return slot ? (slot.found ?? importAll(slot)) : 'unknown'
    },
  }
}

/** All keys that answer one question, and the answer once it is known. */
interface Slot {
  readonly candidates: Candidate[]
  found?: KeyFound
}

interface Fitting {
  readonly all: Slot
  readonly named: Map<string, Slot>
}

/** Built once, so that a search costs the same however many keys there are. */
const indexOf = (candidates: Iterable<Candidate>): ReadonlyMap<Algorithm, Fitting> => {
  const index = new Map<Algorithm, Fitting>()
  for (const candidate of candidates) {
    const { algorithm, kid } = candidate.key
    const fitting: Fitting = index.get(algorithm) ?? { all: { candidates: [] }, named: new Map() }
    index.set(algorithm, fitting)
    fitting.all.candidates.push(candidate)
    if (kid === undefined) continue
    const slot: Slot = fitting.named.get(kid) ?? { candidates: [] }
    fitting.named.set(kid, slot)
    slot.candidates.push(candidate)
  }
  return index
}

const importAll = (slot: Slot): KeyFound | Promise<KeyFound> => {
  const waiting = slot.candidates.filter(({ outcome }) => outcome === undefined)
  return waiting.length === 0
    ? conclude(slot)
    : Promise.all(waiting.map(load)).then(() => conclude(slot))
}

const conclude = (slot: Slot): KeyFound => {
  const fitting = slot.candidates.flatMap(({ outcome = 'unknown' }) =>
    outcome === 'unknown' ? [] : outcome,
  )
  const found = fitting.length > 1 ? 'ambiguous' : (fitting[0] ?? 'unknown')
  slot.found = found
  return found
}

const load = async (candidate: Candidate): Promise<void> => {
  const outcome = await imported(candidate.key)
  // Requests import side by side; all go on with the key of the first, so that tokens stay warm.
  candidate.outcome ??= outcome
}

const imported = async ({ jwk, algorithm, kid }: PublicKey): Promise<Outcome> => {
  try {
    const key = (await importJWK({ ...jwk }, algorithm)) as CryptoKey
    return { key, ...(kid !== undefined && { kid }) }
  } catch (error) {
    const { name } = error as Error
    return name === 'NotSupportedError' ? 'unsupported' : 'unknown'
  }
}
