import { type ASTNode, type CelTypeError, ParseError } from '#cel'
import { LIMITS } from '../../base/limits.ts'
import { parseSearch } from '../../base/pattern.ts'
import { unknownName } from '../reading/issues.ts'
import { COMPREHENSIONS, FUNCTIONS, METHODS, NAMES } from './functions.ts'
import { checkArguments, checkKeys, checkLiteral } from './literals.ts'
import { type Access, hasMember, mistake, partsOf, typeMistake, writtenText } from './nodes.ts'
import {
  type Allowed,
  checkName,
  createReads,
  isGiven,
  type Reads,
  readByIn,
  readMember,
  readTexts,
  type Scope,
  VARIABLES_OF,
} from './reads.ts'

export interface Checked {
  readonly reads: Reads
  /** The most steps of one evaluation, for any input. */
  readonly steps: number
  /** What is not part of conditions, and unknown names. */
  readonly mistakes: readonly ParseError[]
  /** Accesses to a member of a scalar, and loops over a map; only with known types. */
  readonly faults: readonly CelTypeError[]
}

interface Bound {
  /** Steps of one evaluation: evaluated parts, and members compared, copied or looped over. */
  readonly steps: number
  /** The number of values in its value, itself included: a comparison visits each. */
  readonly size: number
  /** Members of its longest list or map. */
  readonly items: number
}

interface Place extends Scope {
  /** Variables for the members of a list. */
  readonly names: ReadonlyMap<string, { readonly isGiven: boolean; readonly bound: Bound }>
  /** Whether it is evaluated per member of a list, or produces that list. */
  readonly isRepeated: boolean
  readonly whole: { sums: number; readonly mistakes: ParseError[]; readonly faults: CelTypeError[] }
}

const SCALAR = { size: 1, items: 0 }
/** Upper bounds of a claim or an argument; see `fits`. */
const CLAIM = { size: 1 + LIMITS.conditionMembers, items: LIMITS.conditionItems }
const FLAT = { size: 1 + LIMITS.conditionItems, items: LIMITS.conditionItems }

/** Steps per compared member: in objects it is looked up first. */
const COMPARED = 1.5
/** Texts compared in one step. */
const TEXTS = 8
/** Steps the library adds per member: a ternary, the list so far, and the new member. */
const EXPANDED = 3.5
/** A pattern has many active states at each character. */
const PER_STATE = 8

/**
 * Analyses a condition after the library's type check: what it reads, whether its parts are
 * allowed, and its cost. Reports every mistake.
 */
export function checkCondition(
  condition: ASTNode,
  allowed: Allowed,
  variables: readonly string[],
): Checked {
  const reads = createReads(allowed)
  const whole: Place['whole'] = { sums: 0, mistakes: [], faults: [] }
  const { steps } = walk(condition, {
    reads,
    variables,
    names: new Map(),
    isRepeated: false,
    whole,
  })
  const { mistakes, faults } = whole
  return { reads, steps: Math.ceil(steps), mistakes, faults }
}

const walk = (node: ASTNode, place: Place): Bound => {
  let bound: Bound = { steps: 1, ...SCALAR }
  try {
    bound = boundOf(node, place)
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    place.whole.mistakes.push(error)
  }
  const kind = node.checkedType?.kind
  return kind === 'primitive' || kind === 'message' ? { ...bound, ...SCALAR } : bound
}

const boundOf = (node: ASTNode, place: Place): Bound => {
  const walkAll = (nodes: readonly ASTNode[]) => nodes.map((one) => walk(one, place))
  switch (node.op) {
    case 'value':
      checkLiteral(node)
      return { steps: 1, ...SCALAR }
    case 'id':
      checkName(node, node.args, place)
      return place.names.get(node.args)?.bound ?? { steps: 1, ...SCALAR }
    case 'call':
      return call(node, node.args, place)
    case 'rcall':
      return method(node, node.args, place)
    case '.':
    case '[]':
      return member(node, place)
    case 'list':
    case 'map': {
      if (node.op === 'map') checkKeys(node.args)
      const parts = walkAll(partsOf(node))
      const items = Math.max(parts.length, ...parts.map((part) => part.items))
      return { steps: 1 + total(parts, 'steps'), size: 1 + total(parts, 'size'), items }
    }
    case '?:': {
      const parts = walkAll(node.args)
      const [size = 1, items = 0] = (['size', 'items'] as const).map((one) =>
        Math.max(...parts.map((part) => part[one])),
      )
      return { steps: 1 + total(parts, 'steps'), size, items }
    }
    case '==':
    case '!=': {
      // Compares until one side has no more members.
      const sides = walkAll(node.args)
      const compared = Math.min(...sides.map(({ size }) => size))
      return { steps: typed(sides) + COMPARED * compared, ...SCALAR }
    }
    case 'in':
      return membership(node, node.args, place)
    case '+': {
      place.whole.sums += 1
      if (place.whole.sums === LIMITS.conditionSums + 1)
        throw mistake(node, `there are over ${LIMITS.conditionSums} + in one condition`)
      // `+` copies lists.
      const sides = walkAll(node.args)
      const items = total(sides, 'items')
      return { steps: 2 + items + typed(sides), size: total(sides, 'size'), items }
    }
    default:
      return { steps: 1 + typed(walkAll(partsOf(node))), ...SCALAR }
  }
}

const total = (bounds: readonly Bound[], of: keyof Bound): number =>
  bounds.reduce((sum, bound) => sum + bound[of], 0)

