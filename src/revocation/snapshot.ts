import { LIMITS } from '../core/limits.ts'
import type { Revocation } from '../core/model/revocation.ts'
import { type InFlight, isInFlight, share } from '../platform/single-flight.ts'
import type { Background } from '../platform/system.ts'
import type { HashChanges, HashPage, Reset, Version } from './protocol.ts'
import { createRevocationSet, eachHash, type RevocationSet } from './set.ts'

/** Where copies of the set come from. Hashes have 8 bytes and stand one after the other. */
export interface SnapshotSource {
  /** A page of the hashes of all live entries, from the first (`after` 0) or where one ended. */
  pullAll(after: number): Promise<HashPage>
  /** What changed since a version, or that only a full pull can tell. */
  pullSince(epoch: string, version: number): Promise<HashChanges | Reset>
}

/** What the set itself said about a subject: all entries that were live then. */
export interface Answer {
  readonly hash: Uint8Array
  readonly entries: readonly Revocation[]
}

/** A complete copy of the set. */
export interface Snapshot extends Version {
  readonly set: Pick<RevocationSet, 'has' | 'size'>
  /**
   * For what was asked while this copy was held, by `subjectKey`. That stays true as long as the copy
   * does. Another version has a map of its own, with those answers that its changes leave true: what is
   * asked for meanwhile ends in this one, where nobody finds it who holds the other.
   */
  readonly answers: Map<string, Answer>
}

interface Held extends Snapshot {
  readonly set: RevocationSet
  /** When it was asked for, in milliseconds: it may lack what came later. */
  readonly askedAt: number
}

/** A copy in the making; nothing is answered from it. */
interface Growing {
  readonly set: RevocationSet
  /** Of the first page: later pages may have missed what changed since, or be of another epoch. */
  first: Version | undefined
  /** Where the next page begins; `undefined` when all are there. */
  after: number | undefined
}

/** What an isolate keeps of the set between requests. */
export interface SnapshotMemory {
  held: Held | undefined
  growing: Growing | undefined
  /** When a pull failed last, and how long it is waited out, in milliseconds. */
  failedAt: number
  pause: number
  readonly inFlight: InFlight
}

/** A memory that knows nothing yet. */
export function createSnapshotMemory(): SnapshotMemory {
  return {
    held: undefined,
    growing: undefined,
    failedAt: Number.NEGATIVE_INFINITY,
    pause: 0,
    inFlight: new Map(),
  }
}

/** What copies are made and kept with. */
export interface SnapshotOptions extends Background {
  readonly memory: SnapshotMemory
  readonly source: SnapshotSource
}

const PULL = 'pull'
/** Milliseconds from a pull that failed to the next: the first time, and at most for changes and for all. */
const RETRY_MS = { first: 250, changes: 1_000, all: 10_000 }

/**
 * Copies of the set, pulled behind the requests that notice the need, by one of them at a time. Each
 * call of the source is a flight of its own, lost after {@link LIMITS.revocationReadMs} or, for a page of
 * the whole set, {@link LIMITS.revocationPageMs}; a full pull goes on where another request left it.
 * Failures are waited out with back-off and jitter: after a deploy all isolates begin at once.
 */
export function createSnapshots(options: SnapshotOptions) {
  const { memory, clock, waitUntil, log } = options
  const isWhole = () => memory.growing !== undefined || memory.held === undefined
  const termsOf = () => ({
    clock,
    waitUntil,
    maxAgeMs: isWhole() ? LIMITS.revocationPageMs : LIMITS.revocationReadMs,
  })

  const pull = async (): Promise<void> => {
    try {
      do await share(memory.inFlight, PULL, termsOf(), () => step(options))
      while (memory.growing)
      memory.pause = 0
    } catch (error) {
      memory.failedAt = clock.now()
      const most = isWhole() ? RETRY_MS.all : RETRY_MS.changes
      const longest = Math.min(Math.max(memory.pause * 2, RETRY_MS.first), most)
      memory.pause = longest * (0.75 + Math.random() / 4)
      log({ event: 'revocations_pull_failed', error: String(error) })
    }
  }

  return {
    /**
     * The copy, where it was asked for less than `maxStaleness` milliseconds ago. From half of that
     * on, a renewal is begun.
     */
    within(maxStaleness: number): Snapshot | undefined {
      const { held, failedAt, pause, inFlight } = memory
      const now = clock.now()
      const age = held ? elapsed(held.askedAt, now) : Number.POSITIVE_INFINITY
      const isDue = age >= maxStaleness / 2 && elapsed(failedAt, now) >= pause
      if (isDue && !isInFlight(inFlight, PULL, options)) waitUntil(pull())
      return age < maxStaleness ? held : undefined
    },
  }
}

