import { shortHash } from '../../gate/base/bytes.ts'
import { SIGNALS } from '../../gate/model/watch.ts'

/** The version of the layout. Bytes of another version are not read: the agent is learned anew. */
const VERSION = 5

/** What an agent uses and where it comes from, and how many members of each are remembered. */
export const SETS = { use: 128, scope: 64, country: 24, network: 48, pair: 16 } as const
export type SetName = keyof typeof SETS

/** What is counted. */
export const COUNTS = ['requests', 'refusals', 'asks'] as const
export type Counted = (typeof COUNTS)[number]
export type Counts = Record<Counted, number>

/** Slots of the baseline: hours of a weekday, then of a day of a weekend (UTC). */
export const SLOTS = 48
/**
 * Peaks over two windows: the smaller number of requests, alone and as a multiple of the bound, and the refusals
 * and the asks of both windows.
 */
export const PEAKS = ['multiple', 'requests', 'refusals', 'asks'] as const
/** Tokens whose last place is remembered. */
const TOKENS = 12

/**
 * Places of the head. `window`: number of the latest window, counted from the epoch. `days`: days with a known volume.
 * `active`: how many hours had requests; `last`: the number of the latest such hour; `visits`: how many of these hours
 * came after an hour without requests.
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

const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)
const MEMBERS = sum(Object.values(SETS))

/** The arrays of a state in memory: the widest numbers come first, so that each array is aligned. Times are milliseconds since the epoch. */
const LAYOUT = {
  /** Numbers by {@link HEAD}. */
  head: [Float64Array, Object.keys(HEAD).length],
  /** By signal: until when it is muted, and when it last found something new. */
  muted: [Float64Array, SIGNALS.length],
  stirred: [Float64Array, SIGNALS.length],
  /** By slot: an hour's usual requests, then refusals, then asks. */
  usual: [Float32Array, COUNTS.length * SLOTS],
  /** By slot: hours that were learned. */
  learned: [Float32Array, SLOTS],
  /** Counts of this window, of the one before, and of this hour. */
  now: [Float32Array, COUNTS.length],
  before: [Float32Array, COUNTS.length],
  hour: [Float32Array, COUNTS.length],
  /** {@link PEAKS} before today, and today. */
  peaks: [Float32Array, PEAKS.length],
  today: [Float32Array, PEAKS.length],
  /** Hash, country and minute of each. A country is two letters. */
  tokens: [Uint32Array, 3 * TOKENS],
  /**
   * The members of all sets: two halves of a hash for each. `days` has the day of the last use. An empty member is
   * zeros.
   */
  hashes: [Uint32Array, 2 * MEMBERS],
  /** By slot: days since it last counted as working time. */
  quiet: [Uint16Array, SLOTS],
  days: [Uint16Array, MEMBERS],
} as const

/** Bytes of a state, in whole numbers of 64 bits: at most 4,096, which a test checks. */
const WATCH_BYTES =
  8 * Math.ceil(sum(Object.values(LAYOUT).map(([Kind, size]) => Kind.BYTES_PER_ELEMENT * size)) / 8)

type Arrays = {
  readonly [Name in keyof typeof LAYOUT]: InstanceType<(typeof LAYOUT)[Name][0]>
}

/** What is known of one agent: arrays over one piece of memory, and the part of each set in them. */
export interface WatchState extends Arrays {
  readonly bytes: ArrayBuffer
  readonly sets: Readonly<Record<SetName, Pick<Arrays, 'hashes' | 'days'>>>
}

/** A state over stored bytes, or a new one. */
export function watchState(stored?: ArrayBuffer): WatchState {
  const isKnown =
    stored?.byteLength === WATCH_BYTES && new Float64Array(stored, 0, 1)[0] === VERSION
  const bytes = isKnown ? stored : new ArrayBuffer(WATCH_BYTES)
  let at = 0
  const views = Object.entries(LAYOUT).map(([name, [Kind, size]]) => {
    const view = new Kind(bytes, at, size)
    at += view.byteLength
    return [name, view]
  })
  const arrays = Object.fromEntries(views) as Arrays
  arrays.head[HEAD.version] = VERSION
  let end = 0
  const sets = Object.entries(SETS).map(([name, size]) => {
    end += size
    const hashes = arrays.hashes.subarray(2 * (end - size), 2 * end)
    return [name, { hashes, days: arrays.days.subarray(end - size, end) }]
  })
  return { ...arrays, bytes, sets: Object.fromEntries(sets) }
}

/** Whether a set has a member. */
export function isMember({ sets }: WatchState, name: SetName, text: string): boolean {
  return placeOf(sets[name].hashes, text) >= 0
}

/** Adds a member. It replaces the member that was used longest ago. */
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
