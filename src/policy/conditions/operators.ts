import type { ASTNode } from '@marcbachmann/cel-js'
import { isExact, isExactText } from '../../core/json.ts'
import { evaluationError } from './nodes.ts'
import { isMoment, LONGEST, momentOfSeconds, momentOfText } from './times.ts'

/** The library's duration; both members have its sign. */
interface Span {
  readonly seconds: bigint
  readonly nanos: number
}

const isSpan = (value: unknown): value is Span =>
  Object.prototype.toString.call(value) === '[object google.protobuf.Duration]'

/** Operators whose results may exceed the range of their type. */
export const ARITHMETIC: ReadonlySet<ASTNode['op']> = new Set(['+', '-', '*', '/', '-_'])

/**
 * Returns the result of an operator if in range, else throws. Integers have 64 bits; doubles are
 * finite and exact if whole; times are in the years 1 to 9999; durations last at most 10,000 years.
 * The library does not check most of these.
 */
export function inRange(value: unknown): unknown {
  if (!isInRange(value)) throw evaluationError('numeric_overflow', 'It is out of range')
  return value
}

const isInRange = (value: unknown): boolean => {
  if (typeof value === 'number') return isExact(value)
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value
  if (value instanceof Date) return isMoment(value)
  if (!isSpan(value)) return true
  return (value.seconds < 0n ? -value.seconds : value.seconds) <= LONGEST
}

const SECOND = 1_000_000_000n

const nanosOf = ({ seconds, nanos }: Span): bigint => seconds * SECOND + BigInt(nanos)

/** The sum or difference of durations, which the library miscalculates below zero; else `said`. */
export function exactSum(op: string, left: unknown, right: unknown, said: unknown): unknown {
  if (!isSpan(left) || !isSpan(right)) return said
  const nanos = nanosOf(left) + (op === '-' ? -nanosOf(right) : nanosOf(right))
  const Duration = left.constructor as new (seconds: bigint, nanos: number) => Span
  return new Duration(nanos / SECOND, Number(nanos % SECOND))
}

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

type Conversion = (value: unknown) => unknown

const converts = (
  name: string,
  fault: string,
  convert: Conversion,
  what: string,
): [string, Conversion] => [
  name,
  (value) => {
    if (!['string', 'number', 'bigint'].includes(typeof value))
      throw evaluationError('no_matching_overload', `${name}() is not for a value of this type`)
    const converted = convert(value)
    if (converted === undefined) throw evaluationError(fault, `${name}() takes ${what}`)
    return converted
  },
]

/**
 * Replacements of library conversions. The library's accept empty text as a number, have no bounds,
 * and depend on the time zone of the process.
 */
export const CONVERSIONS: ReadonlyMap<string, Conversion> = new Map([
  converts('int', 'int_conversion_error', intOf, 'whole numbers of 64 bits, in decimal digits'),
  converts(
    'double',
    'double_conversion_error',
    doubleOf,
    'numbers that a double holds exactly, in decimal digits',
  ),
  converts('timestamp', 'invalid_timestamp', timeOf, 'times of RFC 3339, or seconds'),
])

const folds = (
  name: string,
  form: RegExp,
  fold: (text: string) => string,
): [string, Conversion] => [
  name,
  (value) => {
    if (typeof value !== 'string')
      throw evaluationError('no_matching_overload', `${name}() is for a value of another type`)
    return value.replace(form, fold)
  },
]

/** Replacements of library methods, which also convert non-ASCII letters to ASCII. */
export const FOLDS: ReadonlyMap<string, Conversion> = new Map([
  folds('lowerAscii', /[A-Z]+/g, (text) => text.toLowerCase()),
  folds('upperAscii', /[a-z]+/g, (text) => text.toUpperCase()),
])
