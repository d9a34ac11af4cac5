import type { ASTNode } from '@marcbachmann/cel-js'
import { isExact } from '../../core/json.ts'
import { evaluationError } from './methods.ts'
import { isMoment, LONGEST } from './moments.ts'

/** What the library has for a duration: both parts have its sign. */
interface Span {
  readonly seconds: bigint
  readonly nanos: number
}

const isSpan = (value: unknown): value is Span =>
  Object.prototype.toString.call(value) === '[object google.protobuf.Duration]'

/** Operators whose results may be out of the range of their type. */
export const ARITHMETIC: ReadonlySet<ASTNode['op']> = new Set(['+', '-', '*', '/', '-_'])

/**
 * What an operator comes to, if it is in the range of its type: whole numbers of 64 bits, doubles
 * that are finite and, where they are whole, exact, times of the years 1 to 9999, durations of at most 10,000 years. The library lets
 * pass most of what is not, so that comparisons with it hold or do not for no reason.
 */
export function ranged(value: unknown): unknown {
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

/** The sum or difference of two durations, which the library gets wrong below zero; else what it said. */
export function exact(op: string, left: unknown, right: unknown, said: unknown): unknown {
  if (!isSpan(left) || !isSpan(right)) return said
  const nanos = nanosOf(left) + (op === '-' ? -nanosOf(right) : nanosOf(right))
  const Duration = left.constructor as new (seconds: bigint, nanos: number) => Span
  return new Duration(nanos / SECOND, Number(nanos % SECOND))
}
