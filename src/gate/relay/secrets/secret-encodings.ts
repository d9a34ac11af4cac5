import { base64url } from 'jose'
import { utf8Encode } from '../../base/bytes.ts'
import { createTextMemo, perObject } from '../../base/memo.ts'
import type { Route } from '../../model/route.ts'

/** Patterns for a rule's secrets in their usual encodings. */
export interface Spelled {
  /** Matches a secret; a global expression. */
  readonly find: RegExp
  /** Matches a secret in a header name, in any case. */
  readonly inName: RegExp
  /** Characters of the longest encoding. */
  readonly longest: number
  /** Whether a secret may contain the character of this code. */
  readonly isInside: (code: number) => boolean
}

/** Characters of most secrets. Waiting for them does not reveal which secret it is. */
const USUAL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-._~%\\&#;'

/** The fewest characters of a base64 line before a line break (RFC 2045 §6.8, RFC 7468 §2). */
export const LINE_LENGTH = 60

/** HTML entity names of ASCII characters, as patterns. */
const ENTITIES: Readonly<Record<string, string>> = {
  '!': 'excl',
  '"': 'quot|QUOT',
  '#': 'num',
  $: 'dollar',
  '%': 'percnt',
  '&': 'amp|AMP',
  "'": 'apos',
  '(': 'lpar',
  ')': 'rpar',
  '*': 'ast|midast',
  '+': 'plus',
  ',': 'comma',
  '.': 'period',
  '/': 'sol',
  ':': 'colon',
  ';': 'semi',
  '<': 'lt|LT',
  '=': 'equals',
  '>': 'gt|GT',
  '?': 'quest',
  '@': 'commat',
  '[': 'lsqb|lbrack',
  '\\': 'bsol',
  ']': 'rsqb|rbrack',
  '^': 'Hat',
  _: 'lowbar|UnderBar',
  '`': 'grave|DiacriticalGrave',
  '{': 'lcub|lbrace',
  '|': 'verbar|vert|VerticalLine',
  '}': 'rcub|rbrace',
}

type Speller = (one: string) => string

const literally: Speller = (one) => one.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')

/** A pattern for all escapes of one character; `inner` spells their own characters. */
const escaped =
  (inner: Speller): Speller =>
  (one) => {
    if (/[A-Za-z0-9]/.test(one)) return one
    const code = one.charCodeAt(0)
    const hex = [...code.toString(16).padStart(2, '0')]
      .map((d) => (d > '9' ? `[${d}${d.toUpperCase()}]` : d))
      .join('')
    const [slash, percent, and, number, end] = [...'\\%&#;'].map(inner)
    const name = Object.hasOwn(ENTITIES, one) ? `|${ENTITIES[one]}` : ''
    const space = one === ' ' ? `|${inner('+')}` : ''
    const itself = inner(one)
    return `(?:${slash}(?:(?:u00|x)${hex}|${itself})|${percent}${hex}|${and}(?:${number}(?:[xX]0*${hex}|0*${code})${name})${end}|${itself}${space})`
  }

const once = escaped(literally)
const twice = escaped(once)
/** The length of the longest double escape of a character: `&#x000026;` escaped again. */
const LONGEST = 37

/** Matches a base64url character or its base64 counterpart. */
const of64 =
  (spell: Speller): Speller =>
  (one) => {
    const other = { '-': '+', _: '/' }[one]
    return other === undefined ? spell(one) : `(?:${spell(other)}|${spell(one)})`
  }

const lineEnd = (code: number, letter: string, hex: string): string =>
  `(?:\\${letter}|\\\\${letter}|%0[${hex}]|&#(?:${code}|[xX]0?[${hex}]);)`
const LINE_END = `${lineEnd(13, 'r', 'dD')}?${lineEnd(10, 'n', 'aA')}`
const IN_LINE = '[A-Za-z0-9+/=_%\\\\&#;-]'

/** Line ends inside base64, plain or escaped. */
export const LINE_ENDS = new RegExp(
  `${LINE_END}(?<=${IN_LINE}{${LINE_LENGTH}}${LINE_END})(?=${IN_LINE})`,
  'g',
)

/** Whether a text is part of a line of base64. */
export const IS_LINE = new RegExp(`^${IN_LINE}*$`)

/** The length of the longest line end, `&#x0D;&#x0A;`. */
export const LONGEST_END = 12

const longerFirst = (a: string, b: string): number => b.length - a.length

const spelling = (text: string, spell: Speller): string => [...text].map(spell).join('')

/**
 * Patterns for a rule's secrets: plain, percent-encoded, escaped in JSON or HTML, within base64 or
 * base64url, also over lines; and any two of these combined. `undefined` without secrets. Assumes
 * that encoders keep letters and digits. Other encodings are not found.
 */
export const spelled = perObject(({ secrets }: Route): Spelled | undefined => {
  const name = JSON.stringify(secrets)
  return secrets.length === 0 ? undefined : (memo.get(name) ?? memo.keep(name, spelledOf(secrets)))
})

