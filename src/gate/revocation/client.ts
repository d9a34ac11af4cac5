import { shortHash } from '../base/bytes.ts'
import { LIMITS } from '../base/limits.ts'
import { perObject } from '../base/memo.ts'
import { type InFlight, share } from '../base/single-flight.ts'
import type { RevocationStore, Revocations } from '../model/ports.ts'
import {
  type RevocationPlacement,
  type RevocationSubject,
  subjectKey,
} from '../model/revocation.ts'
import { readBy } from '../platform/answers.ts'
import { createBreaker } from '../platform/breaker.ts'
import { inTime, type Objects, retryOnce } from '../platform/calls.ts'
import { type Background, system } from '../platform/system.ts'
import { SHARD_ANSWERS } from './answers.ts'
import { createBoundedLookup } from './bounded.ts'
import { type Found, PRIMARY, type Shard } from './protocol.ts'
import type { SnapshotOptions, SnapshotSource } from './snapshot.ts'

/** Milliseconds until a shared read counts as lost: two tries and slack. */
const READING_MS = 2 * LIMITS.revocationReadMs + 1_000

export interface IsolateOptions extends Omit<SnapshotOptions, 'source'> {
  /** The isolate's location, once known; isolates of one location share a shard. */
  readonly place: () => string
}

/**
 * The revocation set in a Durable Object namespace. A read that fails or exceeds
 * {@link LIMITS.revocationReadMs} is tried again at the primary, then rejects. Writes are tried
 * once, without a deadline, since an abandoned write may still be stored. Concurrent requests of a
 * token share reads that start after them. Bounded lookups use the isolate's copy, strict ones
 * never; without `isolate` all are strict. Without a namespace every call rejects.
 */
export function createRevocations(
  namespace: Objects<Shard> | undefined,
  placement: RevocationPlacement = { shards: 1, locations: [] },
  isolate?: IsolateOptions,
): Revocations & RevocationStore {
  const { primary, ask: twice, isLate, read, pull } = createShards(namespace, placement, isolate)
  const reading: InFlight<Found> = new Map()
  const terms = isolate && { ...isolate, maxAgeMs: READING_MS, fresh: true }
  const ask = async (subjects: readonly RevocationSubject[]): Promise<Found> => {
    const keys = keysOf(subjects)
    const text = JSON.stringify(keys)
    const lookup = () => read(text, (shard, hint) => shard.lookup(keys, hint))
    // Limits the load on a shard from concurrent requests of one token. Nobody waits for others at a late shard.
    if (!terms || isLate(text)) return lookup()
    const found = await share(reading, text, terms, lookup)
    if (!found) throw new Error('no reading of others ended in time')
    return found
  }
  const place = isolate?.place ?? (() => '')
  const source: SnapshotSource = {
    pullAll: (after) =>
      pull(place(), (shard, hint) => shard.pullAll(after, hint), LIMITS.revocationPageMs),
    pullSince: (epoch, version) =>
      pull(place(), (shard, hint) => shard.pullSince(epoch, version, hint)),
  }
  const bounded =
    isolate && createBoundedLookup(ask, { ...isolate, source, isLate: () => isLate(place()) })
  return {
    lookup: (subjects, terms) =>
      bounded && terms?.consistency === 'bounded'
        ? bounded(subjects, terms.maxStaleness)
        : ask(subjects).then(({ entries }) => entries),
    list: (query) => twice((shard) => shard.list(query)),
    get: (id) => twice((shard) => shard.get(id)),
    status: () => twice((shard) => shard.status()),
    add: async (entries, act) => await primary().add(entries, act),
    signal: async (signal, act) => await primary().signal(signal, act),
    remove: async (id, owner, act) => await primary().remove(id, owner, act),
    removePage: async (query, act) => await primary().removePage(query, act),
  }
}

/** Once per admission, whose requests share the list. */
const keysOf = perObject((subjects: readonly RevocationSubject[]) => subjects.map(subjectKey))

