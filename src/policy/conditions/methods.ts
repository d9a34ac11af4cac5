import {
  type ASTNode,
  TypeError as CelTypeError,
  type Environment,
  EvaluationError,
  ParseError,
} from '@marcbachmann/cel-js'
import { LIMITS } from '../../core/limits.ts'
import { LONGEST_MATCHED, parseSearch } from '../../core/pattern.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { wallClock } from './zones.ts'

/** What the library gives to a macro, as far as it is used here. */
interface Checker {
  check(node: ASTNode, context: unknown): { readonly kind: string; readonly name: string }
  getType(name: string): unknown
}
/** What it evaluates with, likewise. */
export interface Evaluator {
  run(node: ASTNode, context: unknown): unknown
}

export const TIMESTAMP = 'google.protobuf.Timestamp'

/**
 * A method with one argument. `literal`: it is written out, and read once, when the policy is.
 * Otherwise it is a text like any other.
 */
type Method = { readonly on: string; readonly returns: string } & (
  | { readonly literal: (argument: string) => Result<(value: never) => unknown, string> }
  | { readonly run: (value: string, argument: string) => unknown }
)

/** An error of evaluation that no `||` should be thought to hide: it says what to change. */
export function evaluationError(code: string, message: string): EvaluationError {
  return new EvaluationError({ code, message })
}

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
    // Longer values are matched by no pattern; "does not match" would let them pass a negation.
    return ok((value: string) => pattern.value.matches(bounded(value, LONGEST_MATCHED)))
  },
}

const contains: Method = {
  on: 'string',
  returns: 'bool',
  // Looking for one text in another costs their product where both are long.
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
      : fail('is no time zone; write one like Europe/Berlin, or an offset like +02:00')
  },
})

/**
 * Methods that take the place of the library's own, which run a pattern with backtracking, or make a
 * formatter for every call and depend on the zone of the process.
 */
export const OWN_METHODS: Readonly<Record<string, Method>> = {
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

/** A type that nothing has: methods registered for it as macros are found for every receiver. */
function Receiver() {}

/** Puts {@link OWN_METHODS} in the place of the library's. */
export function registerMethods(environment: Environment): void {
  environment.registerType('EdgewardenReceiver', { ctor: Receiver })
  for (const [name, method] of Object.entries(OWN_METHODS)) {
    environment.registerFunction(
      `EdgewardenReceiver.${name}(ast): ${method.returns}`,
      ({ args, receiver }: { readonly args: readonly ASTNode[]; readonly receiver: ASTNode }) =>
        macroOf(name, method, receiver, args[0] as ASTNode),
    )
  }
}

const macroOf = (name: string, method: Method, receiver: ASTNode, argument: ASTNode) => {
  const bound = 'literal' in method ? boundTo(name, method.literal, argument) : undefined
  return {
    async: false,
    typeCheck(checker: Checker, _: unknown, context: unknown) {
      expectType(checker, receiver, method.on, context)
      if (!bound) expectType(checker, argument, 'string', context)
      return checker.getType(method.returns)
    },
    evaluate(evaluator: Evaluator, _: unknown, context: unknown) {
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
  if (node.op !== 'value' || typeof node.args !== 'string')
    throw new ParseError({ message: `${name}() takes a text that is written out`, node })
  const bound = literal(node.args)
  if (!bound.ok) throw new ParseError({ message: bound.reason, node })
  return bound.value
}

const expectType = (checker: Checker, node: ASTNode, name: string, context: unknown): void => {
  const type = checker.check(node, context)
  if (type.kind !== 'dyn' && type.name !== name)
    throw new CelTypeError({ message: `is ${type.name} where ${name} is needed`, node })
}
