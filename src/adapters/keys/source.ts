import { fail, ok, onceKnown, type Result } from '../../base/result.ts'
import type { Issuer } from '../../model/issuer.ts'
import type { Clock, KeyFault, KeySource, VerificationKey } from '../../model/ports.ts'
import { ageOf, entryOf, type KeyCache, type KeyEntry, liveKeys } from './cache.ts'
import { discover } from './discovery.ts'
import { type Fetch, fetchDocument } from './document.ts'
import { isFlying, share } from './flight.ts'
import { createKeySet, type KeyHeader, publicKeys } from './set.ts'
import {
  isWorthWriting,
  type KeyRecord,
  type KvLike,
  readRecord,
  recordName,
  writeRecord,
} from './store.ts'
import { KEY_TIMES } from './times.ts'

/** What a request brings to look keys up with. */
export interface KeySourceOptions {
  /** The isolate's memory. */
  readonly cache: KeyCache
  /** Where isolates share what they fetched. Losing it is slow, not wrong. */
  readonly kv?: KvLike
  readonly fetch: Fetch
  readonly clock: Clock
  /** Keeps work alive after the request's answer. */
  readonly waitUntil: (promise: Promise<unknown>) => void
  /** Takes one event: names and fixed words, never a token or a key. */
  readonly log: (event: Record<string, unknown>) => void
}

/**
 * Keys from memory, then KV, then the issuer. A set is renewed in the background when it is no
 * longer fresh and serves through an outage for {@link KEY_TIMES.staleMs}. A key id that is not in
 * it causes one question per {@link KEY_TIMES.cooldownMs}. Make one per request; `find` never rejects.
 */
export const createKeySource = (options: KeySourceOptions): KeySource => {
  const { cache, clock, waitUntil } = options
  return {
    find(issuer, header) {
      const entry = entryOf(cache, issuer)
      return onceKnown(search(entry, header, clock), (known) => {
        if (known) {
          if (isRenewalDue(entry, options)) waitUntil(renew(issuer, entry, options))
          return ok(known)
        }
        if (issuer.keys.kind === 'inline') return fail('unknown')
        return findAnew(issuer, entry, { header, options })
      })
    },
  }
}

/**
 * Keys from memory and then KV only, for explanations: asks no issuer, starts no renewal, and
 * leaves questions and failures counted as they are. `unknown` is what a held set says; an issuer
 * that was asked might have the key all the same.
 */
export const createKeyReader = (options: KeySourceOptions): KeySource => {
  const { cache, clock } = options
  return {
    async find(issuer, header) {
      const entry = entryOf(cache, issuer)
      const known = await search(entry, header, clock)
      if (known) return ok(known)
      if (issuer.keys.kind === 'inline') return fail('unknown')
      if (!standingFault(entry, clock.now())) await recall(issuer, entry, options)
      const recalled = await search(entry, header, clock)
      if (recalled) return ok(recalled)
      const now = clock.now()
      return fail(standingFault(entry, now) ?? (liveKeys(entry, now) ? 'unknown' : 'unavailable'))
    },
  }
}

const search = (entry: KeyEntry, header: KeyHeader, clock: Clock) =>
  liveKeys(entry, clock.now())?.set.find(header)

interface Search {
  readonly header: KeyHeader
  readonly options: KeySourceOptions
}

const findAnew = async (
  issuer: Issuer,
  entry: KeyEntry,
  { header, options }: Search,
): Promise<Result<VerificationKey, KeyFault>> => {
  const { clock, waitUntil } = options
  // Searched again: the set may have been replaced since the miss that led here.
  const settle = async (fault: KeyFault) => {
    const found = await search(entry, header, clock)
    return found ? ok(found) : fail(fault)
  }
  if (!isDoing('ask', entry, options)) {
    const fault = standingFault(entry, clock.now())
    if (fault) return settle(fault)
    await recall(issuer, entry, options)
    const recalled = await search(entry, header, clock)
    if (recalled) {
      if (isRenewalDue(entry, options)) waitUntil(renew(issuer, entry, options))
      return ok(recalled)
    }
  }
  if (isDoing('ask', entry, options) || !standingFault(entry, clock.now())) {
    await ask(issuer, entry, options)
  }
  return settle(standingFault(entry, clock.now()) ?? 'unavailable')
}

