import { isExact, isExactText } from '../../core/json.ts'
import { evaluationError } from './methods.ts'
import { momentOfSeconds, momentOfText } from './moments.ts'

const INT = /^-?\d{1,19}$/
const DOUBLE = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?$/

/** The number that is meant; `undefined` where a text is none, or it is out of range. */
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
 * Functions of one value in the place of the library's. Those take for a number what is none, the
 * empty text among it, or what has no bounds, and for a time what depends on where they run.
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

/** Methods without arguments likewise: the library's fold letters into those of ASCII that are none. */
export const FOLDS: ReadonlyMap<string, Conversion> = new Map([
  folds('lowerAscii', /[A-Z]+/g, (text) => text.toLowerCase()),
  folds('upperAscii', /[a-z]+/g, (text) => text.toUpperCase()),
])
