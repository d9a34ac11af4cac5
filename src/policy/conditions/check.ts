import type { ASTNode, TypeError as CelTypeError } from '@marcbachmann/cel-js'
import { LIMITS } from '../../core/limits.ts'
import { parseSearch } from '../../core/pattern.ts'
import { unknownName } from '../issues.ts'
import { COMPREHENSIONS, FUNCTIONS, METHODS, NAMES } from './functions.ts'
import { checkArguments, checkKeys, checkLiteral } from './literals.ts'
import {
  type Access,
  mistake,
  partsOf,
  type Type,
  typeMistake,
  typeOf,
  writtenText,
} from './nodes.ts'
import {
  type Allowed,
  CALL_VARIABLES,
  checkName,
  createReads,
  isGiven,
  type Reads,
  readByIn,
  readMember,
  readTexts,
  type Scope,
} from './reads.ts'

/** What a condition was found to be. */
export interface Checked {
  readonly reads: Reads
  /** The steps that one evaluation comes to at most, whatever it is given. */
  readonly steps: number
  /** The first member of what has none, or map that is gone through; only where types were found. */
  readonly fault?: CelTypeError | undefined
}

/** What a part of a condition comes to at most. */
interface Bound {
  /** Of one evaluation: parts that are evaluated, and members that are compared, copied or gone through. */
  readonly steps: number
  /** Values that its value is made of, itself among them: a comparison looks at each. */
  readonly size: number
  /** Members of the longest list or map in it. */
  readonly items: number
}

/** A name of the members of a list. */
interface Name {
  readonly isGiven: boolean
  readonly bound: Bound
}

/** Where a node stands. */
interface Place extends Scope {
  readonly names: ReadonlyMap<string, Name>
  /** Whether it is evaluated for each member of a list, or is what such a list comes from. */
  readonly isRepeated: boolean
  readonly whole: { sums: number; fault: CelTypeError | undefined }
}

const SCALAR = { size: 1, items: 0 }
/** What a claim or an argument may have at most; see `fits`. */
const CLAIM = { size: 1 + LIMITS.conditionMembers, items: LIMITS.conditionItems }
const FLAT = { size: 1 + LIMITS.conditionItems, items: LIMITS.conditionItems }

/** Steps of a member that is compared: with objects it is found first. */
const COMPARED = 1.5
/** Texts that are held against one value in a step. */
const TEXTS = 8
/** Steps that the library adds to what is written: a ternary, the list so far, what is put in it. */
const EXPANDED = 3.5
/** A pattern is in many states at once at each character of a text. */
const PER_STATE = 8

/**
 * Goes through a condition once, after the library has looked for its types: what it reads, whether it is made of
 * what conditions may be made of, and what it costs. Throws the first mistake of these; members are judged by
 * types, so that theirs is a `fault`.
 */
export function checkCondition(
  condition: ASTNode,
  allowed: Allowed,
  variables: readonly string[],
): Checked {
  const reads = createReads(allowed)
  const whole: Place['whole'] = { sums: 0, fault: undefined }
  const { steps } = walk(condition, {
    reads,
    variables,
    names: new Map(),
    isRepeated: false,
    whole,
  })
  return { reads, steps: Math.ceil(steps), fault: whole.fault }
}

