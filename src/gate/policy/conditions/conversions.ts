import type { Environment } from '#cel'
import { isExact, isExactText } from '../../base/json.ts'
import { evaluationError } from './nodes.ts'
import { momentOfSeconds, momentOfText, TIMESTAMP } from './times.ts'

const INT = /^-?\d{1,19}$/
const DOUBLE = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?$/

/** The integer of a value; `undefined` for other texts, and out of range. */
const intOf = (value: unknown): bigint | undefined => {
  if (typeof value === 'string' ? !INT.test(value) : !Number.isFinite(Number(value)))
    return undefined
  const number = BigInt(typeof value === 'number' ? Math.trunc(value) : (value as string | bigint))
  return BigInt.asIntN(64, number) === number ? number : undefined
}

const doubleOf = (value: unknown): number | undefined => {
  const number = typeof value !== 'string' || DOUBLE.test(value) ? Number(value) : Number.NaN
  return isExact(number) && (typeof value !== 'string' || isExactText(value)) ? number : undefined
}

const timeOf = (value: unknown): Date | undefined =>
  typeof value === 'string' ? momentOfText(value) : momentOfSeconds(Number(value))

const lowered = (text: string): string =>
  text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())

const raised = (text: string): string => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase())

/**
 * Registers conversions that refuse what other implementations guess: an empty text as a number, a time without a zone.
 * `lowerAscii` and `upperAscii` change ASCII letters only.
 */
export function registerConversions(environment: Environment): void {
  const register = (
    name: string,
    type: string,
    convert: (value: unknown) => unknown,
    fault: string,
    takes: string,
  ): void => {
    const converted = (value: unknown): unknown => {
      const result = convert(value)
      if (result === undefined) throw evaluationError(fault, `${name}() takes ${takes}`)
      return result
    }
    for (const from of ['string', 'int', 'double'])
      environment.registerFunction(`${name}(${from}): ${type}`, converted)
  }
  register(
    'int',
    'int',
    intOf,
    'int_conversion_error',
    'whole numbers of 64 bits, in decimal digits',
  )
  register(
    'double',
    'double',
    doubleOf,
    'double_conversion_error',
    'numbers that a double can represent exactly, in decimal digits',
  )
  register(
    'timestamp',
    TIMESTAMP,
    timeOf,
    'invalid_timestamp',
    'times in the format of RFC 3339, or seconds',
  )
  environment.registerFunction('string.lowerAscii(): string', lowered)
  environment.registerFunction('string.upperAscii(): string', raised)
}
