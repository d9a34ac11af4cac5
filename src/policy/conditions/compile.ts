import { type TypeError as CelTypeError, ParseError, type ParseResult } from '@marcbachmann/cel-js'
import { LIMITS } from '../../core/limits.ts'
import type {
  Condition,
  ConditionFacts,
  ConditionFault,
  Operand,
} from '../../core/model/condition.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { cut } from '../../core/text.ts'
import { quote } from '../issues.ts'
import { type Ask, asker } from './ask.ts'
import { costOf } from './cost.ts'
import { VARIABLES } from './environment.ts'
import { contextMaker } from './facts.ts'
import { judge } from './judge.ts'
import { checkMembers, parse } from './members.ts'
import type { Found } from './names.ts'
import { culprit, leavesOf, type Part, treeOf } from './operands.ts'
import { shownText, shownValue } from './values.ts'

/** Names that a condition may read of a request, as the rule allows. */
export interface Allowed {
  readonly headers: readonly string[]
  readonly query: readonly string[]
}

/** A condition that was read, and what one evaluation of it comes to at most. */
export interface Read {
  readonly program: ParseResult
  readonly found: Found
  readonly steps: number
}

/**
 * Reads a condition: its form, its names, its types and what it costs. The reasons of a failure are
 * sentences for the operator, one for each mistake of the first of these that has any. Never throws.
 */
export function readCondition(
  source: string,
  allowed: Allowed,
  variables: readonly string[] = VARIABLES,
): Result<Read, readonly string[]> {
  if (source.length > LIMITS.conditionLength)
    return fail([`has ${source.length} characters, over ${LIMITS.conditionLength}`])
  const found: Found = {
    variables,
    claims: new Set(),
    arguments: new Set(),
    members: new Set(),
    agent: new Set(),
    request: new Set(),
    params: new Set(),
    allowed,
    sums: 0,
    mistakes: [],
  }
  try {
    const program = parse(source)
    judge(program.ast, { names: new Map(), isRepeated: false, found })
    if (found.mistakes.length > 0)
      return fail(found.mistakes.slice(0, MOST_MISTAKES).map((one) => sentence(one, source)))
    const mistake = typeMistake(program, source)
    if (mistake !== undefined) {
      const all = program.ast.op === '&&' || program.ast.op === '||' ? partMistakes(program) : []
      return fail(all.length > 0 ? all : [mistake])
    }
    const steps = costOf(program.ast)
    if (steps > LIMITS.conditionSteps)
      return fail([
        `may take ${steps} steps, over ${LIMITS.conditionSteps}; make it shorter, or go through fewer lists`,
      ])
    return ok({ program, found, steps })
  } catch (error) {
    return fail([sentence(error, source)])
  }
}

/** Mistakes of one condition that are told at once. */
const MOST_MISTAKES = 10

/** The first mistake of types; `from` is where the program begins in the source. */
const typeMistake = (program: ParseResult, source: string, from = 0): string | undefined => {
  const { valid, type, error } = program.check()
  if (!valid) return sentence(error, source, from)
  if (type !== 'bool' && type !== 'dyn') return `comes to ${type}, and must be true or false`
  try {
    checkMembers(program.ast)
    return undefined
  } catch (error) {
    return sentence(error, source, from)
  }
}

/** Mistakes of types in the parts that `&&`, `||`, `!` and `?:` connect: a check ends at the first. */
const partMistakes = ({ ast }: ParseResult): readonly string[] => {
  let from = 0
  return leavesOf(treeOf(ast, ({ source }) => source))
    .flatMap((part) => {
      const at = Math.max(from, ast.input.indexOf(part, from))
      from = at + part.length
      const mistake = typeMistake(parse(part), ast.input, at)
      return mistake?.startsWith('comes') ? `${quote(part)} ${mistake}` : (mistake ?? [])
    })
    .slice(0, MOST_MISTAKES)
}

/** Reads a condition and makes it ready to be asked; see {@link readCondition}. */
export function compileCondition(
  source: string,
  allowed: Allowed,
  variables?: readonly string[],
): Result<Condition, readonly string[]> {
  const read = readCondition(source, allowed, variables)
  if (!read.ok) return read
  const { program, found, steps } = read.value
  const contextOf = contextMaker({ ...found, ...allowed })
  const tree = once(() => treeOf(program.ast, compilePart))
  return ok(
    Object.freeze({
      source,
      ...allowed,
      params: Object.freeze([...found.params]),
      ...(found.arguments.size > 0 && { arguments: Object.freeze([...found.arguments]) }),
      ...(found.members.size > 0 && { members: Object.freeze([...found.members]) }),
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

const compiled = (source: string): Compiled => ({ source, program: parse(source) })

const operandOf = ({ source, program }: Compiled, ask: Ask): Operand => {
  const found = ask(program)
  return {
    source: shownText(source),
    ...(found.ok ? { value: shownValue(found.value) } : { error: shownText(found.reason.message) }),
  }
}

const once = <Value>(make: () => Value): (() => Value) => {
  let made: { readonly value: Value } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** Where it is, and what is wrong, on one line; the names that are allowed on one more. */
const sentence = (error: unknown, source: string, from = 0): string => {
  if (!isCelError(error)) return 'cannot be read'
  const { range, summary } = error
  const at = range ? `at character ${[...source.slice(0, from + range.start)].length + 1}: ` : ''
  const text = cut(plainly(summary), SENTENCE)
  const line = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll('\\\\', '\\')
  return at + line.replace('\\nAllowed: ', '\nAllowed: ')
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

/** What the library says of tokens and types, for who has read neither its code nor its specification. */
const plainly = (summary: string): string =>
  summary
    .replace(/\b[A-Z]{3,}\b/g, (name) => TOKENS[name] ?? name)
    .replace(
      /^no such overload: .*$/,
      '$& (these types do not go together; convert one, as with string(…) or int(…))',
    )

/** Characters of a message of the library that are repeated. */
const SENTENCE = 400

const isCelError = (error: unknown): error is ParseError | CelTypeError =>
  error instanceof ParseError ||
  (error instanceof Error && error.name === 'TypeError' && 'summary' in error)
