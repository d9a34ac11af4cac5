import { MAX_STATES, machineOf } from './pattern/machine.ts'
import { LONGEST_VALUE, readPattern } from './pattern/syntax.ts'
import { fail, ok, type Result } from './result.ts'

/** A regular expression that matches a whole value. */
export interface Pattern {
  readonly source: string
  /** Takes time linear in the value's length. A value over 256 UTF-16 units never matches. */
  matches(value: string): boolean
  /** Number of states. A match makes at most two moves from each per character. */
  readonly states: number
}

/** UTF-16 units of the longest value that a pattern can match. */
export const LONGEST_MATCHED = LONGEST_VALUE

/** UTF-16 units of the longest pattern. */
const MAX_SOURCE = 512

/**
 * Reads a pattern of the linear subset of ECMA-262 regular expressions. An accepted pattern means the same as `^(?:…)$`
 * with the `u` flag, except that long values never match. Never throws. An error is for the operator: the problem, its
 * position, and a fix.
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
      matches: (value) => value.length <= LONGEST_VALUE && matches(value),
    })
  } catch (error) {
    if (error instanceof SyntaxError) return fail(error.message)
    throw error
  }
}

/**
 * Reads a pattern that is searched for in a value, as in RE2 and ECMA-262, unless it begins with `^` or ends in `$`.
 * The same subset; long values never match.
 */
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
