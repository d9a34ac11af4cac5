/** The words of a condition: names, texts, numbers and signs. docs/configuration/conditions.md */
import { isExactNumber } from './json.ts'

/** Why a condition is a mistake of the policy: `check` refuses it. */
export class Mistake extends Error {}

/** A word of a condition. */
export interface Word {
  kind: 'name' | 'string' | 'int' | 'double' | 'sign' | 'end'
  text: string
}

const SIGNS = /(?:&&|\|\||[=!<>]=|[<>!?:+\-*/%()[\]{},.])/y
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y
const DOUBLE = /(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)/y
const INT = /(?:0x[0-9a-fA-F]+|\d+)/y
const QUOTES = ['"""', "'''", '"', "'"]

function read(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(source)?.[0]
}

const ESCAPES: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '?': '?',
  '"': '"',
  "'": "'",
  '`': '`',
}

/** Replaces the escapes of a text as CEL does. */
function withoutEscapes(text: string): string {
  const form = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))/gsu
  return text.replace(
    form,
    (_, x?: string, u?: string, long?: string, octal?: string, one?: string) => {
      const hex = x ?? u ?? long
      if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8))
      const plain = Object.hasOwn(ESCAPES, one ?? '') ? ESCAPES[one ?? ''] : undefined
      if (plain === undefined) throw new Mistake(`an unknown escape \\${one}`)
      return plain
    },
  )
}

/** A text in quotes at this place: its length in the source, and its value. */
function textAt(source: string, at: number): { length: number; value: string } | undefined {
  const isRaw = /^[rR]["']/.test(source.slice(at, at + 2))
  const start = isRaw ? at + 1 : at
  const quote = QUOTES.find((one) => source.startsWith(one, start))
  if (quote === undefined) return undefined
  let end = start + quote.length
  while (!source.startsWith(quote, end)) {
    const next = source[end]
    if (next === undefined || (next === '\n' && quote.length === 1))
      throw new Mistake('an open text')
    end += next === '\\' && !isRaw ? 2 : 1
  }
  const inside = source.slice(start + quote.length, end)
  return { length: end + quote.length - at, value: isRaw ? inside : withoutEscapes(inside) }
}

/** The words of a condition. */
export function wordsOf(source: string): Word[] {
  const words: Word[] = []
  let at = 0
  while (at < source.length) {
    const skipped = read(/(?:\s+|\/\/[^\n]*)/y, source, at)
    if (skipped !== undefined) {
      at += skipped.length
      continue
    }
    const text = textAt(source, at)
    if (text) {
      words.push({ kind: 'string', text: text.value })
      at += text.length
      continue
    }
    const forms = [
      ['name', NAME],
      ['double', DOUBLE],
      ['int', INT],
      ['sign', SIGNS],
    ] as const
    const found = forms.find(([, form]) => read(form, source, at) !== undefined)
    if (!found) throw new Mistake(`an unknown character ${source[at]}`)
    const word = read(found[1], source, at) ?? ''
    words.push({ kind: found[0], text: word })
    at += word.length
  }
  return [...words, { kind: 'end', text: '' }]
}

/** A number of the condition itself, which has to be exact. */
export function numberOf(kind: 'int' | 'double', text: string): bigint | number {
  if (kind === 'int') {
    const value = BigInt(text)
    if (value > 9007199254740991n) throw new Mistake('an inexact number')
    return value
  }
  const written = text.startsWith('.') ? `0${text}` : text
  if (!isExactNumber(written)) throw new Mistake('an inexact number')
  return Number(written)
}
