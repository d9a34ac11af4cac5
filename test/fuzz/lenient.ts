/** JSON as readers take it that are less strict than a gate: every member, however often it comes. */

/** An object as it is written: all its members in order. */
export class Members {
  readonly pairs: (readonly [name: string, value: Lenient])[] = []
}

/** A number as who reads decimals has it: all its digits. */
export class Decimal {
  private readonly digits: bigint
  private readonly places: number

  constructor(text: string) {
    const [, sign = '', whole = '', part = '', exponent = '0'] =
      /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text) ?? []
    this.digits = BigInt(sign + whole + part)
    this.places = part.length - Number(exponent)
  }

  /** Below zero where it is less than the other. */
  compare(other: Decimal): number {
    const places = Math.max(this.places, other.places)
    const at = (one: Decimal) => one.digits * 10n ** BigInt(places - one.places)
    const [left, right] = [at(this), at(other)]
    return left < right ? -1 : Number(left > right)
  }
}

export type Lenient = Members | readonly Lenient[] | Decimal | string | number | boolean | null

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

/** Bytes that are JSON, read with a byte order mark and ill-formed characters passed over; numbers as `number` does. */
export const readLeniently = (
  bytes: Uint8Array,
  number: (text: string) => Lenient = Number,
): Lenient => {
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
    if (word !== undefined && /^-?\d/.test(word)) return number(word)
    return JSON.parse(string ?? word ?? '') as string | boolean | null
  }
  return value()
}
