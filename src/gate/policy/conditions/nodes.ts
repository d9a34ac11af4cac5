import {
  type ASTNode,
  TypeError as CelTypeError,
  EvaluationError,
  ParseError,
} from '@marcbachmann/cel-js'

/** The members of the library's types that are used here. */
export interface Type {
  readonly kind: string
  readonly name: string
  readonly keyType?: Type
}

/** Checks the types of a macro. */
export interface Checker {
  check(node: ASTNode, context: unknown): Type
  getType(name: string): unknown
}

/** Evaluates the parts of a node. */
export interface Evaluator {
  run(node: ASTNode, context: unknown): unknown
}

/** Undeclared members of the library's nodes. */
export interface Inner {
  readonly checkedType?: Type
  readonly meta: { macro?: object; alternate: Loop }
  readonly handle: (...args: unknown[]) => unknown
  setMeta(key: string, value: unknown): unknown
}

/** The library's node of a loop. */
export type Loop = Inner & { readonly args: { readonly iterable: ASTNode } }

/** An access to a member, by name or by brackets. */
export type Access = ASTNode & { readonly op: '.' | '[]' }

/** The undeclared members of a node. */
export function innerOf(node: ASTNode): Inner {
  return node as unknown as Inner
}

/** The type of a node; `undefined` before its check. */
export function typeOf(node: ASTNode): Type | undefined {
  return innerOf(node).checkedType
}

/** The child nodes of a node, in written order. */
export function partsOf(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return []
    case '!_':
    case '-_':
      return [node.args]
    case '.':
    case '.?':
      return [node.args[0]]
    case 'call':
      return node.args[1]
    case 'rcall':
      return [node.args[1], ...node.args[2]]
    case 'map':
      return node.args.flat()
    default:
      return node.args
  }
}

/** The value of a text literal, else `undefined`. */
export function writtenText(node: ASTNode | undefined): string | undefined {
  return node?.op === 'value' && typeof node.args === 'string' ? node.args : undefined
}

/** A syntax error at a node; its message follows the position. */
export function mistake(node: ASTNode, message: string): ParseError {
  return new ParseError({ message, node })
}

/** A type error at a node. */
export function typeMistake(node: ASTNode, message: string): CelTypeError {
  return new CelTypeError({ message, node })
}

/** An error of evaluation: `code` for logs, `message` for an explanation. */
export function evaluationError(code: string, message: string): EvaluationError {
  return new EvaluationError({ code, message })
}

const STRING: Type = { kind: 'primitive', name: 'string' }

/** True where a value of a type can have the member, as far as types are known. */
export function hasMember(type: Type, name: string | ASTNode): boolean {
  const key = typeof name === 'string' ? STRING : typeOf(name)
  if (!key) return false
  if (type.kind === 'dyn') return true
  if (type.kind === 'list') return key.kind === 'dyn' || key.name === 'int'
  if (type.kind !== 'map') return type.name.startsWith('$')
  const wanted = type.keyType
  const isOpen = !wanted || [wanted, key].some(({ kind }) => kind !== 'primitive')
  return isOpen || wanted.name === key.name
}
