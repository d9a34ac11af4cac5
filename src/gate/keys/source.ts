import { networkOf } from '../base/network.ts'
import { fail, ok, onceKnown, type Result } from '../base/result.ts'
import { isInFlight, share } from '../base/single-flight.ts'
import { within } from '../base/timeout.ts'
import type { Issuer } from '../model/issuer.ts'
import type { KeyHeader } from '../model/key-set.ts'
import type { Clock, KeyFault, KeySource } from '../model/ports.ts'
import type { VerificationKey } from '../model/token.ts'
import type { Background } from '../platform/system.ts'
import type { Caller } from './budget.ts'
import {
  entryOf,
  hearClock,
  type KeyCache,
  type KeyEntry,
  rememberMiss,
  rememberNetwork,
  takeAnswer,
} from './cache.ts'
import type { KeyService, Question } from './key-service.ts'
import { type KvLike, readRecord, recordName } from './store.ts'
import { isWaiting, KEY_TIMES } from './times.ts'

export interface KeySourceOptions extends Background {
  readonly cache: KeyCache
  /** The cache that starting isolates read first. If KV is lost, keys are fetched again. */
  readonly kv?: KvLike
  readonly service: KeyService
}

type Found = Result<VerificationKey, KeyFault>

/**
 * Finds keys in memory, then in KV, then at the key service. In the second half of its freshness lifetime, a set is
 * used while it is renewed in the background. Later it must be confirmed first; it is used unconfirmed only while
 * confirming fails (RFC 5861). An unknown key id causes a question within the caller's budget. `find` never rejects.
 */
export function createKeySource(options: KeySourceOptions): KeySource {
  const { cache, clock } = options
  return {
    find(issuer, header, caller) {
      const entry = entryOf(cache, issuer)
      const now = clock.now()
      hearClock(entry, now)
      const { held } = entry
      if (!held || now >= held.confirmBy)
        return findLate(issuer, entry, { header, caller, options })
      return onceKnown(held.set.find(header), (found) => {
        if (now >= held.renewFrom) renewBehind(issuer, entry, options)
        if (typeof found !== 'string') return ok(found)
        if (found !== 'unknown' || issuer.keys.kind === 'inline') return fail(found)
        return findUnknown(issuer, entry, { header, caller, options })
      })
    },
    recordSuccess: (issuer, caller) =>
      rememberNetwork(entryOf(cache, issuer), networkOf(caller ?? '')),
  }
}

/**
 * Finds keys in memory, KV and the key service, for explanations. It asks no issuer, starts no renewal, and leaves
 * budgets and failures unchanged. `unknown` is the result of the stored set; the issuer might have the key.
 */
export function createKeyReader(options: KeySourceOptions): KeySource {
  const { cache, clock } = options
  return {
    async find(issuer, header) {
      const entry = entryOf(cache, issuer)
      await look(issuer, options)
      if (!isAlive(entry, clock)) await recall(issuer, entry, options)
      const { held } = entry
      if (!held || clock.now() >= held.goneAt) return fail('unavailable')
      const found = await held.set.find(header)
      return typeof found === 'string' ? fail(found) : ok(found)
    },
  }
}

/** Loads the key service's keys if those in memory are missing or due. Fetches nothing from issuers; never rejects. */
export async function look(issuer: Issuer, options: KeySourceOptions): Promise<void> {
  const entry = entryOf(options.cache, issuer)
  if (entry.held && options.clock.now() < entry.held.confirmBy) return
  await ask(issuer, entry, { why: 'look' }, options)
}

interface Search {
  readonly header: KeyHeader
  readonly caller: string | undefined
  readonly options: KeySourceOptions
}

