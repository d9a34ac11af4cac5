import { TrieRouter } from 'hono/router/trie-router'
import { getOrMake } from '../core/memo.ts'
import type { Method } from '../core/model/route.ts'

/** One segment of a rule's path: literal text, or a parameter and the literal after it. */
export type Segment =
  | { readonly literal: string }
  | { readonly param: string; readonly suffix: string }

/** A segment that is a parameter: its name, and the literal after it. */
export const PARAM = /^\{([A-Za-z_][A-Za-z0-9_]*)\}((?:[:.][^{}]*)?)$/

/** A rule's path, segment by segment. */
export function segmentsOf(path: string): readonly Segment[] {
  return path
    .slice(1)
    .split('/')
    .map((text) => {
      const [, param, suffix = ''] = PARAM.exec(text) ?? []
      return param === undefined ? { literal: text } : { param, suffix }
    })
}

/** Rules of one shape: equal but for parameter names, suffixes and hosts. */
interface Shape {
  /** Places of the segments that are parameters. */
  readonly places: readonly number[]
  readonly suffixes: Suffixes
  /** For a shape that ends in `*`: segments before the rest. */
  readonly rest?: number
}

/**
 * The literals after the parameters of a shape's rules, one level for each parameter. A request walks only along
 * suffixes that its segments have, so it never tries more than there are rules.
 */
interface Suffixes {
  /** Length of a suffix → its texts → the level of the next parameter. */
  readonly next: Map<number, Map<string, Suffixes>>
  /** At the last level: rules in file order. */
  readonly rules: number[]
}

const noSuffixes = (): Suffixes => ({ next: new Map(), rules: [] })

/** Rules whose suffixes end a path's segments, each with a value before it. */
const ending = (
  { next, rules }: Suffixes,
  [place, ...places]: readonly number[],
  segments: readonly string[],
): readonly number[] => {
  if (place === undefined) return rules
  const segment = segments[place] ?? ''
  const found: number[] = []
  for (const [length, texts] of next) {
    const start = segment.length - length
    // A cheap first test: at most indexes the character cannot begin a suffix.
    if (start < 1 || (length > 0 && !SUFFIX_START.includes(segment.charAt(start)))) continue
    const level = texts.get(segment.slice(start))
    if (level) found.push(...ending(level, places, segments))
  }
  return found
}

/** First characters of suffixes: as rules write them, and folded. */
const SUFFIX_START = ':.%'

/**
 * Rules by method and path: Hono's trie over their shapes. Knows no hosts. Rules that differ only
 * in parameter names or in the literal behind a parameter share one entry, so that a request looks
 * at as many entries for 1,000 rules as for 10.
 */
export class Index {
  readonly #trie = new TrieRouter<Shape>()
  readonly #shapes = new Map<string, Shape>()

  add(index: number, methods: readonly Method[], segments: readonly Segment[]): void {
    const last = segments.at(-1)
    const wild = last !== undefined && 'literal' in last && last.literal === '*'
    const places = segments.flatMap((segment, i) => ('param' in segment ? [i] : []))
    const key = segments.map((one) => ('param' in one ? ':p' : one.literal)).join('/')
    for (const method of methods) {
      const shape = getOrMake(this.#shapes, `${method} ${key}`, () => {
        const made: Shape = {
          places,
          suffixes: noSuffixes(),
          ...(wild && { rest: segments.length - 1 }),
        }
        this.#trie.add(method, `/${key}`, made)
        return made
      })
      let level = shape.suffixes
      for (const segment of segments) {
        if (!('param' in segment)) continue
        const { suffix } = segment
        const texts = getOrMake(level.next, suffix.length, () => new Map<string, Suffixes>())
        level = getOrMake(texts, suffix, noSuffixes)
      }
      level.rules.push(index)
    }
  }

  /** Every rule that matches, in no particular order. */
  find(method: Method, path: string): readonly number[] {
    const segments = path.slice(1).split('/')
    const [shapes] = this.#trie.match(method, path)
    return shapes.flatMap(([{ rest, suffixes, places }]) =>
      rest !== undefined && segments.length <= rest ? [] : ending(suffixes, places, segments),
    )
  }
}

/** Characters that may be plain or escaped in a path (RFC 3986 §3.3), so that origins differ. */
const SPELLED_TWICE = /[!$&'()*+,=:@|[\]]/g

/**
 * One text for all spellings that some reader treats as equal: in lower case, with every character escaped that may
 * be plain or escaped. Escaping, not decoding: no literal can then look like a parameter or like the `*` at the end.
 */
export function foldCase(text: string): string {
  return text
    .replace(NOT_ASCII, (run) => encodeURIComponent(withoutCase(decodeURIComponent(run))))
    .replace(SPELLED_TWICE, (char) => `%${char.charCodeAt(0).toString(16)}`)
    .toLowerCase()
}

/** UTF-8 of characters beyond ASCII; a canonical path contains no other such bytes. */
const NOT_ASCII = /(?:%[89A-F][0-9A-F])+/g

/** Via upper case: some characters differ in lower case only, and `ẞ` has two upper cases. */
const withoutCase = (text: string): string => text.toLowerCase().toUpperCase().toLowerCase()

/** A rule's segments with their literals folded. */
export function looseSegments(path: string): readonly Segment[] {
  return segmentsOf(path).map((segment) => {
    if ('param' in segment) return { ...segment, suffix: foldCase(segment.suffix) }
    return { literal: segment.literal === '*' ? '*' : foldCase(segment.literal) }
  })
}
