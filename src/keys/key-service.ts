import type { KeyTimes } from '../core/model/issuer.ts'
import { type InFlight, isInFlight, share } from '../platform/single-flight.ts'
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
import { KEY_TIMES, lifetimeOf } from './times.ts'

/** What a keeper is asked, as plain data. */
export interface Question {
  readonly place: KeyPlace
  readonly times: KeyTimes
  /**
   * `newer`: the asker's set is too old. `unknown`: its set lacks a key id. `ahead`: see to it that
   * nobody has to wait. `look`: what is known already.
   */
  readonly why: 'newer' | 'unknown' | 'ahead' | 'look'
  /** Of the asker's set, in milliseconds. */
  readonly fetchedAt?: number
  /** With `unknown`. */
  readonly kid?: string
  readonly caller?: Caller
}

/** Why asking the issuer failed the last time. Fixed words only. */
export interface KeyFailure {
  readonly error: string
  /** Milliseconds since the epoch. */
  readonly at: number
  /** When it is worth asking again. */
  readonly retryAt: number
}

/** What a keeper knows, as plain data. A failure stands beside the keys that are held all the same. */
export interface KeyAnswer {
  /** Where it is newer than the asker's. */
  readonly record?: KeyRecord
  readonly failure?: KeyFailure
}

/** The one that asks an issuer, for everybody else. */
export interface Keeper {
  ask(question: Question): Promise<KeyAnswer>
}

/** What a keeper keeps beyond its own life. */
export interface KeeperState extends KeyAnswer, Learned {
  /** When the issuer was last asked, whatever came of it. */
  readonly askedAt?: number
  /** Failures one after the other. */
  readonly failures?: number
  /** The last write to KV: when, and the time of the last rotation in it. */
  readonly stored?: { readonly at: number; readonly changedAt: number }
}

/** What a keeper works with. */
export interface KeeperOptions extends Background {
  readonly fetch: Fetch
  /** From 0 to 1, for the jitter between retries. */
  readonly random: () => number
  /** Where isolates look first. Losing it is slow, not wrong. */
  readonly kv?: KvLike
  /** What outlives the keeper; without it nothing does. */
  readonly state?: {
    read(): KeeperState | undefined
    write(state: KeeperState): void
  }
}

/**
 * Keeps the keys of one place: asks the issuer at most once at a time, waits failures out with
 * back-off and jitter, and lets unknown key ids cause at most one question per cooldown, within
 * {@link serviceBudget}. Trusts its askers, which are the gate's own code.
 */
export function createKeeper(options: KeeperOptions): Keeper {
  const { clock, state, random, log, waitUntil } = options
  const permits = serviceBudget(clock)
  const inFlight: InFlight = new Map()
  const terms = { clock, waitUntil, maxAgeMs: KEY_TIMES.askMs }
  let held: KeeperState | undefined

  const known = (): KeeperState => {
    held ??= state?.read() ?? {}
    return held
  }
  const learn = (next: KeeperState): void => {
    held = next
    state?.write(next)
  }

  /** Whether the issuer is to be asked, and whether the asker needs to wait for it. */
  const judge = (question: Question, now: number): 'no' | 'behind' | 'wait' => {
    const { why, times, fetchedAt = 0, kid, caller } = question
    const { record, failure, askedAt = 0 } = known()
    if (why === 'look') return 'no'
    if (failure && now < failure.retryAt) return 'no'
    if (!record) return 'wait'
    const age = now - record.fetchedAt
    const lifetime = lifetimeOf(record.maxAge, times)
    if (why === 'ahead') return age + KEY_TIMES.cronMs < lifetime / 2 ? 'no' : 'wait'
    if (why === 'newer' || age >= lifetime) {
      if (age >= lifetime) return 'wait'
      // Only an asker whose clock is ahead finds a set old that is this young.
      if (record.fetchedAt <= fetchedAt) return age < lifetime / 4 ? 'no' : 'wait'
      return age < lifetime / 2 ? 'no' : 'behind'
    }
    if (kid !== undefined && record.keys.some((key) => key.kid === kid)) return 'no'
    if (isInFlight(inFlight, 'ask', terms)) return 'wait'
    return now - askedAt >= times.cooldown && caller && permits(caller) ? 'wait' : 'no'
  }

  const askIssuer = ({ place, times }: Question) =>
    share(inFlight, 'ask', terms, async () => {
      // A set is as old as the question: what changed while it travelled is not in it.
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
      // A write to KV may have failed meanwhile.
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

  const failed = ({ failures = 0 }: KeeperState, error: string) => {
    const at = clock.now()
    const longest = Math.min(KEY_TIMES.failureMs * 2 ** failures, KEY_TIMES.longestFailureMs)
    // Jitter, so that keepers of one provider do not come back all at once.
    const wait = longest * (0.75 + random() / 4)
    return { failure: { error, at, retryAt: at + wait }, failures: Math.min(failures + 1, 10) }
  }

  /** Isolates that start read this; those that run ask the keeper. */
  const tellKv = async (place: KeyPlace): Promise<void> => {
    const { kv } = options
    const { record, stored } = known()
    if (!kv || !record) return
    const now = clock.now()
    const changedAt = record.rotations[0]?.at ?? 0
    const since = stored ? now - stored.at : Number.POSITIVE_INFINITY
    const isDue = stored?.changedAt !== changedAt || since >= KEY_TIMES.rewriteMs
    if (!isDue || since < KEY_TIMES.writeGapMs) return
    learn({ ...known(), stored: { at: now, changedAt } })
    try {
      await writeRecord(kv, await recordName(place), record)
    } catch (error) {
      // The next answer of the issuer is a new chance.
      learn({ ...known(), stored: { at: now, changedAt: Number.NaN } })
      log({ event: 'keys_store_failed', issuer: place.name, error: String(error) })
    }
  }

  return {
    async ask(question) {
      const judged = judge(question, clock.now())
      if (judged === 'wait') await askIssuer(question)
      if (judged === 'behind') waitUntil(askIssuer(question))
      const { record, failure } = known()
      const isNews = record && record.fetchedAt > (question.fetchedAt ?? 0)
      return { ...(isNews && { record }), ...(failure && { failure }) }
    },
  }
}

const recordOf = (
  { keys, maxAge }: Published,
  before: KeyRecord | undefined,
  fetchedAt: number,
): KeyRecord => {
  // What an unchanged set does not say anew still holds (RFC 9111 §4.3.4).
  const lasts = maxAge ?? (keys ? undefined : before?.maxAge)
  return {
    keys: keys ?? before?.keys ?? [],
    fetchedAt,
    ...(lasts !== undefined && { maxAge: lasts }),
    rotations: rotated(before, keys, fetchedAt),
  }
}
