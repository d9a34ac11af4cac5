import { type InFlight, isInFlight, share } from '../base/single-flight.ts'
import type { KeyTimes } from '../model/issuer.ts'
import type { Clock } from '../model/ports.ts'
import type { Background, Fetch } from '../platform/system.ts'
import { type Caller, serviceBudget } from './budget.ts'
import { fetchPublished, type Learned, type Published } from './published.ts'
import {
  type KeyPlace,
  type KeyRecord,
  type KvLike,
  recordName,
  rotated,
  writeRecord,
} from './store.ts'
import { elapsed, isWaiting, KEY_TIMES, lifetimeOf } from './times.ts'

/** A question to the key service, as plain data. */
export interface Question {
  readonly place: KeyPlace
  readonly times: KeyTimes
  /**
   * `newer`: the caller's set is too old. `unknown`: its set lacks a key id. `ahead`: renew before anyone has to wait.
   * `look`: return known keys only.
   */
  readonly why: 'newer' | 'unknown' | 'ahead' | 'look'
  /** When the caller's set was fetched, in milliseconds. */
  readonly fetchedAt?: number
  /** When the question was sent, by the caller's clock, in milliseconds. */
  readonly sentAt?: number
  /** The missing key id; with `unknown`. */
  readonly kid?: string
  readonly caller?: Caller
}

/** Why the last fetch from the issuer failed. Fixed words only. */
export interface KeyFailure {
  readonly error: string
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly retryAt: number
}

/** The answer of the key service, as plain data. A failure may accompany keys that are still stored. */
export interface KeyAnswer {
  /** Present where it is newer than the caller's. */
  readonly record?: KeyRecord
  readonly failure?: KeyFailure
  /** With `unknown`: milliseconds for which no key id causes a fetch; absent once one may, and after a failure. */
  readonly pause?: number
}

/** The key service of one source: the only one that fetches keys from the issuer. */
export interface KeyService {
  ask(question: Question): Promise<KeyAnswer>
}

/** The state that outlives a key service. */
export interface KeyServiceState extends Omit<KeyAnswer, 'pause'>, Learned {
  /** When the issuer was last asked, with any result. */
  readonly askedAt?: number
  readonly failures?: number
  /** The last write to KV: its time, and the time of the last rotation in it. */
  readonly stored?: { readonly at: number; readonly changedAt: number }
}

export interface KeyServiceOptions extends Background {
  readonly fetch: Fetch
  /** A number from 0 to 1, for the jitter between retries. */
  readonly random: () => number
  /** The cache that isolates read first. If KV is lost, keys are fetched again. */
  readonly kv?: KvLike
  /** Persistent state; without it a restart begins anew. */
  readonly state?: {
    read(): KeyServiceState | undefined
    write(state: KeyServiceState): void
  }
}

/**
 * Creates the key service of one source. It fetches at most once at a time, and retries with back-off and jitter.
 * Unknown key ids cause at most one fetch per cooldown, within {@link serviceBudget}. It trusts its callers, which are
 * the gate's own code.
 */
