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

/**
 * Text to one JSON object. `undefined` when it is no JSON, no object, nested deeper than
 * {@link LIMITS.jsonDepth}, when an object in it has two members of one name, or one named
 * `__proto__`: readers disagree on what these say (RFC 8259 §4).
 */
export const parseJsonObject = (text: string): JsonObject | undefined => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  return isObject(value) && (isPlain(text, value) || isUnambiguous(text)) ? value : undefined
}

/** Openings that text may have and be no deeper than {@link LIMITS.jsonDepth}, however they nest. */
const OPENINGS = /[{[]/g

/**
 * Whether the text is exactly what its value is written as, with few openings: then it says each
 * member once. So are nearly all tokens; what is not is walked through.
 */
const isPlain = (text: string, value: JsonObject): boolean =>
  (text.match(OPENINGS)?.length ?? 0) <= LIMITS.jsonDepth &&
  !text.includes('__proto__') &&
  JSON.stringify(value) === text

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g

/** One walk over text that is known to be JSON. */
const isUnambiguous = (text: string): boolean => {
  const open: (Set<string> | undefined)[] = []
  let string = ''
  for (const [token] of text.matchAll(TOKEN)) {
    switch (token) {
      case '{':
      case '[':
        if (open.length === LIMITS.jsonDepth) return false
        open.push(token === '{' ? new Set() : undefined)
        break
      case '}':
      case ']':
        open.pop()
        break
      case ',':
        break
      case ':': {
        const names = open.at(-1)
        const name = string.includes('\\') ? (JSON.parse(string) as string) : string.slice(1, -1)
        if (name === '__proto__' || names?.has(name)) return false
        names?.add(name)
        break
      }
      default:
        string = token
    }
  }
  return true
}
