import { LIMITS } from './limits.ts'

/** A JSON object as parsed: own members only; read it with {@link own}. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Whether a value is a JSON object: neither null nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Freezes parsed JSON with everything in it; its depth is bounded by {@link parseJsonObject}. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner)
    Object.freeze(value)
  }
  return value
}

/** A member the object itself has; never one it inherits. */
export function own(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

/** A member the object itself has, where it is text. */
export function ownText(object: JsonObject, name: string): string | undefined {
  const value = own(object, name)
  return typeof value === 'string' ? value : undefined
}

/** Whether a value is a number that is as it was written: a larger whole one may have been another. */
export function isExact(value: unknown): value is number {
  return Number.isFinite(value) && (Number.isSafeInteger(value) || !Number.isInteger(value))
}

/** An array as it is, and of anything else nothing. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** A number as JSON and CEL write it. */
const DECIMAL = /^-?(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i
/** Characters of a number of which it is asked whether a double holds it. */
const LONGEST_NUMBER = 64

/** The digits of a number and the place of its point: the same for all texts of one number, but its sign. */
const digitsOf = (text: string): string => {
  const [, whole = '', part = '', exponent = '0'] = DECIMAL.exec(text) ?? []
  const digits = (whole + part).replace(/0+$/, '')
  const shift = Number(exponent) + whole.length - digits.length
  return digits === '' ? '' : `${digits.replace(/^0+/, '')} ${shift}`
}

/**
 * Whether a double is the number that its text says: `1.50` and `1e2` are, `0.10000000000000001`,
 * `9007199254740993` and `1e400` are not. A reader with another type than doubles reads these as another number.
 */
export function isExactText(text: string): boolean {
  return text.length <= LONGEST_NUMBER && digitsOf(text) === digitsOf(String(Number(text)))
}

/**
 * Text to one JSON value. `undefined` when it is no JSON, nested deeper than `depth`, when an object in
 * it has two members of one name, or one named `__proto__`: readers disagree on what these say
 * (RFC 8259 §4). Names that differ in case or spelling are two names. A number that no double is (see
 * {@link isExactText}) is infinite, as one is that is too large: where it matters, it is refused.
 */
export function parseJson(text: string, depth: number = LIMITS.jsonDepth): unknown {
  // What is long is not made into values before it is known to be flat.
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

/** JSON that {@link parseJson} reads back: what is infinite stays a number that is not exact. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'number' && !Number.isFinite(one) ? Number.MAX_VALUE : one,
  )
}

/** {@link parseJson}, of at most {@link LIMITS.jsonDepth} levels; `undefined` for what is no object, too. */
export function parseJsonObject(text: string): JsonObject | undefined {
  const value = parseJson(text)
  return isObject(value) ? value : undefined
}

/** Openings that text may have and be no deeper than so many levels, however they nest. */
const OPENINGS = /[{[]/g

/**
 * Whether the text is exactly what its value is written as, with few openings: then it says each
 * member once. So are nearly all tokens; what is not is walked through.
 */
const isPlain = (text: string, value: unknown, depth: number): boolean =>
  (text.match(OPENINGS)?.length ?? 0) <= depth &&
  !text.includes('__proto__') &&
  JSON.stringify(value) === text

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a]
/** `[` and `{`, `]` and `}`, without the bit in which they differ from each other. */
const [OPENING, CLOSING] = [0x5b, 0x5d]
const BRACE = 0x20

/**
 * One walk over text, in time and room of its length: the text with infinity for each number that no double is,
 * `undefined` where it is ambiguous or too deep. Of text that is no JSON it says nothing; may throw.
 */
const walk = (text: string, depth: number): string | undefined => {
  const open: (Set<string> | undefined)[] = []
  const read: string[] = []
  let string = ''
  let kept = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) {
      const end = endOfString(text, at)
      if (end === -1) return undefined
      string = text.slice(at, end + 1)
      at = end
    } else if (char === COLON) {
      const names = open.at(-1)
      const name = string.includes('\\') ? (JSON.parse(string) as string) : string.slice(1, -1)
      if (name === '__proto__' || names?.has(name)) return undefined
      names?.add(name)
    } else if ((char & ~BRACE) === OPENING) {
      if (open.length === depth) return undefined
      open.push(char === OPENING ? undefined : new Set())
    } else if ((char & ~BRACE) === CLOSING) open.pop()
    else if (isDigit(char)) {
      const start = at
      while (isInNumber(text.charCodeAt(at + 1))) at++
      const number = text.slice(start, at + 1)
      // 15 digits are always exact.
      if (number.length < 16 && !/e/i.test(number)) continue
      if (isExactText(number)) continue
      read.push(text.slice(kept, start), '1e999')
      kept = at + 1
    }
  }
  return kept === 0 ? text : read.join('') + text.slice(kept)
}

const isDigit = (char: number): boolean => char >= 0x30 && char <= 0x39
/** Digits, the point, an exponent and its sign. */
const isInNumber = (char: number): boolean =>
  isDigit(char) || char === 0x2e || (char | 0x20) === 0x65 || char === 0x2b || char === 0x2d

/** Where the string ends that begins here; -1 where it does not. */
const endOfString = (text: string, start: number): number => {
  let end = text.indexOf('"', start + 1)
  for (; end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end
    while (text.charCodeAt(before - 1) === BACKSLASH) before--
    if ((end - before) % 2 === 0) return end
  }
  return end
}
