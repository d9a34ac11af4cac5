import { type ASTNode, ParseError } from '@marcbachmann/cel-js'
import { isExact, isExactText } from '../../core/json.ts'
import { LIMITS } from '../../core/limits.ts'
import { networkFault } from '../../core/network.ts'
import { quote, unknownName } from '../issues.ts'
import { CALL_VARIABLES } from './environment.ts'
import { COMPREHENSIONS, FUNCTIONS, METHODS, NAMES } from './functions.ts'
import { isBounded, momentOfText } from './moments.ts'
import { checkMember, mistake, namesWithin, type Place, readsClaim } from './names.ts'
import { partsOf } from './nodes.ts'

/**
 * Judges what a condition is made of, and notes every mistake. Does not judge types, nor what an
 * evaluation costs.
 */
export function judge(node: ASTNode, place: Place): void {
  let isDone: boolean
  try {
    isDone = judgeItself(node, place)
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    place.found.mistakes.push(error)
    // What is wrong with other nodes is often the same mistake again for their parts.
    isDone = node.op !== 'call'
  }
  if (!isDone) for (const part of partsOf(node)) judge(part, place)
}

/** Judges a node without its parts, or with them; whether so. */
const judgeItself = (node: ASTNode, place: Place): boolean => {
  switch (node.op) {
    case 'value':
      literal(node)
      return true
    case 'id':
      identifier(node, node.args, place)
      return true
    case 'call':
      call(node, node.args[0], node.args[1])
      return false
    case 'rcall':
      return method(node, node.args, place)
    case '.':
    case '[]':
      return checkMember(node, place)
    case 'map':
      keys(node.args)
      return false
    case 'in':
      return asksForName(node, node.args, place)
    case '.?':
    case '[?]':
      throw mistake(node, 'optional values are not part of conditions; write has(…)')
    case '+':
      place.found.sums += 1
      if (place.found.sums > LIMITS.conditionSums)
        throw mistake(node, `there are over ${LIMITS.conditionSums} + in one condition`)
      return false
    default:
      return false
  }
}

const literal = (node: ASTNode): void => {
  const { args, input, start, end } = node
  if (typeof args === 'object' && args !== null)
    throw mistake(node, 'bytes and unsigned numbers are not part of conditions')
  if (typeof args !== 'number' && typeof args !== 'bigint') return
  const isWhole = typeof args === 'bigint'
  if (!isExact(Number(args)) || !(isWhole || isExactText(input.slice(start, end))))
    throw mistake(
      node,
      'is no exact number: whole ones go to 9007199254740991, and others have no more digits than a double; compare as text what has more',
    )
}

const identifier = (node: ASTNode, name: string, { names, found }: Place): void => {
  if (names.has(name) || name === 'now') return
  if (found.variables.includes(name))
    throw mistake(node, `${name} has members, which are read by name: ${name}.NAME`)
  throw mistake(node, unknownName('variable', name, [...found.variables, ...names.keys()]))
}

const call = (node: ASTNode, name: string, args: readonly ASTNode[]): void => {
  known(node, FUNCTIONS, name, args.length)
  const [first, second] = args
  if (name === 'duration')
    written(
      first,
      isDuration,
      'a duration that is written out, like "10m", of at most 10,000 years',
    )
  if (name === 'timestamp' && first?.op === 'value' && typeof first.args === 'string')
    written(first, isTime, 'a time like "2026-12-31T00:00:00Z"')
  if (name === 'inNetwork' && second) checkNetworks(second)
}

const method = (
  node: ASTNode,
  [name, receiver, args]: readonly [string, ASTNode, readonly ASTNode[]],
  place: Place,
): boolean => {
  const isRepeating = COMPREHENSIONS.has(`${name}/${args.length}`)
  if (isRepeating) comprehension(node, receiver, args, place)
  else known(node, METHODS, name, args.length)
  return isRepeating
}

/** A list is gone through by itself, so that its length, and not a power of it, is what it costs. */
const comprehension = (
  node: ASTNode,
  range: ASTNode,
  [variable, ...parts]: readonly ASTNode[],
  place: Place,
): void => {
  const { names, isRepeated, found } = place
  if (isRepeated)
    throw mistake(node, 'one list is gone through inside of another; go through each by itself')
  judge(range, { names, isRepeated: true, found })
  const name = String(variable?.args)
  if (CALL_VARIABLES.includes(name))
    throw mistake(node, `${name} is a variable already; name the members of the list otherwise`)
  const inner = namesWithin(node, range, name, place)
  for (const part of parts) judge(part, { names: inner, isRepeated: true, found })
}

const asksForName = (
  node: ASTNode,
  [left, right]: readonly [ASTNode, ASTNode],
  place: Place,
): boolean =>
  left.op === 'value' && typeof left.args === 'string' && readsClaim(node, left.args, right, place)

const known = (node: ASTNode, all: ReadonlySet<string>, name: string, count: number): void => {
  if (all.has(`${name}/${count}`)) return
  throw mistake(
    node,
    NAMES.includes(name)
      ? `${name}() is not called like this`
      : unknownName('function', name, NAMES),
  )
}

const DURATION = /^-?(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|ms|s|m|h)){1,6}$/
const isDuration = (text: string): boolean => DURATION.test(text) && isBounded(text)
const isTime = (text: string): boolean => momentOfText(text) !== undefined

const written = (node: ASTNode | undefined, is: (text: string) => boolean, what: string): void => {
  if (node && !(node.op === 'value' && typeof node.args === 'string' && is(node.args)))
    throw mistake(node, `is not ${what}`)
}

/** Keys as they are written, so that none is there twice, or is one that the library leaves out. */
const keys = (entries: readonly (readonly [ASTNode, ASTNode])[]): void => {
  const seen = new Set<string>()
  for (const [key] of entries) {
    if (key.op !== 'value' || typeof key.args !== 'string')
      throw mistake(key, 'keys of a map are texts that are written out')
    if (key.args in Object.prototype || key.args === 'prototype' || seen.has(key.args))
      throw mistake(key, `a map has no key like this, or has it already: ${quote(key.args)}`)
    seen.add(key.args)
  }
}

/** Those that are written out; what a claim says is judged when it is read. */
const checkNetworks = (node: ASTNode): void => {
  const networks = node.op === 'list' ? node.args : [node]
  for (const one of networks) {
    if (one.op !== 'value' || typeof one.args !== 'string') continue
    const fault = networkFault(one.args)
    if (fault !== undefined) throw mistake(one, fault)
  }
}
