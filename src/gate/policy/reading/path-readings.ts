import { LIMITS } from '../../base/limits.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { PathFault } from '../../base/url.ts'
import { foldCase, type Readings, type Segment } from './route-index.ts'

/** How some servers read a segment that others take as it is; all work on what {@link foldCase} gives. */
interface Reading {
  read(segment: string): string
  /** Whether only the last segment is read so. */
  readonly isOfLast?: true
  /** Whether the path after such a segment is dropped. */
  readonly isEnd?: true
}

const NOT_ASCII = /%[89a-f][0-9a-f]/
const UNSEEN = /[\p{C}\p{DI}]/gu

/** Removes these texts from both ends of a segment, and `alsoBehind` from its end. */
const without =
  (texts: readonly string[], ...alsoBehind: readonly string[]) =>
  (segment: string): string => {
    const behind = [...texts, ...alsoBehind]
    let start = 0
    let end = segment.length
    const step = (text: string | undefined): number => text?.length ?? 0
    const before = () => step(texts.find((text) => segment.startsWith(text, start)))
    const after = () => step(behind.find((text) => segment.endsWith(text, end)))
    for (let more = before(); more > 0; more = before()) start += more
    for (let more = after(); more > 0 && end > start; more = after()) end -= more
    return segment.slice(start, end)
  }

const READINGS: readonly Reading[] = [
  // Replaces full-width letters, ligatures and the like by plain letters; removes invisible characters.
  {
    read(segment) {
      if (!NOT_ASCII.test(segment)) return segment
      const decoded = decodeURIComponent(segment)
      const text = decoded.replace(UNSEEN, '').normalize('NFKC')
      return text === decoded
        ? segment
        : foldCase(encodeURIComponent(text)).replace(/%2f|%5c/g, '/')
    },
  },
  // Decoded twice, `?` and `#` end the path, and `;` begins parameters of the segment.
  { read: (segment) => segment.replace(/%(?:3f|23).*$/, ''), isEnd: true },
  { read: (segment) => segment.replace(/%3b.*$/, '') },
  // Removes dots at the end, spaces at both ends (also as `+`, or not), or both.
  { read: without([], '.') },
  { read: without(['%20', '%2b']) },
  { read: without(['%20', '%2b'], '.') },
  { read: without(['%20'], '.') },
  // ASP.NET removes the parts, such as `(S(id))` and `(X(1))`, that replace a cookie.
  { read: (segment) => segment.replace(/^(?:%28(?:[a-z]%28(?:(?!%29).)*%29)+%29)+/, '') },
  // Two colons begin the name of a stream of the file; a colon and a dollar sign begin its type.
  { read: (segment) => segment.replace(/%3a%3a.*$/, '') },
  { read: (segment) => segment.replace(/%3a%24.*$/, '') },
  // The text after the last dot is a format, unless the name is only dots.
  { read: (segment) => segment.replace(/^(\.*[^.].*)\.[^.]*$/, '$1'), isOfLast: true },
]

const READINGS_OF_ANY = READINGS.filter(({ isOfLast }) => !isOfLast)

/** What some reading may change. A segment without it, as most are, is read as it is. */
const MAY_CHANGE = /\.|%(?:[89a-f][0-9a-f]|2[03b]|3[bf]|28[a-z]%28|3a%(?:3a|24))/

/** A segment that all servers read alike, but for an escaped slash, which a rule may allow: for some it divides. */
const asWritten = (segment: string) => ({
  open: new Set([segment, segment.replaceAll('%2f', '/')]),
  ended: new Set<string>(),
})

/** What the readings of a path may still cost, in characters. */
interface Budget {
  left: number
}

/** All readings of a segment, by one reading or several after each other. Stops where the budget is used up. */
const readingsOfSegment = (segment: string, isLast: boolean, budget: Budget): Readings => {
  const { open, ended } = asWritten(segment)
  if (!MAY_CHANGE.test(segment)) return { open, ended }
  const readAll = (texts: Set<string>, readings: readonly Reading[], endsOf: typeof ended) => {
    // A set gives what is added while it is walked, so that each text is read once by each reading.
    for (const text of texts) {
      for (const { read, isEnd } of readings) {
        if (budget.left < 0) return
        const other = read(text)
        const to = isEnd ? endsOf : texts
        if (other === text || to.has(other)) continue
        to.add(other)
        budget.left -= LIMITS.pathReading + other.length
      }
    }
  }
  readAll(open, isLast ? READINGS : READINGS_OF_ANY, ended)
  readAll(ended, READINGS, ended)
  return { open, ended }
}

const STEP_UP = /(?:^|\/)\.\.(?:\/|$)/

/** The segments of a path, as written. */
export function writtenSegments(path: string): readonly Readings[] {
  return path.slice(1).split('/').map(asWritten)
}

/**
 * All that some server could read in place of each segment of a path that {@link foldCase} gave. A segment that the
 * rule spells out is read as written. A fault where a reading is a step up, which may lead out of the rule's path, or
 * where there are too many readings.
 */
export function readingsOf(
  path: string,
  rule: readonly Segment[],
): Result<readonly Readings[], PathFault> {
  const all: Readings[] = []
  const budget = { left: LIMITS.pathReadings }
  let isLast = true
  // From the end: a segment can be the last if nothing may be left of those behind it.
  for (const [i, text] of [...path.slice(1).split('/').entries()].reverse()) {
    const segment = rule[i]
    const isWritten = segment !== undefined && 'literal' in segment && segment.literal !== '*'
    const readings: Readings = isWritten ? asWritten(text) : readingsOfSegment(text, isLast, budget)
    if (budget.left < 0) return fail('too many readings')
    for (const text of [...readings.open, ...readings.ended]) {
      if (STEP_UP.test(text)) return fail('dot segment')
    }
    isLast = readings.ended.has('') || (isLast && readings.open.has(''))
    all.push(readings)
  }
  return ok(all.reverse())
}
