/**
 * A fleet of agents that do nothing wrong: how many requests each makes in each five minutes, with what and from where.
 * The same seed makes the same fleet. What each kind does is in docs/watch.md.
 */

/** Five-minute windows of a day and of a week. */
export const DAY = 288
export const WEEK = 7 * DAY
/** A Monday. */
const MONDAY = Date.UTC(2026, 0, 5)
export const WINDOW_MS = 300_000

/** The time at which a window begins, in milliseconds since the epoch. */
export const timeOf = (window: number): number => MONDAY + window * WINDOW_MS

export const KINDS = ['steady', 'bursty', 'cron', 'weekday', 'growing', 'new'] as const
export type Kind = (typeof KINDS)[number]
/** How many of twenty agents are of each kind. */
const SHARES: Readonly<Record<Kind, number>> = {
  steady: 4,
  bursty: 4,
  cron: 3,
  weekday: 5,
  growing: 2,
  new: 2,
}

/** A generator of numbers from 0 to 1, by xorshift. */
export type Random = () => number

export function randomOf(seed: number): Random {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1
  const next = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  for (let i = 0; i < 8; i++) next()
  return next
}

const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(random() || 1e-9)) * Math.cos(2 * Math.PI * random())

/** A number whose logarithm is normally distributed around that of the middle. */
const lognormal = (random: Random, middle: number, spread: number): number =>
  middle * Math.exp(spread * normal(random))

export const poisson = (random: Random, mean: number): number => {
  if (mean > 40) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)))
  const limit = Math.exp(-mean)
  let count = 0
  for (let product = random(); product > limit; product *= random()) count++
  return count
}

const between = (random: Random, from: number, to: number): number => from + random() * (to - from)
const pick = <Item>(random: Random, items: readonly Item[]): Item =>
  items[Math.floor(random() * items.length)] as Item

/** One agent. */
export interface Agent {
  readonly kind: Kind
  /** The window of its first request. */
  readonly born: number
  /** Requests of each window. */
  readonly requests: Uint32Array
  /** Whether the agent works at all at this hour of a weekday or a weekend (hours from 24 on). */
  readonly works: (window: number) => boolean
  /** The share of requests that are refused, and whether they come together now and then. */
  readonly refused: number
  readonly retries: boolean
  readonly tools: readonly string[]
  readonly networks: readonly string[]
  readonly country: string
  /** Tools that it takes up later, each with the first window. Only in a fleet with changes. */
  readonly later: readonly (readonly [window: number, tool: string])[]
}

const hourOf = (window: number): number => Math.floor(window / 12) % 24
const isWeekend = (window: number): boolean => Math.floor(window / DAY) % 7 > 4

/** The requests of each window by a rate for each window; noise goes over from one window to the next. */
const drawn = (
  random: Random,
  windows: number,
  born: number,
  spread: number,
  rate: (window: number) => number,
): Uint32Array => {
  const requests = new Uint32Array(windows)
  let noise = 0
  for (let window = born; window < windows; window++) {
    noise = 0.8 * noise + 0.6 * normal(random)
    const mean = rate(window)
    if (mean > 0) {
      requests[window] = poisson(random, mean * Math.exp(spread * noise - (spread * spread) / 2))
    }
  }
  return requests
}

type Flow = Pick<Agent, 'requests' | 'works'>
const always = () => true

const steady = (random: Random, windows: number, born: number, growth = 0): Flow => {
  const level = Math.min(200, lognormal(random, 8, 1))
  const wave = between(random, 0, 0.5)
  const peak = Math.floor(random() * 24)
  const rate = (window: number) =>
    level *
    (1 + growth) ** ((window - born) / WEEK) *
    (1 + wave * Math.cos(((hourOf(window) - peak) / 12) * Math.PI))
  return { requests: drawn(random, windows, born, between(random, 0.1, 0.25), rate), works: always }
}

const weekday = (random: Random, windows: number, born: number, growth = 0): Flow => {
  const level = Math.min(200, lognormal(random, 12, 0.8))
  const begin = 6 + Math.floor(random() * 12)
  const length = 8 + Math.floor(random() * 3)
  let day = -1
  let shift = 0
  const rate = (window: number) => {
    if (Math.floor(window / DAY) !== day) {
      day = Math.floor(window / DAY)
      // People begin up to 45 minutes earlier or later.
      shift = between(random, -9, 9)
    }
    const at = (window - 12 * begin - shift) % DAY
    const hour = (at < 0 ? at + DAY : at) / 12
    const isAtWork = hour < length && !isWeekend(window)
    return isAtWork
      ? level * (1 + growth) ** ((window - born) / WEEK) * (hour > 4 && hour < 5 ? 0.5 : 1)
      : 0
  }
  const works = (window: number) => {
    const hour = (hourOf(window) - begin + 24) % 24
    return !isWeekend(window) && (hour <= length + 1 || hour >= 22)
  }
  return { requests: drawn(random, windows, born, between(random, 0.15, 0.35), rate), works }
}

