import { LIMITS } from './limits.ts'

/** A JSON object as parsed: own members only; read it with {@link own}. */
export type JsonObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Freezes parsed JSON with everything in it; its depth is bounded by {@link parseJsonObject}. */
export const deepFreeze = <Value>(value: Value): Value => {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner)
    Object.freeze(value)
  }
  return value
}

/** A member the object itself has; never one it inherits. */
export const own = (object: JsonObject, name: string): unknown =>
  Object.hasOwn(object, name) ? object[name] : undefined

/** A member the object itself has, where it is text. */
export const ownText = (object: JsonObject, name: string): string | undefined => {
  const value = own(object, name)
  return typeof value === 'string' ? value : undefined
}

/** Whether a value is a number that is as it was written: a larger whole one may have been another. */
export const isExact = (value: unknown): value is number =>
  Number.isFinite(value) && (Number.isSafeInteger(value) || !Number.isInteger(value))

/** An array as it is, and of anything else nothing. */
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/**
 * Text to one JSON value. `undefined` when it is no JSON, nested deeper than `depth`, when an object in
 * it has two members of one name, or one named `__proto__`: readers disagree on what these say
 * (RFC 8259 §4). Names that differ in case or spelling are two names.
 */
export const parseJson = (text: string, depth: number = LIMITS.jsonDepth): unknown => {
  // What is long is not made into values before it is known to be flat.
  const isLong = text.length > LIMITS.tokenLength
  try {
    if (isLong && !isUnambiguous(text, depth)) return undefined
    const value: unknown = JSON.parse(text)
    return isLong || isPlain(text, value, depth) || isUnambiguous(text, depth) ? value : undefined
  } catch {
    return undefined
  }
}

/** {@link parseJson}, of at most {@link LIMITS.jsonDepth} levels; `undefined` for what is no object, too. */
export const parseJsonObject = (text: string): JsonObject | undefined => {
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

/** One walk over text, in time and room of its length. Of text that is no JSON it says nothing; may throw. */
const isUnambiguous = (text: string, depth: number): boolean => {
  const open: (Set<string> | undefined)[] = []
  let string = ''
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) {
      const end = endOfString(text, at)
      if (end === -1) return false
      string = text.slice(at, end + 1)
      at = end
    } else if (char === COLON) {
      const names = open.at(-1)
      const name = string.includes('\\') ? (JSON.parse(string) as string) : string.slice(1, -1)
      if (name === '__proto__' || names?.has(name)) return false
      names?.add(name)
    } else if ((char & ~BRACE) === OPENING) {
      if (open.length === depth) return false
      open.push(char === OPENING ? undefined : new Set())
    } else if ((char & ~BRACE) === CLOSING) open.pop()
  }
  return true
}

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
