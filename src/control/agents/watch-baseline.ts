import { SIGNALS, type Signal, type Watched } from '../../gate/model/watch.ts'
import { COUNTS, type Counted, HEAD, PEAKS, SLOTS, sizeOf, type WatchState } from './watch-state.ts'

const HOUR = 3_600_000
export const DAY = 24 * HOUR
/** Requests are counted in windows: milliseconds of a window, and windows of an hour. */
const WINDOW = 300_000
const WINDOWS = HOUR / WINDOW

/** Requests that an agent must have sent before a signal may alert. */
const LEARNING_REQUESTS = 200
/** Signals that learn for one week; all others learn for two weeks. */
const WEEK_LONG: readonly Signal[] = ['odd_hour', 'refusals', 'two_places', 'asks']
/** An hour counts as working time if it has more than this part of an even share of the requests. */
const WORK = 0.1
/** How fast an hour is learned: the `part` of a new value. It counts up to `times` the usual, or up to `always`. */
const RATE = { part: 0.05, times: 2, always: 20 }
/**
 * How a peak changes in a day: it falls with time, and rises if the day had a higher peak. Up to `AT_ONCE` it rises at
 * once.
 */
const PEAK = { falls: 0.995, rises: 1.05 }
const AT_ONCE = { multiple: 1, requests: 10, refusals: 3, asks: 3 }
/**
 * Something counts as unusual if it was never seen although it should have been seen this often: the chance of that is
 * e^-8, about 1 in 3,000.
 */
export const EXPECTED = 8
/** After so many hours without a request nothing more is learned: further hours say nothing new. */
const MOST_HOURS = 28 * 24
/** A volume has at least so many requests in a window, so 20 in two. */
const LEAST = 10

/** The number at an index of an array. The array must have a number there. */
export function at(numbers: ArrayLike<number>, place: number): number {
  return numbers[place] ?? 0
}

/** The slot of a time. The first day of the epoch was a Thursday. */
export function slotOf(time: number): number {
  const hour = Math.floor(time / HOUR)
  const day = (Math.floor(hour / 24) + 4) % 7
  return (day === 0 || day === 6 ? SLOTS / 2 : 0) + (hour % 24)
}

/** Whether a slot is of a weekend. */
export function isWeekend(slot: number): boolean {
  return slot >= SLOTS / 2
}

/** The usual count of an hour: the highest of it, the hour before and the hour after. Work begins earlier on some days. */
export function usualOf({ usual }: WatchState, counted: Counted, slot: number): number {
  const first = COUNTS.indexOf(counted) * SLOTS + (isWeekend(slot) ? SLOTS / 2 : 0)
  return Math.max(...[23, 24, 25].map((beside) => at(usual, first + ((slot + beside) % 24))))
}

/** Requests of an hour if all hours of a week had the same number. */
export function evenShare({ usual }: WatchState): number {
  const add = (sum: number, count: number, slot: number) => sum + count * (isWeekend(slot) ? 2 : 5)
  return usual.subarray(0, SLOTS).reduce(add, 0) / (7 * 24)
}

/**
 * How many visits to expect around a slot since the last visit there, if visits were equally likely at all hours. The
 * chance that no visit came is e^-visits. Looks equally far to both sides of the slot, at least `least` hours. 0 for an
 * hour of work.
 */
export function missedVisits(state: WatchState, slot: number, least = 1): number {
  const { head, quiet, learned } = state
  const half = isWeekend(slot) ? SLOTS / 2 : 0
  // Work that goes on for longer than usual is not another visit.
  const goesOn = at(head, HEAD.last) === Math.floor(at(head, HEAD.window) / WINDOWS) - 1
  const isOvertime = goesOn && at(quiet, half + ((slot + 22) % 24)) === 0
  if (at(quiet, slot) === 0 || isOvertime) return 0
  const [visits, active] = [at(head, HEAD.visits), at(head, HEAD.active)]
  const hours = learned.reduce((sum, one) => sum + one, 0)
  let most = 0
  let [days, others] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let beside = 0; beside < 12; beside++) {
    for (const hour of [slot + 24 - beside, slot + 24 + beside]) {
      days = Math.min(days, at(quiet, half + (hour % 24)))
      others = Math.min(others, at(quiet, SLOTS / 2 - half + (hour % 24)))
    }
    if (days === 0) break
    const missed = ((days + others) * ((2 * beside + 1) * visits + active)) / hours
    if (beside >= least) most = Math.max(most, missed)
  }
  return most
}

/** A count of this window and of the one before. */
export function recent({ now, before }: WatchState, counted: Counted): number {
  const place = COUNTS.indexOf(counted)
  return at(now, place) + at(before, place)
}

/** The fewer requests of two windows: alone, and as a multiple of the bound. */
export function volumeOf(state: WatchState, slot: number) {
  const usual = usualOf(state, 'requests', slot) / WINDOWS
  const bound = Math.max(LEAST, usual + 4 * Math.sqrt(usual + 0.1 * usual ** 2))
  const requests = Math.min(at(state.before, 0), at(state.now, 0))
  // An hour that was learned once says little.
  const multiple = at(state.learned, slot) < 2 ? 0 : requests / bound
  return { usual, bound, requests, multiple }
}

