/** Conditions (`when`): the documented subset of CEL. docs/configuration/conditions.md */
import { call, isOrdered } from './cel-functions.ts'
import { membersRead } from './cel-reads.ts'
import { Mistake, type Node, parse } from './cel-syntax.ts'
import {
  calculate,
  equal,
  exact,
  int64,
  Moment,
  rootOf,
  Table,
  tableOf,
  textOf,
  Unfit,
  type Value,
  Wrong,
} from './cel-values.ts'
import { type JsonObject, refuse } from './types.ts'

/** What a condition may read. A member that is not known is `undefined`. */
export interface Variables {
  /** All claims of the verified token, the very object that `readJson` returned. */
  token: JsonObject
  agent: object
  request: object
  /** Milliseconds since 1970. */
  now: number
  /** Arguments of a call to a tool or of a prompt, the very object that `readJson` returned. */
  arguments?: JsonObject
}

/** What a condition says of a request. */
export type Outcome = true | false | 'error'

function listOf(texts: string[]): Value[] {
  if (texts.length > 256) throw new Unfit('more than 256 members')
  return texts.map(textOf)
}

/** Members of `agent` or `request` that are known. Numbers of the gate are whole numbers of CEL. */
function tableOfKnown(known: object): Table {
  const members = Object.entries(known).filter(([, value]) => value !== undefined)
  return new Table(
    members.map(([name, value]): [string, () => Value] => {
      if (typeof value === 'number') return [name, () => BigInt(value)]
      if (Array.isArray(value)) return [name, () => listOf(value)]
      if (typeof value === 'object') return [name, () => tableOf(value)]
      return [name, () => textOf(value)]
    }),
    false,
    true,
  )
}

function rootsOf({ token, agent, request, now, arguments: args }: Variables): Map<string, Value> {
  const roots = new Map<string, Value>([
    ['token', rootOf(token, true)],
    ['agent', tableOfKnown(agent)],
    ['request', tableOfKnown(request)],
    ['now', new Moment(BigInt(now) * 1_000_000n)],
  ])
  if (args) roots.set('arguments', rootOf(args, false))
  return roots
}

/** `true` or `false`; anything else is an error. */
function truth(value: Value): boolean {
  if (typeof value !== 'boolean') throw new Wrong('neither true nor false')
  return value
}

class Evaluator {
  names: Map<string, Value>

  constructor(names: Map<string, Value>) {
    this.names = names
  }

  /** The value of a part. */
  value(node: Node): Value {
    switch (node.kind) {
      case 'literal':
        return node.value
      case 'name': {
        const value = this.names.get(node.name)
        if (value === undefined) throw new Mistake(`no variable ${node.name}`)
        return value
      }
      case 'member':
        return this.table(node.of).get(node.name)
      case 'index':
        return this.index(this.value(node.of), this.value(node.at))
      case 'list':
        return node.members.map((member) => this.value(member))
      case 'map':
        return this.map(node.entries)
      case 'choice':
        return this.value(truth(this.value(node.test)) ? node.yes : node.no)
      case 'operator':
        return this.operator(node.operator, node.sides)
      case 'call':
        return this.call(node)
    }
  }

  table(node: Node): Table {
    const value = this.value(node)
    if (!(value instanceof Table)) throw new Wrong('no map')
    return value
  }

  map(entries: [Node, Node][]): Table {
    const members = entries.map(([key, node]): [string, () => Value] => {
      const value = this.value(node)
      return [String(this.value(key)), () => value]
    })
    return new Table(members, true)
  }

  index(of: Value, at: Value): Value {
    if (of instanceof Table) {
      if (typeof at !== 'string') throw new Wrong('no name')
      return of.get(at)
    }
    if (!Array.isArray(of)) throw new Wrong('neither list nor map')
    // Docs: unclear — whether a double such as `token.n` is an index. Taken here: yes, if it is whole.
    if (typeof at !== 'bigint' && !(typeof at === 'number' && Number.isInteger(at))) {
      throw new Wrong('no index')
    }
    const member = at >= 0 ? of[Number(at)] : undefined
    if (member === undefined) throw new Wrong('no such member')
    return member
  }

