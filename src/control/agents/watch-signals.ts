import { shortHash } from '../../gate/base/bytes.ts'
import type { JsonObject } from '../../gate/base/json.ts'
import { SIGNALS, type Signal } from '../../gate/model/watch.ts'
import {
  advance,
  at,
  DAY,
  EXPECTED,
  evenShare,
  isFrozen,
  isLearning,
  isWeekend,
  learnPeaks,
  missedVisits,
  recent,
  slotOf,
  usualOf,
  volumeOf,
} from './watch-baseline.ts'
import {
  addMember,
  COUNTS,
  type Counts,
  HEAD,
  isMember,
  PEAKS,
  type SetName,
  sizeOf,
  type WatchState,
} from './watch-state.ts'

/**
 * Milliseconds after an alert in which its signal is muted, and nothing is learned. A verdict of a person ends this
 * time.
 */
export const ALERT_MS = DAY
/**
 * A volume is `above` times the highest so far, or more while few days are known: `unsure` divided by the known days is
 * added. An agent whose peak is below `calm` times the bound has an even load, so its highest is at most that multiple.
 */
const VOLUME = { calm: 1.5, above: 1.75, unsure: 6 }
/** Refusals, or asks, of two windows that a signal needs: at least, and as a multiple of the usual number. */
const BURST = { least: 10, times: 3 }
/** The least requests of an odd hour. */
const ODD = 20
/** Within so many milliseconds, requests from two countries count as simultaneous. */
const AT_ONCE = 300_000
const MINUTE = 60_000

/** What an agent did in some seconds. */
export interface Sample extends Counts {
  readonly uses: readonly string[]
  readonly scopes: readonly string[]
  readonly countries: readonly string[]
  readonly networks: readonly string[]
  /** Ids of tokens, each with a country from which it was sent. */
  readonly tokens: readonly (readonly [token: string, country: string])[]
  /** Checksums of its code, when one that is not approved was seen for the first time. */
  readonly changed?: { readonly approved: readonly string[]; readonly seen: readonly string[] }
}

type Member = readonly [name: SetName, text: string]

/** What a signal has found: what was usual, and what was seen. */
export interface Found {
  readonly signal: Signal
  readonly usual: JsonObject
  readonly seen: JsonObject
  /** What is learned if a person dismisses the alert. */
  readonly lesson: {
    readonly members?: readonly Member[]
    readonly peaks?: { readonly [Name in (typeof PEAKS)[number]]?: number }
    readonly hour?: readonly [slot: number, requests: number]
  }
}

/** Counts a sample, and returns what these signals find unusual. Learns from the sample, unless an alert is open. */
export function observe(
  state: WatchState,
  sample: Sample,
  now: number,
  signals: readonly Signal[] = SIGNALS,
): readonly Found[] {
  const { head, stirred, muted } = state
  if (head[HEAD.first] === 0) {
    head[HEAD.first] = now
    stirred.fill(now)
  }
  advance(state, now)
  head[HEAD.requests] = at(head, HEAD.requests) + sample.requests
  for (const [i, name] of COUNTS.entries()) {
    state.now[i] = at(state.now, i) + sample[name]
    state.hour[i] = at(state.hour, i) + sample[name]
  }
  const members = membersOf(state, sample, now)
  noteTokens(state, sample, now)
  const alerts: Found[] = []
  const inCounts = [volumeIn, refusalsIn, oddHourIn, asksIn].flatMap(
    (find) => find(state, slotOf(now)) ?? [],
  )
  for (const found of [...inCounts, ...newIn(state, members), ...changedIn(sample)]) {
    const place = SIGNALS.indexOf(found.signal)
    if (isLearning(state, found.signal, now)) stirred[place] = now
    else if (found.signal !== 'changed' && at(muted, place) > now) continue
    else if (signals.includes(found.signal)) alerts.push(found)
  }
  for (const { signal } of alerts) mute(state, signal, now + ALERT_MS)
  if (!isFrozen(state, now)) {
    for (const [name, text] of members) addMember(state, name, text, Math.floor(now / DAY))
    learnPeaks(state, now)
  }
  return alerts
}

/** Learns what a person has dismissed, and lets the signal alert again. */
export function learn(
  state: WatchState,
  { signal, lesson }: Pick<Found, 'signal' | 'lesson'>,
  now: number,
): void {
  const { members = [], peaks = {}, hour } = lesson
  for (const [name, text] of members) addMember(state, name, text, Math.floor(now / DAY))
  for (const [i, name] of PEAKS.entries()) {
    state.peaks[i] = Math.max(at(state.peaks, i), peaks[name] ?? 0)
  }
  if (hour) state.usual[hour[0]] = Math.max(at(state.usual, hour[0]), hour[1])
  if (hour) state.quiet[hour[0]] = 0
  mute(state, signal, 0)
}

/** Mutes a signal until then. */
export function mute({ muted }: WatchState, signal: Signal, until: number): void {
  muted[SIGNALS.indexOf(signal)] = until
}

const peakOf = ({ peaks }: WatchState, name: (typeof PEAKS)[number]) =>
  at(peaks, PEAKS.indexOf(name))

