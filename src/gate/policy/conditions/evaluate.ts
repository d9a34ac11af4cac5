import type { ASTNode, EvaluationError, ParseResult } from '@marcbachmann/cel-js'
import { isExact, isExactText } from '../../base/json.ts'
import { COMPREHENSIONS, environment } from './functions.ts'
import {
  type Access,
  type Checker,
  type Evaluator,
  evaluationError,
  innerOf,
  type Loop,
  partsOf,
  typeMistake,
  typeOf,
} from './nodes.ts'
import { isMoment, LONGEST, momentOfSeconds, momentOfText } from './times.ts'

/**
 * Parses an expression and replaces five of the library's evaluations. Only maps and lists have
 * members, also in `has()`; loops take only lists; `in` takes maps only where typed as such. The
 * others: {@link CONVERSIONS}, {@link FOLDS}, {@link ARITHMETIC}. Throws syntax errors.
 */
export function parseCondition(source: string): ParseResult {
  const program = environment().parse(source)
  replaceEvaluations(program.ast)
  return program
}

const replaceEvaluations = (node: ASTNode): void => {
  const evaluate = evaluationOf(node)
  if (evaluate) innerOf(node).setMeta('evaluate', evaluate)
  if (node.op === 'call' && node.args[0] === 'has' && innerOf(node).meta.macro)
    innerOf(node).setMeta('macro', hasOf(node.args[1]))
  if (isRepeating(node)) innerOf(node).meta.alternate.setMeta('evaluate', throughList)
  for (const part of partsOf(node)) replaceEvaluations(part)
}

const evaluationOf = (node: ASTNode): object | undefined => {
  if (node.op === '.' || node.op === '[]') return member
  if (ARITHMETIC.has(node.op)) return arithmetic
  if (node.op === 'in') return membership
  const [own, value] =
    node.op === 'call'
      ? [CONVERSIONS.get(node.args[0]), node.args[1][0]]
      : node.op === 'rcall'
        ? [FOLDS.get(node.args[0]), node.args[1]]
        : []
  return (
    own &&
    value &&
    ((evaluator: Evaluator, _: ASTNode, context: unknown) => own(evaluator.run(value, context)))
  )
}

const arithmetic = (evaluator: Evaluator, node: ASTNode, context: unknown): unknown => {
  const [left, right] = partsOf(node).map((part) => evaluator.run(part, context))
  const { handle } = innerOf(node)
  return inRange(
    node.op === '-_'
      ? handle(left, node, evaluator)
      : exactSum(node.op, left, right, handle(left, right, node, evaluator)),
  )
}

const isRepeating = (node: ASTNode): node is ASTNode & { readonly op: 'rcall' } =>
  node.op === 'rcall' && COMPREHENSIONS.has(`${node.args[0]}/${node.args[2].length}`)

/** The library loops over a map's keys, and so skips the values that a server may use. */
const throughList = (evaluator: Evaluator, loop: Loop, context: unknown): unknown =>
  loop.handle(listOf(evaluator.run(loop.args.iterable, context)), loop.args, evaluator, context)

/** An input may be a map instead of a list; its values would not be searched. */
const membership = (evaluator: Evaluator, node: ASTNode, context: unknown): unknown => {
  const [left, right] = node.args as readonly [ASTNode, ASTNode]
  const [value, all] = [left, right].map((part) => evaluator.run(part, context))
  const isMap = typeOf(right)?.kind === 'map'
  return innerOf(node).handle(value, isMap ? all : listOf(all), node, evaluator)
}

const listOf = (value: unknown): readonly unknown[] => {
  if (Array.isArray(value)) return value
  throw evaluationError('no_such_overload', 'It is not a list')
}

const member = (evaluator: Evaluator, node: Access, context: unknown): unknown => {
  const [of, key] = node.args
  const value = evaluator.run(of, context)
  if (!hasMembers(value)) throw noMembers()
  const name = typeof key === 'string' ? key : evaluator.run(key, context)
  return innerOf(node).handle(value, name, node, evaluator)
}

const hasOf = (args: readonly ASTNode[]): object => {
  const [access] = args
  return {
    args,
    async: false,
    typeCheck(checker: Checker, _: unknown, context: unknown) {
      if (access?.op !== '.')
        throw typeMistake(access as ASTNode, 'has() asks for a member: has(token.NAME)')
      checker.check(access, context)
      return checker.getType('bool')
    },
    evaluate(evaluator: Evaluator, _: unknown, context: unknown) {
      const [of, name] = (access as ASTNode & { readonly op: '.' }).args
      const value = evaluator.run(of, context)
      if (value instanceof Map) return value.get(name) !== undefined
      if (!isPlain(value)) throw noMembers()
      return Object.hasOwn(value, name)
    },
  }
}

/** True for scalars too, because the library itself refuses access to their members. */
const hasMembers = (value: unknown): boolean =>
  typeof value !== 'object' ||
  value === null ||
  value instanceof Map ||
  Array.isArray(value) ||
  isPlain(value)

const isPlain = (value: unknown): value is object =>
  typeof value === 'object' &&
  value !== null &&
  [Object.prototype, null].includes(Object.getPrototypeOf(value))

const noMembers = (): EvaluationError =>
  evaluationError('no_such_overload', 'Only maps and lists have members')

/** The library's duration; both members have its sign. */
interface Span {
  readonly seconds: bigint
  readonly nanos: number
}

const isSpan = (value: unknown): value is Span =>
  Object.prototype.toString.call(value) === '[object google.protobuf.Duration]'

/** Operators whose results may exceed the range of their type. */
const ARITHMETIC: ReadonlySet<ASTNode['op']> = new Set(['+', '-', '*', '/', '-_'])

/**
 * Returns the result of an operator if in range, else throws. Integers have 64 bits; doubles are
 * finite and exact if whole; times are in the years 1 to 9999; durations last at most 10,000 years.
 * The library does not check most of these.
 */
const inRange = (value: unknown): unknown => {
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
const exactSum = (op: string, left: unknown, right: unknown, said: unknown): unknown => {
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
const CONVERSIONS: ReadonlyMap<string, Conversion> = new Map([
  converts('int', 'int_conversion_error', intOf, 'whole numbers of 64 bits, in decimal digits'),
  converts(
    'double',
    'double_conversion_error',
    doubleOf,
    'numbers that a double can represent exactly, in decimal digits',
  ),
  converts('timestamp', 'invalid_timestamp', timeOf, 'times in the format of RFC 3339, or seconds'),
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
const FOLDS: ReadonlyMap<string, Conversion> = new Map([
  folds('lowerAscii', /[A-Z]+/g, (text) => text.toLowerCase()),
  folds('upperAscii', /[a-z]+/g, (text) => text.toUpperCase()),
])
