/** JSON as readers take it that are less strict than a gate: every member, however often it comes. */

/** An object as it is written: all its members in order. */
export class Members {
  readonly pairs: (readonly [name: string, value: Lenient])[] = []
}

export type Lenient = Members | readonly Lenient[] | string | number | boolean | null

/** One who looks a member up. */
export interface Reader {
  readonly name: string
  readonly pick: 'first' | 'last'
  /** Whether two names are one. */
  readonly fold: (name: string) => string
}

const FOLDS = {
  exactly: (name: string) => name,
  // As `encoding/json` of Go: simple case folding, which has the Kelvin sign and the long s in it.
  'without case': (name: string) => name.toUpperCase().toLowerCase(),
  'to a zero byte': (name: string) => name.split('\u0000')[0] ?? '',
  'without what is ill-formed': (name: string) => name.toWellFormed().replaceAll('\ufffd', ''),
}

export const READERS: readonly Reader[] = Object.entries(FOLDS).flatMap(([name, fold]) =>
  (['first', 'last'] as const).map((pick) => ({ name: `${name}, ${pick}`, pick, fold })),
)

export const memberOf = (value: Lenient | undefined, name: string, reader: Reader) => {
  if (!(value instanceof Members)) return undefined
  const found = value.pairs.filter(([one]) => reader.fold(one) === reader.fold(name))
  return found.at(reader.pick === 'first' ? 0 : -1)?.[1]
}

const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|([{}[\],:])|([^\s"{}[\],:]+))/gy

/** Bytes that are JSON, read with a byte order mark and ill-formed characters passed over. */
export const readLeniently = (bytes: Uint8Array): Lenient => {
  const text = new TextDecoder().decode(bytes)
  const tokens = [...text.matchAll(TOKEN)].map(([, string, mark, word]) => ({ string, mark, word }))
  let at = 0
  const next = () => {
    const token = tokens[at++]
    if (!token) throw new SyntaxError('the text ends')
    return token
  }
  const several = (end: string, each: () => void) => {
    if (tokens[at]?.mark === end) return void next()
    do each()
    while (next().mark === ',')
  }
  const value = (): Lenient => {
    const { string, mark, word } = next()
    if (mark === '{') {
      const object = new Members()
      several('}', () => {
        const name = JSON.parse(next().string ?? '') as string
        next()
        object.pairs.push([name, value()])
      })
      return object
    }
    if (mark === '[') {
      const list: Lenient[] = []
      several(']', () => list.push(value()))
      return list
    }
    return JSON.parse(string ?? word ?? '') as string | number | boolean | null
  }
  return value()
}