/** Whether a signal does not alert yet: the agent is known too briefly, or the signal found something new recently. */
export function isLearning({ head, stirred }: WatchState, signal: Signal, now: number): boolean {
  // Administrators approve code; it is not learned.
  if (signal === 'changed') return false
  const since = Math.max(at(head, HEAD.first), at(stirred, SIGNALS.indexOf(signal)))
  return (
    now < since + (WEEK_LONG.includes(signal) ? 7 : 14) * DAY ||
    at(head, HEAD.requests) < LEARNING_REQUESTS
  )
}

/** What was learned of an agent, and which signals do not alert yet. */
export function learnedOf(state: WatchState, now: number): Omit<Watched, 'watch'> {
  const { head, usual, learned } = state
  const hours = learned.reduce((sum, count) => sum + count, 0)
  const requests = learned.reduce((sum, count, slot) => sum + count * at(usual, slot), 0)
  return {
    since: at(head, HEAD.first),
    requests: at(head, HEAD.requests),
    requests_an_hour: Math.round((10 * requests) / Math.max(1, hours)) / 10,
    rules_and_tools: sizeOf(state, 'use'),
    scopes: sizeOf(state, 'scope'),
    countries: sizeOf(state, 'country'),
    networks: sizeOf(state, 'network'),
    learning: SIGNALS.filter((signal) => isLearning(state, signal, now)),
  }
}

/** Whether an alert is open: then nothing is learned. */
export function isFrozen({ muted }: WatchState, now: number): boolean {
  return muted.some((until) => until > now)
}

/** Ends the windows, hours and days that are over, and learns from them. */
export function advance(state: WatchState, now: number): void {
  const { head, before } = state
  const window = Math.floor(now / WINDOW)
  const hour = Math.floor(now / HOUR)
  const last = at(head, HEAD.window)
  if (window <= last) return
  if (window === last + 1) before.set(state.now)
  else before.fill(0)
  state.now.fill(0)
  const lastHour = last === 0 ? hour : Math.floor((last * WINDOW) / HOUR)
  head[HEAD.window] = window
  for (let one = lastHour; one < Math.min(hour, lastHour + MOST_HOURS); one++) {
    const time = one * HOUR
    if (!isFrozen(state, time)) learnHour(state, time)
    state.hour.fill(0)
    if ((one + 1) % 24 === 0) learnDay(state, time)
  }
}

/** Raises today's peaks if the last two windows had more. */
export function learnPeaks(state: WatchState, now: number): void {
  const [refusals, asks] = [recent(state, 'refusals'), recent(state, 'asks')]
  const values = { ...volumeOf(state, slotOf(now)), refusals, asks }
  for (const [i, name] of PEAKS.entries()) {
    state.today[i] = Math.max(at(state.today, i), values[name])
  }
}

const learnHour = (state: WatchState, time: number): void => {
  const { head, learned, quiet, usual, hour } = state
  const slot = slotOf(time)
  const hours = at(learned, slot)
  const part = Math.max(1 / (hours + 1), RATE.part)
  // After many visits an odd hour counts as working time, although each visit was too small for an alert.
  const isOdd = !isLearning(state, 'odd_hour', time) && missedVisits(state, slot, 0) >= EXPECTED
  const always = isOdd ? 2 * WORK * evenShare(state) : RATE.always
  const isClipped = isOdd || !isLearning(state, 'volume', time)
  for (const i of COUNTS.keys()) {
    const place = i * SLOTS + slot
    const old = at(usual, place)
    const most = isClipped ? Math.max(RATE.times * old, always) : Number.POSITIVE_INFINITY
    usual[place] = old + part * (Math.min(at(hour, i), most) - old)
  }
  learned[slot] = hours + 1
  quiet[slot] = at(usual, slot) > WORK * evenShare(state) ? 0 : at(quiet, slot) + 1
  if (at(hour, 0) === 0) return
  head[HEAD.active] = at(head, HEAD.active) + 1
  if (time / HOUR > at(head, HEAD.last) + 1) head[HEAD.visits] = at(head, HEAD.visits) + 1
  head[HEAD.last] = time / HOUR
}

const learnDay = (state: WatchState, time: number): void => {
  const { peaks, today, head } = state
  const isClipped = !isLearning(state, 'volume', time)
  for (const [i, name] of PEAKS.entries()) {
    const old = at(peaks, i)
    const most = isClipped ? Math.max(AT_ONCE[name], PEAK.rises * old) : Number.POSITIVE_INFINITY
    peaks[i] = Math.max(PEAK.falls * old, Math.min(at(today, i), most))
  }
  if (at(today, PEAKS.indexOf('requests')) > 0) head[HEAD.days] = at(head, HEAD.days) + 1
  today.fill(0)
}
