/** How other servers may read a path (docs/configuration/paths.md, "Ambiguous paths"). */
import { type Comparison, decode, matchSegments, type PathPattern, segmentsOf } from './paths.ts'

/** One way to read a segment. `ends` says that the path ends here; `gone` that the segment is left out. */
interface Reading {
  text: string
  ends?: true
  gone?: true
}

/** All readings of the segments of a path have at most this many characters together, each with 512 more. */
const MOST_CHARACTERS = 24_576
const READING_COSTS = 512

/** Session ids that ASP.NET writes at the beginning of a segment: `(S(x))`, `(X(1)F(y))`. */
const SESSION = /^(?:\((?:[A-Za-z]\([^)]*\))+\))+/

/** Characters that are not seen. */
const INVISIBLE = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu

/** Each row of the table: what the segment becomes, or `undefined` if this server reads it as written. */
const SERVERS: ((text: string) => Reading | undefined)[] = [
  (text) => changed(text, text.normalize('NFKC').replace(INVISIBLE, '')),
  (text) => cut(text, text.search(/[?#]/), true),
  (text) => cut(text, text.indexOf(';')),
  (text) => changed(text, text.replace(/^[ +]+|[ +]+$/g, '')),
  (text) => changed(text, text.replace(/\.+$/, '')),
  // Or spaces and dots at the end are removed together, in any order; `+` is a space or not.
  (text) => changed(text, text.replace(/^[ +]+|[ +.]+$/g, '')),
  (text) => changed(text, text.replace(/^ +|[ .]+$/g, '')),
  withoutSession,
  (text) => cut(text, text.search(/::|:\$/)),
]

/** The part after the last dot of the last segment is a format, unless only dots are before it. */
const format = (text: string): Reading | undefined =>
  /[^.].*\./.test(text) ? cut(text, text.lastIndexOf('.')) : undefined

function withoutSession(text: string): Reading | undefined {
  const rest = text.replace(SESSION, '')
  return rest === '' && text !== '' ? { text: '', gone: true } : changed(text, rest)
}

function changed(before: string, after: string): Reading | undefined {
  return after === before ? undefined : { text: after }
}

function cut(text: string, at: number, ends = false): Reading | undefined {
  if (at < 0) return undefined
  return { text: text.slice(0, at), ...(ends && { ends: true }) }
}

/**
 * All readings of a segment by some server, with the decoded segment first. A server may do several of these things to
 * one segment.
 */
function readingsOf(segment: string, isLast: boolean): Reading[] {
  const first: Reading = { text: decode(segment) ?? segment }
  const all = [first]
  for (const reading of all) {
    // One more than there may be in all.
    if (all.length > MOST_CHARACTERS / READING_COSTS) break
    if (reading.gone) continue
    // Where the path ends in a segment, it is the last one.
    for (const server of isLast || reading.ends ? [...SERVERS, format] : SERVERS) {
      const next = server(reading.text)
      if (next === undefined) continue
      const ends = next.ends ?? reading.ends
      const combined: Reading = { ...next, ...(ends && { ends }) }
      const isKnown = all.some(
        (other) =>
          other.text === combined.text &&
          other.ends === combined.ends &&
          other.gone === combined.gone,
      )
      if (!isKnown) all.push(combined)
    }
  }
  return all
}

/** All readings of each segment. A segment is the last one too if some server reads nothing behind it. */
function allReadings(path: string, isWritten: (index: number) => boolean): Reading[][] {
  let isLast = true
  const all = [...segmentsOf(path).entries()].reverse().map(([index, segment]) => {
    const written = [{ text: decode(segment) ?? segment }]
    const readings: Reading[] = isWritten(index) ? written : readingsOf(segment, isLast)
    const isNothing = ({ text, ends }: Reading) => text === '' && (isLast || ends === true)
    isLast = readings.some(isNothing)
    return readings
  })
  return all.reverse()
}

/** Whether some server reads a segment of the path as `..`. */
export function isReadAsParent(path: string): boolean {
  return allReadings(path, () => false)
    .flat()
    .some((reading) => !reading.gone && partsOf(reading.text).includes('..'))
}

/** Texts of segments that the rule has in its `match`; they are read as written. */
function isFixed(pattern: PathPattern, index: number): boolean {
  const expected = pattern.segments[index]
  return expected !== undefined && 'text' in expected
}

/**
 * All readings of a path as lists of segments, each segment in each way. `undefined` if there are too many.
 * The first is the path as it is written.
 */
function pathReadings(path: string, pattern: PathPattern): string[][] | undefined {
  const all = allReadings(path, (index) => isFixed(pattern, index))
  if (costOf(all) > MOST_CHARACTERS) return undefined
  let readings: { segments: string[]; ended: boolean }[] = [{ segments: [], ended: false }]
  for (const ways of all) {
    readings = readings.flatMap((reading) => {
      if (reading.ended) return [reading]
      return ways.flatMap(({ text, gone, ends }) => {
        const isDivided = text.includes('/')
        // A server may leave an escaped slash in one segment as it is, and divide the next one.
        const all = gone ? [[]] : [partsOf(text), ...(isDivided ? [[text]] : [])]
        return all.map((parts) => ({
          segments: [...reading.segments, ...parts],
          ended: ends === true,
        }))
      })
    })
  }
  return readings.map((reading) => reading.segments)
}

/** What is left of a segment: nothing and a dot are left out, and a slash divides. */
function partsOf(text: string): string[] {
  return text.split('/').filter((part) => part !== '' && part !== '.')
}

/** The cost of all other readings of the segments. */
function costOf(all: Reading[][]): number {
  return all
    .flatMap(([, ...others]) => others)
    .reduce((sum, { text }) => sum + READING_COSTS + text.length, 0)
}

/** Compares without case; the text of a pattern is decoded first. */
const LOOSELY: Comparison = (segment, text) => fold(segment) === fold(decode(text) ?? text)

function fold(text: string): string {
  return text.toUpperCase().toLowerCase()
}

/**
 * The path as written, in another case, with escapes as characters, with a slash less or more. Slashes that stand beside
 * each other, of which one was escaped, are one.
 */
export function isSpellingOf(path: string, earlier: PathPattern): boolean {
  return spellingsOf(path).some((text) => {
    const segments = segmentsOf((decode(text) ?? text).replace(/\/{2,}/g, '/'))
    const kept = segments.map((segment) => segment.replaceAll(KEPT, '/'))
    return variants(kept).some((each) => matchesLoosely(earlier, each))
  })
}

/** Stands for an escaped slash that divides nothing. */
const KEPT = '\u0000'

/** The path with the escaped slashes of each segment as slashes, or as they are. */
function spellingsOf(path: string): string[] {
  return segmentsOf(path).reduce<string[]>(
    (all, segment) => {
      const ways = new Set(['/', KEPT].map((slash) => segment.replaceAll('%2F', slash)))
      return all.flatMap((before) => [...ways].map((way) => `${before}/${way}`))
    },
    [''],
  )
}

/**
 * Whether some server reads the path as one of an earlier rule. `rule` is the rule that matches the path as
 * it is written. `too many` if the path has too many readings.
 */
export function isReadAs(
  path: string,
  rule: PathPattern,
  earlier: PathPattern[],
): boolean | 'too many' {
  const readings = pathReadings(path, rule)
  if (readings === undefined) return 'too many'
  return readings.some((segments) =>
    earlier.some((pattern) => variants(segments).some((each) => matchesLoosely(pattern, each))),
  )
}

/** Segments as they are, without an empty one at the end, or with one more. */
function variants(segments: string[]): string[][] {
  const last = segments.at(-1)
  return [segments, last === '' ? segments.slice(0, -1) : [...segments, '']]
}

function matchesLoosely(pattern: PathPattern, segments: string[]): boolean {
  return matchSegments(pattern, segments, LOOSELY) !== undefined
}
