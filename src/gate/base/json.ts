import { pastString } from './json-ranges.ts'
import { LIMITS } from './limits.ts'

/** A parsed JSON object. Read its members with {@link own}, never inherited ones. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Whether a value is a JSON object: neither null nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Freezes a value of bounded depth with everything in it: parsed JSON, or a part of a policy. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner)
    Object.freeze(value)
  }
  return value
}

/** An own member of an object; `undefined` for an inherited one. */
export function own(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

/** An own member of an object, if it is a string. */
export function ownText(object: JsonObject, name: string): string | undefined {
  const value = own(object, name)
  return typeof value === 'string' ? value : undefined
}

/**
 * Whether a value is a finite number and, if whole, a safe integer. A larger whole number may have been rounded.
 * @example isExact(2 ** 53) // false
 */
export function isExact(value: unknown): value is number {
  return Number.isFinite(value) && (Number.isSafeInteger(value) || !Number.isInteger(value))
}

/** The value if it is an object, else an empty object. */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

/** The value if it is an array, else an empty array. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** The number syntax of JSON and CEL. */
const DECIMAL = /^-?(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i
/** Most characters of a number that is checked for exactness. */
const LONGEST_NUMBER = 64

/** Significant digits and exponent of a number: equal for all spellings of one number. Ignores the sign. */
const digitsOf = (text: string): string => {
  const [, whole = '', part = '', exponent = '0'] = DECIMAL.exec(text) ?? []
  const digits = (whole + part).replace(/0+$/, '')
  const shift = Number(exponent) + whole.length - digits.length
  return digits === '' ? '' : `${digits.replace(/^0+/, '')} ${shift}`
}

/**
 * Whether a double keeps all digits of a number's text. Readers with other number types would read others as another
 * number.
 * @example
 * isExactText('1.50') // true
 * isExactText('1e400') // false
 * isExactText('9007199254740993') // false
 */
export function isExactText(text: string): boolean {
  return text.length <= LONGEST_NUMBER && digitsOf(text) === digitsOf(String(Number(text)))
}

/**
 * Parses one JSON value. `undefined` if the text is not JSON or is nested deeper than `depth`. Also for duplicate
 * member names and for `__proto__`: readers disagree on these (RFC 8259 §4). Names are compared exactly. A number
 * without {@link isExactText} becomes infinite, so that checks refuse it.
 * @example
 * parseJson('{"a": [1]}') // { a: [1] }
 * parseJson('{"a": 1, "a": 2}') // undefined
 */
export function parseJson(text: string, depth: number = LIMITS.jsonDepth): unknown {
  // Long text is checked before values are made of it.
  const isLong = text.length > LIMITS.tokenLength
  try {
    const flat = isLong && walk(text, depth)
    if (flat === undefined) return undefined
    const value: unknown = JSON.parse(text)
    if (!isLong && isPlain(text, value, depth)) return value
    const read = flat || walk(text, depth)
    return read === text ? value : read && JSON.parse(read)
  } catch {
    return undefined
  }
}

/** Writes JSON that {@link parseJson} can read. An infinite number is written as a number that is not exact. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'number' && !Number.isFinite(one) ? Number.MAX_VALUE : one,
  )
}

/** {@link parseJson} of at most {@link LIMITS.jsonDepth} levels; `undefined` also for values other than objects. */
export function parseJsonObject(text: string): JsonObject | undefined {
  const value = parseJson(text)
  return isObject(value) ? value : undefined
}

/** Text with at most `depth` of these characters cannot be nested deeper. */
const OPENINGS = /[{[]/g

/**
 * Whether text equals the JSON that its value is written as: then it has no duplicate members, and is not too deep.
 * Most tokens are.
 */
const isPlain = (text: string, value: unknown, depth: number): boolean =>
  (text.match(OPENINGS)?.length ?? 0) <= depth &&
  !text.includes('__proto__') &&
  JSON.stringify(value) === text

const [QUOTE, COLON] = [0x22, 0x3a]
/** `[` and `]`. `{` and `}` have the codes of `[` and `]`, with the bit {@link BRACE} set. */
const [OPENING, CLOSING] = [0x5b, 0x5d]
const BRACE = 0x20

/**
 * Scans text once. Returns the text with `1e999` for inexact numbers; `undefined` if ambiguous or too deep. May throw.
 */
const walk = (text: string, depth: number): string | undefined => {
  const open: (Set<string> | undefined)[] = []
  const read: string[] = []
  /** The last string, until it has named a member. */
  let string: string | undefined
  let kept = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) {
      const end = pastString(text, at)
      string = text.slice(at, end)
      at = end - 1
    } else if (char === COLON) {
      const names = open.at(-1)
      if (!names || string === undefined) return undefined
      const name = string.includes('\\') ? (JSON.parse(string) as string) : string.slice(1, -1)
      if (name === '__proto__' || names.has(name)) return undefined
      names.add(name)
      string = undefined
    } else if ((char & ~BRACE) === OPENING) {
      if (open.length === depth) return undefined
      open.push(char === OPENING ? undefined : new Set())
    } else if ((char & ~BRACE) === CLOSING) open.pop()
    else if (isDigit(char)) {
      const start = at
      while (isInNumber(text.charCodeAt(at + 1))) at++
      const number = text.slice(start, at + 1)
      // Numbers of at most 15 characters without exponent are exact.
      if (number.length < 16 && !/e/i.test(number)) continue
      if (isExactText(number)) continue
      read.push(text.slice(kept, start), '1e999')
      kept = at + 1
    }
  }
  return kept === 0 ? text : read.join('') + text.slice(kept)
}

const isDigit = (char: number): boolean => char >= 0x30 && char <= 0x39
/** Whether a character can continue a number: a digit, `.`, `e`, `E`, `+` or `-`. */
const isInNumber = (char: number): boolean =>
  isDigit(char) || char === 0x2e || (char | 0x20) === 0x65 || char === 0x2b || char === 0x2d
