import { OWN_METHODS } from './methods.ts'

/** Steps of what costs more than one; of everything else one. */
const DEAR: Readonly<Record<string, number>> = {
  contains: 16,
  split: 16,
  size: 8,
  lowerAscii: 8,
  upperAscii: 8,
  trim: 8,
  timestamp: 4,
  /** For each network. */
  inNetwork: 8,
}
/** Of a time in a zone. */
const ZONED = 16

/** Functions a condition may call, by name and number of arguments. */
export const FUNCTIONS: ReadonlySet<string> = new Set([
  ...['has', 'size', 'string', 'int', 'double', 'bool', 'timestamp', 'duration'].map(
    (name) => `${name}/1`,
  ),
  'inNetwork/2',
])

const TIMES = Object.keys(OWN_METHODS).filter((name) => name.startsWith('get'))

/** Methods likewise; not those that go through a list. */
export const METHODS: ReadonlySet<string> = new Set([
  ...['startsWith', 'endsWith', 'contains', 'matches', 'split'].map((name) => `${name}/1`),
  ...['size', 'lowerAscii', 'upperAscii', 'trim'].map((name) => `${name}/0`),
  ...TIMES.flatMap((name) => [`${name}/0`, `${name}/1`]),
])

/** Methods that evaluate a part once for each member of a list. */
export const COMPREHENSIONS: ReadonlySet<string> = new Set([
  'all/2',
  'exists/2',
  'exists_one/2',
  'filter/2',
  'map/2',
  'map/3',
])

/** Steps of one call, beside those of what it is called with. */
export function stepsOf(name: string, count: number): number {
  return TIMES.includes(name) && count === 1 ? ZONED : (DEAR[name] ?? 1)
}

/** What each function and method is called, for sentences. */
export const NAMES: readonly string[] = [
  ...new Set([...FUNCTIONS, ...METHODS, ...COMPREHENSIONS].map((one) => one.split('/')[0] ?? '')),
]
