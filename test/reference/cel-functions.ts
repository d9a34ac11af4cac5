/** The functions of conditions. docs/configuration/conditions.md, "Functions" */
import { Mistake, type Node } from './cel-syntax.ts'
import { duration, isPartOfTime, partOfTime, timestamp } from './cel-time.ts'
import { compare, exact, int64, Table, type Value, Wrong } from './cel-values.ts'
import { isExactNumber } from './json.ts'
import { inNetwork } from './networks.ts'
import { containsPattern } from './pattern.ts'

function text(value: Value | undefined): string {
  if (typeof value !== 'string') throw new Wrong('no text')
  return value
}

function size(value: Value): bigint {
  if (typeof value === 'string') return BigInt([...value].length)
  if (Array.isArray(value)) return BigInt(value.length)
  if (value instanceof Table) return BigInt(value.members.size)
  throw new Wrong('size is for texts, lists and maps')
}

function string(value: Value): string {
  if (typeof value === 'string') return value
  // Docs: unclear — how a double is written. Taken here: as JavaScript does (`1`, `0.5`, `1e-7`).
  if (['boolean', 'number', 'bigint'].includes(typeof value)) return String(value)
  throw new Wrong('no text for this type')
}

function bool(value: Value): boolean {
  if (typeof value === 'boolean') return value
  if (['1', 't', 'true', 'TRUE', 'True'].includes(text(value))) return true
  if (['0', 'f', 'false', 'FALSE', 'False'].includes(text(value))) return false
  throw new Wrong('no boolean')
}

function int(value: Value): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number') return int64(BigInt(Math.trunc(value)))
  if (!/^-?\d{1,19}$/.test(text(value))) throw new Wrong('no whole number')
  return int64(BigInt(text(value)))
}

function double(value: Value): number {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return exact(Number(value))
  if (!/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text(value))) throw new Wrong('no number')
  if (!isExactNumber(text(value))) throw new Wrong('an inexact number')
  return Number(value) + 0
}

function inNetworks(ip: string, networks: Value): boolean {
  const list = Array.isArray(networks) ? networks : [networks]
  return list.some((network) => {
    const result = inNetwork(ip, text(network))
    if (result === undefined) throw new Wrong('an invalid address or network')
    return result
  })
}

/** Functions with their values between the brackets: `size(x)`. */
const PLAIN: Record<string, { args: number; call: (values: Value[]) => Value }> = {
  size: { args: 1, call: ([value = null]) => size(value) },
  string: { args: 1, call: ([value = null]) => string(value) },
  bool: { args: 1, call: ([value = null]) => bool(value) },
  int: { args: 1, call: ([value = null]) => int(value) },
  double: { args: 1, call: ([value = null]) => double(value) },
  timestamp: { args: 1, call: ([value = null]) => timestamp(value) },
  inNetwork: { args: 2, call: ([ip, networks = null]) => inNetworks(text(ip), networks) },
}

/** ASCII letters only. */
const lower = (value: string) => value.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
const upper = (value: string) => value.replace(/[a-z]/g, (letter) => letter.toUpperCase())

function contains(value: string, part: string): boolean {
  if (part.length > 128) throw new Wrong('a text of more than 128 characters to look for')
  return value.includes(part)
}

function split(value: string, separator: string): string[] {
  return separator === '' ? [...value] : value.split(separator)
}

/** Functions of a value before the dot: `x.trim()`. */
const METHODS: Record<string, { args: number; call: (of: Value, values: Value[]) => Value }> = {
  size: { args: 0, call: (of) => size(of) },
  startsWith: { args: 1, call: (of, [part]) => text(of).startsWith(text(part)) },
  endsWith: { args: 1, call: (of, [part]) => text(of).endsWith(text(part)) },
  contains: { args: 1, call: (of, [part]) => contains(text(of), text(part)) },
  lowerAscii: { args: 0, call: (of) => lower(text(of)) },
  upperAscii: { args: 0, call: (of) => upper(text(of)) },
  // Docs: unclear — which characters `trim` removes. Taken here: the white space of Unicode.
  trim: {
    args: 0,
    call: (of) => text(of).replace(/^\p{White_Space}+|\p{White_Space}+$/gu, ''),
  },
  split: { args: 1, call: (of, [by]) => split(text(of), text(by)) },
}

function literalText(node: Node | undefined): string {
  if (node?.kind !== 'literal' || typeof node.value !== 'string') {
    throw new Mistake('a literal text is expected')
  }
  return node.value
}

/** Calls a function that is no macro. `evaluate` evaluates what is before the dot and between the brackets. */
export function call(node: Node & { kind: 'call' }, evaluate: (part: Node) => Value): Value {
  const { name, of, args } = node
  if (of && name === 'matches') {
    const found = containsPattern(literalText(args[0]), text(evaluate(of)))
    if (found === undefined) throw new Wrong('a text of more than 256 characters')
    return found
  }
  if (of && isPartOfTime(name)) {
    if (args.length > 1) throw new Mistake(`${name} needs at most one zone`)
    return partOfTime(name, evaluate(of), args[0] && literalText(args[0]))
  }
  if (!of && name === 'duration') {
    if (args.length !== 1) throw new Mistake('duration needs one text')
    return duration(literalText(args[0]))
  }
  const method = of && Object.hasOwn(METHODS, name) ? METHODS[name] : undefined
  if (of && method) {
    if (method.args !== args.length) throw new Mistake(`${name}: another number of values`)
    return method.call(evaluate(of), args.map(evaluate))
  }
  const plain = !of && Object.hasOwn(PLAIN, name) ? PLAIN[name] : undefined
  if (plain?.args !== args.length) throw new Mistake(`no function ${name}`)
  return plain.call(args.map(evaluate))
}

/** `<`, `<=`, `>` and `>=`. */
export function isOrdered(operator: string, a: Value, b: Value): boolean {
  const order = compare(a, b)
  if (operator === '<') return order < 0
  if (operator === '<=') return order <= 0
  return operator === '>' ? order > 0 : order >= 0
}