/** Finds a key without a set, or with one that must be confirmed first. */
const findLate = async (issuer: Issuer, entry: KeyEntry, search: Search): Promise<Found> => {
  const { header, options } = search
  const { clock } = options
  if (!isAlive(entry, clock) && !isWaitedOut(entry, clock)) await recall(issuer, entry, options)
  if (!isConfirmed(entry, clock) && !isWaitedOut(entry, clock)) {
    // With usable keys no request waits for an issuer that is known to fail.
    if (isAlive(entry, clock) && isFailing(entry, clock)) renewBehind(issuer, entry, options)
    else if (isAlive(entry, clock) && isRecent(entry, clock))
      await askPatiently(issuer, entry, options)
    else await ask(issuer, entry, newer(entry), options)
  }
  const { held } = entry
  if (!held || !isAlive(entry, clock)) return fail('unavailable')
  const found = await held.set.find(header)
  if (clock.now() >= held.renewFrom) renewBehind(issuer, entry, options)
  if (typeof found !== 'string') return ok(found)
  if (found !== 'unknown') return fail(found)
  return isConfirmed(entry, clock) ? findUnknown(issuer, entry, search) : fail('unavailable')
}

/** Finds a key that a fresh set lacks. */
const findUnknown = async (
  issuer: Issuer,
  entry: KeyEntry,
  { header, caller, options }: Search,
): Promise<Found> => {
  const { clock } = options
  const { kid = '' } = header
  const now = clock.now()
  const { cooldown } = issuer.keyTimes
  const isPaused = () =>
    clock.now() < Math.max((entry.held?.fetchedAt ?? 0) + cooldown, entry.pausedUntil)
  // A set that was just fetched is decisive for requests. A failure does not decide it: the key could be new.
  if (isPaused()) return fail('undecided')
  if (isWaitedOut(entry, clock)) return fail('unavailable')
  const network = networkOf(caller ?? '')
  const asking: Caller = { network, isKnown: entry.known.has(network) }
  // A known caller may ask for a key id that a stranger could not.
  const miss = `${asking.isKnown ? 'known' : 'stranger'} ${kid}`
  if (now < (entry.misses.get(miss) ?? 0)) return fail('undecided')
  const question = { why: 'unknown', kid, caller: asking, ...since(entry) } as const
  if (!isInFlight(...flightOf(entry, question, options)) && !entry.budget(asking)) {
    return fail(entry.failure ? 'unavailable' : 'undecided')
  }
  await ask(issuer, entry, question, options)
  const found = (await entry.held?.set.find(header)) ?? 'unknown'
  if (typeof found !== 'string') return ok(found)
  // True also when the pause after a failure is over, as long as the issuer was not asked again.
  if (found === 'unknown' && (entry.failure || entry.lostAt >= now)) return fail('unavailable')
  // Without a pause, the budget of the key service was used up.
  if (!isPaused()) rememberMiss(entry, miss, now + cooldown)
  const isAsked = entry.held?.fetchedAt !== question.fetchedAt
  return fail(found === 'unknown' && !isAsked ? 'undecided' : found)
}

const isConfirmed = ({ held }: KeyEntry, clock: Clock) =>
  held !== undefined && clock.now() < held.confirmBy
const isAlive = ({ held }: KeyEntry, clock: Clock) =>
  held !== undefined && clock.now() < held.goneAt
/** Whether a set is due for no longer than it was fresh. For an older set a request waits. */
const isRecent = ({ held }: KeyEntry, clock: Clock) =>
  held !== undefined && clock.now() - held.confirmBy < held.confirmBy - held.fetchedAt
/** Whether asking failed and the next attempt is not due yet. */
const isWaitedOut = ({ failure }: KeyEntry, clock: Clock) =>
  failure !== undefined && isWaiting(failure.retryAt, clock.now())
/** Like {@link isWaitedOut}, with a short extension. After that a withdrawn key must not be used unconfirmed. */
const isFailing = ({ failure }: KeyEntry, clock: Clock) =>
  failure !== undefined && clock.now() < failure.retryAt + KEY_TIMES.failureMs

type Asked = Omit<Question, 'place' | 'times' | 'sentAt'>

const since = ({ held }: KeyEntry): { fetchedAt?: number } =>
  held ? { fetchedAt: held.fetchedAt } : {}
const newer = (entry: KeyEntry): Asked => ({ why: 'newer', ...since(entry) })

