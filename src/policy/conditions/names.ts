import { type ASTNode, ParseError } from '@marcbachmann/cel-js'
import { unknownName } from '../issues.ts'
import { ACTOR_FIELDS, FIELDS, type RequestField } from './environment.ts'
import { partsOf } from './nodes.ts'

/** What a condition was found to read so far. */
export interface Found {
  /** Those that there are. */
  readonly variables: readonly string[]
  readonly claims: Set<string>
  /** Members of `arguments`. */
  readonly arguments: Set<string>
  /** Names that are looked up inside of these. */
  readonly members: Set<string>
  /** Members of `agent`. */
  readonly agent: Set<string>
  readonly request: Set<RequestField>
  readonly params: Set<string>
  /** Names of headers and query parameters that it may read. */
  readonly allowed: Readonly<Record<'headers' | 'query', readonly string[]>>
  /** `+` in it. */
  sums: number
  /** What is wrong with its names, in the order of their places. */
  readonly mistakes: ParseError[]
}

/** Names of lists' members, and whether these may be of a call's arguments. */
export type Names = ReadonlyMap<string, boolean>

/** Where a node stands. */
export interface Place {
  readonly names: Names
  /** Whether it is evaluated for each member of a list, or is what such a list comes from. */
  readonly isRepeated: boolean
  readonly found: Found
}

/** An error at a node; its message follows the node's position. */
export function mistake(node: ASTNode, message: string): ParseError {
  return new ParseError({ message, node })
}

type Access = ASTNode & { readonly op: '.' | '[]' }

/**
 * Notes and judges a member of a variable; whether this was one, so that nothing of it is left to
 * judge. Members of claims are known to nobody before there is a token. What is looked up further inside of
 * arguments is noted.
 */
export function checkMember(node: Access, place: Place): boolean {
  const [of] = node.args
  const name = nameOf(node)
  if (of.op === 'id' && !place.names.has(of.args)) return checkVariable(node, of.args, name, place)
  if (name === undefined) return false
  if (isActor(of)) oneOf(node, 'member of agent.actor', name, ACTOR_FIELDS)
  if (readsRequest(node, name, of, place)) return true
  if (isGiven(of, place.names)) place.found.members.add(name)
  return false
}

/** Whether a member of a map of the request is read. */
const readsRequest = (node: ASTNode, name: string, of: ASTNode, place: Place): boolean => {
  const field = requestMap(of)
  if (field !== undefined) readsName(node, field, name, place)
  return field !== undefined
}

/** Whether something of a call's arguments can be in a value. */
const isGiven = (node: ASTNode, names: Names): boolean =>
  node.op === 'id'
    ? node.args === 'arguments' || names.get(node.args) === true
    : partsOf(node).some((part) => isGiven(part, names))

/** The names within a list that is gone through. Texts in it may be what arguments are asked for. */
export function namesWithin(
  node: ASTNode,
  range: ASTNode,
  name: string,
  { names, found }: Place,
): Names {
  if (isGiven(node, names)) for (const text of textsOf(range)) found.members.add(text)
  return new Map(names).set(name, isGiven(range, names))
}

const textsOf = (node: ASTNode): readonly string[] => {
  if (node.op !== 'value') return partsOf(node).flatMap(textsOf)
  return typeof node.args === 'string' ? [node.args] : []
}

const checkVariable = (
  node: Access,
  variable: string,
  name: string | undefined,
  { found }: Place,
): boolean => {
  switch (variable) {
    case 'token':
      if (name === undefined) throw mistake(node, 'claims are read by name: token.NAME')
      found.claims.add(name)
      return true
    case 'arguments':
      if (!found.variables.includes(variable)) return false
      if (name === undefined) throw mistake(node, 'arguments are read by name: arguments.NAME')
      found.arguments.add(name)
      return true
    case 'agent':
    case 'request':
      if (name === undefined || node.op === '[]')
        throw mistake(node, `members of ${variable} are read by name: ${variable}.NAME`)
      oneOf(node, `member of ${variable}`, name, Object.keys(FIELDS[variable]))
      if (variable === 'request') found.request.add(name as RequestField)
      else found.agent.add(name)
      return true
    default:
      return false
  }
}

/** Whether `"name" in …` asks for a claim or an argument; what it asks for in a map of the request is judged. */
export function readsClaim(node: ASTNode, name: string, of: ASTNode, place: Place): boolean {
  if (of.op === 'id' && of.args === 'token') {
    place.found.claims.add(name)
    return true
  }
  if (of.op === 'id' && of.args === 'arguments' && place.found.variables.includes('arguments')) {
    place.found.arguments.add(name)
    return true
  }
  return readsRequest(node, name, of, place)
}

type MapField = 'headers' | 'query' | 'params'

const requestMap = (node: ASTNode): MapField | undefined => {
  if (node.op !== '.' || node.args[0].op !== 'id' || node.args[0].args !== 'request')
    return undefined
  const field = node.args[1]
  return field === 'headers' || field === 'query' || field === 'params' ? field : undefined
}

const readsName = (node: ASTNode, field: MapField, name: string, { found }: Place): void => {
  found.request.add(field)
  if (field === 'params') found.params.add(name)
  else if (!found.allowed[field].includes(name)) {
    const what = field === 'headers' ? 'header' : 'query parameter'
    throw mistake(
      node,
      `${unknownName(what, name, found.allowed[field])}; a condition reads those that ${field} = [ … ] beside it names`,
    )
  }
}

const isActor = (node: ASTNode): boolean =>
  node.op === '.' &&
  node.args[1] === 'actor' &&
  node.args[0].op === 'id' &&
  node.args[0].args === 'agent'

const oneOf = (node: ASTNode, what: string, name: string, known: readonly string[]): void => {
  if (!known.includes(name)) throw mistake(node, unknownName(what, name, known))
}

/** The name of a member, where it is written out. */
const nameOf = (node: Access): string | undefined => {
  if (node.op === '.') return node.args[1]
  const [, key] = node.args
  return key.op === 'value' && typeof key.args === 'string' ? key.args : undefined
}
