import { createTextMemo } from '../core/memo.ts'
import {
  type Revocation,
  type RevocationSubject,
  SUBJECT_HASH_BYTES,
  subjectHash,
  subjectKey,
} from '../core/model/revocation.ts'
import { share } from '../platform/single-flight.ts'
import type { Found } from './protocol.ts'
import { createSnapshots, type Snapshot, type SnapshotOptions } from './snapshot.ts'

type Subjects = readonly RevocationSubject[]
type Entries = readonly Revocation[]
/** Asks the set itself. */
type Ask = (subjects: Subjects) => Promise<Found>

const NONE: Entries = Object.freeze([])
/** Subjects whose answers are remembered. */
const MOST_ANSWERS = 1_000
/** Milliseconds after which a shared question counts as lost; the asking has a deadline of its own. */
const ANSWER_MS = 10_000

/**
 * Lookups in the isolate's copy of the set. The set itself is asked where no copy is young enough, and about
 * subjects whose hash the copy has: a hash is no proof, and a copy does not have the entries. What the set
 * says of them is remembered until a change touches the subject. For subjects that the copy does not have, the
 * answer is there without a wait, from the second time on that a list is asked for. Does not judge whether an
 * entry has expired meanwhile.
 */
export function createBoundedLookup(ask: Ask, options: SnapshotOptions) {
  const snapshots = createSnapshots(options)
  const { memory, clock, waitUntil } = options
  const terms = { clock, waitUntil, maxAgeMs: ANSWER_MS }

  const askNow = async (subjects: Subjects): Promise<Entries> => (await ask(subjects)).entries

  const askOnce = async (hits: Subjects, snapshot: Snapshot): Promise<Entries> => {
    const { answers, epoch, version } = snapshot
    const keys = hits.map(subjectKey)
    await share(memory.inFlight, JSON.stringify(keys), terms, async () => {
      const [said, hashes] = await Promise.all([ask(hits), Promise.all(keys.map(subjectHash))])
      // A shard that lags behind the copy says what the copy's changes may have made untrue.
      const isCurrent = said.epoch === epoch && said.version >= version
      if (isCurrent) remember(answers, keys, hashes, said.entries)
    })
    // Others may have asked under an older version, or have filled the memory up.
    return recall(answers, keys) ?? askNow(hits)
  }

  const lookup = (subjects: Subjects, maxStaleness: number): Promise<Entries> | Entries => {
    const snapshot = snapshots.within(maxStaleness)
    if (!snapshot) return askNow(subjects)
    if (snapshot.set.size === 0) return NONE
    const hashes = hashed.get(subjects)
    // Time passes meanwhile, so that the copy is looked at anew.
    if (!hashes) return hash(subjects).then(() => lookup(subjects, maxStaleness))
    const hits = subjects.filter((_, i) => snapshot.set.has(hashes, i * SUBJECT_HASH_BYTES))
    if (hits.length === 0) return NONE
    return recall(snapshot.answers, hits.map(subjectKey)) ?? askOnce(hits, snapshot)
  }
  return lookup
}

/** Only what is finished: a promise of one request is nothing to another. */
const hashed = new WeakMap<Subjects, Uint8Array>()

/** Of subjects that many tokens have: each token has its own `jti`, and its agent's, key's and issuer's. */
const shared = createTextMemo<Uint8Array>()

const hashOf = (subject: RevocationSubject): Uint8Array | Promise<Uint8Array> => {
  const key = subjectKey(subject)
  if (subject.kind === 'token') return subjectHash(key)
  return shared.get(key) ?? subjectHash(key).then((made) => shared.keep(key, made))
}

/** Makes the hashes of a list once for all requests of one admission, which bring the same list. */
const hash = async (subjects: Subjects): Promise<void> => {
  const each = await Promise.all(subjects.map(hashOf))
  const hashes = new Uint8Array(subjects.length * SUBJECT_HASH_BYTES)
  for (const [index, one] of each.entries()) hashes.set(one, index * SUBJECT_HASH_BYTES)
  hashed.set(subjects, hashes)
}

const recall = (answers: Snapshot['answers'], keys: readonly string[]): Entries | undefined => {
  const known = keys.flatMap((key) => answers.get(key)?.entries ?? [])
  return keys.every((key) => answers.has(key)) ? known : undefined
}

const remember = (
  answers: Snapshot['answers'],
  keys: readonly string[],
  hashes: readonly Uint8Array[],
  said: Entries,
): void => {
  if (answers.size + keys.length > MOST_ANSWERS) answers.clear()
  for (const [index, hash] of hashes.entries()) {
    const key = keys[index] as string
    answers.set(key, { hash, entries: said.filter((entry) => subjectKey(entry) === key) })
  }
}
