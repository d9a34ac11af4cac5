import { base64url } from 'jose'
import { utf8Encode } from '../base/bytes.ts'
import { perObject } from '../base/memo.ts'
import type { Route } from '../model/route.ts'

/** What finds the secrets of a rule in text, however an answer is likely to write them. */
export interface Spelled {
  /** Finds one; a global expression. */
  readonly find: RegExp
  /** Whether one is in a header's name, which is in any case. */
  readonly inName: RegExp
  /** Characters of the longest spelling. */
  readonly longest: number
  /** Whether a character of this code can stand inside of one. */
  readonly isInside: (code: number) => boolean
}

/** What stands inside of most secrets, so that waiting for the rest of one does not tell which it is. */
const USUAL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-._~%\\&#;'

const ENTITIES: Readonly<Record<string, string>> = {
  '"': 'quot',
  '&': 'amp',
  "'": 'apos',
  '<': 'lt',
  '>': 'gt',
}
/** Characters of the longest spelling of one that is no letter or digit: `\u0026`, `&quot;`. */
const LONGEST = 6

/**
 * The secrets of a rule, each as it is, percent-encoded, escaped in JSON or HTML, and anywhere inside of
 * base64 or base64url; `undefined` where there is none. Not as anything that an origin makes of it.
 */
export const spelled = perObject(({ secrets }: Route): Spelled | undefined => {
  if (secrets.length === 0) return undefined
  const texts = [...secrets].sort((a, b) => b.length - a.length)
  const sources = [
    ...texts.map((text) => [...text].map(written).join('')),
    ...texts.flatMap(within64).map((text) => [...text].map(written64).join('')),
  ]
  const source = [...new Set(sources)].join('|')
  const inside = new Set([...USUAL, ...texts.join('')].map((one) => one.charCodeAt(0)))
  return {
    find: new RegExp(source, 'g'),
    inName: new RegExp(source, 'i'),
    longest: LONGEST * Math.max(...texts.map(({ length }) => Math.ceil((length * 4) / 3) + 1)),
    isInside: (code) => inside.has(code),
  }
})

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')

/** A pattern of one character in all its spellings, longer ones first. */
const written = (one: string): string => {
  if (/[A-Za-z0-9]/.test(one)) return one
  const code = one.charCodeAt(0)
  const hex = [...code.toString(16)].map((d) => (d > '9' ? `[${d}${d.toUpperCase()}]` : d)).join('')
  const entity = Object.hasOwn(ENTITIES, one) ? `|&${ENTITIES[one]};` : ''
  const space = one === ' ' ? '|\\+' : ''
  const itself = escaped(one)
  return `(?:\\\\u00${hex}|%${hex}|&#[xX]${hex};|&#0?${code};${entity}|\\\\${itself}|${itself}${space})`
}

/** One character of base64, or of base64url in its place. */
const written64 = (one: string): string => {
  const other = { '-': '+', _: '/' }[one]
  return other === undefined ? written(one) : `(?:${written(other)}|${written(one)})`
}

/** The characters of base64url that this text alone decides, for each place in a group of three bytes. */
const within64 = (text: string): readonly string[] =>
  [0, 1, 2].map((before) => {
    const bytes = utf8Encode('\0'.repeat(before) + text)
    const from = Math.ceil((before * 8) / 6)
    return base64url.encode(bytes).slice(from, Math.floor((bytes.length * 8) / 6))
  })
