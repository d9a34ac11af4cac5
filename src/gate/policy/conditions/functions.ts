import { type ASTNode, type Checker, Environment, type Macro } from '#cel'
import { LIMITS } from '../../base/limits.ts'
import { inNetwork } from '../../base/network.ts'
import { LONGEST_MATCHED, parseSearch } from '../../base/pattern.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { registerConversions } from './conversions.ts'
import { evaluationError, mistake, typeMistake, writtenText } from './nodes.ts'
import { inRange } from './range.ts'
import { FIELDS } from './reads.ts'
import { TIMESTAMP, wallClock } from './times.ts'

/**
 * A method with one argument. `literal`: the argument is a literal, parsed once with the policy.
 * `run`: it is any text.
 */
type Method = { readonly on: string; readonly returns: string } & (
  | { readonly literal: (argument: string) => Result<(value: never) => unknown, string> }
  | { readonly run: (value: string, argument: string) => unknown }
)

const bounded = (text: string, most: number): string => {
  if (text.length > most) throw evaluationError('value_unfit', `A text has over ${most} characters`)
  return text
}

const matches: Method = {
  on: 'string',
  returns: 'bool',
  literal: (source) => {
    const pattern = parseSearch(source)
    if (!pattern.ok) return pattern
    // Fails on longer values: with the result "no match" they would pass a negated condition.
    return ok((value: string) => pattern.value.matches(bounded(value, LONGEST_MATCHED)))
  },
}

const contains: Method = {
  on: 'string',
  returns: 'bool',
  // The cost of a search is the product of both lengths.
  run: (value, part) =>
    bounded(value, LIMITS.conditionText).includes(bounded(part, LIMITS.conditionNeedle)),
}

const split: Method = {
  on: 'string',
  returns: 'list<string>',
  run(value, separator) {
    const parts = value.split(separator)
    if (parts.length > LIMITS.conditionItems)
      throw evaluationError('value_unfit', `A list has over ${LIMITS.conditionItems} members`)
    return parts
  },
}

const zoned = (read: (at: Date) => number): Method => ({
  on: TIMESTAMP,
  returns: 'int',
  literal: (zone) => {
    const clock = wallClock(zone)
    return clock
      ? ok((at: Date) => BigInt(read(clock(at))))
      : fail('is not a time zone; write one like Europe/Berlin, or an offset like +02:00')
  },
})

/** Methods that need a literal, or have a bound for their values. */
const OWN_METHODS: Readonly<Record<string, Method>> = {
  matches,
  contains,
  split,
  getFullYear: zoned((at) => at.getUTCFullYear()),
  getMonth: zoned((at) => at.getUTCMonth()),
  getDate: zoned((at) => at.getUTCDate()),
  getDayOfMonth: zoned((at) => at.getUTCDate() - 1),
  getDayOfWeek: zoned((at) => at.getUTCDay()),
  getHours: zoned((at) => at.getUTCHours()),
  getMinutes: zoned((at) => at.getUTCMinutes()),
  getSeconds: zoned((at) => at.getUTCSeconds()),
}

const macroOf = (name: string, method: Method, receiver: ASTNode, argument: ASTNode): Macro => {
  const bound = 'literal' in method ? boundTo(name, method.literal, argument) : undefined
  return {
    typeCheck(checker, _, context) {
      expectType(checker, receiver, method.on, context)
      if (!bound) expectType(checker, argument, 'string', context)
      return checker.getType(method.returns)
    },
    evaluate(evaluator, _, context) {
      const value = evaluator.run(receiver, context)
      if (method.on === 'string' ? typeof value !== 'string' : !(value instanceof Date))
        throw evaluationError('no_such_overload', `${name}() is for a value of another type`)
      if (bound) return bound(value as never)
      const given = evaluator.run(argument, context)
      if (typeof given !== 'string')
        throw evaluationError('no_such_overload', `${name}() takes a text`)
      return 'run' in method && method.run(value as string, given)
    },
  }
}

const boundTo = (
  name: string,
  literal: (argument: string) => Result<(value: never) => unknown, string>,
  node: ASTNode,
) => {
  const text = writtenText(node)
  if (text === undefined) throw mistake(node, `${name}() takes a literal text, written out here`)
  const bound = literal(text)
  if (!bound.ok) throw mistake(node, bound.reason)
  return bound.value
}

