import { getOrMake } from '../base/memo.ts'
import type { InFlight } from '../base/single-flight.ts'
import type { Issuer } from '../model/issuer.ts'
import { type KeySet, keySetOf, publicKeys } from '../model/key-set.ts'
import type { Clock } from '../model/ports.ts'
import { createBreaker } from '../platform/breaker.ts'
import { dropOldest } from '../platform/buckets.ts'
import type { Background } from '../platform/system.ts'
import { type Budget, isolateBudget } from './budget.ts'
import type { KeyAnswer, KeyFailure } from './key-service.ts'
import type { KeyRecord, Rotation } from './store.ts'
import { KEY_TIMES, lifeOf, lifetimeOf } from './times.ts'

/** Keys in use, and the times (milliseconds since the epoch) when their use changes. Inline keys never age. */
export interface HeldKeys {
  readonly set: KeySet
  readonly source: 'inline' | 'kv' | 'issuer'
  readonly record?: KeyRecord
  readonly fetchedAt: number
  /** From then on, requests use them while they are renewed in the background. */
  readonly renewFrom: number
  /** From then on, they are used only while the issuer is unreachable. */
  readonly confirmBy: number
  /** From then on, they are not used. */
  readonly goneAt: number
}

/** The state of one issuer's keys in an isolate. */
export interface KeyEntry {
  /** A key made of all settings that decide on these keys; never of a key id. */
  readonly id: string
  /** The latest time at which a key was looked for, in milliseconds. */
  heardAt: number
  held: HeldKeys | undefined
  failure: KeyFailure | undefined
  /** When KV was last read, in milliseconds. */
  recalledAt: number
  /** When the key service was last unreachable, in milliseconds. */
  lostAt: number
  /** Until when the key service fetches nothing for an unknown key id, in milliseconds. */
  pausedUntil: number
  /** Key ids that the key service refused to one kind of caller, and until when (milliseconds) that is remembered. */
  readonly misses: Map<string, number>
  /** Networks from which a token of this issuer passed all stages. */
  readonly known: Set<string>
  readonly budget: Budget
}

export type KeyCache = ReturnType<typeof createKeyCache>

/** Most missing key ids, and most known networks. */
const REMEMBERED = 1_024

/** Creates an empty cache for the keys of all issuers. Create one per isolate, not per request. */
export function createKeyCache(clock: Clock, waitUntil?: Background['waitUntil']) {
  const inFlight: InFlight = new Map()
  return {
    clock,
    entries: new Map<string, KeyEntry>(),
    byIssuer: new WeakMap<Issuer, KeyEntry>(),
    inFlight,
    /** By entry: whether its key service is late. */
    breaker: createBreaker({ clock, ...(waitUntil && { waitUntil }) }),
  }
}

/** The entry of an issuer. Two issuer objects share it only if all their key settings are equal. */
export function entryOf(cache: KeyCache, issuer: Issuer): KeyEntry {
  const known = cache.byIssuer.get(issuer)
  if (known) return known
  const { keys, keyTimes, allowInsecureHttp, algorithms } = issuer
  const id = JSON.stringify([issuer.issuer, keys, keyTimes, allowInsecureHttp, algorithms])
  const entry = getOrMake(cache.entries, id, () => newEntry(id, issuer, cache.clock))
  cache.byIssuer.set(issuer, entry)
  return entry
}

const newEntry = (id: string, issuer: Issuer, clock: Clock): KeyEntry => ({
  id,
  heardAt: Number.NEGATIVE_INFINITY,
  held:
    issuer.keys.kind === 'inline'
      ? {
          set: keySetOf(publicKeys(issuer.keys) ?? [], issuer),
          source: 'inline',
          fetchedAt: 0,
          renewFrom: Number.POSITIVE_INFINITY,
          confirmBy: Number.POSITIVE_INFINITY,
          goneAt: Number.POSITIVE_INFINITY,
        }
      : undefined,
  failure: undefined,
  recalledAt: Number.NEGATIVE_INFINITY,
  lostAt: 0,
  pausedUntil: 0,
  misses: new Map(),
  known: new Set(),
  budget: isolateBudget(clock),
})

