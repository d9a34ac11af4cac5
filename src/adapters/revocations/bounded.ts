import {
  type Revocation,
  type RevocationSubject,
  SUBJECT_HASH_BYTES,
  subjectHash,
  subjectKey,
} from '../../model/revocation.ts'
import { share } from '../flight.ts'
import { createSnapshots, type Snapshot, type SnapshotOptions } from './snapshot.ts'

type Subjects = readonly RevocationSubject[]
type Entries = readonly Revocation[]
/** Asks the set itself. */
type Ask = (subjects: Subjects) => Promise<Entries>

const NONE: Entries = Object.freeze([])
/** Subjects whose answers are remembered for one version of the set. */
const MOST_ANSWERS = 1_000
/** Milliseconds after which a shared question counts as lost; the asking has a deadline of its own. */
const ANSWER_MS = 10_000

/**
 * Lookups in the isolate's copy of the set. Without one that is young enough, and about subjects that
 * it names, the set itself is asked: a hash is no proof, and a copy does not know what an entry says.
 * Of what is not revoked the answer is there at once, from the second time on that a list is asked for.
 */
export const createBoundedLookup = (ask: Ask, options: SnapshotOptions) => {
  const snapshots = createSnapshots(options)
  const { memory, clock, waitUntil } = options
  const terms = { clock, waitUntil, maxAgeMs: ANSWER_MS }

  const askOnce = async (hits: Subjects, { answers }: Snapshot): Promise<Entries> => {
    const keys = hits.map(subjectKey)
    await share(memory.flights, JSON.stringify(keys), terms, async () =>
      remember(answers, keys, await ask(hits)),
    )
    // Others may have asked under an older version, or have filled the memory up.
    return recall(answers, keys) ?? ask(hits)
  }

  const lookup = (subjects: Subjects, maxStaleness: number): Promise<Entries> | Entries => {
    const snapshot = snapshots.within(maxStaleness)
    if (!snapshot) return ask(subjects)
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

/** Makes the hashes of a list once for all requests of one token, which bring the same list. */
const hash = async (subjects: Subjects): Promise<void> => {
  const each = await Promise.all(subjects.map((one) => subjectHash(subjectKey(one))))
  const hashes = new Uint8Array(subjects.length * SUBJECT_HASH_BYTES)
  for (const [index, one] of each.entries()) hashes.set(one, index * SUBJECT_HASH_BYTES)
  hashed.set(subjects, hashes)
}

const recall = (answers: Snapshot['answers'], keys: readonly string[]): Entries | undefined => {
  const known = keys.flatMap((key) => answers.get(key) ?? [])
  return keys.every((key) => answers.has(key)) ? known : undefined
}

const remember = (answers: Snapshot['answers'], keys: readonly string[], entries: Entries) => {
  if (answers.size + keys.length > MOST_ANSWERS) answers.clear()
  for (const key of keys) {
    answers.set(
      key,
      entries.filter((entry) => subjectKey(entry) === key),
    )
  }
}
