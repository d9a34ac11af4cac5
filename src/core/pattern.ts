import { MAX_STATES, machineOf } from './pattern/machine.ts'
import { LONGEST_VALUE, readPattern } from './pattern/syntax.ts'
import { fail, ok, type Result } from './result.ts'

/** A rule for the whole of a value. */
export interface Pattern {
  readonly source: string
  /** Linear in the value's length; a value over 256 UTF-16 units never matches. */
  matches(value: string): boolean
  /** States it unfolds to: a match makes at most two moves from each per character. */
  readonly states: number
}

/** A pattern, or a sentence for the operator: what, at which character, what to write instead. */
export type PatternResult = Result<Pattern, string>

/** UTF-16 units of the longest value that a pattern can match. */
export const LONGEST_MATCHED = LONGEST_VALUE

/** UTF-16 units of the longest pattern. */
const MAX_SOURCE = 512

/**
 * Reads a pattern of the linear subset of ECMA-262 regular expressions. What it accepts means what
 * `^(?:…)$` with the `u` flag means, except that longer values never match. Never throws.
 */
export function parsePattern(source: string): PatternResult {
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
      matches: (value) => value.length <= LONGEST_VALUE && matches(value),
    })
  } catch (error) {
    if (error instanceof SyntaxError) return fail(error.message)
    throw error
  }
}

/**
 * Reads a pattern that is looked for anywhere in a value, as RE2 and ECMA-262 do, unless it begins
 * with `^` or ends in `$`. The same subset, and never true of longer values.
 */
export function parseSearch(source: string): PatternResult {
  const whole = parsePattern(source)
  if (!whole.ok) return whole
  const first = source.startsWith('^')
  const last = /(?:^|[^\\])(?:\\\\)*\$$/.test(source)
  const body = source.slice(first ? 1 : 0, last ? -1 : undefined)
  // `^a|b` is looked for by some as `(^a)|b`, and by others as `^(a|b)`.
  if ((first || last) && isChoice(body))
    return fail(
      'The pattern has ^ or $ beside |; write a group around the choices, such as ^(?:a|b)$',
    )
  const found = parsePattern(`${first ? '' : ANY}(?:${body})${last ? '' : ANY}`)
  return found.ok ? ok({ ...found.value, source }) : found
}

const ANY = '[\\s\\S]*'

/** Characters that are escaped, and classes, hide what is in them. */
const isChoice = (body: string): boolean => {
  let depth = 0
  for (const [token] of body.matchAll(/\\.|\[(?:\\.|[^\]])*\]|[()|]/gsu)) {
    if (token === '(') depth += 1
    else if (token === ')') depth -= 1
    else if (token === '|' && depth === 0) return true
  }
  return false
}
