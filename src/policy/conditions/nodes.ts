import {
  type ASTNode,
  TypeError as CelTypeError,
  EvaluationError,
  ParseError,
} from '@marcbachmann/cel-js'

/** A type of the library, as far as it is used here. */
export interface Type {
  readonly kind: string
  readonly name: string
  readonly keyType?: Type
}

/** What checks the types of a macro. */
export interface Checker {
  check(node: ASTNode, context: unknown): Type
  getType(name: string): unknown
}

/** What evaluates the parts of a node. */
export interface Evaluator {
  run(node: ASTNode, context: unknown): unknown
}

/** What the library keeps of a node beside what it declares. */
export interface Inner {
  readonly checkedType?: Type
  readonly meta: { macro?: object; alternate: Loop }
  readonly handle: (...args: unknown[]) => unknown
  setMeta(key: string, value: unknown): unknown
}

/** What the library makes of a method that goes through a list. */
export type Loop = Inner & { readonly args: { readonly iterable: ASTNode } }

/** A member of something, by its name or by what stands in brackets. */
export type Access = ASTNode & { readonly op: '.' | '[]' }

/** A node with what is not declared of it. */
export function innerOf(node: ASTNode): Inner {
  return node as unknown as Inner
}

/** The type that was found for a node; only after a check. */
export function typeOf(node: ASTNode): Type | undefined {
  return innerOf(node).checkedType
}

/** The nodes that a node is made of, as they are written. */
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

/** The text that a node writes out, if it does. */
export function writtenText(node: ASTNode | undefined): string | undefined {
  return node?.op === 'value' && typeof node.args === 'string' ? node.args : undefined
}

/** A mistake at a node, which is found when the policy is read. Its message follows the node's position. */
export function mistake(node: ASTNode, message: string): ParseError {
  return new ParseError({ message, node })
}

/** Likewise, a mistake of types. */
export function typeMistake(node: ASTNode, message: string): CelTypeError {
  return new CelTypeError({ message, node })
}

/** An error of evaluation: `code` for logs, `message` for an explanation. */
export function evaluationError(code: string, message: string): EvaluationError {
  return new EvaluationError({ code, message })
}