/** Where a clock was set back, what is yet to come was long ago: nothing lives on by it. */
const elapsed = (since: number, now: number): number =>
  since > now ? Number.POSITIVE_INFINITY : now - since

/** One call of the source. Its answer is dropped where another call was faster. */
const step = (options: SnapshotOptions): Promise<void> => {
  const { memory } = options
  if (!memory.growing && memory.held) return renew(memory.held, options)
  memory.growing ??= begin()
  const { growing } = memory
  const { first, after } = growing
  return first && after === undefined
    ? finish(growing, first, options)
    : pullPage(growing, after ?? 0, options)
}

const begin = (): Growing => ({ set: createRevocationSet(), first: undefined, after: 0 })

/** Brings the copy up to date, in place. One that cannot be serves on until another is complete. */
const renew = async (held: Held, { memory, source, clock }: SnapshotOptions): Promise<void> => {
  const askedAt = clock.now()
  const changes = changesOf(await source.pullSince(held.epoch, held.version), held)
  if (memory.held !== held) return
  if (!changes) {
    memory.growing ??= begin()
    return
  }
  apply(held.set, changes)
  const { version } = changes
  memory.held = { ...held, version, askedAt, answers: untouched(held, changes) }
}

const pullPage = async (
  growing: Growing,
  after: number,
  { memory, source, clock }: SnapshotOptions,
): Promise<void> => {
  const askedAt = clock.now()
  const { hashes, epoch, version, after: next } = await source.pullAll(after)
  if (memory.growing !== growing || growing.after !== after) return
  const { first, set } = growing
  // Of a shard that lags behind the one before, or of another epoch: changes would be missed.
  if (first && (epoch !== first.epoch || version < first.version)) throw lost(memory)
  eachHash(hashes, (at) => set.add(hashes, at))
  growing.first ??= { epoch, version }
  growing.after = next
  // A page that is the only one is the set of one moment.
  if (after === 0 && next === undefined) hold(memory, { set, epoch, version, askedAt })
}

const finish = async (
  growing: Growing,
  first: Version,
  { memory, source, clock }: SnapshotOptions,
): Promise<void> => {
  const askedAt = clock.now()
  const changes = changesOf(await source.pullSince(first.epoch, first.version), first)
  if (memory.growing !== growing) return
  if (!changes) throw lost(memory)
  const { set } = growing
  const { epoch, version } = changes
  apply(set, changes)
  hold(memory, { set, epoch, version, askedAt })
}

const hold = (memory: SnapshotMemory, copy: Omit<Held, 'answers'>): void => {
  memory.held = { ...copy, answers: new Map() }
  memory.growing = undefined
}

const lost = (memory: SnapshotMemory): Error => {
  memory.growing = undefined
  return new Error('the set was reset, or changed too much, while it was pulled')
}

/** A set that has gone back to an older version was reset too. */
const changesOf = (
  answer: HashChanges | Reset,
  { epoch, version }: Version,
): HashChanges | undefined =>
  'reset' in answer || answer.epoch !== epoch || answer.version < version ? undefined : answer

const apply = (set: RevocationSet, { added, removed }: HashChanges): void => {
  eachHash(added, (at) => set.add(added, at))
  eachHash(removed, (at) => set.delete(removed, at))
}

/** Those answers that changes leave true. */
const untouched = (
  { answers, ...held }: Held,
  { version, added, removed }: HashChanges,
): Snapshot['answers'] => {
  if (version === held.version && added.length + removed.length === 0) return answers
  const touched = createRevocationSet()
  for (const hashes of [added, removed]) eachHash(hashes, (at) => touched.add(hashes, at))
  return new Map([...answers].filter(([, { hash }]) => !touched.has(hash, 0)))
}
