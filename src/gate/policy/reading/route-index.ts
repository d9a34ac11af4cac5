import { getOrMake } from '../../base/memo.ts'

/** One segment of a rule's path: literal text, or a parameter and the literal after it. */
export type Segment =
  | { readonly literal: string }
  | { readonly param: string; readonly suffix: string }

/** A segment that is a parameter: its name, and the literal after it. */
export const PARAM = /^\{([A-Za-z_][A-Za-z0-9_]*)\}((?:[:.][^{}]*)?)$/

/**
 * A rule's path, segment by segment.
 * @example segmentsOf('/v1/{id}') // [{ literal: 'v1' }, { param: 'id', suffix: '' }]
 */
export function segmentsOf(path: string): readonly Segment[] {
  return path
    .slice(1)
    .split('/')
    .map((text) => {
      const [, param, suffix = ''] = PARAM.exec(text) ?? []
      return param === undefined ? { literal: text } : { param, suffix }
    })
}

/** A node of the tree of all rules' paths. */
interface Place {
  /** By literal segment: the place behind it. */
  readonly literals: Map<string, Place>
  /** By length of the literal after a parameter, then by this literal: the place behind both. */
  readonly params: Map<number, Map<string, Place>>
  /** Rules that end here, in file order. */
  readonly ends: number[]
  /** Rules that match everything below, in file order. */
  readonly rests: number[]
}

const newPlace = (): Place => ({ literals: new Map(), params: new Map(), ends: [], rests: [] })

/** First characters of suffixes: as rules write them, and folded. */
const SUFFIX_START = ':.%'

/** The places behind a segment: never more than there are rules, because all places are of one tree. */
const behind = ({ literals, params }: Place, text: string): readonly Place[] => {
  const literal = literals.get(text)
  const places = literal ? [literal] : []
  for (const [length, suffixes] of params) {
    const start = text.length - length
    // A cheap first test: at most indexes the character cannot begin a suffix.
    if (start < 1 || (length > 0 && !SUFFIX_START.includes(text.charAt(start)))) continue
    const place = suffixes.get(text.slice(start))
    if (place) places.push(place)
  }
  return places
}

/** What servers could read a segment as. An empty text or `.` is no segment; a text may contain `/`. */
export interface Readings {
  /** The path goes on after these texts. */
  readonly open: ReadonlySet<string>
  /** The path ends after these texts. */
  readonly ended: ReadonlySet<string>
}

/**
 * Rules by path. Knows no methods and no hosts. Rules that differ only in parameter names, methods or hosts share one
 * place, so that a request visits as many places for 1,000 rules as for 10.
 */
export class Index {
  readonly #root = newPlace()

  add(index: number, segments: readonly Segment[]): void {
    let place = this.#root
    for (const segment of segments) {
      if ('param' in segment) {
        const { suffix } = segment
        const suffixes = getOrMake(place.params, suffix.length, () => new Map<string, Place>())
        place = getOrMake(suffixes, suffix, newPlace)
      } else if (segment.literal === '*') {
        // Only the last segment can be this.
        place.rests.push(index)
        return
      } else place = getOrMake(place.literals, segment.literal, newPlace)
    }
    place.ends.push(index)
  }

  /** Every rule that matches, in no particular order. */
  find(path: string): readonly number[] {
    const rules: number[] = []
    let places: readonly Place[] = [this.#root]
    for (const text of path.slice(1).split('/')) {
      for (const { rests } of places) rules.push(...rests)
      places = places.flatMap((place) => behind(place, text))
      if (places.length === 0) break
    }
    return rules.concat(...places.map(({ ends }) => ends))
  }

  /**
   * Every rule that matches one of the readings of a path, with or without a slash at the end, in no particular order.
   * Segments are read independently of each other. Visits a place at most once for each text of each segment.
   */
  findAny(segments: Iterable<Readings>): readonly number[] {
    const visited = new Set([this.#root])
    const last = new Set<Place>()
    let places: ReadonlySet<Place> = new Set(visited)
    for (const { open, ended } of segments) {
      for (const place of through(places, ended, visited)) last.add(place)
      places = through(places, open, visited)
      if (places.size === 0) break
    }
    const rules = [...visited].flatMap(({ rests }) => rests)
    for (const { ends, literals } of new Set([...last, ...places])) {
      rules.push(...ends, ...(literals.get('')?.ends ?? []))
    }
    return rules
  }
}

/** The places behind any of the texts. Adds all places on the way to `visited`. */
const through = (
  from: ReadonlySet<Place>,
  texts: ReadonlySet<string>,
  visited: Set<Place>,
): ReadonlySet<Place> => {
  const reached = new Set<Place>()
  for (const text of texts) {
    let places: Iterable<Place> = from
    for (const name of text.split('/')) {
      if (name === '' || name === '.') continue
      places = [...places].flatMap((place) => behind(place, name))
      for (const place of places) visited.add(place)
    }
    for (const place of places) reached.add(place)
  }
  return reached
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
