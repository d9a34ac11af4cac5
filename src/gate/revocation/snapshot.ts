import { LIMITS } from '../base/limits.ts'
import { type InFlight, isInFlight, share } from '../base/single-flight.ts'
import type { Revocation } from '../model/revocation.ts'
import type { Background } from '../platform/system.ts'
import type { HashChanges, HashPage, Reset, Version } from './protocol.ts'
import { createRevocationSet, eachHash, type RevocationSet } from './set.ts'

/** The source of copies of the set. Hashes are concatenated, 8 bytes each. */
export interface SnapshotSource {
  /** A page of the hashes of all live entries; `after` is 0 or the last page's cursor. */
  pullAll(after: number): Promise<HashPage>
  /** The changes since a version, or `reset`. */
  pullSince(epoch: string, version: number): Promise<HashChanges | Reset>
}

/** A complete copy of the set. */
export interface Snapshot extends Version {
  readonly set: Pick<RevocationSet, 'has' | 'size'>
  /**
   * Answers of the set since this copy was made: all live entries by `subjectKey`, and the hash of
   * the key. Valid as long as the copy. Each version has its own map with the answers its changes leave
   * valid. So late answers end up in the old version's map.
   */
  readonly answers: Map<string, { hash: Uint8Array; entries: readonly Revocation[] }>
}

interface Held extends Snapshot {
  readonly set: RevocationSet
  /** When the copy was requested, in milliseconds: it may lack later changes. */
  readonly askedAt: number
}

/** An unfinished copy, not used for answers. */
interface Growing {
  readonly set: RevocationSet
  /** The first page's version: later pages may miss changes since. */
  first: Version | undefined
  /** The cursor of the next page; `undefined` after the last. */
  after: number | undefined
}

/** The state of copies in an isolate between requests. */
export interface SnapshotMemory {
  held: Held | undefined
  growing: Growing | undefined
  /** The time of the last failed pull and the pause after it, in milliseconds. */
  failedAt: number
  pause: number
  readonly inFlight: InFlight
}

/** Creates an empty memory. */
export function createSnapshotMemory(): SnapshotMemory {
  return {
    held: undefined,
    growing: undefined,
    failedAt: Number.NEGATIVE_INFINITY,
    pause: 0,
    inFlight: new Map(),
  }
}

export interface SnapshotOptions extends Background {
  readonly memory: SnapshotMemory
  readonly source: SnapshotSource
}

const PULL = 'pull'
/** Milliseconds of retry pauses: the first, and the longest for changes and full pulls. */
const RETRY_MS = { first: 250, changes: 1_000, all: 10_000 }

/**
 * Copies of the set, pulled in the background of requests, one pull at a time. A call counts as
 * lost after {@link LIMITS.revocationReadMs}, or {@link LIMITS.revocationPageMs} for a page. A
 * later request resumes an interrupted full pull. Failures are retried with back-off and jitter,
 * since a deploy starts all isolates at once.
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
    /** Whether a call in progress may complete a copy. Further pages of a large set may take long. */
    isComing: (): boolean =>
      memory.growing?.first === undefined && isInFlight(memory.inFlight, PULL, options),

    /** Settles when the call in progress ends. */
    pulled: async (): Promise<void> => memory.inFlight.get(PULL)?.promise.catch(() => {}),

    /**
     * The copy, if requested less than `maxStaleness` milliseconds ago. At half that age it
     * also starts a renewal.
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

/** The copy's age; infinite if the clock was set back, so that an old copy is not taken for a new one. */
const elapsed = (since: number, now: number): number =>
  since > now ? Number.POSITIVE_INFINITY : now - since

/** Makes one call of the source. Its answer is ignored if another call was faster. */
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

/** Applies changes in place. Without changes to apply, the copy serves until a new copy is complete. */
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
  // This page's shard is behind or of another epoch: changes would be missed.
  if (first && (epoch !== first.epoch || version < first.version)) throw lost(memory)
  eachHash(hashes, (at) => set.add(hashes, at))
  growing.first ??= { epoch, version }
  growing.after = next
  // A single page is the complete set.
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

/** A lower version means that the set was reset. */
const changesOf = (
  answer: HashChanges | Reset,
  { epoch, version }: Version,
): HashChanges | undefined =>
  'reset' in answer || answer.epoch !== epoch || answer.version < version ? undefined : answer

const apply = (set: RevocationSet, { added, removed }: HashChanges): void => {
  eachHash(added, (at) => set.add(added, at))
  eachHash(removed, (at) => set.delete(removed, at))
}

/** The answers that changes leave valid. */
const untouched = (
  { answers, ...held }: Held,
  { version, added, removed }: HashChanges,
): Snapshot['answers'] => {
  if (version === held.version && added.length + removed.length === 0) return answers
  const touched = createRevocationSet()
  for (const hashes of [added, removed]) eachHash(hashes, (at) => touched.add(hashes, at))
  return new Map([...answers].filter(([, { hash }]) => !touched.has(hash, 0)))
}