const walk = (node: ASTNode, place: Place): Bound => {
  const bound = boundOf(node, place)
  const kind = typeOf(node)?.kind
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
    case '.?':
    case '[?]':
      throw mistake(node, 'optional values are not part of conditions; write has(…)')
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
      // Goes on as long as both sides have members.
      const sides = walkAll(node.args)
      const compared = Math.min(...sides.map(({ size }) => size))
      return { steps: typed(sides) + COMPARED * compared, ...SCALAR }
    }
    case 'in':
      return membership(node, node.args, place)
    case '+': {
      place.whole.sums += 1
      if (place.whole.sums > LIMITS.conditionSums)
        throw mistake(node, `there are over ${LIMITS.conditionSums} + in one condition`)
      // Lists are copied.
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

/** Steps of parts whose types are found out: the library looks at the first member at each level. */
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

const STRING: Type = { kind: 'primitive', name: 'string' }

/** What comes from a token is known when it is read. */
const checkHasMember = (node: Access, { whole }: Place): void => {
  const [of, name] = node.args
  const type = typeOf(of)
  const key = typeof name === 'string' ? STRING : typeOf(name)
  if (type && key && hasMember(type, key)) return
  whole.fault ??= typeMistake(node, `${type?.name ?? 'this'} has no such member`)
}

const hasMember = (type: Type, key: Type): boolean => {
  if (type.kind === 'dyn') return true
  if (type.kind === 'list') return key.kind === 'dyn' || key.name === 'int'
  if (type.kind !== 'map') return type.name.startsWith('$')
  const wanted = type.keyType
  const isOpen = !wanted || [wanted, key].some(({ kind }) => kind !== 'primitive')
  return isOpen || wanted.name === key.name
}

/** What is looked for may be as large as what it is looked for in, and is compared with every member. */
const membership = (
  node: ASTNode,
  [left, right]: readonly [ASTNode, ASTNode],
  place: Place,
): Bound => {
  const name = writtenText(left)
  if (name !== undefined && readByIn(node, name, right, place)) return { steps: 4, ...SCALAR }
  const [one, all] = [walk(left, place), walk(right, place)]
  const isOfTexts = typeOf(right)?.name === 'list<string>'
  const looked = one.size === 1 ? all.items : COMPARED * all.size
  const compared = isOfTexts ? all.items / TEXTS : looked
  return { steps: 2 + typed([one, all]) + compared, ...SCALAR }
}

const call = (
  node: ASTNode,
  [name, args]: readonly [string, readonly ASTNode[]],
  place: Place,
): Bound => {
  const own = stepsOf(node, FUNCTIONS, name, args.length)
  checkArguments(name, args)
  const bounds = args.map((one) => walk(one, place))
  const last = args.at(-1)
  const isText = last !== undefined && ['string', 'dyn'].includes(typeOf(last)?.name ?? 'dyn')
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
  const own = stepsOf(node, METHODS, name, args.length)
  const bounds = [receiver, ...args].map((part) => walk(part, place))
  const steps = (name === 'matches' ? statesOf(args[0]) : own) + typed(bounds)
  return { steps, ...(name === 'split' ? FLAT : SCALAR) }
}

/** A pattern costs what it unfolds to; one that is none is reported by whoever reads it. */
const statesOf = (node: ASTNode | undefined): number => {
  const pattern = parseSearch(writtenText(node) ?? '')
  return pattern.ok ? PER_STATE * pattern.value.states : 1
}

/**
 * A list is gone through by itself, so that its length, and not a power of it, is what it costs. Its members are
 * all together no larger than the list, so each counts with its share: what is done with one takes no more steps
 * than are in proportion to its size.
 */
const comprehension = (
  node: ASTNode,
  method: string,
  range: ASTNode,
  [variable, ...parts]: readonly ASTNode[],
  place: Place,
): Bound => {
  if (place.isRepeated)
    throw mistake(node, 'one list is gone through inside of another; go through each by itself')
  const list = walk(range, { ...place, isRepeated: true })
  const name = String(variable?.args)
  if (CALL_VARIABLES.includes(name))
    throw mistake(node, `${name} is a variable already; name the members of the list otherwise`)
  if (isGiven(node, place)) readTexts(range, place.reads)
  const length = range.op === 'list' ? range.args.length : list.items
  const share = Math.max(1, list.size / Math.max(1, length))
  const names = new Map(place.names).set(name, {
    isGiven: isGiven(range, place),
    bound: { steps: 1, size: share, items: share },
  })
  const each = parts.map((part) => walk(part, { ...place, names, isRepeated: true }))
  if (typeOf(range)?.kind === 'map')
    place.whole.fault ??= typeMistake(node, 'a map is not gone through, only a list')
  const steps = EXPANDED + list.steps + length * (total(each, 'steps') + EXPANDED)
  if (method === 'filter') return { ...list, steps }
  if (method !== 'map') return { steps, ...SCALAR }
  const made = each.at(-1) ?? SCALAR
  return { steps, size: 1 + length * made.size, items: Math.max(length, length * made.items) }
}

/** Steps of one call, beside those of what it is called with. */
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
