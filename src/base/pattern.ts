import { MAX_STATES, machineOf } from './pattern/machine.ts'
import { LONGEST_VALUE, readPattern } from './pattern/syntax.ts'
import { fail, ok, type Result } from './result.ts'

/** A rule for the whole of a value. */
export interface Pattern {
  readonly source: string
  /** Linear in the value's length; a value over 256 UTF-16 units never matches. */
  matches(value: string): boolean
}

/** A pattern, or a sentence for the operator: what, at which character, what to write instead. */
export type PatternResult = Result<Pattern, string>

/** UTF-16 units of the longest pattern. */
const MAX_SOURCE = 512

/**
 * Reads a pattern of the linear subset of ECMA-262 regular expressions. What it accepts means what
 * `^(?:…)$` with the `u` flag means, except that longer values never match. Never throws.
 */
export const parsePattern = (source: string): PatternResult => {
  if (source.length > MAX_SOURCE)
    return fail(
      `The pattern has ${source.length} characters, over ${MAX_SOURCE}; split it into a list of values`,
    )
  try {
    const machine = machineOf(readPattern(source))
    if (!machine)
      return fail(`The pattern unfolds to over ${MAX_STATES} steps; write smaller repeat counts`)
    return ok({ source, matches: (value) => value.length <= LONGEST_VALUE && machine(value) })
  } catch (error) {
    if (error instanceof SyntaxError) return fail(error.message)
    throw error
  }
}