const bursty = (random: Random, windows: number, born: number): Flow => {
  const perDay = between(random, 1, 10)
  const level = Math.min(150, lognormal(random, 25, 0.5))
  const isNightly = random() < 0.5
  const requests = new Uint32Array(windows)
  for (let window = born; window < windows; ) {
    window += 1 + Math.floor((-Math.log(random() || 1e-9) * DAY) / perDay)
    const isOff = !isNightly && (hourOf(window) < 8 || hourOf(window) >= 20)
    if (isOff) continue
    const length = 1 + Math.floor(-Math.log(random() || 1e-9) * 4)
    const height = level * Math.exp(0.3 * normal(random))
    for (let i = 0; i < length && window < windows; i++, window++) {
      requests[window] = poisson(random, height)
    }
  }
  const works = (window: number) => isNightly || (hourOf(window) > 5 && hourOf(window) < 23)
  return { requests, works }
}

const cron = (random: Random, windows: number, born: number): Flow => {
  const every = pick(random, [12, 48, 72, 144, DAY, DAY, DAY])
  const first = Math.floor(random() * every)
  const size = Math.min(2_000, lognormal(random, 120, 0.7))
  const length = 1 + Math.floor(random() * 6)
  const requests = new Uint32Array(windows)
  for (let window = born + first; window < windows; window += every) {
    const start = window + Math.floor(random() * 2)
    const whole = size * Math.exp(0.1 * normal(random))
    for (let i = 0; i < length && start + i < windows; i++) {
      requests[start + i] = poisson(random, whole / length)
    }
  }
  const works = (window: number) => {
    const since = (window - born - first) % every
    return since < length + 26 || since > every - 26
  }
  return { requests, works }
}

const flowOf = (random: Random, kind: Kind, windows: number, born: number): Flow => {
  if (kind === 'steady') return steady(random, windows, born)
  if (kind === 'weekday') return weekday(random, windows, born)
  if (kind === 'bursty') return bursty(random, windows, born)
  if (kind === 'cron') return cron(random, windows, born)
  if (kind === 'growing') {
    const growth = between(random, 0.02, 0.1)
    return pick(random, [steady, weekday])(random, windows, born, growth)
  }
  return flowOf(random, pick(random, ['steady', 'bursty', 'cron', 'weekday']), windows, born)
}

const COUNTRIES = ['DE', 'US', 'NL', 'IE', 'FR', 'JP', 'GB']

/** One agent of a fleet, by its number alone. `changes`: whether some agents take up new tools. */
export function agentOf(
  seed: number,
  number: number,
  weeks: number,
  { changes = false } = {},
): Agent {
  const random = randomOf(seed * 100_003 + number)
  const places = KINDS.flatMap((kind) => Array<Kind>(SHARES[kind]).fill(kind))
  const kind = places[number % places.length] as Kind
  const windows = weeks * WEEK
  const born = kind === 'new' ? Math.floor(between(random, 0.1, 0.6) * windows) : 0
  const tools = Array.from(
    { length: 1 + Math.floor(random() * 12) },
    (_, i) => `POST /mcp tool_${i}`,
  )
  // Half run in a region of a cloud and leave by its pool, a few on laptops with a phone's network beside.
  const place = random()
  const pool = place < 0.5 ? 3 + Math.floor(random() * 8) : place < 0.95 ? 1 : 4
  const networks = Array.from({ length: pool }, (_, i) => `10.${i}.0.0/16`)
  const later =
    changes && random() < 0.1
      ? Array.from(
          { length: 1 + Math.floor(random() * 2) },
          (_, i) =>
            [Math.floor(between(random, 0.3, 1) * windows), `POST /mcp later_${i}`] as const,
        )
      : []
  return {
    kind,
    born,
    ...flowOf(random, kind, windows, born),
    refused: random() < 0.3 ? between(random, 0.005, 0.03) : 0.002,
    retries: random() < 0.3,
    tools,
    networks,
    country: pick(random, COUNTRIES),
    later,
  }
}
