import {
  type TypeError as CelTypeError,
  EvaluationError,
  ParseError,
  type ParseResult,
} from '@marcbachmann/cel-js'
import { LIMITS } from '../../core/limits.ts'
import type {
  Condition,
  ConditionFacts,
  ConditionFault,
  Operand,
} from '../../core/model/condition.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { cut } from '../../core/text.ts'
import { checkCondition } from './check.ts'
import { parseCondition } from './evaluate.ts'
import { contextMaker } from './facts.ts'
import {
  culprit,
  leavesOf,
  type Part,
  shownText,
  shownValue,
  type Tree,
  treeOf,
} from './operands.ts'
import { type Allowed, type Reads, VARIABLES } from './reads.ts'

/** A condition that was read, and what one evaluation of it comes to at most. */
export interface Read {
  readonly program: ParseResult
  readonly reads: Reads
  readonly steps: number
}

/**
 * Reads a condition: its form, its names, its types and what it costs. The reason of a failure is a
 * sentence for the operator. Never throws.
 */
export function readCondition(
  source: string,
  allowed: Allowed,
  variables: readonly string[] = VARIABLES,
): Result<Read, string> {
  if (source.length > LIMITS.conditionLength)
    return fail(`has ${source.length} characters, over ${LIMITS.conditionLength}`)
  try {
    const program = parseCondition(source)
    const { valid, type, error } = program.check()
    const { reads, steps, fault } = checkCondition(program.ast, allowed, variables)
    if (!valid) return fail(sentence(error, source))
    if (type !== 'bool' && type !== 'dyn')
      return fail(`comes to ${type}, and must be true or false`)
    if (fault) return fail(sentence(fault, source))
    if (steps > LIMITS.conditionSteps)
      return fail(
        `may take ${steps} steps, over ${LIMITS.conditionSteps}; make it shorter, or go through fewer lists`,
      )
    return ok({ program, reads, steps })
  } catch (error) {
    return fail(sentence(error, source))
  }
}

/** Reads a condition and makes it ready to be asked; see {@link readCondition}. */
export function compileCondition(
  source: string,
  allowed: Allowed,
  variables?: readonly string[],
): Result<Condition, string> {
  const read = readCondition(source, allowed, variables)
  if (!read.ok) return read
  const { program, reads, steps } = read.value
  const contextOf = contextMaker(reads)
  let taken: Tree<ReturnType<typeof compilePart>> | undefined
  const tree = () => {
    taken ??= treeOf(program.ast, compilePart)
    return taken
  }
  return ok(
    Object.freeze({
      source,
      ...allowed,
      params: Object.freeze([...reads.params]),
      ...(reads.arguments.size > 0 && { arguments: Object.freeze([...reads.arguments]) }),
      ...(reads.members.size > 0 && { members: Object.freeze([...reads.members]) }),
      steps,
      evaluate(facts: ConditionFacts): Result<boolean, ConditionFault> {
        const found = asker(contextOf, facts)(program)
        if (!found.ok) return fail(found.reason.code)
        return typeof found.value === 'boolean' ? ok(found.value) : fail('not_bool')
      },
      blamed(facts: ConditionFacts, failed: boolean) {
        const ask = asker(contextOf, facts)
        const found = failed
          ? leavesOf(tree()).find(({ program }) => !ask(program).ok)
          : culprit(tree(), ({ program }) => {
              const found = ask(program)
              return found.ok ? found.value : undefined
            })
        return found && shownText(found.source)
      },
      operands(facts: ConditionFacts): readonly Operand[] {
        const ask = asker(contextOf, facts)
        return leavesOf(tree()).map(({ sides, ...part }) => ({
          ...operandOf(part, ask),
          ...(sides.length > 0 && { sides: sides.map((side) => operandOf(side, ask)) }),
        }))
      },
    }),
  )
}

interface Compiled {
  readonly source: string
  readonly program: ParseResult
}

const compilePart = ({ source, sides }: Part) => ({
  ...compiled(source),
  sides: sides.map(compiled),
})

const compiled = (source: string): Compiled => ({ source, program: parseCondition(source) })

const operandOf = ({ source, program }: Compiled, ask: Ask): Operand => {
  const found = ask(program)
  return {
    source: shownText(source),
    ...(found.ok ? { value: shownValue(found.value) } : { error: shownText(found.reason.message) }),
  }
}

/** Where it is, and what is wrong, on one line. */
const sentence = (error: unknown, source: string): string => {
  if (!isCelError(error)) return 'cannot be read'
  const { range, summary } = error
  const at = range ? `at character ${[...source.slice(0, range.start)].length + 1}: ` : ''
  const text = cut(summary, SENTENCE)
  return `${at}${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll('\\\\', '\\')}`
}

/** Characters of a message of the library that are repeated. */
const SENTENCE = 400

const isCelError = (error: unknown): error is ParseError | CelTypeError =>
  error instanceof ParseError ||
  (error instanceof Error && error.name === 'TypeError' && 'summary' in error)

/** Why there is no value. `message` may repeat what was read, `code` never does. */
interface Fault {
  readonly code: ConditionFault
  readonly message: string
}

/** Evaluates programs over the same facts. Never throws: whatever happens is a value or a fault. */
type Ask = (program: ParseResult) => Result<unknown, Fault>

/** Evaluates parts of one condition over the facts of one request. */
const asker = (contextOf: ReturnType<typeof contextMaker>, facts: ConditionFacts): Ask => {
  const context = guarded(() => {
    const made = contextOf(facts)
    return made.ok
      ? made
      : fail({
          code: made.reason,
          message:
            'A value that is read is too large, too deep, no exact number or no well-formed text',
        })
  })
  return (program) => (context.ok ? guarded(() => settled(program(context.value))) : context)
}

/** A promise is no value of a condition. */
const settled = (value: unknown): Result<unknown, Fault> => {
  if (!(value instanceof Promise)) return ok(value)
  value.catch(() => {})
  return fail({ code: 'asynchronous', message: 'It would have to be waited for' })
}

const guarded = <Value>(run: () => Result<Value, Fault>): Result<Value, Fault> => {
  try {
    return run()
  } catch (error) {
    return error instanceof EvaluationError
      ? fail({ code: error.code, message: error.summary })
      : fail({ code: 'unexpected', message: 'It cannot be evaluated' })
  }
}
