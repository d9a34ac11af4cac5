import type { ASTNode } from '#cel'
import { unknownName } from '../reading/issues.ts'
import { type Access, mistake, partsOf, writtenText } from './nodes.ts'

/** The members of `agent` and `request`, and their types. */
export const FIELDS = {
  agent: {
    id: 'string',
    name: 'string',
    issuer: 'string',
    subject: 'string',
    client_id: 'string',
    type: 'string',
    types: 'list<string>',
    workflow_id: 'string',
    step: 'string',
    actor: 'map<string, string>',
    depth: 'int',
    scopes: 'list<string>',
  },
  request: {
    method: 'string',
    host: 'string',
    path: 'string',
    params: 'map<string, string>',
    headers: 'map<string, string>',
    query: 'map<string, string>',
    ip: 'string',
    country: 'string',
    asn: 'int',
    colo: 'string',
    tls: 'string',
    bot_score: 'int',
  },
} as const

export type RequestField = keyof typeof FIELDS.request

const ACTOR_FIELDS = ['sub', 'issuer']

const VARIABLES = ['token', 'agent', 'request', 'now']

/** The variables of a condition of a rule, and of an MCP tool call. */
export const VARIABLES_OF = { rule: VARIABLES, call: [...VARIABLES, 'arguments'] }

/** Header and parameter names that the rule allows its condition to read. */
export interface Allowed {
  readonly headers: readonly string[]
  readonly query: readonly string[]
}

/** The reads of a condition, known before any request. */
export interface Reads extends Allowed {
  /** Names of top-level claims. */
  readonly claims: Set<string>
  /** Names of arguments, and of members within arguments. */
  readonly arguments: Set<string>
  readonly members: Set<string>
  /** Members of `agent` and `request`, and names of path parameters. */
  readonly agent: Set<string>
  readonly request: Set<RequestField>
  readonly params: Set<string>
}

export interface Scope {
  readonly reads: Reads
  readonly variables: readonly string[]
  /** Loop variables, and whether they may be parts of arguments. */
  readonly names: ReadonlyMap<string, { readonly isGiven: boolean }>
}

/** Creates an empty record of reads. */
export function createReads({ headers, query }: Allowed): Reads {
  return {
    headers,
    query,
    claims: new Set(),
    arguments: new Set(),
    members: new Set(),
    agent: new Set(),
    request: new Set(),
    params: new Set(),
  }
}

/** Throws at a name used as a value that is unknown, or a variable with members. */
export function checkName(node: ASTNode, name: string, { names, variables }: Scope): void {
  if (names.has(name) || name === 'now') return
  if (variables.includes(name))
    throw mistake(node, `${name} has members, which are read by name: ${name}.NAME`)
  throw mistake(node, unknownName('variable', name, [...variables, ...names.keys()]))
}

/**
 * Records a read member. `true` if it is a variable's member, which needs no further check. Throws
 * at an unknown or forbidden name. Members of claims are not checked, those of arguments are
 * recorded.
 */
export function readMember(node: Access, scope: Scope): boolean {
  const [of, key] = node.args
  const name = typeof key === 'string' ? key : writtenText(key)
  if (of.op === 'id' && !scope.names.has(of.args)) return readVariable(node, of.args, name, scope)
  if (name === undefined) return false
  if (memberOf(of, 'agent') === 'actor') oneOf(node, 'member of agent.actor', name, ACTOR_FIELDS)
  if (!readOfRequest(node, of, name, scope) && isGiven(of, scope)) scope.reads.members.add(name)
  return false
}

/** Records the name in `"name" in …`; `true` if it is a claim or an argument. */
export function readByIn(node: ASTNode, name: string, of: ASTNode, scope: Scope): boolean {
  const { reads, variables } = scope
  const variable = of.op === 'id' ? of.args : undefined
  if (variable === 'token') reads.claims.add(name)
  else if (variable === 'arguments' && variables.includes(variable)) reads.arguments.add(name)
  else {
    readOfRequest(node, of, name, scope)
    return false
  }
  return true
}

/** Whether a value may contain parts of a call's arguments. */
export function isGiven(node: ASTNode, scope: Scope): boolean {
  return node.op === 'id'
    ? node.args === 'arguments' || scope.names.get(node.args)?.isGiven === true
    : partsOf(node).some((part) => isGiven(part, scope))
}

/** Records the texts of a list: a loop may use them as argument names. */
export function readTexts(range: ASTNode, reads: Reads): void {
  const text = writtenText(range)
  if (text !== undefined) reads.members.add(text)
  for (const part of partsOf(range)) readTexts(part, reads)
}

const readVariable = (
  node: Access,
  variable: string,
  name: string | undefined,
  { reads, variables }: Scope,
): boolean => {
  switch (variable) {
    case 'token':
      if (name === undefined) throw mistake(node, 'claims are read by name: token.NAME')
      reads.claims.add(name)
      return true
    case 'arguments':
      if (!variables.includes(variable)) return false
      if (name === undefined) throw mistake(node, 'arguments are read by name: arguments.NAME')
      reads.arguments.add(name)
      return true
    case 'agent':
    case 'request':
      if (name === undefined || node.op === '[]')
        throw mistake(node, `members of ${variable} are read by name: ${variable}.NAME`)
      oneOf(node, `member of ${variable}`, name, Object.keys(FIELDS[variable]))
      if (variable === 'request') reads.request.add(name as RequestField)
      else reads.agent.add(name)
      return true
    default:
      return false
  }
}

/** Records a member of a map in `request`; `true` if it is one. */
const readOfRequest = (node: ASTNode, of: ASTNode, name: string, { reads }: Scope): boolean => {
  const field = memberOf(of, 'request')
  if (field !== 'headers' && field !== 'query' && field !== 'params') return false
  reads.request.add(field)
  if (field === 'params') reads.params.add(name)
  else if (!reads[field].includes(name)) {
    const what = unknownName(field === 'headers' ? 'header' : 'query parameter', name, reads[field])
    throw mistake(
      node,
      `${what}; a condition may read only those that ${field} = [ … ] beside it names`,
    )
  }
  return true
}

/** The name of the variable's member that a node accesses, if it does. */
const memberOf = (node: ASTNode, variable: string): string | undefined =>
  node.op === '.' && node.args[0].op === 'id' && node.args[0].args === variable
    ? node.args[1]
    : undefined

const oneOf = (node: ASTNode, what: string, name: string, known: readonly string[]): void => {
  if (!known.includes(name)) throw mistake(node, unknownName(what, name, known))
}
