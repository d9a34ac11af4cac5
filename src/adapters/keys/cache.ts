import type { Issuer } from '../../model/issuer.ts'
import type { Flights } from './flight.ts'
import { createKeySet, type KeySet, publicKeys } from './set.ts'
import type { KeyRecord } from './store.ts'
import { KEY_TIMES } from './times.ts'

/** Keys in use. */
export interface HeldKeys {
  readonly set: KeySet
  readonly source: 'inline' | 'kv' | 'issuer'
  /** Milliseconds since the epoch; inline keys have none and never age. */
  readonly fetchedAt?: number
}

/** What an isolate knows of one issuer entry. */
export interface KeyEntry {
  /** Made of all that decides which keys these are; never of a key id. */
  readonly id: string
  held?: HeldKeys
  /** What KV held when it was last read. */
  stored: KeyRecord | undefined
  /** The last question failed, at this time. */
  failure: { readonly at: number; readonly error: string } | undefined
}

/** The keys of all issuers in an isolate's memory. Make one per isolate, not per request. */
export interface KeyCache {
  readonly entries: Map<string, KeyEntry>
  readonly byIssuer: WeakMap<Issuer, KeyEntry>
  readonly flights: Flights
}

/** An empty memory. */
export const createKeyCache = (): KeyCache => ({
  entries: new Map(),
  byIssuer: new WeakMap(),
  flights: new Map(),
})

/** The entry of an issuer. Two issuer objects share one only if they say the same of their keys. */
export const entryOf = (cache: KeyCache, issuer: Issuer): KeyEntry => {
  const known = cache.byIssuer.get(issuer)
  if (known) return known
  const { keys, allowInsecureHttp, algorithms } = issuer
  const id = JSON.stringify([issuer.issuer, keys, allowInsecureHttp, algorithms])
  const entry = cache.entries.get(id) ?? newEntry(id, issuer)
  cache.entries.set(id, entry)
  cache.byIssuer.set(issuer, entry)
  return entry
}

const newEntry = (id: string, { keys, algorithms }: Issuer): KeyEntry => ({
  id,
  stored: undefined,
  failure: undefined,
  ...(keys.kind === 'inline' && {
    held: { set: createKeySet(publicKeys(keys) ?? [], algorithms), source: 'inline' },
  }),
})

/** The keys that may be used at `now`: inline ones, or a set within its life. */
export const liveKeys = ({ held }: KeyEntry, now: number): HeldKeys | undefined =>
  held && ageOf(held, now) < KEY_TIMES.staleMs ? held : undefined

/** Milliseconds since the keys were asked for. */
export const ageOf = ({ fetchedAt }: HeldKeys, now: number): number =>
  fetchedAt === undefined ? 0 : now - fetchedAt

/** What can be told of an issuer's keys without asking anybody. */
export interface KeyStatus {
  /** Seconds since the keys were asked for. */
  readonly age: number | undefined
  readonly source: HeldKeys['source'] | undefined
  /** Keys that can be used; none once the set is past its life. */
  readonly keys: number
  /** Why the last question failed, until one succeeds. */
  readonly error?: string
}

/** An issuer's keys as this isolate knows them at `now` (milliseconds). Never fetches. */
export const keyStatus = (cache: KeyCache, issuer: Issuer, now: number): KeyStatus => {
  const entry = entryOf(cache, issuer)
  const { held, failure } = entry
  const age = held?.fetchedAt === undefined ? undefined : Math.floor(ageOf(held, now) / 1000)
  return {
    age,
    source: held?.source,
    keys: liveKeys(entry, now)?.set.size ?? 0,
    ...(failure && { error: failure.error }),
  }
}
