/** A strict JSON reader (RFC 8259) that accepts only texts that every parser reads alike. */
import type { Json, JsonObject } from './types.ts'

/** What a text is: a value, or not JSON that can be read in one way only. */
export type Reading = { ok: true; value: Json } | { ok: false }

/** SECURITY.md, "Limits": JSON with more than 32 levels is refused, and a message or a body with more than 64. */
const MOST_LEVELS = 32
export const LEVELS_OF_BODY = 64

class Unreadable extends Error {}

/** The inexact members of each object and list that was read. */
const inexact = new WeakMap<object, Set<string>>()
const NONE: ReadonlySet<string> = new Set()

/**
 * Names (of a list: indexes, as text) of the numbers directly in this object or list that are not exact. Only for values
 * that `readJson` returned, not for copies of them.
 */
export function inexactMembers(container: object): ReadonlySet<string> {
  return inexact.get(container) ?? NONE
}

/** Digits without zeros at their ends, and the power of ten after them: 1.50 is 15 and -1. */
function decimalOf(text: string): { digits: string; power: number } {
  const [, whole = '', fraction = '', exponent = '0'] =
    /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  const all = `${whole}${fraction}`.replace(/^0+/, '')
  const digits = all.replace(/0+$/, '')
  if (digits === '') return { digits: '', power: 0 }
  return { digits, power: Number(exponent) - fraction.length + (all.length - digits.length) }
}

/** Whether a decimal number is exact: docs/configuration/conditions.md, "Numbers". */
export function isExactNumber(text: string): boolean {
  const { digits, power } = decimalOf(text)
  if (power >= 0) {
    if (digits.length + power > 16) return false
    return BigInt(`${digits || '0'}${'0'.repeat(power)}`) <= 9007199254740991n
  }
  const read = decimalOf(String(Math.abs(Number(text))))
  return read.digits === digits && read.power === power
}

class Reader {
  text: string
  levels: number
  at = 0

  constructor(text: string, levels: number) {
    this.text = text
    this.levels = levels
  }

  space(): void {
    while (' \t\n\r'.includes(this.text[this.at] ?? '?')) this.at++
  }

  take(word: string): boolean {
    if (!this.text.startsWith(word, this.at)) return false
    this.at += word.length
    return true
  }

  need(word: string): void {
    if (!this.take(word)) throw new Unreadable()
  }

  /** A value, and whether it is an inexact number. */
  value(level: number): { value: Json; isExact: boolean } {
    this.space()
    const next = this.text[this.at]
    if (next === '{') return { value: this.object(level + 1), isExact: true }
    if (next === '[') return { value: this.list(level + 1), isExact: true }
    if (next === '"') return { value: this.string(), isExact: true }
    if (this.take('true')) return { value: true, isExact: true }
    if (this.take('false')) return { value: false, isExact: true }
    if (this.take('null')) return { value: null, isExact: true }
    return this.number()
  }

  number(): { value: number; isExact: boolean } {
    const form = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
    form.lastIndex = this.at
    const text = form.exec(this.text)?.[0]
    if (text === undefined) throw new Unreadable()
    this.at += text.length
    // `-0` is 0.
    return { value: Number(text) + 0, isExact: isExactNumber(text) }
  }

  string(): string {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are what is refused.
    const form = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
    form.lastIndex = this.at
    const text = form.exec(this.text)?.[0]
    if (text === undefined) throw new Unreadable()
    this.at += text.length
    // Half of a surrogate pair is refused where a value is used: docs/origin.md, docs/configuration/conditions.md.
    return JSON.parse(text)
  }

  /** Members with commas between them, up to the end. */
  several(end: string, level: number, member: () => void): void {
    if (level > this.levels) throw new Unreadable()
    this.at++
    this.space()
    if (this.take(end)) return
    do {
      this.space()
      member()
      this.space()
    } while (this.take(','))
    this.need(end)
  }

  list(level: number): Json[] {
    const result: Json[] = []
    const wrong = new Set<string>()
    this.several(']', level, () => {
      const { value, isExact } = this.value(level)
      if (!isExact) wrong.add(String(result.length))
      result.push(value)
    })
    inexact.set(result, wrong)
    return result
  }

  object(level: number): JsonObject {
    const result: JsonObject = {}
    const wrong = new Set<string>()
    this.several('}', level, () => {
      const name = this.string()
      if (Object.hasOwn(result, name) || name === '__proto__') throw new Unreadable()
      this.space()
      this.need(':')
      const { value, isExact } = this.value(level)
      if (!isExact) wrong.add(name)
      result[name] = value
    })
    inexact.set(result, wrong)
    return result
  }
}

/** Reads a JSON text. Numbers that a double does not keep are in `inexactMembers` of their object or list. */
export function readJson(text: string, levels: number = MOST_LEVELS): Reading {
  const reader = new Reader(text, levels)
  try {
    const { value } = reader.value(0)
    reader.space()
    return reader.at === text.length ? { ok: true, value } : { ok: false }
  } catch (error) {
    if (error instanceof Unreadable) return { ok: false }
    throw error
  }
}

/** Reads JSON from bytes: UTF-8 without a byte order mark. */
export function readJsonBytes(bytes: Uint8Array, levels?: number): Reading {
  try {
    return readJson(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
      levels,
    )
  } catch {
    return { ok: false }
  }
}

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
