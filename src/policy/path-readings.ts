import { foldCase, type Segment } from './route-index.ts'

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

const READINGS: readonly Reading[] = [
  // Replaces full-width letters, ligatures and the like by plain letters; removes invisible characters.
  {
    read(segment) {
      if (!NOT_ASCII.test(segment)) return segment
      const text = decodeURIComponent(segment).replace(UNSEEN, '').normalize('NFKC')
      return foldCase(encodeURIComponent(text)).replace(/%2f|%5c/g, '/')
    },
  },
  // Decoded twice, `?` and `#` end the path, and `;` begins parameters of the segment.
  { read: (segment) => segment.replace(/%(?:3f|23).*$/, ''), isEnd: true },
  { read: (segment) => segment.replace(/%3b.*$/, '') },
  // Removes spaces at both ends (also as `+`), and dots at the end.
  { read: (segment) => segment.replace(/^(?:%2[0b])+|(?<!%2[0b])(?:%2[0b])+$/g, '') },
  { read: (segment) => segment.replace(/^(?:%2[0b])+|(?<!\.|%2[0b])(?:\.|%2[0b])+$/g, '') },
  // ASP.NET removes the parts, such as `(S(id))`, that replace a cookie.
  { read: (segment) => segment.replace(/^(?:%28(?:[asf]%28(?:(?!%29).)*%29)+%29)+/, '') },
  // Two colons begin the name of a stream of the file.
  { read: (segment) => segment.replace(/%3a%3a.*$/, '') },
  // The text after the last dot is a format, unless the name is only dots.
  { read: (segment) => segment.replace(/^(\.*[^.].*)\.[^.]*$/, '$1'), isOfLast: true },
]

interface Part {
  readonly text: string
  /** Whether the rule spells the segment out. */
  readonly isWritten: boolean
}

const readAs = (parts: readonly Part[], { read, isOfLast, isEnd }: Reading): readonly Part[] => {
  const last = parts.findLastIndex(({ text }) => text !== '')
  const made: Part[] = []
  for (const [i, part] of parts.entries()) {
    const text = part.isWritten || (isOfLast && i !== last) ? part.text : read(part.text)
    made.push({ ...part, text })
    if (isEnd && text !== part.text) break
  }
  return made
}

const textOf = (parts: readonly Part[]): string => parts.map(({ text }) => text).join('/')

/** A path that some server could read. */
interface OtherReading {
  readonly path: string
  /** Whether the reading made a `..`, which may lead out of the rule's path. */
  readonly goesUp: boolean
}

/**
 * All that some server could read in place of a path that {@link foldCase} gave, by one reading or several after
 * each other. A segment that the rule spells out is read as written.
 */
export function otherReadings(path: string, rule: readonly Segment[]): readonly OtherReading[] {
  const parts = path
    .slice(1)
    .split('/')
    .map((text, i): Part => {
      const segment = rule[i]
      const isWritten = segment !== undefined && 'literal' in segment && segment.literal !== '*'
      return { text, isWritten }
    })
  if (!parts.some(({ text, isWritten }) => !isWritten && /[.%]/.test(text))) return []
  const found = new Map([[textOf(parts), parts as readonly Part[]]])
  // Runs twice, because one reading may make text that another reading removes.
  for (const reading of [...READINGS, ...READINGS]) {
    for (const one of [...found.values()]) {
      const made = readAs(one, reading)
      found.set(textOf(made), made)
    }
  }
  found.delete(textOf(parts))
  // Resolves dot segments and empty segments that this made, as servers do.
  return [...found.keys()].map((text) => ({
    path: new URL(`http://x/${text}`).pathname.replace(/\/{2,}/g, '/'),
    goesUp: text.split('/').includes('..'),
  }))
}
