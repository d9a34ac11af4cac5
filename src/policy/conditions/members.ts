import {
  type ASTNode,
  TypeError as CelTypeError,
  type EvaluationError,
  type ParseResult,
} from '@marcbachmann/cel-js'
import { ARITHMETIC, exact, ranged } from './arithmetic.ts'
import { CONVERSIONS, FOLDS } from './conversions.ts'
import { environment } from './environment.ts'
import { COMPREHENSIONS } from './functions.ts'
import { type Evaluator, evaluationError } from './methods.ts'
import { partsOf } from './nodes.ts'

interface Type {
  readonly kind: string
  readonly name: string
  readonly keyType?: Type
}

/** What the library keeps of a node, as far as it is used here. */
interface Inner {
  readonly checkedType?: Type
  readonly meta: { macro?: object; alternate: Loop }
  readonly handle: (...args: unknown[]) => unknown
  setMeta(key: string, value: unknown): unknown
}
/** What a method is made into that goes through a list. */
type Loop = Inner & { readonly args: { readonly iterable: ASTNode } }
interface Checker {
  check(node: ASTNode, context: unknown): unknown
  getType(name: string): unknown
}
type Access = ASTNode & { readonly op: '.' | '[]' }

const innerOf = (node: ASTNode): Inner => node as unknown as Inner

/** The type that was found for a node; only after a check. */
export function typeOf(node: ASTNode): Type | undefined {
  return innerOf(node).checkedType
}

/**
 * Reads an expression. Some of it is evaluated otherwise than the library does: only maps and lists
 * have members, under `has()` too, where it takes those of the objects that stand for times and
 * durations, and says of a text that it has none; only lists are gone through, and `in` looks for names only
 * in what is known to be a map when the policy is read; and so are {@link CONVERSIONS}, {@link FOLDS} and
 * {@link ARITHMETIC}.
 */
export function parse(source: string): ParseResult {
  const program = environment().parse(source)
  guard(program.ast)
  return program
}

const guard = (node: ASTNode): void => {
  const evaluate = evaluationOf(node)
  if (evaluate) innerOf(node).setMeta('evaluate', evaluate)
  if (node.op === 'call' && node.args[0] === 'has' && innerOf(node).meta.macro)
    innerOf(node).setMeta('macro', hasOf(node.args[1]))
  if (isRepeating(node)) innerOf(node).meta.alternate.setMeta('evaluate', throughList)
  for (const part of partsOf(node)) guard(part)
}

const evaluationOf = (node: ASTNode): object | undefined => {
  if (node.op === '.' || node.op === '[]') return member
  if (ARITHMETIC.has(node.op)) return reckoned
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

const reckoned = (evaluator: Evaluator, node: ASTNode, context: unknown): unknown => {
  const [left, right] = partsOf(node).map((part) => evaluator.run(part, context))
  const { handle } = innerOf(node)
  return ranged(
    node.op === '-_'
      ? handle(left, node, evaluator)
      : exact(node.op, left, right, handle(left, right, node, evaluator)),
  )
}

const isRepeating = (node: ASTNode): node is ASTNode & { readonly op: 'rcall' } =>
  node.op === 'rcall' && COMPREHENSIONS.has(`${node.args[0]}/${node.args[2].length}`)

/** Of a map the library takes the keys: the values, which a server may take for members, would not be judged. */
const throughList = (evaluator: Evaluator, loop: Loop, context: unknown): unknown =>
  loop.handle(listOf(evaluator.run(loop.args.iterable, context)), loop.args, evaluator, context)

/** What comes from outside may be a map instead of a list: what is looked for would be among its values. */
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
        throw new CelTypeError({
          message: 'has() asks for a member: has(token.NAME)',
          ...(access && { node: access }),
        })
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

/** What is no object has none, as the library says itself. */
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

/**
 * Throws the first member of what is known to have none, or none of this kind, and the first map that is gone
 * through; only after a check.
 * What comes from a token is known when it is read.
 */
export function checkMembers(node: ASTNode): void {
  for (const part of partsOf(node)) checkMembers(part)
  if (isRepeating(node) && typeOf(node.args[1])?.kind === 'map')
    throw new CelTypeError({ message: 'a map is not gone through, only a list', node })
  if (node.op !== '.' && node.op !== '[]') return
  const type = typeOf(node.args[0])
  const key = node.op === '.' ? STRING : typeOf(node.args[1])
  if (!type || !key || !hasMember(type, key))
    throw new CelTypeError({
      message: `${type?.name ?? 'this'} has no such member`,
      node,
    })
}

const STRING: Type = { kind: 'primitive', name: 'string' }

const hasMember = (type: Type, key: Type): boolean => {
  if (type.kind === 'dyn') return true
  if (type.kind === 'list') return key.kind === 'dyn' || key.name === 'int'
  if (type.kind === 'map') {
    const wanted = type.keyType
    return (
      !wanted || [wanted, key].some(({ kind }) => kind !== 'primitive') || wanted.name === key.name
    )
  }
  return type.name.startsWith('$')
}
