import {
  choice,
  MAX_STATES,
  machineOf,
  one,
  type Part,
  repeat,
  sequence,
} from './pattern-machine.ts'
import { fail, ok, type Result } from './result.ts'

/** A regular expression that matches a whole value. */
export interface Pattern {
  readonly source: string
  /** Takes time linear in the value's length. A value over {@link LONGEST_MATCHED} never matches. */
  matches(value: string): boolean
  /** Number of states. A match makes at most two moves from each per character. */
  readonly states: number
}

/** UTF-16 units of the longest value that a pattern can match; no repeat count may exceed it. */
export const LONGEST_MATCHED = 256

/** UTF-16 units of the longest pattern. */
const MAX_SOURCE = 512

/**
 * Reads a pattern of the linear subset of ECMA-262. It means the same as `^(?:…)$` with the `u` flag, except that long
 * values never match. An error is for the operator: the problem, its position, and a fix. Never throws.
 */
export function parsePattern(source: string): Result<Pattern, string> {
  if (source.length > MAX_SOURCE)
    return fail(
      `The pattern has ${source.length} characters, over ${MAX_SOURCE}; split it into a list of values`,
    )
  try {
    const machine = machineOf(readPattern(source))
    if (!machine)
      return fail(`The pattern unfolds to over ${MAX_STATES} steps; write smaller repeat counts`)
    const { states, matches } = machine
    return ok({
      source,
      states,
      matches: (value) => value.length <= LONGEST_MATCHED && matches(value),
    })
  } catch (error) {
    if (error instanceof SyntaxError) return fail(error.message)
    throw error
  }
}

/** Reads a pattern that is searched for in a value, as in RE2 and ECMA-262, unless it has `^` first or `$` last. */
export function parseSearch(source: string): Result<Pattern, string> {
  const whole = parsePattern(source)
  if (!whole.ok) return whole
  const first = source.startsWith('^')
  const last = /(?:^|[^\\])(?:\\\\)*\$$/.test(source)
  const body = source.slice(first ? 1 : 0, last ? -1 : undefined)
  // Some readers parse `^a|b` as `(^a)|b`, others as `^(a|b)`.
  if ((first || last) && isChoice(body))
    return fail(
      'The pattern has ^ or $ beside |; write a group around the choices, such as ^(?:a|b)$',
    )
  const found = parsePattern(`${first ? '' : ANY}(?:${body})${last ? '' : ANY}`)
  return found.ok ? ok({ ...found.value, source }) : found
}

const ANY = '[\\s\\S]*'

/** Whether a pattern has a `|` outside of groups. Skips escaped characters and classes. */
const isChoice = (body: string): boolean => {
  let depth = 0
  for (const [token] of body.matchAll(/\\.|\[(?:\\.|[^\]])*\]|[()|]/gsu)) {
    if (token === '(') depth += 1
    else if (token === ')') depth -= 1
    else if (token === '|' && depth === 0) return true
  }
  return false
}

/** The position in the source, in UTF-16 units, and the number of quantifiers read. */
interface Reader {
  readonly source: string
  at: number
  quantifiers: number
}

const SEQUENCE_END = /(?=[|)]|\$?$)/uy
const GROUP = /\((?:\?:|(?!\?))/uy
const SET = /\.|\\[dDwWsS]/uy
const LITERAL = /\\([\^$\\.*+?()[\]{}|/])|([^^$\\.*+?()[\]{}|])/uy
const CLASS_SET = /\\[dDwWsS]/uy
const CLASS_LITERAL = /\\([\^$\\.*+?()[\]{}|/-])|([^\\\]])/uy
const HEX = /\\u(?:([0-9A-Fa-f]{4})|\{([0-9A-Fa-f]+)\})/uy
const QUANTIFIER = /[?*+]|\{(\d+)(?:,(\d*))?\}/uy

const CONTROLS: ReadonlyMap<string, number> = new Map([
  ['\\t', 0x09],
  ['\\n', 0x0a],
])

