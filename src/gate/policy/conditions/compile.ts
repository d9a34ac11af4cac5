import { CelTypeError, EvaluationError, ParseError, type ParseResult } from '#cel'
import { LIMITS } from '../../base/limits.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { cut } from '../../base/text.ts'
import type { Condition, ConditionFacts, ConditionFault, Operand } from '../../model/condition.ts'
import { quote } from '../reading/issues.ts'
import { checkCondition } from './check.ts'
import { contextMaker } from './facts.ts'
import { environment } from './functions.ts'
import {
  culprit,
  leavesOf,
  type Part,
  shownText,
  shownValue,
  type Tree,
  treeOf,
} from './operands.ts'
import { type Allowed, type Reads, VARIABLES_OF } from './reads.ts'

/** A parsed condition, and the most steps of one evaluation. */
export interface Read {
  readonly program: ParseResult
  readonly reads: Reads
  readonly steps: number
}

/**
 * Parses and checks a condition: form, names, types and cost. The reasons of a failure are sentences
 * for the operator: all mistakes of the first of these kinds that has any. Never throws.
 */
export function readCondition(
  source: string,
  allowed: Allowed,
  of: keyof typeof VARIABLES_OF = 'rule',
): Result<Read, readonly string[]> {
  if (source.length > LIMITS.conditionLength)
    return fail([`has ${source.length} characters, over ${LIMITS.conditionLength}`])
  try {
    const program = environment().parse(source)
    program.check()
    const { reads, steps, mistakes, faults } = checkCondition(
      program.ast,
      allowed,
      VARIABLES_OF[of],
    )
    const all = (errors: readonly unknown[]) =>
      fail(errors.slice(0, MOST_MISTAKES).map((one) => sentence(one, source)))
    if (mistakes.length > 0) return all(mistakes.toSorted((a, b) => startOf(a) - startOf(b)))
    const wrongType = typeMistake(program, source)
    if (wrongType !== undefined) {
      const ofParts = ['&&', '||'].includes(program.ast.op) ? partMistakes(program) : []
      return fail(ofParts.length > 0 ? ofParts : [wrongType])
    }
    if (faults.length > 0) return all(faults)
    if (steps > LIMITS.conditionSteps)
      return fail([
        `may take ${steps} steps, over ${LIMITS.conditionSteps}; make it shorter, or iterate over fewer lists`,
      ])
    return ok({ program, reads, steps })
  } catch (error) {
    return fail([sentence(error, source)])
  }
}

const startOf = ({ range }: ParseError): number => range?.start ?? 0

const MOST_MISTAKES = 10

/** How a mistake begins that does not name the part it is about. */
const RESULT = 'has a result'

/** The first mistake of types; `from` is the offset of the program in the source. */
const typeMistake = (program: ParseResult, source: string, from = 0): string | undefined => {
  const { valid, type, error } = program.check()
  if (!valid) return sentence(error, source, from)
  return type === 'bool' || type === 'dyn'
    ? undefined
    : `${RESULT} of type ${type}, and must be true or false`
}

/** Mistakes of types in the operands of `&&`, `||`, `!` and `?:`: a type check stops at its first. */
const partMistakes = ({ ast }: ParseResult): readonly string[] => {
  let from = 0
  return leavesOf(treeOf(ast, ({ source }) => source))
    .flatMap((part) => {
      const at = Math.max(from, ast.input.indexOf(part, from))
      from = at + part.length
      const mistake = typeMistake(environment().parse(part), ast.input, at)
      return mistake?.startsWith(RESULT) ? `${quote(part)} ${mistake}` : (mistake ?? [])
    })
    .slice(0, MOST_MISTAKES)
}