/**
 * Takes note of the time. After the clock was set back, every wait would last until it has caught up. So the waits are
 * over, and the set must be confirmed, because nobody knows how old it is.
 */
export function hearClock(entry: KeyEntry, now: number): void {
  const step = entry.heardAt - now
  if (step > 0 && step < KEY_TIMES.stepMs.here) return
  entry.heardAt = now
  if (step <= 0) return
  entry.misses.clear()
  Object.assign(entry, { failure: undefined, lostAt: 0, pausedUntil: 0 })
  const { held } = entry
  if (!held || held.source === 'inline') return
  const { fetchedAt, renewFrom, confirmBy, goneAt } = held
  const by = Math.max(0, confirmBy - now)
  const times = { fetchedAt: fetchedAt - by, renewFrom: renewFrom - by, goneAt: goneAt - by }
  entry.held = { ...held, ...times, confirmBy: confirmBy - by }
}

/** Stores the keys of the key service or of KV, if they are newer. */
export function takeAnswer(
  entry: KeyEntry,
  issuer: Issuer,
  { record }: KeyAnswer,
  source: 'kv' | 'issuer',
  now: number,
): void {
  if (!record || record.fetchedAt <= (entry.held?.fetchedAt ?? 0)) return
  // The clock of another machine may be ahead of this one.
  const fetchedAt = Math.min(record.fetchedAt, now)
  const lifetime = lifetimeOf(record.maxAge, issuer.keyTimes)
  entry.misses.clear()
  entry.held = {
    set: keySetOf(record.keys, issuer, entry.held?.set),
    source,
    record,
    fetchedAt,
    renewFrom: fetchedAt + lifetime / 2,
    confirmBy: fetchedAt + lifetime,
    goneAt: fetchedAt + lifeOf(record.maxAge, issuer.keyTimes),
  }
}

/** Remembers that a key id was refused; drops the oldest one if full. */
export function rememberMiss({ misses }: KeyEntry, kid: string, until: number): void {
  dropOldest(misses, REMEMBERED)
  misses.set(kid, until)
}

/** Remembers the network of a token that passed; drops the oldest one if full. */
export function rememberNetwork({ known }: KeyEntry, network: string): void {
  if (known.has(network)) return
  dropOldest(known, REMEMBERED)
  known.add(network)
}

const MOST_ROTATIONS = 5

/** The state of an issuer's keys in memory. */
export interface KeyStatus {
  /** Seconds since the keys were fetched. */
  readonly age: number | undefined
  readonly source: HeldKeys['source'] | undefined
  /** Number of usable keys; 0 once the set is too old. */
  readonly keys: number
  /** Whether the keys are used only because the issuer is unreachable. */
  readonly stale: boolean
  /** The last changes of the published set, newest first; `at` in seconds since the epoch. */
  readonly rotations?: readonly Rotation[]
  /** Why the last question failed, until one succeeds. */
  readonly error?: string
}

/** The state of an issuer's keys in this isolate at `now` (milliseconds). Never fetches. */
export function keyStatus(cache: KeyCache, issuer: Issuer, now: number): KeyStatus {
  const { held, failure } = entryOf(cache, issuer)
  const isAging = held && held.source !== 'inline'
  const rotations = held?.record?.rotations
    .slice(0, MOST_ROTATIONS)
    .map((rotation) => ({ ...rotation, at: Math.floor(rotation.at / 1000) }))
  return {
    age: isAging ? Math.floor((now - held.fetchedAt) / 1000) : undefined,
    source: held?.source,
    keys: held && now < held.goneAt ? held.set.size : 0,
    stale: held !== undefined && now >= held.confirmBy,
    ...(rotations && { rotations }),
    ...(failure && { error: failure.error }),
  }
}
