import { SIGNALS } from '../core/model/watch.ts'

/** The version of the layout. Bytes of another version are no state: the agent is learned anew. */
const VERSION = 3

/** Kinds of things that an agent uses or comes from, and how many of each are remembered. */
export const SETS = { use: 128, scope: 64, country: 24, network: 48, pair: 16 } as const
export type SetName = keyof typeof SETS

/** What is counted. */
export const COUNTS = ['requests', 'refusals', 'bytes'] as const
export type Counted = (typeof COUNTS)[number]
export type Counts = Record<Counted, number>

/** Slots of the baseline: hours of a weekday, then of a day of a weekend (UTC). */
export const SLOTS = 48
/** The most of two windows: the fewer requests of them alone, and as a multiple of the bound, and refusals of both. */
export const PEAKS = ['multiple', 'requests', 'refusals'] as const
/** Tokens whose last place is remembered. */
export const TOKENS = 12

/** What is known of one agent, over one piece of memory. Times are milliseconds since the epoch. */
export interface WatchState {
  readonly bytes: ArrayBuffer
  /** {@link HEAD} by name. */
  readonly head: Float64Array
  /** Until when a signal is told no second time. */
  readonly muted: Float64Array
  /** When something was last new to a signal. */
  readonly stirred: Float64Array
  /** By slot: an hour's usual requests, then refusals, then bytes. */
  readonly usual: Float32Array
  /** By slot: hours that were learned. */
  readonly learned: Float32Array
  /** By slot: days since it was last an hour of work. */
  readonly quiet: Uint16Array
  /** Counts of this window, of the one before, and of this hour. */
  readonly now: Float32Array
  readonly before: Float32Array
  readonly hour: Float32Array
  /** {@link PEAKS} before today, and today. */
  readonly peaks: Float32Array
  readonly today: Float32Array
  /** Two halves of a hash for each member, and the day of its last use; an empty member is zeros. */
  readonly sets: Readonly<
    Record<SetName, { readonly hashes: Uint32Array; readonly days: Uint16Array }>
  >
  /** Hash, place and minute of each. A place is two letters. */
  readonly tokens: Uint32Array
}

/**
 * Places of the head. `window`: number of the latest since the epoch. `days`: those with a volume. `active`: hours with
 * requests, and `last` the number of the latest; `visits`: how many of them came after an hour without.
 */
export const HEAD = {
  version: 0,
  first: 1,
  requests: 2,
  window: 3,
  days: 4,
  active: 5,
  last: 6,
  visits: 7,
} as const
const HEAD_SIZE = 8

/** A state over stored bytes, or a new one. */
export function watchState(stored?: ArrayBuffer): WatchState {
  const isKnown =
    stored?.byteLength === WATCH_BYTES && new Float64Array(stored, 0, 1)[0] === VERSION
  const bytes = isKnown ? stored : new ArrayBuffer(WATCH_BYTES)
  const state = laidOut(bytes)
  if (!isKnown) state.head[HEAD.version] = VERSION
  return state
}

function laidOut(bytes: ArrayBuffer): WatchState {
  let at = 0
  const take = <View>(
    Kind: {
      new (buffer: ArrayBuffer, at: number, length: number): View
      BYTES_PER_ELEMENT: number
    },
    length: number,
  ): View => {
    const view = new Kind(bytes, at, length)
    at += length * Kind.BYTES_PER_ELEMENT
    return view
  }
  const state = {
    bytes,
    head: take(Float64Array, HEAD_SIZE),
    muted: take(Float64Array, SIGNALS.length),
    stirred: take(Float64Array, SIGNALS.length),
    usual: take(Float32Array, COUNTS.length * SLOTS),
    learned: take(Float32Array, SLOTS),
    now: take(Float32Array, COUNTS.length),
    before: take(Float32Array, COUNTS.length),
    hour: take(Float32Array, COUNTS.length),
    peaks: take(Float32Array, PEAKS.length),
    today: take(Float32Array, PEAKS.length),
    tokens: take(Uint32Array, 3 * TOKENS),
    quiet: take(Uint16Array, SLOTS),
  }
  const hashes = each((name) => take(Uint32Array, 2 * SETS[name]))
  const days = each((name) => take(Uint16Array, SETS[name]))
  return { ...state, sets: each((name) => ({ hashes: hashes[name], days: days[name] })) }
}

const each = <Value>(make: (name: SetName) => Value) =>
  Object.fromEntries((Object.keys(SETS) as SetName[]).map((name) => [name, make(name)])) as Record<
    SetName,
    Value
  >

/** Bytes of a state, in whole numbers of 64 bits: at most 4,096, which a test sees to. */
const WATCH_BYTES =
  8 *
  Math.ceil(
    HEAD_SIZE +
      2 * SIGNALS.length +
      (COUNTS.length * (SLOTS + 3) + SLOTS + 2 * PEAKS.length + 3 * TOKENS) / 2 +
      (10 * Object.values(SETS).reduce((sum, size) => sum + size, 0) + 2 * SLOTS) / 8,
  )

/** 32 bits of FNV-1a. */
export function shortHash(text: string, seed = 0x811c9dc5): number {
  let hash = seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** Whether a set has a member. */
export function isMember({ sets }: WatchState, name: SetName, text: string): boolean {
  return placeOf(sets[name].hashes, text) >= 0
}

/** Adds a member, in the place of the one that was used longest ago. */
export function addMember({ sets }: WatchState, name: SetName, text: string, day: number): void {
  const { hashes, days } = sets[name]
  const known = placeOf(hashes, text)
  const at = known >= 0 ? known : days.indexOf(Math.min(...days))
  const [first, second] = halves(text)
  hashes[2 * at] = first
  hashes[2 * at + 1] = second
  days[at] = day
}

/** How many members a set has. */
export function sizeOf({ sets }: WatchState, name: SetName): number {
  return sets[name].days.filter((day) => day > 0).length
}

const halves = (text: string) => [shortHash(text), shortHash(text, 0x9747b28c)] as const

const placeOf = (hashes: Uint32Array, text: string): number => {
  const [first, second] = halves(text)
  for (let at = 0; at < hashes.length; at += 2) {
    if (hashes[at] === first && hashes[at + 1] === second) return at / 2
  }
  return -1
}