const expectType = (checker: Checker, node: ASTNode, name: string, context: unknown): void => {
  const type = checker.check(node, context)
  if (type.kind !== 'dyn' && type.name !== name)
    throw typeMistake(node, `is ${type.name} where ${name} is needed`)
}

/** `has(…)`: whether a map has a member. */
const hasOf = (access: ASTNode): Macro => ({
  typeCheck(checker, _, context) {
    if (access.op !== '.') throw typeMistake(access, 'has() asks for a member: has(token.NAME)')
    checker.check(access, context)
    return checker.getType('bool')
  },
  evaluate(evaluator, _, context) {
    const [of, name] = (access as ASTNode & { readonly op: '.' }).args
    const value = evaluator.run(of, context)
    if (value instanceof Map) return value.get(name) !== undefined
    if (!isPlain(value))
      throw evaluationError('no_such_overload', 'Only maps and lists have members')
    return Object.hasOwn(value, name)
  },
})

const isPlain = (value: unknown): value is object =>
  typeof value === 'object' &&
  value !== null &&
  [Object.prototype, null].includes(Object.getPrototypeOf(value))

const TIMES = Object.keys(OWN_METHODS).filter((name) => name.startsWith('get'))

/** The allowed functions by name and number of arguments, and the steps of a call. */
export const FUNCTIONS: ReadonlyMap<string, number> = new Map([
  ['has/1', 1],
  ['size/1', 8],
  ['string/1', 1],
  ['int/1', 1],
  ['double/1', 1],
  ['bool/1', 1],
  ['timestamp/1', 4],
  ['duration/1', 1],
  // Per network.
  ['inNetwork/2', 8],
])

/** The allowed methods and their steps, without loops. A pattern's steps are its states. */
export const METHODS: ReadonlyMap<string, number> = new Map([
  ['startsWith/1', 1],
  ['endsWith/1', 1],
  ['contains/1', 16],
  ['matches/1', 1],
  ['split/1', 16],
  ['size/0', 8],
  ['lowerAscii/0', 8],
  ['upperAscii/0', 8],
  ['trim/0', 8],
  ...TIMES.flatMap((name) => [[`${name}/0`, 1] as const, [`${name}/1`, 16] as const]),
])

/** Methods that loop over a list. */
export const COMPREHENSIONS: ReadonlySet<string> = new Set([
  'all/2',
  'exists/2',
  'exists_one/2',
  'filter/2',
  'map/2',
  'map/3',
])

/** Names of all functions and methods, for messages. */
export const NAMES: readonly string[] = [
  ...new Set(
    [...FUNCTIONS.keys(), ...METHODS.keys(), ...COMPREHENSIONS].map((one) =>
      one.replace(/\/.*/, ''),
    ),
  ),
]

const inAnyNetwork = (address: string, networks: readonly string[]): boolean =>
  networks.some((network) => {
    const found = inNetwork(address, network)
    if (found === undefined) throw evaluationError('invalid_network', 'No address, or no network')
    return found
  })

let made: Environment | undefined

/** The environment of all conditions; created on first use. */
export function environment(): Environment {
  made ??= makeEnvironment()
  return made
}

const makeEnvironment = (): Environment => {
  const environment = new Environment({
    limits: {
      maxAstNodes: LIMITS.conditionNodes,
      maxDepth: LIMITS.conditionDepth,
      maxListElements: LIMITS.conditionItems,
      maxMapEntries: LIMITS.conditionItems,
      maxCallArguments: 4,
    },
    checkResult: inRange,
  })
  for (const [name, method] of Object.entries(OWN_METHODS))
    environment.registerFunction(
      `${method.on}.${name}(ast): ${method.returns}`,
      ({ args, receiver }) => macroOf(name, method, receiver as ASTNode, args[0] as ASTNode),
    )
  registerConversions(environment)
  return environment
    .registerVariable('token', 'map<string, dyn>')
    .registerVariable({ name: 'agent', schema: FIELDS.agent })
    .registerVariable({ name: 'request', schema: FIELDS.request })
    .registerVariable('now', TIMESTAMP)
    .registerVariable('arguments', 'map<string, dyn>')
    .registerFunction('has(ast): bool', ({ args }) => hasOf(args[0] as ASTNode))
    .registerFunction('inNetwork(string, string): bool', (ip: string, one: string) =>
      inAnyNetwork(ip, [one]),
    )
    .registerFunction('inNetwork(string, list<string>): bool', inAnyNetwork)
}