/**
 * What is said of a key that is not there without asking again. A set just fetched settles it; a
 * failure does not, so a token of a key just rotated in is not called bad.
 */
const standingFault = (entry: KeyEntry, now: number): KeyFault | undefined => {
  const live = liveKeys(entry, now)
  if (live && ageOf(live, now) < KEY_TIMES.cooldownMs) return 'unknown'
  const memory = live ? KEY_TIMES.cooldownMs : KEY_TIMES.failureMs
  return entry.failure && now - entry.failure.at < memory ? 'unavailable' : undefined
}

type Work = 'recall' | 'ask'

const LASTS: Readonly<Record<Work, number>> = { recall: KEY_TIMES.recallMs, ask: KEY_TIMES.askMs }

const shared = (work: Work, entry: KeyEntry, { cache, clock, waitUntil }: KeySourceOptions) =>
  [cache.flights, `${work} ${entry.id}`, { clock, waitUntil, maxAgeMs: LASTS[work] }] as const

const isDoing = (work: Work, entry: KeyEntry, options: KeySourceOptions) =>
  isFlying(...shared(work, entry, options))

const isRenewalDue = (entry: KeyEntry, options: KeySourceOptions): boolean => {
  const now = options.clock.now()
  if (!entry.held || ageOf(entry.held, now) < KEY_TIMES.freshMs) return false
  if (entry.failure && now - entry.failure.at < KEY_TIMES.failureMs) return false
  return !isDoing('ask', entry, options) && !isDoing('recall', entry, options)
}

/** Another isolate may have asked already, so KV is read first. */
const renew = async (issuer: Issuer, entry: KeyEntry, options: KeySourceOptions) => {
  await recall(issuer, entry, options)
  if (isRenewalDue(entry, options)) await ask(issuer, entry, options)
}

/** Takes over what KV holds where it is newer than what memory holds. */
const recall = async (issuer: Issuer, entry: KeyEntry, options: KeySourceOptions) => {
  const { kv, clock, log } = options
  if (!kv) return
  await share(...shared('recall', entry, options), async () => {
    try {
      const record = await readRecord(kv, await recordName(issuer), clock.now())
      entry.stored = record
      if (!record || record.fetchedAt <= (entry.held?.fetchedAt ?? 0)) return
      const set = createKeySet(record.keys, issuer.algorithms)
      entry.held = { set, source: 'kv', fetchedAt: record.fetchedAt }
    } catch (error) {
      log({ event: 'keys_recall_failed', issuer: issuer.name, error: String(error) })
    }
  })
}

/** Asks the issuer. The outcome is in the entry: new keys, or a failure beside the old ones. */
const ask = (issuer: Issuer, entry: KeyEntry, options: KeySourceOptions) =>
  share(...shared('ask', entry, options), async () => {
    const { clock, log, waitUntil } = options
    // The set is as old as the question: what changed while it travelled is not in it.
    const fetchedAt = clock.now()
    const fetched = await fetchKeys(issuer, options.fetch)
    if (!fetched.ok) {
      entry.failure = { at: clock.now(), error: fetched.reason }
      log({ event: 'keys_fetch_failed', issuer: issuer.name, error: fetched.reason })
      return
    }
    const record = { keys: fetched.value, fetchedAt }
    entry.failure = undefined
    entry.held = {
      set: createKeySet(record.keys, issuer.algorithms),
      source: 'issuer',
      fetchedAt,
    }
    if (isWorthWriting(record, entry.stored)) waitUntil(remember(issuer, record, options))
  })

const fetchKeys = async ({ issuer, keys, allowInsecureHttp }: Issuer, fetch: Fetch) => {
  const load = (url: string) => fetchDocument(url, { fetch, allowInsecureHttp })
  const place = keys.kind === 'uri' ? ok(keys.uri) : await discover(issuer, load)
  if (!place.ok) return place
  const document = await load(place.value)
  if (!document.ok) return document
  const published = publicKeys(document.value)
  return published ? ok(published) : fail('not a JWK set' as const)
}

const remember = async (issuer: Issuer, record: KeyRecord, { kv, log }: KeySourceOptions) => {
  if (!kv) return
  try {
    await writeRecord(kv, await recordName(issuer), record)
  } catch (error) {
    log({ event: 'keys_store_failed', issuer: issuer.name, error: String(error) })
  }
}