  operator(operator: string, sides: Node[]): Value {
    const [left, right] = sides as [Node, Node]
    if (operator === '&&') return this.either(left, right, false)
    if (operator === '||') return this.either(left, right, true)
    const a = this.value(left)
    if (operator === '!') return !truth(a)
    if (operator === 'negate') {
      if (typeof a === 'bigint') return int64(-a)
      if (typeof a === 'number') return exact(0 - a)
      throw new Wrong('no number')
    }
    const b = this.value(right)
    if (operator === '==') return equal(a, b)
    if (operator === '!=') return !equal(a, b)
    if (operator === 'in') return this.isIn(a, b)
    if ('<=>='.includes(operator)) return isOrdered(operator, a, b)
    return calculate(operator, a, b)
  }

  /** `||` (which `true` decides) or `&&` (which `false` decides): a side that decides makes up for an error of the other. */
  either(left: Node, right: Node, deciding: boolean): boolean {
    const first = this.attempt(left)
    if (first === deciding) return deciding
    const second = this.attempt(right)
    if (second === deciding) return deciding
    if (first instanceof Wrong) throw first
    if (second instanceof Wrong) throw second
    return !deciding
  }

  attempt(node: Node): boolean | Wrong {
    try {
      return truth(this.value(node))
    } catch (error) {
      if (error instanceof Wrong) return error
      throw error
    }
  }

  isIn(value: Value, of: Value): boolean {
    if (Array.isArray(of)) return of.some((member) => equal(value, member))
    if (!(of instanceof Table) || !of.takesIn)
      throw new Wrong('in needs a list, or one of some maps')
    return typeof value === 'string' && of.members.has(value)
  }

  call(node: Node & { kind: 'call' }): Value {
    const { name, of, args } = node
    if (!of && name === 'has') {
      const [member] = args
      if (args.length !== 1 || member?.kind !== 'member') throw new Mistake('has needs a member')
      return this.table(member.of).members.has(member.name)
    }
    if (of && ['all', 'exists', 'exists_one', 'filter', 'map'].includes(name)) {
      return this.macro(name, this.value(of), args)
    }
    return call(node, (part) => this.value(part))
  }

  macro(name: string, list: Value, args: Node[]): Value {
    const [variable, ...bodies] = args
    if (variable?.kind !== 'name' || bodies.length !== (name === 'map' ? bodies.length : 1)) {
      throw new Mistake(`${name} needs a name and an expression`)
    }
    if (!Array.isArray(list)) throw new Wrong('no list')
    const inner = list.map((value) => new Evaluator(new Map(this.names).set(variable.name, value)))
    const last = bodies.at(-1)
    if (!last || bodies.length > 2) throw new Mistake(`${name} needs an expression`)
    if (name === 'map') {
      const [test] = bodies.length === 2 ? bodies : []
      const kept = inner.filter((one) => test === undefined || truth(one.value(test)))
      return kept.map((one) => one.value(last))
    }
    if (name === 'filter') return list.filter((_, at) => truth(inner[at]?.value(last) ?? null))
    if (name === 'exists_one') return inner.filter((one) => truth(one.value(last))).length === 1
    const deciding = name === 'exists'
    const results = inner.map((one) => one.attempt(last))
    if (results.includes(deciding)) return deciding
    const wrong = results.find((result) => result instanceof Wrong)
    if (wrong instanceof Wrong) throw wrong
    return !deciding
  }
}

/** Reads a member, if it is there, with everything in it: each value must be one that a condition may read. */
function readWhole(of: Value | undefined, name: string): void {
  const value = of instanceof Table ? of.members.get(name)?.() : undefined
  if (value instanceof Table) for (const inner of value.members.keys()) readWhole(value, inner)
}

/**
 * Evaluates a condition: true, false (403 `condition_failed`), or an error (403 `condition_error`). Throws a `Mistake` if
 * it meets a mistake of the policy.
 */
export function evaluate(source: string, variables: Variables): Outcome {
  try {
    const [roots, tree] = [rootsOf(variables), parse(source)]
    for (const [variable, name] of membersRead(tree)) readWhole(roots.get(variable), name)
    return truth(new Evaluator(roots).value(tree))
  } catch (error) {
    if (error instanceof Wrong || error instanceof Unfit) return 'error'
    throw error
  }
}

/** Refuses a request for which a condition is not true. */
export function checkCondition(source: string, variables: Variables): void {
  const outcome = evaluate(source, variables)
  if (outcome === 'error') refuse('condition_error')
  if (!outcome) refuse('condition_failed')
}
