import { type ASTNode, CelTypeError, EvaluationError, ParseError, type Type } from '#cel'

/** An access to a member, by name or by brackets. */
export type Access = ASTNode & { readonly op: '.' | '[]' }

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
  const key = typeof name === 'string' ? STRING : name.checkedType
  if (!key) return false
  if (type.kind === 'dyn') return true
  if (type.kind === 'list') return key.kind === 'dyn' || key.name === 'int'
  if (type.kind !== 'map') return type.name.startsWith('$')
  const wanted = type.keyType
  const isOpen = !wanted || [wanted, key].some(({ kind }) => kind !== 'primitive')
  return isOpen || wanted.name === key.name
}