/** Steps of parts, with their type detection: the library visits the first member at each level. */
const typed = (bounds: readonly Bound[]): number =>
  bounds.reduce(
    (sum, { steps, size }) => sum + steps + Math.min(LIMITS.conditionLevels, size - 1) / 2,
    0,
  )

const member = (node: Access, place: Place): Bound => {
  const [of, key] = node.args
  const isOfVariable = of.op === 'id' && !place.names.has(of.args)
  const isRead = readMember(node, place)
  const { steps, ...held } = isRead ? { steps: 1, ...SCALAR } : walk(of, place)
  const keys = typeof key === 'string' ? 0 : walk(key, place).steps
  checkHasMember(node, place)
  if (!isOfVariable) return { ...held, steps: 2 + steps + keys }
  const isClaim = of.args === 'token' || of.args === 'arguments'
  return { steps: 3 + keys, ...(isClaim ? CLAIM : FLAT) }
}

/** Types of a token's values are unknown before it is read. */
const checkHasMember = (node: Access, { whole }: Place): void => {
  const [of, name] = node.args
  const type = of.checkedType
  if (type && hasMember(type, name)) return
  whole.faults.push(typeMistake(node, `${type?.name ?? 'this'} has no such member`))
}

/** The searched value may be as large as the list, and is compared with every member. */
const membership = (
  node: ASTNode,
  [left, right]: readonly [ASTNode, ASTNode],
  place: Place,
): Bound => {
  const name = writtenText(left)
  if (name !== undefined && readByIn(node, name, right, place)) return { steps: 4, ...SCALAR }
  const [one, all] = [walk(left, place), walk(right, place)]
  const isOfTexts = right.checkedType?.name === 'list<string>'
  const looked = one.size === 1 ? all.items : COMPARED * all.size
  const compared = isOfTexts ? all.items / TEXTS : looked
  return { steps: 2 + typed([one, all]) + compared, ...SCALAR }
}

const call = (
  node: ASTNode,
  [name, args]: readonly [string, readonly ASTNode[]],
  place: Place,
): Bound => {
  const bounds = args.map((one) => walk(one, place))
  const own = stepsOf(node, FUNCTIONS, name, args.length)
  checkArguments(name, args)
  const last = args.at(-1)
  const isText = last !== undefined && ['string', 'dyn'].includes(last.checkedType?.name ?? 'dyn')
  const times = name === 'inNetwork' ? Math.max(1, bounds.at(-1)?.items ?? 0) : 1
  return { steps: times * (name === 'size' && !isText ? 1 : own) + typed(bounds), ...SCALAR }
}

const method = (
  node: ASTNode,
  [name, receiver, args]: readonly [string, ASTNode, readonly ASTNode[]],
  place: Place,
): Bound => {
  if (COMPREHENSIONS.has(`${name}/${args.length}`))
    return comprehension(node, name, receiver, args, place)
  const bounds = [receiver, ...args].map((part) => walk(part, place))
  const own = stepsOf(node, METHODS, name, args.length)
  const steps = (name === 'matches' ? statesOf(args[0]) : own) + typed(bounds)
  return { steps, ...(name === 'split' ? FLAT : SCALAR) }
}

/** The cost of a pattern by its states. Invalid patterns are reported elsewhere. */
const statesOf = (node: ASTNode | undefined): number => {
  const pattern = parseSearch(writtenText(node) ?? '')
  return pattern.ok ? PER_STATE * pattern.value.states : 1
}

/**
 * Loops do not nest, so the cost is linear in the list's length. All members together are no larger
 * than the list. So each member counts with its average size, and the steps per member are proportional to that size.
 */
const comprehension = (
  node: ASTNode,
  method: string,
  range: ASTNode,
  [variable, ...parts]: readonly ASTNode[],
  place: Place,
): Bound => {
  if (place.isRepeated)
    throw mistake(node, 'one list is iterated inside another; iterate over each by itself')
  const list = walk(range, { ...place, isRepeated: true })
  const name = String(variable?.args)
  if (VARIABLES_OF.call.includes(name))
    throw mistake(
      node,
      `${name} is already a variable; choose another name for the members of the list`,
    )
  if (isGiven(node, place)) readTexts(range, place.reads)
  const length = range.op === 'list' ? range.args.length : list.items
  const share = Math.max(1, list.size / Math.max(1, length))
  const names = new Map(place.names).set(name, {
    isGiven: isGiven(range, place),
    bound: { steps: 1, size: share, items: share },
  })
  const each = parts.map((part) => walk(part, { ...place, names, isRepeated: true }))
  if (range.checkedType?.kind === 'map')
    place.whole.faults.push(typeMistake(node, 'only a list can be iterated, not a map'))
  const steps = EXPANDED + list.steps + length * (total(each, 'steps') + EXPANDED)
  if (method === 'filter') return { ...list, steps }
  if (method !== 'map') return { steps, ...SCALAR }
  const made = each.at(-1) ?? SCALAR
  return { steps, size: 1 + length * made.size, items: Math.max(length, length * made.items) }
}

/** Steps of one call, without those of its arguments. */
const stepsOf = (
  node: ASTNode,
  all: ReadonlyMap<string, number>,
  name: string,
  count: number,
): number => {
  const steps = all.get(`${name}/${count}`)
  if (steps !== undefined) return steps
  const isKnown = NAMES.includes(name)
  throw mistake(
    node,
    isKnown ? `${name}() is not called like this` : unknownName('function', name, NAMES),
  )
}