/** Many rules share secrets, and compiling a pattern takes milliseconds. */
const memo = createTextMemo<Spelled>()

const spelledOf = (secrets: readonly string[]): Spelled => {
  const texts = [...secrets].sort(longerFirst)
  const in64 = texts.flatMap(within64)
  const deep64 = texts.flatMap(encodings).flatMap(within64).sort(longerFirst)
  const named = [
    ...texts.map((text) => spelling(text, once)),
    ...in64.map((text) => spelling(text, of64(once))),
  ]
  // Longest first: the first match counts.
  const sources = [
    ...deep64.map((text) => spelling(text, of64(literally))),
    ...in64.map((text) => spelling(text, of64(twice))),
    ...texts.map((text) => spelling(text, twice)),
  ]
  const inside = new Set([...USUAL, ...texts.join('')].map((one) => one.charCodeAt(0)))
  const lengths = [...texts, ...in64, ...deep64].map(
    (text) =>
      [...text].reduce((sum, one) => sum + (/[A-Za-z0-9]/.test(one) ? 1 : LONGEST), 0) +
      Math.ceil(text.length / LINE_LENGTH) * LONGEST_END,
  )
  return {
    find: new RegExp([...new Set(sources)].join('|'), 'g'),
    inName: new RegExp([...new Set(named)].join('|'), 'i'),
    longest: Math.max(LINE_LENGTH + 4, ...lengths),
    isInside: (code) => inside.has(code),
  }
}

type Escape = (hex: string, one: string) => string

const percent: Escape = (hex) => `%${hex.toUpperCase()}`
const form: Escape = (hex, one) => (one === ' ' ? '+' : percent(hex, one))
const unicode: Escape = (hex) => `\\u00${hex.toUpperCase()}`
const slashed: Escape = (_, one) => `\\${one}`
/** Of JSON: a quote or backslash after a backslash, any other as its code in lower case. */
const jsonEscape: Escape = (hex, one) => (/["\\]/.test(one) ? `\\${one}` : `\\u00${hex}`)

const EVERY = /[^A-Za-z0-9]/g

/** An HTML encoder with these escapes, and names for `&`, `<` and `>`. */
const html = (written: Readonly<Record<string, string>>): readonly [RegExp, Escape] => {
  const all: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    ...written,
  }
  return [new RegExp(`[${Object.keys(all).join('')}]`, 'g'), (_, one) => all[one] ?? one]
}

/**
 * The escapes of common encoders: of URLs and forms (also Python's), of JSON (also PHP's, Go's,
 * .NET's and Gson's), of HTML (also Go's, Mustache's and Handlebars').
 */
const ENCODERS: readonly (readonly [RegExp, Escape])[] = [
  ...[
    /[^\w.~-]/g,
    /[^\w.~/-]/g,
    /[^\w.~!*'()-]/g,
    /[^\w.~!*'();/?:@&=+$,#-]/g,
    /[^\w.*-]/g,
  ].flatMap((signs) =>
    [percent, (hex: string) => `%${hex}`, form].map((how) => [signs, how] as const),
  ),
  [/["\\]/g, slashed],
  [/["\\/]/g, slashed],
  [/["\\<>&]/g, jsonEscape],
  [/["\\<>&'+`]/g, (hex, one) => (one === '\\' ? slashed : unicode)(hex, one)],
  ...['&#39;', '&#x27;', '&apos;', '&#039;'].map((one) => html({ '"': '&quot;', "'": one })),
  html({ '"': '&quot;', "'": '&#x27;', '+': '&#x2B;' }),
  [/["\\<>&=']/g, jsonEscape],
  html({ '"': '&#34;', "'": '&#39;' }),
  html({ '"': '&#34;', "'": '&#39;', '+': '&#43;' }),
  html({ '"': '&quot;', "'": '&#39;', '/': '&#x2F;', '`': '&#x60;', '=': '&#x3D;' }),
  html({ '"': '&quot;', "'": '&#x27;', '`': '&#x60;', '=': '&#x3D;' }),
  [EVERY, unicode],
  [EVERY, (hex) => `\\u00${hex}`],
  [EVERY, (hex) => `&#x${hex};`],
  [EVERY, (hex) => `&#${Number.parseInt(hex, 16)};`],
]

/** The results of each encoder, without unchanged ones. */
const encodings = (text: string): readonly string[] => {
  const escapes = ENCODERS.map(([signs, how]) =>
    text.replace(signs, (one) => how(one.charCodeAt(0).toString(16).padStart(2, '0'), one)),
  )
  const in64 = within64(text).flatMap((one) => [one, one.replaceAll('-', '+').replaceAll('_', '/')])
  return [...new Set([...escapes, ...in64])].filter((one) => one !== text)
}

/** The base64url characters a text alone determines, at each offset in a group of three bytes. */
const within64 = (text: string): readonly string[] =>
  [0, 1, 2].map((before) => {
    const bytes = utf8Encode('\0'.repeat(before) + text)
    const from = Math.ceil((before * 8) / 6)
    return base64url.encode(bytes).slice(from, Math.floor((bytes.length * 8) / 6))
  })
