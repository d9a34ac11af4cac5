import type { ASTNode } from '#cel'
import { isExact } from '../../base/json.ts'
import { LIMITS } from '../../base/limits.ts'

/** A part of a condition without logical operators, as text that parses alone. */
export interface Part {
  readonly source: string
  /** The non-literal sides of a comparison. */
  readonly sides: readonly string[]
}

/** The logical structure of a condition. `!` is moved to the parts: each has a wanted value. */
export type Tree<Leaf> =
  | { readonly leaf: Leaf; readonly wanted: boolean }
  | { readonly all: readonly Tree<Leaf>[] }
  | { readonly any: readonly Tree<Leaf>[] }
  | { readonly test: Tree<Leaf>; readonly yes: Tree<Leaf>; readonly no: Tree<Leaf> }

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', 'in'])

/** Splits a condition at `&&`, `||`, `!` and `?:`. */
export function treeOf<Leaf>(condition: ASTNode, make: (part: Part) => Leaf): Tree<Leaf> {
  const masked = mask(condition.input)
  const tree = (node: ASTNode, wanted: boolean): Tree<Leaf> => {
    switch (node.op) {
      case '&&':
      case '||': {
        const parts = node.args.map((one) => tree(one, wanted))
        return (node.op === '&&') === wanted ? { all: parts } : { any: parts }
      }
      case '!_':
        return tree(node.args, !wanted)
      case '?:': {
        const [test, yes, no] = node.args
        return {
          test: tree(test, true),
          yes: tree(yes, wanted),
          no: tree(no, wanted),
        }
      }
      default:
        return {
          leaf: make({ source: textOf(node, masked), sides: sidesOf(node, masked) }),
          wanted,
        }
    }
  }
  return tree(condition, true)
}

/** The parts of a condition, in written order. */
export function leavesOf<Leaf>(tree: Tree<Leaf>): readonly Leaf[] {
  if ('leaf' in tree) return [tree.leaf]
  if ('all' in tree) return tree.all.flatMap(leavesOf)
  if ('any' in tree) return tree.any.flatMap(leavesOf)
  return [tree.test, tree.yes, tree.no].flatMap(leavesOf)
}

/** The first part with an unwanted value that makes the condition false. */
export function culprit<Leaf>(tree: Tree<Leaf>, ask: (leaf: Leaf) => unknown): Leaf | undefined {
  if ('leaf' in tree) return ask(tree.leaf) === tree.wanted ? undefined : tree.leaf
  if ('all' in tree) return firstOf(tree.all, (one) => culprit(one, ask))
  if ('any' in tree) {
    const found = tree.any.map((one) => culprit(one, ask))
    return found.includes(undefined) ? undefined : found[0]
  }
  return culprit(culprit(tree.test, ask) === undefined ? tree.yes : tree.no, ask)
}

const firstOf = <One, Found>(
  list: readonly One[],
  find: (one: One) => Found | undefined,
): Found | undefined => {
  for (const one of list) {
    const found = find(one)
    if (found !== undefined) return found
  }
  return undefined
}

const sidesOf = (node: ASTNode, masked: string): readonly string[] => {
  if (!COMPARISONS.has(node.op)) return []
  const sides = node.args as readonly ASTNode[]
  return sides.filter((side) => !isLiteral(side)).map((side) => textOf(side, masked))
}

const isLiteral = (node: ASTNode): boolean => {
  if (node.op === 'value') return true
  if (node.op === 'list') return node.args.every(isLiteral)
  return node.op === 'call' ? node.args[1].every(isLiteral) : false
}

const HIDDEN =
  /"""(?:\\[\s\S]|[^\\])*?"""|'''(?:\\[\s\S]|[^\\])*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\/\/[^\n]*/g

/** Replaces strings and comments with blanks, since their parentheses do not count. */
const mask = (source: string): string => source.replace(HIDDEN, (one) => ' '.repeat(one.length))

/** The text of a node with its own parentheses, which the library's range lacks. */
const textOf = ({ input, start, end }: ASTNode, masked: string): string => {
  let [from, to] = [start, end]
  let open = 0
  let before = 0
  for (const character of masked.slice(start, end)) {
    if (character === '(') open += 1
    else if (character === ')' && open > 0) open -= 1
    else if (character === ')') before += 1
  }
  for (; before > 0 && from > 0; before--) from = masked.lastIndexOf('(', from - 1)
  for (; open > 0; open--) to = masked.indexOf(')', to) + 1
  return input.slice(from, to)
}

/** A value of a condition as JSON, cut short. Never throws. */
export function shownValue(value: unknown): unknown {
  try {
    const json = plain(value)
    if (typeof json === 'string') return shownText(json)
    const text = JSON.stringify(json) ?? ''
    return text.length > LIMITS.operandLength ? shownText(text) : json
  } catch {
    return '(cannot be shown)'
  }
}

const plain = (value: unknown): unknown => {
  if (typeof value === 'bigint') return isExact(Number(value)) ? Number(value) : String(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, one]) => [String(key), plain(one)]))
  return Object.getPrototypeOf(value) === Object.prototype
    ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]))
    : String(value)
}

/** Cuts a text to the length shown. */
export function shownText(text: string): string {
  return text.length > LIMITS.operandLength ? `${text.slice(0, LIMITS.operandLength - 1)}…` : text
}
