/** What a condition reads: claims, arguments, and members of `agent` and `request`. */
import { allParts, type Node, parse } from './cel-syntax.ts'

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
