import type { Issuer } from '../core/model/issuer.ts'
import type { Clock } from '../core/model/ports.ts'
import { dropOldest } from '../platform/buckets.ts'
import type { InFlight } from '../platform/single-flight.ts'
import { type Budget, isolateBudget } from './budget.ts'
import type { KeyAnswer, KeyFailure } from './key-service.ts'
import { type KeySet, keySetOf, publicKeys } from './set.ts'
import type { KeyRecord, Rotation } from './store.ts'
import { lifeOf, lifetimeOf } from './times.ts'

/** Keys in use, and the moments at which that changes, in milliseconds; inline keys never age. */
export interface HeldKeys {
  readonly set: KeySet
  readonly source: 'inline' | 'kv' | 'issuer'
  readonly record?: KeyRecord
  /** When the issuer was asked. */
  readonly fetchedAt: number
  /** From when on they are renewed behind the requests they serve. */
  readonly renewFrom: number
  /** From when on they serve only while the issuer cannot be asked. */
  readonly confirmBy: number
  /** From when on they do not serve. */
  readonly goneAt: number
}

/** What an isolate knows of one issuer entry. */
export interface KeyEntry {
  /** Made of all that decides which keys these are; never of a key id. */
  readonly id: string
  held: HeldKeys | undefined
  /** The last question failed. */
  failure: KeyFailure | undefined
  /** When the keeper could not be reached the last time, in milliseconds. */
  lostAt: number
  /** Key ids that the issuer's set lacked, and until when (milliseconds) that is believed. */
  readonly misses: Map<string, number>
  /** Networks from which a token of this issuer has passed the line. */
  readonly known: Set<string>
  readonly budget: Budget
}

/** The keys of all issuers in an isolate's memory. Make one per isolate, not per request. */
export interface KeyCache {
  readonly clock: Clock
  readonly entries: Map<string, KeyEntry>
  readonly byIssuer: WeakMap<Issuer, KeyEntry>
  readonly inFlight: InFlight
}

/** Of each kind: key ids that are missing, networks that are known. */
const REMEMBERED = 1_024

/** An empty memory. */
export function createKeyCache(clock: Clock): KeyCache {
  return {
    clock,
    entries: new Map(),
    byIssuer: new WeakMap(),
    inFlight: new Map(),
  }
}

/** The entry of an issuer. Two issuer objects share one only if they say the same of their keys. */
export function entryOf(cache: KeyCache, issuer: Issuer): KeyEntry {
  const known = cache.byIssuer.get(issuer)
  if (known) return known
  const { keys, keyTimes, allowInsecureHttp, algorithms } = issuer
  const id = JSON.stringify([issuer.issuer, keys, keyTimes, allowInsecureHttp, algorithms])
  const entry = cache.entries.get(id) ?? newEntry(id, issuer, cache.clock)
  cache.entries.set(id, entry)
  cache.byIssuer.set(issuer, entry)
  return entry
}

const newEntry = (id: string, issuer: Issuer, clock: Clock): KeyEntry => ({
  id,
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
  lostAt: 0,
  misses: new Map(),
  known: new Set(),
  budget: isolateBudget(clock),
})

/** Takes over the keys of a keeper or of KV where they are newer. */
export function takeAnswer(
  entry: KeyEntry,
  issuer: Issuer,
  { record }: KeyAnswer,
  source: 'kv' | 'issuer',
  now: number,
): void {
  if (!record || record.fetchedAt <= (entry.held?.fetchedAt ?? 0)) return
  // Another machine's clock may be ahead of this one.
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

/** Remembers that the set lacks a key id, in bounded memory. */
export function rememberMiss({ misses }: KeyEntry, kid: string, until: number): void {
  dropOldest(misses, REMEMBERED)
  misses.set(kid, until)
}

/** Remembers where a token came from that has passed, in bounded memory. */
export function rememberNetwork({ known }: KeyEntry, network: string): void {
  if (known.has(network)) return
  dropOldest(known, REMEMBERED)
  known.add(network)
}

/** Rotations that a status tells of. */
const TOLD = 5

/** What can be told of an issuer's keys without asking anybody. */
export interface KeyStatus {
  /** Seconds since the keys were asked for. */
  readonly age: number | undefined
  readonly source: HeldKeys['source'] | undefined
  /** Keys that can be used; none once the set is past its life. */
  readonly keys: number
  /** Whether they serve only because the issuer cannot be asked. */
  readonly stale: boolean
  /** The last changes of the published set, newest first; `at` in seconds since the epoch. */
  readonly rotations?: readonly Rotation[]
  /** Why the last question failed, until one succeeds. */
  readonly error?: string
}

/** An issuer's keys as this isolate knows them at `now` (milliseconds). Never fetches. */
export function keyStatus(cache: KeyCache, issuer: Issuer, now: number): KeyStatus {
  const { held, failure } = entryOf(cache, issuer)
  const isAging = held && held.source !== 'inline'
  const rotations = held?.record?.rotations
    .slice(0, TOLD)
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
