import type { ASTNode } from '@marcbachmann/cel-js'
import { isExact } from '../../core/json.ts'
import { LIMITS } from '../../core/limits.ts'

/** A part of a condition that is not made of others by logic, as text that can be read by itself. */
export interface Part {
  readonly source: string
  /** Of a comparison: what stands on either side and is not written out. */
  readonly sides: readonly string[]
}

/** How a condition is made of its parts: `!` is moved down to them, where each has to be true or false. */
export type Tree<Leaf> =
  | { readonly leaf: Leaf; readonly wanted: boolean }
  | { readonly all: readonly Tree<Leaf>[] }
  | { readonly any: readonly Tree<Leaf>[] }
  | { readonly test: Tree<Leaf>; readonly yes: Tree<Leaf>; readonly no: Tree<Leaf> }

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', 'in'])

/** Takes a condition apart at its `&&`, `||`, `!` and `?:`. */
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

/** The parts of a condition, in the order they are written. */
export function leavesOf<Leaf>(tree: Tree<Leaf>): readonly Leaf[] {
  if ('leaf' in tree) return [tree.leaf]
  if ('all' in tree) return tree.all.flatMap(leavesOf)
  if ('any' in tree) return tree.any.flatMap(leavesOf)
  return [tree.test, tree.yes, tree.no].flatMap(leavesOf)
}

/** The first part that is not as it has to be, where that is why the condition does not hold. */
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

/** The text with blanks for what only looks like parentheses: strings and comments. */
const mask = (source: string): string => source.replace(HIDDEN, (one) => ' '.repeat(one.length))

/** The text of a node with the parentheses that belong to it, which its place in the source lacks. */
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

/** What a value of a condition looks like in JSON, cut short. Never throws. */
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

/** Text cut to what is shown of a part of a condition. */
export function shownText(text: string): string {
  return text.length > LIMITS.operandLength ? `${text.slice(0, LIMITS.operandLength - 1)}…` : text
}
