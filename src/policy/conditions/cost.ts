import type { ASTNode } from '@marcbachmann/cel-js'
import { LIMITS } from '../../core/limits.ts'
import { parseSearch } from '../../core/pattern.ts'
import { COMPREHENSIONS, stepsOf } from './functions.ts'
import { typeOf } from './members.ts'
import { partsOf } from './nodes.ts'

/** What a part of a condition comes to at most. */
interface Bound {
  /** Of one evaluation. */
  readonly steps: number
  /** Values that its value is made of, itself among them: a comparison looks at each. */
  readonly size: number
  /** Members of the longest list or map in it. */
  readonly items: number
}

/** Bounds of the members of the lists that are gone through, by the names they have. */
type Members = ReadonlyMap<string, Bound>

/**
 * The steps that one evaluation of a checked condition comes to at most, whatever it is given: parts
 * that are evaluated, and members that are compared, copied or gone through on the way.
 */
export function costOf(condition: ASTNode): number {
  return Math.ceil(boundOf(condition, new Map()).steps)
}

const SCALAR = { size: 1, items: 0 }
/** As {@link fits} has it. */
const CLAIM = { size: 1 + LIMITS.conditionMembers, items: LIMITS.conditionItems }
const FLAT = { size: 1 + LIMITS.conditionItems, items: LIMITS.conditionItems }

const boundOf = (node: ASTNode, members: Members): Bound => {
  const bound = reckon(node, members)
  const kind = typeOf(node)?.kind
  return kind === 'primitive' || kind === 'message' ? { ...bound, ...SCALAR } : bound
}

const reckon = (node: ASTNode, members: Members): Bound => {
  switch (node.op) {
    case 'value':
      return { steps: 1, ...SCALAR }
    case 'id':
      return { steps: 1, ...(members.get(node.args) ?? SCALAR) }
    case 'call':
      return call(node.args[0], node.args[1], members)
    case 'rcall':
      return method(node.args, members)
    case '.':
    case '[]':
      return member(node, members)
    case 'list':
    case 'map':
      return literal(node, members)
    case '?:':
      return either(node.args, members)
    case '==':
    case '!=':
      return comparison(node.args, members)
    case 'in':
      return membership(node.args, members)
    case '+':
      return addition(node.args, members)
    default: {
      const parts = partsOf(node).map((part) => boundOf(part, members))
      return { steps: 1 + total(parts, stepsWithType), ...SCALAR }
    }
  }
}

const total = (bounds: readonly Bound[], of: (bound: Bound) => number): number =>
  bounds.reduce((sum, bound) => sum + of(bound), 0)

const most = (bounds: readonly Bound[], of: (bound: Bound) => number): number =>
  bounds.reduce((found, bound) => Math.max(found, of(bound)), 0)

/** To find out what a value is, the library looks at the first member at each level. */
const stepsWithType = ({ steps, size }: Bound): number =>
  steps + Math.min(LIMITS.conditionLevels, size - 1) / 2

const member = (node: ASTNode & { readonly op: '.' | '[]' }, members: Members): Bound => {
  const [of] = node.args
  const keys = node.op === '[]' ? boundOf(node.args[1], members).steps : 0
  if (of.op === 'id' && !members.has(of.args))
    return { steps: 3 + keys, ...(of.args === 'token' || of.args === 'arguments' ? CLAIM : FLAT) }
  const { steps, size, items } = boundOf(of, members)
  return { steps: 2 + steps + keys, size, items }
}

const literal = (node: ASTNode, members: Members): Bound => {
  const parts = partsOf(node).map((part) => boundOf(part, members))
  return {
    steps: 1 + total(parts, ({ steps }) => steps),
    size: 1 + total(parts, ({ size }) => size),
    items: Math.max(
      parts.length,
      most(parts, ({ items }) => items),
    ),
  }
}

const either = (nodes: readonly ASTNode[], members: Members): Bound => {
  const parts = nodes.map((part) => boundOf(part, members))
  return {
    steps: 1 + total(parts, ({ steps }) => steps),
    size: most(parts, ({ size }) => size),
    items: most(parts, ({ items }) => items),
  }
}

