/** The syntax of conditions: the tree of an expression. docs/configuration/conditions.md */
import { Mistake, numberOf, type Word, wordsOf } from './cel-words.ts'

export { Mistake } from './cel-words.ts'

/** A part of a condition. */
export type Node =
  | { kind: 'literal'; value: null | boolean | bigint | number | string }
  | { kind: 'name'; name: string }
  | { kind: 'member'; of: Node; name: string }
  | { kind: 'index'; of: Node; at: Node }
  | { kind: 'call'; name: string; of: Node | undefined; args: Node[] }
  | { kind: 'operator'; operator: string; sides: Node[] }
  | { kind: 'choice'; test: Node; yes: Node; no: Node }
  | { kind: 'list'; members: Node[] }
  | { kind: 'map'; entries: [key: Node, value: Node][] }

/** Operators from the loosest to the tightest, without `&&`, `||` and `? :`. */
const RELATIONS = ['<', '<=', '>', '>=', '==', '!=', 'in']

class Parser {
  words: Word[]
  at = 0

  constructor(source: string) {
    this.words = wordsOf(source)
  }

  get next(): Word {
    return this.words[this.at] ?? { kind: 'end', text: '' }
  }

  is(text: string): boolean {
    const { kind, text: word } = this.next
    return word === text && (kind === 'sign' || (kind === 'name' && text === 'in'))
  }

  take(text: string): boolean {
    if (!this.is(text)) return false
    this.at++
    return true
  }

  need(text: string): void {
    if (!this.take(text)) throw new Mistake(`${text} is expected, not ${this.next.text}`)
  }

  expression(): Node {
    const test = this.or()
    if (!this.take('?')) return test
    const yes = this.or()
    this.need(':')
    return { kind: 'choice', test, yes, no: this.expression() }
  }

  /** Operands with any of these operators between them, from left to right. */
  chain(operators: string[], operand: () => Node): Node {
    let left = operand()
    for (;;) {
      const operator = operators.find((one) => this.take(one))
      if (operator === undefined) return left
      left = { kind: 'operator', operator, sides: [left, operand()] }
    }
  }

  or(): Node {
    return this.chain(['||'], () => this.and())
  }

  and(): Node {
    return this.chain(['&&'], () => this.relation())
  }

  relation(): Node {
    return this.chain(RELATIONS, () => this.addition())
  }

  addition(): Node {
    return this.chain(['+', '-'], () => this.multiplication())
  }

  multiplication(): Node {
    return this.chain(['*', '/', '%'], () => this.unary())
  }

  unary(): Node {
    if (this.take('!')) return { kind: 'operator', operator: '!', sides: [this.unary()] }
    if (!this.take('-')) return this.member()
    const side = this.unary()
    if (
      side.kind === 'literal' &&
      (typeof side.value === 'number' || typeof side.value === 'bigint')
    ) {
      return {
        kind: 'literal',
        value: typeof side.value === 'number' ? 0 - side.value : -side.value,
      }
    }
    return { kind: 'operator', operator: 'negate', sides: [side] }
  }

  member(): Node {
    let of = this.primary()
    for (;;) {
      if (this.take('[')) {
        of = { kind: 'index', of, at: this.expression() }
        this.need(']')
      } else if (this.take('.')) {
        const { kind, text: name } = this.next
        if (kind !== 'name') throw new Mistake('a name is expected after .')
        this.at++
        of = this.take('(')
          ? { kind: 'call', name, of, args: this.listUntil(')') }
          : { kind: 'member', of, name }
      } else return of
    }
  }

  /** Expressions with commas between them. A comma may be at the end of a list literal. */
  listUntil(end: string): Node[] {
    const members: Node[] = []
    while (!this.take(end)) {
      members.push(this.expression())
      if (!this.take(',') && !this.is(end)) throw new Mistake(`${end} is expected`)
    }
    return members
  }

  entries(): [Node, Node][] {
    const entries: [Node, Node][] = []
    while (!this.take('}')) {
      const key = this.expression()
      if (key.kind !== 'literal' || typeof key.value !== 'string') {
        throw new Mistake('keys of a literal map are literal texts')
      }
      this.need(':')
      entries.push([key, this.expression()])
      if (!this.take(',') && !this.is('}')) throw new Mistake('} is expected')
    }
    return entries
  }

  primary(): Node {
    if (this.take('(')) {
      const inside = this.expression()
      this.need(')')
      return inside
    }
    if (this.take('[')) return { kind: 'list', members: this.listUntil(']') }
    if (this.take('{')) return { kind: 'map', entries: this.entries() }
    const { kind, text } = this.next
    this.at++
    if (kind === 'string') return { kind: 'literal', value: text }
    if (kind === 'int' || kind === 'double') return { kind: 'literal', value: numberOf(kind, text) }
    if (kind !== 'name' || text === 'in') throw new Mistake(`a value is expected, not ${text}`)
    if (text === 'true' || text === 'false') return { kind: 'literal', value: text === 'true' }
    if (text === 'null') return { kind: 'literal', value: null }
    if (this.take('('))
      return { kind: 'call', name: text, of: undefined, args: this.listUntil(')') }
    return { kind: 'name', name: text }
  }
}

/** The tree of a condition. Throws a `Mistake`. */
export function parse(source: string): Node {
  const parser = new Parser(source)
  const tree = parser.expression()
  if (parser.next.kind !== 'end') throw new Mistake(`unexpected ${parser.next.text}`)
  return tree
}

/** The parts directly inside a part. */
export function partsOf(node: Node): Node[] {
  switch (node.kind) {
    case 'member':
      return [node.of]
    case 'index':
      return [node.of, node.at]
    case 'call':
      return [...(node.of ? [node.of] : []), ...node.args]
    case 'operator':
      return node.sides
    case 'choice':
      return [node.test, node.yes, node.no]
    case 'list':
      return node.members
    case 'map':
      return node.entries.flat()
    default:
      return []
  }
}

/** A part and all parts inside it. */
export function allParts(node: Node): Node[] {
  return [node, ...partsOf(node).flatMap(allParts)]
}
