import { createTextMemo } from '../base/memo.ts'
import { share } from '../base/single-flight.ts'
import { within } from '../base/timeout.ts'
import {
  type Revocation,
  type RevocationSubject,
  SUBJECT_HASH_BYTES,
  subjectHash,
  subjectKey,
} from '../model/revocation.ts'
import type { Found } from './protocol.ts'
import { createSnapshots, type Snapshot, type SnapshotOptions } from './snapshot.ts'

type Subjects = readonly RevocationSubject[]
type Entries = readonly Revocation[]
/** Looks subjects up in the set itself. */
type Ask = (subjects: Subjects) => Promise<Found>

const NONE: Entries = Object.freeze([])
/** The most subjects with remembered answers: ten thousand approved agents, each with a hash, and some more. */
const MOST_ANSWERS = 12_000
/** Milliseconds until a shared lookup counts as lost; the lookup has its own deadline. */
const ANSWER_MS = 10_000
/** Milliseconds that a request waits for a copy that others have requested, before it asks the set itself. */
const COPY_MS = 1_000

interface BoundedOptions extends SnapshotOptions {
  /** Whether the shard that copies come from is late, so that nobody waits for a copy. */
  readonly isLate?: () => boolean
}

/**
 * Looks subjects up in the isolate's copy of the set. Asks the set if the copy is too old, or has a subject's hash,
 * since the copy lacks the entries. Before that it waits for a copy that others have requested. Remembers the set's
 * answers until the subject changes. Answers for other subjects are synchronous from the second lookup of a list. Does
 * not check expiry.
 */
export function createBoundedLookup(ask: Ask, options: BoundedOptions) {
  const snapshots = createSnapshots(options)
  const { memory, clock, waitUntil, isLate = () => false } = options
  const terms = { clock, waitUntil, maxAgeMs: ANSWER_MS }

  const askNow = async (subjects: Subjects): Promise<Entries> => (await ask(subjects)).entries

  const askOnce = async (hits: Subjects, snapshot: Snapshot): Promise<Entries> => {
    const { answers, epoch, version } = snapshot
    const keys = hits.map(subjectKey)
    await share(memory.inFlight, JSON.stringify(keys), terms, async () => {
      const [said, hashes] = await Promise.all([ask(hits), Promise.all(keys.map(subjectHash))])
      // An answer of a shard older than the copy may be outdated.
      const isCurrent = said.epoch === epoch && said.version >= version
      if (isCurrent) remember(answers, keys, hashes, said.entries)
    })
    // The shared lookup may be of an older version, or its answers may be evicted.
    return recall(answers, keys) ?? askNow(hits)
  }

  const lookup = (subjects: Subjects, maxStaleness: number): Promise<Entries> | Entries => {
    const isComing = snapshots.isComing()
    const snapshot = snapshots.within(maxStaleness)
    if (!snapshot) {
      return isComing && !isLate() ? lookupSoon(subjects, maxStaleness) : askNow(subjects)
    }
    if (snapshot.set.size === 0) return NONE
    const hashes = hashed.get(subjects)
    // The copy may change while hashes are computed.
    if (!hashes) return hash(subjects).then(() => lookup(subjects, maxStaleness))
    const hits = subjects.filter((_, i) => snapshot.set.has(hashes, i * SUBJECT_HASH_BYTES))
    if (hits.length === 0) return NONE
    return recall(snapshot.answers, hits.map(subjectKey)) ?? askOnce(hits, snapshot)
  }

  /** Looks into the copy once it is there, so that many requests of a new isolate do not all ask the set. */
  const lookupSoon = async (subjects: Subjects, maxStaleness: number): Promise<Entries> => {
    await within(snapshots.pulled(), COPY_MS, () => {})
    return snapshots.within(maxStaleness) ? lookup(subjects, maxStaleness) : askNow(subjects)
  }
  return lookup
}

/** Contains results only: a promise must not be shared between requests. */
const hashed = new WeakMap<Subjects, Uint8Array>()

/** Hashes of agents, keys and issuers, which many tokens share. Token ids are not shared. */
const shared = createTextMemo<Uint8Array>()

const hashOf = (subject: RevocationSubject): Uint8Array | Promise<Uint8Array> => {
  const key = subjectKey(subject)
  if (subject.kind === 'token') return subjectHash(key)
  return shared.get(key) ?? subjectHash(key).then((made) => shared.keep(key, made))
}

/** Hashes a list once for all requests of an admission, which share the list. */
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
