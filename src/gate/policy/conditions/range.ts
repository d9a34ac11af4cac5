import { Duration } from '#cel'
import { isExact } from '../../base/json.ts'
import { evaluationError } from './nodes.ts'
import { isMoment, LONGEST } from './times.ts'

/**
 * Returns the result of an operator if in range, else throws. Integers have 64 bits; doubles are
 * finite and exact if whole; times are in the years 1 to 9999; durations last at most 10,000 years.
 */
export function inRange(value: unknown): unknown {
  if (!isInRange(value)) throw evaluationError('numeric_overflow', 'It is out of range')
  return value
}

const isInRange = (value: unknown): boolean => {
  if (typeof value === 'number') return isExact(value)
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value
  if (value instanceof Date) return isMoment(value)
  if (!(value instanceof Duration)) return true
  return (value.seconds < 0n ? -value.seconds : value.seconds) <= LONGEST
}