const flightOf = (entry: KeyEntry, { why, kid, caller }: Asked, options: KeySourceOptions) => {
  const { cache, clock, waitUntil } = options
  // For one key id strangers share a question, and known callers another: the key service may refuse one, and answer the
  // other. Of known callers it does not look at the network.
  const name = JSON.stringify([entry.id, why, kid, caller?.isKnown])
  return [cache.inFlight, name, { clock, waitUntil, maxAgeMs: KEY_TIMES.flightMs }] as const
}

const renewBehind = (issuer: Issuer, entry: KeyEntry, options: KeySourceOptions): void => {
  const { clock } = options
  const question = newer(entry)
  if (isWaitedOut(entry, clock)) return
  // Until the result is known, a new attempt counts as failing.
  if (entry.failure && isFailing(entry, clock)) {
    entry.failure = { ...entry.failure, retryAt: clock.now() + KEY_TIMES.askMs }
  }
  if (isInFlight(...flightOf(entry, question, options))) return
  options.waitUntil(ask(issuer, entry, question, options))
}

/** Asks, but waits only briefly, since usable keys are present. */
const askPatiently = async (issuer: Issuer, entry: KeyEntry, options: KeySourceOptions) => {
  const { clock, waitUntil } = options
  const asked = ask(issuer, entry, newer(entry), options).then(() => true)
  waitUntil(asked)
  if (await within(asked, KEY_TIMES.patienceMs, () => false)) return
  const at = clock.now()
  entry.failure = { error: 'slow', at, retryAt: at + KEY_TIMES.failureMs }
}

/** Asks the key service. The entry then has newer keys, or a failure beside the old ones. */
const ask = (issuer: Issuer, entry: KeyEntry, asked: Asked, options: KeySourceOptions) =>
  share(...flightOf(entry, asked, options), async () => {
    const { service, clock, log, cache } = options
    const { name, keys, allowInsecureHttp, keyTimes: times } = issuer
    // Also for an answer that comes too late for this question.
    const askService = async () => {
      const place = { name, issuer: issuer.issuer, keys, allowInsecureHttp }
      const answer = await service.ask({ ...asked, place, times, sentAt: clock.now() })
      takeAnswer(entry, issuer, answer, 'issuer', clock.now())
      const { pause } = answer
      if (pause) entry.pausedUntil = clock.now() + Math.min(pause, times.cooldown)
      // `look` does not fetch from the issuer, so a known failure stays, unless the key service has asked since.
      const isOver = (entry.held?.fetchedAt ?? 0) > (entry.failure?.at ?? 0)
      if (asked.why !== 'look' || answer.failure || isOver) entry.failure = answer.failure
    }
    try {
      await cache.breaker.call(entry.id, askService, KEY_TIMES.askMs)
    } catch (error) {
      const at = clock.now()
      const retryAt = at + KEY_TIMES.failureMs
      entry.lostAt = at
      // A stranger's question must not affect the use of stored keys.
      if (asked.why === 'newer') entry.failure = { error: 'key service unreachable', at, retryAt }
      log({ event: 'keys_ask_failed', issuer: name, error: String(error) })
    }
  })

/** Stores the keys of KV, if they are newer than those in memory. */
const recall = async (issuer: Issuer, entry: KeyEntry, options: KeySourceOptions) => {
  const { cache, kv, clock, waitUntil, log } = options
  if (!kv) return
  const flight = `recall ${entry.id}`
  const terms = { clock, waitUntil, maxAgeMs: KEY_TIMES.recallMs }
  const isRead = Math.abs(clock.now() - entry.recalledAt) < KEY_TIMES.recallGapMs
  // Requests that come while the key service is asked would all read KV once more.
  if (isRead && !isInFlight(cache.inFlight, flight, terms)) return
  await share(cache.inFlight, flight, terms, async () => {
    entry.recalledAt = clock.now()
    try {
      const record = await readRecord(kv, await recordName(issuer), clock.now())
      if (record) takeAnswer(entry, issuer, { record }, 'kv', clock.now())
    } catch (error) {
      log({ event: 'keys_recall_failed', issuer: issuer.name, error: String(error) })
    }
  })
}