const volumeIn = (state: WatchState, slot: number): Found | undefined => {
  const { usual, bound, requests, multiple } = volumeOf(state, slot)
  const [peak, most] = [peakOf(state, 'multiple'), peakOf(state, 'requests')]
  const above = VOLUME.above + VOLUME.unsure / at(state.head, HEAD.days)
  const highest = peak < VOLUME.calm ? Math.min(most, peak * bound) : most
  const bounded = Math.max(bound, above * highest)
  // Without a peak nothing is known of any volume.
  if (multiple <= 1 || peak === 0 || requests <= bounded) return undefined
  return {
    signal: 'volume',
    usual: { requests: rounded(usual), at_most: rounded(bounded), minutes: 5 },
    seen: { requests: [at(state.before, 0), at(state.now, 0)], minutes: 5 },
    lesson: { peaks: { multiple, requests } },
  }
}

const burstIn =
  (signal: 'refusals' | 'asks') =>
  (state: WatchState, slot: number): Found | undefined => {
    const count = recent(state, signal)
    if (count < BURST.least) return undefined
    // An hour has twelve windows.
    const usual = Math.max(usualOf(state, signal, slot) / 6, peakOf(state, signal))
    if (count <= BURST.times * usual) return undefined
    return {
      signal,
      usual: { [signal]: rounded(usual), minutes: 10 },
      seen: { [signal]: count, minutes: 10 },
      lesson: { peaks: { [signal]: count } },
    }
  }
const [refusalsIn, asksIn] = [burstIn('refusals'), burstIn('asks')]

const oddHourIn = (state: WatchState, slot: number): Found | undefined => {
  const requests = Math.max(at(state.hour, 0), recent(state, 'requests'))
  if (requests < ODD || missedVisits(state, slot) < EXPECTED) return undefined
  const usual = usualOf(state, 'requests', slot)
  const even = evenShare(state)
  const hour = `${String(slot % 24).padStart(2, '0')}:00Z`
  return {
    signal: 'odd_hour',
    usual: { requests: rounded(usual), even_share: rounded(even) },
    seen: { requests, hour, day: isWeekend(slot) ? 'weekend' : 'weekday' },
    lesson: { hour: [slot, Math.max(requests, even)] },
  }
}

/** Signals of new members, and the sets that each reads. */
const NEW: readonly (readonly [Signal, readonly SetName[]])[] = [
  ['new_use', ['use']],
  ['new_scope', ['scope']],
  ['new_place', ['country', 'network']],
  ['two_places', ['pair']],
]

const newIn = (state: WatchState, members: readonly Member[]): readonly Found[] => {
  const fresh = members.filter(([name, text]) => !isMember(state, name, text))
  if (fresh.length === 0) return []
  // An agent may use a pool of networks. It takes this many hours until each network of the pool was probably seen.
  const isEarly = at(state.head, HEAD.active) < EXPECTED * (sizeOf(state, 'network') + 1)
  return NEW.flatMap(([signal, names]) => {
    const found = fresh.filter(([name]) => names.includes(name) && !(isEarly && name === 'network'))
    if (found.length === 0) return []
    const known = Object.fromEntries(names.map((name) => [name, sizeOf(state, name)]))
    const textsIn = (name: SetName) => found.flatMap(([of, text]) => (of === name ? [text] : []))
    const seen = Object.fromEntries(names.map((name) => [name, textsIn(name)]))
    return [{ signal, usual: { known }, seen, lesson: { members: found } }]
  })
}

const changedIn = ({ changed }: Sample): readonly Found[] => {
  if (!changed) return []
  const [usual, seen] = [{ checksums: changed.approved }, { checksums: changed.seen }]
  return [{ signal: 'changed', usual, seen, lesson: {} }]
}

/** All members that a sample has. */
const membersOf = (state: WatchState, sample: Sample, now: number): readonly Member[] => {
  const of = (name: SetName, texts: readonly string[]) => texts.map((text) => [name, text] as const)
  return [
    ...of('use', sample.uses),
    ...of('scope', sample.scopes),
    ...of('country', sample.countries),
    ...of('network', sample.networks),
    ...of('pair', pairsOf(state, sample.tokens, now)),
  ]
}

/** Pairs of countries from which one token came at once. */
const pairsOf = ({ tokens: kept }: WatchState, tokens: Sample['tokens'], now: number) => {
  const last = new Map<string, string>()
  return tokens.flatMap(([token, country]) => {
    const place = placeOf(kept, token)
    const isRecent = place !== undefined && at(kept, place + 2) * MINUTE > now - AT_ONCE - MINUTE
    const before = last.get(token) ?? (isRecent ? countryText(at(kept, place + 1)) : country)
    last.set(token, country)
    return before === country ? [] : [[before, country].sort().join(' ')]
  })
}

/** Remembers where tokens came from. A new token replaces the token that was seen longest ago. */
const noteTokens = ({ tokens: kept }: WatchState, { tokens }: Sample, now: number): void => {
  for (const [token, country] of tokens) {
    const oldest = placesOf(kept).reduce((one, other) =>
      at(kept, other + 2) < at(kept, one + 2) ? other : one,
    )
    const place = placeOf(kept, token) ?? oldest
    kept.set([shortHash(token), countryNumber(country), Math.floor(now / MINUTE)], place)
  }
}

/** Where each token begins: it has three numbers. */
const placesOf = ({ length }: Uint32Array) => Array.from({ length: length / 3 }, (_, i) => 3 * i)

const placeOf = (kept: Uint32Array, token: string): number | undefined => {
  const hash = shortHash(token)
  return placesOf(kept).find((place) => at(kept, place) === hash)
}

/** A country is two letters or digits. */
const countryNumber = (country: string): number =>
  (country.charCodeAt(0) << 8) | country.charCodeAt(1)
const countryText = (number: number): string => String.fromCharCode(number >>> 8, number & 0xff)

const rounded = (count: number): number => Math.round(10 * count) / 10