const COUNTS: ReadonlyMap<string, readonly [min: number, max: number]> = new Map([
  ['?', [0, 1]],
  ['*', [0, Number.POSITIVE_INFINITY]],
  ['+', [1, Number.POSITIVE_INFINITY]],
])

/** Reads the subset of ECMA-262 §22.2.1 with the `u` flag. Throws a SyntaxError with a sentence for the operator. */
const readPattern = (source: string): Part => {
  const reader: Reader = { source, at: 0, quantifiers: 0 }
  eat(reader, /\^/uy)
  const part = readChoice(reader)
  eat(reader, /\$$/uy)
  if (reader.at < source.length) throw misfit(source, reader.at)
  return part
}

const eat = (reader: Reader, token: RegExp): RegExpExecArray | null => {
  token.lastIndex = reader.at
  const found = token.exec(reader.source)
  if (found) reader.at = token.lastIndex
  return found
}

const readChoice = (reader: Reader): Part => {
  const branches = [readSequence(reader)]
  while (eat(reader, /\|/uy)) branches.push(readSequence(reader))
  return choice(branches)
}

const readSequence = (reader: Reader): Part => {
  const parts: Part[] = []
  while (!eat(reader, SEQUENCE_END)) parts.push(readRepeat(reader))
  return sequence(parts)
}

const readRepeat = (reader: Reader): Part => {
  const before = reader.quantifiers
  const part = readAtom(reader)
  const from = reader.at
  const found = eat(reader, QUANTIFIER)
  if (!found) return part
  const refused = (why: string) => refusal(reader.source, from, reader.at, why)
  if (reader.quantifiers > before)
    throw refused('repeats a group that repeats something itself; repeat only one of the two')
  const [token, least, most] = found
  if (Number(least) > LONGEST_MATCHED || Number(most) > LONGEST_MATCHED)
    throw refused(`counts over ${LONGEST_MATCHED}, the longest value; write a smaller number`)
  const [min, max] = COUNTS.get(token) ?? [
    Number(least),
    most === '' ? Number.POSITIVE_INFINITY : Number(most ?? least),
  ]
  if (min > max) throw refused('counts backwards; write the smaller number first')
  reader.quantifiers += 1
  return repeat(part, min, max)
}

const readAtom = (reader: Reader): Part => {
  const from = reader.at
  if (eat(reader, GROUP)) {
    const part = readChoice(reader)
    if (!eat(reader, /\)/uy)) throw unclosed(reader, from, ')')
    return part
  }
  return one(eat(reader, /\[/uy) ? readClass(reader, from) : readMember(reader, SET, LITERAL))
}

/** The spelling of a class. */
const readClass = (reader: Reader, from: number): string => {
  eat(reader, /\^/uy)
  if (eat(reader, /\]/uy))
    throw refusal(reader.source, from, reader.at, 'is an empty class; name its characters')
  while (!eat(reader, /\]/uy)) {
    if (reader.at === reader.source.length) throw unclosed(reader, from, ']')
    readRange(reader)
  }
  return reader.source.slice(from, reader.at)
}

/** Reads a member of a class, or a range. */
const readRange = (reader: Reader): void => {
  const from = reader.at
  const first = readMember(reader, CLASS_SET, CLASS_LITERAL)
  if (!eat(reader, /-(?!\]|$)/uy)) return
  const last = readMember(reader, CLASS_SET, CLASS_LITERAL)
  const refused = (why: string) => refusal(reader.source, from, reader.at, why)
  if (typeof first !== 'number' || typeof last !== 'number')
    throw refused(String.raw`has a set at an end of a range; write \- for a hyphen`)
  if (first > last) throw refused('runs backwards; write the smaller code point first')
}

