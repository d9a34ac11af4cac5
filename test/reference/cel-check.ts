/** Mistakes of conditions that can be seen without evaluating, and which arguments a condition reads. */
import { isFunction } from './cel-functions.ts'
import { allParts, Mistake, type Node, parse, partsOf } from './cel-syntax.ts'

const MACROS = ['all', 'exists', 'exists_one', 'filter', 'map']

/** Members of `agent` and `request`: docs/configuration/conditions.md, "Variables". */
const AGENT =
  'id name issuer subject client_id type types workflow_id step actor depth scopes'.split(' ')
const REQUEST = 'method host path params headers query ip country asn colo tls bot_score'.split(' ')

function check(node: Node, names: string[], isInMacro: boolean): void {
  if (node.kind === 'name') {
    if (!names.includes(node.name)) throw new Mistake(`no variable ${node.name}`)
    if (['token', 'arguments', 'agent', 'request'].includes(node.name)) {
      throw new Mistake(`${node.name} as a whole is not a value`)
    }
    return
  }
  if ((node.kind === 'member' || node.kind === 'index') && node.of.kind === 'name') {
    const root = node.of.name
    const known = root === 'agent' ? AGENT : root === 'request' ? REQUEST : undefined
    if (known && node.kind === 'member' && !known.includes(node.name)) {
      throw new Mistake(`no member ${node.name}`)
    }
    if (!names.includes(root)) throw new Mistake(`no variable ${root}`)
    if (node.kind === 'index') check(node.at, names, isInMacro)
    return
  }
  if (node.kind === 'operator' && node.operator === 'in' && node.sides[1]?.kind === 'name') {
    const [left, right] = node.sides
    if (!names.includes(right.name)) throw new Mistake(`no variable ${right.name}`)
    if (left) check(left, names, isInMacro)
    return
  }
  if (node.kind === 'call') {
    if (node.of && MACROS.includes(node.name)) {
      if (isInMacro) throw new Mistake(`${node.name} inside another`)
      const [variable, ...bodies] = node.args
      if (variable?.kind !== 'name') throw new Mistake(`${node.name} needs a name`)
      check(node.of, names, isInMacro)
      for (const body of bodies) check(body, [...names, variable.name], true)
      return
    }
    const isKnown = node.name === 'has' ? !node.of : isFunction(node.name, node.of !== undefined)
    if (!isKnown) throw new Mistake(`no function ${node.name}`)
  }
  for (const part of partsOf(node)) check(part, names, isInMacro)
}

/**
 * Why the condition is a mistake of the policy, or `undefined` if none was found. It checks the syntax, names, functions
 * and the limits of length, nodes and `+`; it does not count steps, and does not find wrong types.
 */
export function mistakeOf(source: string, mayReadArguments = false): string | undefined {
  try {
    if ([...source].length > 2000) throw new Mistake('more than 2,000 characters')
    const tree = parse(source)
    const all = allParts(tree)
    if (all.length > 256) throw new Mistake('more than 256 nodes')
    const pluses = all.filter((part) => part.kind === 'operator' && part.operator === '+')
    if (pluses.length > 8) throw new Mistake('more than 8 +')
    const names = ['token', 'agent', 'request', 'now']
    check(tree, mayReadArguments ? [...names, 'arguments'] : names, false)
    return undefined
  } catch (error) {
    if (error instanceof Mistake) return error.message
    throw error
  }
}

/** The names after a part: of `arguments.a["b"]` these are `a` and `b`, with the name at the beginning. */
function pathOf(node: Node): string[] | undefined {
  if (node.kind === 'name') return [node.name]
  if (node.kind === 'member') {
    const path = pathOf(node.of)
    return path && [...path, node.name]
  }
  if (node.kind === 'index' && node.at.kind === 'literal' && typeof node.at.value === 'string') {
    const path = pathOf(node.of)
    return path && [...path, node.at.value]
  }
  return undefined
}

/** The claims, arguments, and members of `agent` and `request` that a condition names, each with its variable. */
export function membersRead(tree: Node): [variable: string, name: string][] {
  return allParts(tree).flatMap((part): [string, string][] => {
    const [variable, name, ...more] = pathOf(part) ?? []
    if (variable !== undefined && name !== undefined && more.length === 0) return [[variable, name]]
    if (part.kind !== 'operator' || part.operator !== 'in') return []
    const [text, of] = part.sides
    const isName = text?.kind === 'literal' && typeof text.value === 'string'
    return isName && of?.kind === 'name' ? [[of.name, String(text.value)]] : []
  })
}

/**
 * Which arguments a condition reads, each as a list of literal names: `arguments.a.b` is `["a", "b"]`. Names that it reads
 * of a member of a list (`arguments.list.all(x, x.price < 5)`) follow the name `*`.
 */
export function argumentsRead(source: string): string[][] {
  const read: string[][] = []
  for (const part of allParts(parse(source))) {
    const path = pathOf(part)
    if (path && path.length > 1 && path[0] === 'arguments') read.push(path.slice(1))
    const isOther = ['token', 'agent', 'request', 'now', 'arguments'].includes(path?.[0] ?? 'now')
    if (path && path.length > 1 && !isOther) read.push(['*', ...path.slice(1)])
    if (part.kind === 'operator' && part.operator === 'in') {
      const [name, of] = part.sides
      const isName = name?.kind === 'literal' && typeof name.value === 'string'
      if (isName && of?.kind === 'name' && of.name === 'arguments') read.push([String(name.value)])
    }
  }
  return read
}
