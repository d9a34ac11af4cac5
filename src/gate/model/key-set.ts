import { type CryptoKey, importJWK } from 'jose'
import { isObject, type JsonObject, own } from '../base/json.ts'
import { LIMITS } from '../base/limits.ts'
import { getOrMake } from '../base/memo.ts'
import type { Algorithm, Issuer } from './issuer.ts'
import { isOfAnotherTenant, type PublicKey, publicKeyOf, secretMember } from './jwk.ts'
import type { KeyMiss } from './ports.ts'
import type { VerificationKey } from './token.ts'

/** The members of a token's header that select a key. */
export interface KeyHeader {
  readonly algorithm: Algorithm
  readonly kid?: string
}

/** A key, or the reason why there is none. */
export type KeyFound = VerificationKey | KeyMiss

/** The keys of one issuer, each bound to one algorithm. */
export interface KeySet {
  /** Number of usable keys. */
  readonly size: number
  /** The keys by {@link keyIdentity}; a later set reuses unchanged ones. */
  readonly candidates: ReadonlyMap<string, Candidate>
  /** Finds the one fitting key: by `kid`, or the only key of the algorithm. Never throws. Waits only for imports. */
  find(header: KeyHeader): KeyFound | Promise<KeyFound>
}

/** A usable key; it is imported on first use. */
export interface Candidate {
  readonly key: PublicKey
  /** Only the outcome is stored: a promise would belong to the request that created it. */
  outcome?: Outcome
}

type Outcome = VerificationKey | Exclude<KeyMiss, 'ambiguous'>

/**
 * The entries of a JWK set that may be stored: the first {@link LIMITS.keys}, but those with private or symmetric
 * members. `undefined` for a value that is not a JWK set (RFC 7517 §5). Entries may still be unusable.
 */
export function publicKeys(document: unknown): readonly JsonObject[] | undefined {
  const keys = isObject(document) ? own(document, 'keys') : undefined
  if (!Array.isArray(keys)) return undefined
  return keys
    .slice(0, LIMITS.keys)
    .filter((key) => isObject(key) && secretMember(key) === undefined)
}

/** Identifies a key by all its members; two entries with one identity are the same key. */
export function keyIdentity({ kid, jwk }: PublicKey): string {
  return JSON.stringify([kid, jwk])
}

/** {@link createKeySet} of the keys that belong to this issuer, for its algorithms. */
export function keySetOf(
  keys: readonly JsonObject[],
  { issuer, algorithms, trustDomain }: Pick<Issuer, 'issuer' | 'algorithms' | 'trustDomain'>,
  before?: KeySet,
): KeySet {
  return createKeySet(
    keys.filter((key) => !isOfAnotherTenant(key, issuer)),
    algorithms,
    before,
    trustDomain,
  )
}

/**
 * Creates a searchable set. Unusable entries are ignored (RFC 7517 §5), and duplicates are one key. A key that is also
 * in `before` keeps its object. With `svid` keys are those of a SPIFFE bundle. Get `keys` from {@link publicKeys}.
 */
export function createKeySet(
  keys: readonly JsonObject[],
  algorithms: readonly Algorithm[],
  before?: KeySet,
  svid = false,
): KeySet {
  const candidates = new Map<string, Candidate>()
  for (const entry of keys) {
    const key = publicKeyOf(entry, algorithms, svid)
    if (!key) continue
    const identity = keyIdentity(key)
    candidates.set(identity, before?.candidates.get(identity) ?? { key })
  }
  const index = indexOf(candidates.values())
  return {
    size: candidates.size,
    candidates,
    find({ algorithm, kid }) {
      const slot = index.get(algorithm)?.get(kid)
      return slot ? (slot.found ?? importAll(slot)) : 'unknown'
    },
  }
}

/** The keys for one search, and its result once it is known. */
interface Slot {
  readonly candidates: Candidate[]
  found?: KeyFound
}

/** The keys of each algorithm: by `kid`, and all of them under `undefined`. So a search takes constant time. */
const indexOf = (candidates: Iterable<Candidate>) => {
  const index = new Map<Algorithm, Map<string | undefined, Slot>>()
  for (const candidate of candidates) {
    const { algorithm, kid } = candidate.key
    const slots = getOrMake(index, algorithm, () => new Map<string | undefined, Slot>())
    for (const name of new Set([undefined, kid])) {
      getOrMake(slots, name, () => ({ candidates: [] })).candidates.push(candidate)
    }
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
  slot.found = fitting.length > 1 ? 'ambiguous' : (fitting[0] ?? 'unknown')
  return slot.found
}

const load = async (candidate: Candidate): Promise<void> => {
  const { jwk, algorithm, kid } = candidate.key
  const outcome = await importJWK({ ...jwk }, algorithm).then(
    (key): Outcome => ({ key: key as CryptoKey, ...(kid !== undefined && { kid }) }),
    ({ name }: Error): Outcome => (name === 'NotSupportedError' ? 'unsupported' : 'unknown'),
  )
  // Requests may import a key in parallel. All use the first result, so that remembered tokens stay usable.
  candidate.outcome ??= outcome
}