/** A code point, or the spelling of a set. */
const readMember = (reader: Reader, set: RegExp, literal: RegExp): number | string => {
  const from = reader.at
  const named = eat(reader, set)?.[0]
  if (named !== undefined) return named
  const [, escaped, plain] = eat(reader, literal) ?? []
  const codePoint = (escaped ?? plain)?.codePointAt(0) ?? readEscape(reader)
  if (codePoint === undefined) throw misfit(reader.source, from)
  return codePoint
}

/** The code point of an escape. `undefined` also for surrogates: two escaped halves would count as one character. */
const readEscape = (reader: Reader): number | undefined => {
  const control = CONTROLS.get(eat(reader, /\\[tn]/uy)?.[0] ?? '')
  if (control !== undefined) return control
  const [, four, any] = eat(reader, HEX) ?? []
  const codePoint = Number.parseInt(four ?? any ?? '', 16)
  const surrogate = codePoint >= 0xd800 && codePoint <= 0xdfff
  return codePoint <= 0x10ffff && !surrogate ? codePoint : undefined
}

const unclosed = ({ source }: Reader, from: number, close: string): SyntaxError => {
  const why = String.raw`is never closed; write ${close}, or a \ before it for the character itself`
  return refusal(source, from, from + 1, why)
}

/** Errors for text that is not a character, class or group here; the first matching row applies. */
const MISFITS: readonly (readonly [token: RegExp, why: string])[] = [
  [/\{(?!\d+(?:,\d*)?\})/uy, String.raw`opens no repeat count; write {n}, {n,} or {n,m}, or \{`],
  [/(?<=[*+?}])\?/uy, 'makes a repeat lazy, which changes nothing in a whole match; leave it out'],
  [/(?<=[*+?}])[*+{]/uy, 'repeats a part that is already repeated; keep one of the two'],
  [
    /[*+?{]/uy,
    String.raw`repeats nothing; put it after a character, class or group, or a \ before it`,
  ],
  [
    /\^/uy,
    String.raw`can only come first, and the whole value is matched without it; drop it or write \^`,
  ],
  [
    /\$/uy,
    String.raw`can only come last, and the whole value is matched without it; drop it or write \$`,
  ],
  [
    /[)\]}]/uy,
    String.raw`closes nothing; write the opening character before it, or a \ directly before it`,
  ],
  [/\(\?<?[=!]/uy, 'is look-around; write out the values themselves, with | between them'],
  [/\(\?P?</uy, 'names a group, and nothing reads that name; write ( alone'],
  [/\(\?[a-z]*(?:-[a-z]*)?[:)]/uy, 'sets flags; write both cases in a class, such as [Aa]'],
  [/\(\?/uy, String.raw`opens no group; write ( or (?: for a group, or \(\? for the characters`],
  [
    /\\(?:[1-9]|k<?)/uy,
    'is a back-reference; write out the values themselves, with | between them',
  ],
  [/\\$/uy, String.raw`is not followed by what it escapes; write \\ for a backslash`],
  [
    /\\u/uy,
    String.raw`is not followed by a code point; write \u0041 or \u{41}, no half of a surrogate pair`,
  ],
  [/\\[A-Za-z0-9]/uy, String.raw`is not among \d \w \s \D \W \S \t \n; write a character as \u{…}`],
  [/\\/uy, 'comes before a character that needs none here; leave the backslash out'],
]

/** Text for a terminal: invisible characters are written as code points. */
const shown = (text: string): string =>
  text.replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  )

/** The error for the source between two indexes. Its sentence counts characters from 1. */
function refusal(source: string, from: number, to: number, why: string): SyntaxError {
  const position = [...source.slice(0, from)].length + 1
  return new SyntaxError(`"${shown(source.slice(from, to))}" at character ${position} ${why}`)
}

/** The error for text at an index that is not a character, class or group of the subset. */
function misfit(source: string, from: number): SyntaxError {
  for (const [token, why] of MISFITS) {
    token.lastIndex = from
    if (token.test(source)) return refusal(source, from, token.lastIndex, why)
  }
  return refusal(source, from, source.length, 'cannot be read; write it without special characters')
}