export function createKeyService(options: KeyServiceOptions): KeyService {
  const { state, random, log, waitUntil } = options
  const clock = callersClock(options.clock)
  const permits = serviceBudget(clock)
  const inFlight: InFlight = new Map()
  const terms = { clock, waitUntil, maxAgeMs: KEY_TIMES.askMs }
  let held: KeyServiceState | undefined

  const known = (): KeyServiceState => {
    held ??= state?.read() ?? {}
    return held
  }
  const learn = (next: KeyServiceState): void => {
    held = next
    state?.write(next)
  }

  /** Whether to fetch from the issuer, and whether the caller waits for it. */
  const judge = (question: Question, now: number): 'no' | 'behind' | 'wait' => {
    const { why, times, fetchedAt = 0, kid, caller } = question
    const { record, failure, askedAt = 0 } = known()
    if (why === 'look') return 'no'
    if (failure && isWaiting(failure.retryAt, now)) return 'no'
    if (!record) return 'wait'
    const age = elapsed(record.fetchedAt, now)
    const lifetime = lifetimeOf(record.maxAge, times)
    if (why === 'ahead') return age + KEY_TIMES.cronMs < lifetime / 2 ? 'no' : 'wait'
    if (why === 'newer' || age >= lifetime) {
      if (age >= lifetime) return 'wait'
      // A set that was just fetched is too old only for a caller whose clock is ahead.
      if (record.fetchedAt <= fetchedAt) return age < lifetime / 4 ? 'no' : 'wait'
      return age < lifetime / 2 ? 'no' : 'behind'
    }
    if (kid !== undefined && record.keys.some((key) => key.kid === kid)) return 'no'
    if (isInFlight(inFlight, 'ask', terms)) return 'wait'
    return elapsed(askedAt, now) >= times.cooldown && caller && permits(caller) ? 'wait' : 'no'
  }

  const askIssuer = ({ place, times }: Question) =>
    share(inFlight, 'ask', terms, async () => {
      // The set dates from the start of the fetch: later changes may be missing in it.
      const now = clock.now()
      const before = known()
      const published = await fetchPublished({ place, times, fetch: options.fetch, now }, before)
      if (!published.ok) {
        const error = published.reason
        learn({ ...known(), askedAt: now, ...failed(before, error) })
        log({ event: 'keys_fetch_failed', issuer: place.name, error })
        return
      }
      const { location, validator } = published.value
      // A write to KV may have failed in the meantime.
      const { stored } = known()
      const record = recordOf(published.value, before.record, now)
      learn({
        record,
        askedAt: now,
        ...(location && { location }),
        ...(validator && { validator }),
        ...(stored && { stored }),
      })
      const [rotation] = record.rotations
      if (before.record && rotation?.at === now) {
        const { added, removed } = rotation
        log({ event: 'keys_rotated', issuer: place.name, added, removed })
      }
      waitUntil(tellKv(place))
    })

  const failed = ({ failures = 0 }: KeyServiceState, error: string) => {
    const at = clock.now()
    const longest = Math.min(KEY_TIMES.failureMs * 2 ** failures, KEY_TIMES.longestFailureMs)
    // Jitter spreads the retries of key services with the same provider.
    const wait = longest * (0.75 + random() / 4)
    return { failure: { error, at, retryAt: at + wait }, failures: Math.min(failures + 1, 10) }
  }

  /** Writes the record to KV for isolates that start. Running isolates ask the key service. */
  const tellKv = async (place: KeyPlace): Promise<void> => {
    const { kv } = options
    const { record, stored } = known()
    if (!kv || !record) return
    const now = clock.now()
    const changedAt = record.rotations[0]?.at ?? 0
    const since = stored ? elapsed(stored.at, now) : Number.POSITIVE_INFINITY
    const isDue = stored?.changedAt !== changedAt || since >= KEY_TIMES.rewriteMs
    if (!isDue || since < KEY_TIMES.writeGapMs) return
    learn({ ...known(), stored: { at: now, changedAt } })
    try {
      await writeRecord(kv, await recordName(place), record)
    } catch (error) {
      // The next fetch retries the write.
      learn({ ...known(), stored: { at: now, changedAt: Number.NaN } })
      log({ event: 'keys_store_failed', issuer: place.name, error: String(error) })
    }
  }

  return {
    async ask(question) {
      clock.hear(question.sentAt)
      const judged = judge(question, clock.now())
      if (judged === 'wait') await askIssuer(question)
      if (judged === 'behind') waitUntil(askIssuer(question))
      const { record, failure, askedAt = 0 } = known()
      const pause = askedAt + question.times.cooldown - clock.now()
      const isNews = record && record.fetchedAt > (question.fetchedAt ?? 0)
      return {
        ...(isNews && { record }),
        ...(failure && { failure }),
        ...(question.why === 'unknown' && !failure && pause > 0 && { pause }),
      }
    },
  }
}

/**
 * The clock of an object, or that of its callers where the object's is ahead: if the machine's clock goes back, the time
 * of an object stands until the clock has caught up.
 */
const callersClock = ({ now }: Clock) => {
  let ahead = 0
  return {
    now: () => now() - ahead,
    hear(sentAt: number | undefined): void {
      const late = now() - (sentAt ?? now())
      ahead = late > KEY_TIMES.stepMs.there ? late : 0
    },
  }
}

const recordOf = (
  { keys, maxAge }: Published,
  before: KeyRecord | undefined,
  fetchedAt: number,
): KeyRecord => {
  // A 304 without `maxAge` keeps the previous one (RFC 9111 §4.3.4).
  const lasts = maxAge ?? (keys ? undefined : before?.maxAge)
  return {
    keys: keys ?? before?.keys ?? [],
    fetchedAt,
    ...(lasts !== undefined && { maxAge: lasts }),
    rotations: rotated(before, keys, fetchedAt),
  }
}