/** A call to a shard, with a location hint for the primary. */
type Call<Value> = (shard: Shard, primaryHint: string | undefined) => PromiseLike<Value | undefined>

/** Milliseconds to avoid a shard that failed, or was not ready to answer. */
const REST_MS = { failed: 10_000, unanswered: 1_000 }

/**
 * The shards of a namespace. A call goes to the shard chosen by a text; if it fails or is not
 * ready, to the primary. Rejects if no try succeeds. A try fails after
 * {@link LIMITS.revocationReadMs} or the given `ms`.
 */
export function createShards(
  namespace: Objects<Shard> | undefined,
  { shards, locations, jurisdiction }: RevocationPlacement,
  background: Partial<Pick<Background, 'clock' | 'waitUntil'>> = {},
) {
  const { clock = system.clock } = background
  const breaker = createBreaker(background)
  const objects = jurisdiction ? namespace?.jurisdiction?.(jurisdiction) : namespace
  /** By shard: the end of its pause, in milliseconds. */
  const resting = new Map<string, number>()

  // Stubs are not kept: they belong to one request, and may fail for good.
  const shard = (name: string): Shard => {
    if (!objects) throw new Error('REVOCATIONS is not bound, or knows no jurisdictions')
    const locationHint = locations[Number(name) % locations.length]
    const options = locationHint ? { locationHint } : undefined
    return readBy(SHARD_ANSWERS, objects.getByName(name, options))
  }

  const chosen = (text: string): string => {
    const name = String(choiceOf(text, shards))
    return clock.now() < (resting.get(name) ?? 0) ? PRIMARY : name
  }

  const wait = <Value>(name: string, ask: () => PromiseLike<Value>): Promise<Value> =>
    breaker.call(name, ask, LIMITS.revocationReadMs)

  const firstOf = async <Value>(names: Iterable<string>, call: Call<Value>, ms?: number) => {
    let failure: unknown
    const wasLate = ms === undefined && breaker.isLate(PRIMARY)
    for (const name of names) {
      // A caller waits once: the second try would be at the primary, which was late before.
      if (failure && wasLate) break
      let rest = REST_MS.unanswered
      try {
        const ask = () => call(shard(name), locations[0])
        const value = await (ms === undefined ? wait(name, ask) : inTime(ask, ms))
        if (value !== undefined) return value
      } catch (error) {
        failure = error
        rest = REST_MS.failed
      }
      if (name !== PRIMARY) resting.set(name, clock.now() + rest)
    }
    // The primary is the last to fail: what keeps it from answering may concern all.
    if (breaker.isLate(PRIMARY)) for (let i = 1; i < shards; i++) breaker.suspect(String(i))
    throw failure ?? new Error('no shard answers for the set')
  }

  return {
    primary: () => shard(PRIMARY),

    /** Asks the primary, twice at most. */
    ask: <Value>(call: (shard: Shard) => PromiseLike<Value>): Promise<Value> =>
      retryOnce(() => wait(PRIMARY, () => call(shard(PRIMARY)))),

    /** Tries twice at most; the second try is the primary. Late shards: {@link createBreaker}. */
    read: <Value>(text: string, call: Call<Value>): Promise<Value> =>
      firstOf([chosen(text), PRIMARY], call),

    /** Whether the shard that a read would try first is late. */
    isLate: (text: string): boolean => breaker.isLate(chosen(text)),

    /** Tries each shard once; `ms` is the deadline of a try. No request waits for it, so each try has all of it. */
    pull: <Value>(
      text: string,
      call: Call<Value>,
      ms: number = LIMITS.revocationReadMs,
    ): Promise<Value> => firstOf(new Set([chosen(text), PRIMARY]), call, ms),
  }
}

/**
 * Chooses one of `count` shards by a text, everywhere the same. Evenly distributed, but not secret:
 * an attacker may choose the text.
 */
const choiceOf = (text: string, count: number): number => {
  let hash = shortHash(text)
  // The finalizer of MurmurHash3, since the low bits are weak.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) % count
}