/** Goes on as long as both sides have members. */
const comparison = (nodes: readonly ASTNode[], members: Members): Bound => {
  const sides = nodes.map((side) => boundOf(side, members))
  const compared = Math.min(...sides.map(({ size }) => size))
  return { steps: total(sides, stepsWithType) + WEIGHT * compared, ...SCALAR }
}

/** Steps of a member that is compared: with objects it is found first. */
const WEIGHT = 1.5

/** Texts that are held against one value in a step. */
const TEXTS = 8

/** What is looked for may be as large as what it is looked for in, and is compared with every member. */
const membership = ([left, right]: readonly [ASTNode, ASTNode], members: Members): Bound => {
  if (right.op === 'id' && !members.has(right.args)) return { steps: 4, ...SCALAR }
  const one = boundOf(left, members)
  const all = boundOf(right, members)
  const isOfTexts = typeOf(right)?.name === 'list<string>'
  const looked = one.size === 1 ? all.items : WEIGHT * all.size
  const compared = isOfTexts ? all.items / TEXTS : looked
  return { steps: 2 + stepsWithType(one) + stepsWithType(all) + compared, ...SCALAR }
}

/** Lists are copied. */
const addition = (nodes: readonly ASTNode[], members: Members): Bound => {
  const sides = nodes.map((side) => boundOf(side, members))
  const items = total(sides, (side) => side.items)
  return {
    steps: 2 + items + total(sides, stepsWithType),
    size: total(sides, ({ size }) => size),
    items,
  }
}

const call = (name: string, args: readonly ASTNode[], members: Members): Bound => {
  const bounds = args.map((one) => boundOf(one, members))
  const last = args.at(-1)
  const all = bounds.at(-1)?.items ?? 0
  const times = name === 'inNetwork' ? Math.max(1, all) : 1
  const isText = last !== undefined && ['string', 'dyn'].includes(typeOf(last)?.name ?? 'dyn')
  const own = name === 'size' && !isText ? 1 : stepsOf(name, args.length)
  return { steps: times * own + total(bounds, stepsWithType), ...SCALAR }
}

const method = (
  [name, receiver, args]: readonly [string, ASTNode, readonly ASTNode[]],
  members: Members,
): Bound => {
  if (COMPREHENSIONS.has(`${name}/${args.length}`))
    return comprehension(name, receiver, args, members)
  const own = name === 'matches' ? statesOf(args[0]) : stepsOf(name, args.length)
  const parts = [receiver, ...args].map((part) => boundOf(part, members))
  return {
    steps: own + total(parts, stepsWithType),
    ...(name === 'split' ? FLAT : SCALAR),
  }
}

/**
 * The members of a list are all together no larger than the list, so each is reckoned with its share:
 * what is done with one takes no more steps than are in proportion to its size.
 */
const comprehension = (
  name: string,
  range: ASTNode,
  [variable, ...parts]: readonly ASTNode[],
  members: Members,
): Bound => {
  const list = boundOf(range, members)
  const length = range.op === 'list' ? range.args.length : list.items
  const share = Math.max(1, list.size / Math.max(1, length))
  const inner = new Map(members).set(String(variable?.args), {
    steps: 1,
    size: share,
    items: share,
  })
  const each = parts.map((part) => boundOf(part, inner))
  const steps = EXPANDED + list.steps + length * (total(each, (one) => one.steps) + EXPANDED)
  if (name === 'filter') return { steps, size: list.size, items: list.items }
  if (name !== 'map') return { steps, ...SCALAR }
  const made = each.at(-1) ?? { size: 1, items: 0 }
  return {
    steps,
    size: 1 + length * made.size,
    items: Math.max(length, length * made.items),
  }
}

/** Steps that the library adds to what is written: a ternary, the list so far, what is put in it. */
const EXPANDED = 3.5

/** A pattern costs what it unfolds to; one that is none is reported by whoever reads it. */
const statesOf = (node: ASTNode | undefined): number => {
  const pattern =
    node?.op === 'value' && typeof node.args === 'string' ? parseSearch(node.args) : undefined
  return pattern?.ok ? PER_STATE * pattern.value.states : 1
}

/** A pattern is in many states at once at each character of a text. */
const PER_STATE = 8