/** Compiles a condition for evaluation; see {@link readCondition}. */
export function compileCondition(
  source: string,
  allowed: Allowed,
  of?: keyof typeof VARIABLES_OF,
): Result<Condition, readonly string[]> {
  const read = readCondition(source, allowed, of)
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

const compiled = (source: string): Compiled => ({ source, program: environment().parse(source) })

const operandOf = ({ source, program }: Compiled, ask: Ask): Operand => {
  const found = ask(program)
  return {
    source: shownText(source),
    ...(found.ok ? { value: shownValue(found.value) } : { error: shownText(found.reason.message) }),
  }
}

/** The position and the message of an error, on one line; allowed names follow on a second one. */
const sentence = (error: unknown, source: string, from = 0): string => {
  if (!isCelError(error)) return 'cannot be read'
  const { range, summary } = error
  const at = range ? `at character ${[...source.slice(0, from + range.start)].length + 1}: ` : ''
  const text = cut(
    otherLanguage(summary, source, from + (range?.start ?? 0)) ?? plainly(summary),
    SENTENCE,
  )
  const line = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll('\\\\', '\\')
  return at + line.replace('\\nAllowed: ', '\nAllowed: ')
}

/** Operators of other languages, at the place where reading stopped or before it, and what to write. */
const OTHERS: readonly (readonly [before: RegExp, after: RegExp, cure: string])[] = [
  [/<\s*$/, /^>/, 'to compare, write !=, and not <>'],
  [/$/, /^=/, 'to compare, write ==, and not ='],
  [/$/, /^and\b/i, 'write && in place of and'],
  [/$/, /^or\b/i, 'write || in place of or'],
  [/$/, /^&/, 'write && in place of &'],
  [/$/, /^\|/, 'write || in place of |'],
  [/\bnot\s*$/i, /^/, 'write ! in place of not'],
  [/$/, /^not\s*\(/i, 'write ! in place of not'],
]

/** What to write where a condition has an operator of another language. */
const otherLanguage = (summary: string, source: string, at: number): string | undefined => {
  if (!/^(?:Unexpected|Expected|unknown function `not`)/i.test(summary)) return undefined
  const [before, after] = [source.slice(0, at), source.slice(at)]
  return OTHERS.find(([ends, begins]) => ends.test(before) && begins.test(after))?.[2]
}

const TOKENS: Readonly<Record<string, string>> = {
  EOF: 'the end',
  LBRACKET: '[',
  RBRACKET: ']',
  LPAREN: '(',
  RPAREN: ')',
  RBRACE: '}',
  COLON: ':',
}

/** A message of the library without its names of tokens, and with the cure for a mistake of types. */
const plainly = (summary: string): string =>
  summary
    .replace(/\b[A-Z]{3,}\b/g, (name) => TOKENS[name] ?? name)
    .replace(
      /^no such overload: .*$/,
      '$& (these types do not go together; convert one, as with string(…) or int(…))',
    )

const SENTENCE = 400

const isCelError = (error: unknown): error is ParseError | CelTypeError =>
  error instanceof ParseError || error instanceof CelTypeError

/** The reason of a missing value. `message` may quote what was read; `code` never does. */
interface Fault {
  readonly code: ConditionFault
  readonly message: string
}

/** Evaluates programs over the same facts. Never throws: the result is a value or a fault. */
type Ask = (program: ParseResult) => Result<unknown, Fault>

/** Creates an {@link Ask} for one condition and the facts of one request. */
const asker = (contextOf: ReturnType<typeof contextMaker>, facts: ConditionFacts): Ask => {
  const context = guarded(() => {
    const made = contextOf(facts)
    return made.ok
      ? made
      : fail({
          code: made.reason,
          message:
            'A value that is read is too large, too deep, not an exact number, or not well-formed text',
        })
  })
  return (program) => (context.ok ? guarded(() => ok(program(context.value))) : context)
}

const guarded = <Value>(run: () => Result<Value, Fault>): Result<Value, Fault> => {
  try {
    return run()
  } catch (error) {
    return error instanceof EvaluationError
      ? fail({ code: error.code, message: error.summary })
      : fail({ code: 'unexpected', message: 'The expression cannot be evaluated' })
  }
}
