import type { ASTNode, EvaluationError, ParseResult } from '@marcbachmann/cel-js'
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
import { ARITHMETIC, CONVERSIONS, exactSum, FOLDS, inRange } from './operators.ts'

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
  throw evaluationError('no_such_overload', 'It is no list')
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

/** True for scalars too: the library itself refuses their members. */
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
