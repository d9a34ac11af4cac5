import type { Admission } from '../../base/admission.ts'
import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import type { JsonObject } from '../../base/json.ts'
import { fail, ok } from '../../base/result.ts'
import { mayAsk } from '../../model/approval.ts'
import type { Condition, ConditionFacts } from '../../model/condition.ts'
import type { LineFacts } from '../../model/facts.ts'
import { writtenName } from '../../model/mcp.ts'
import type { Clock } from '../../model/ports.ts'
import { ONE_OF, type Used, type Uses } from './mcp-access.ts'
import type { Routed } from './route.ts'

const deny = denials({
  condition_failed: [
    'forbidden',
    'A condition of this route is false for the request',
    'Ask the operator for the conditions of this route: time, address, arguments',
  ],
  condition_error: [
    'forbidden',
    'A condition of this route cannot be evaluated for the request',
    'Send whole numbers up to 9007199254740991, larger ids as text, and a list where a list is expected; else ask the operator which claims and values this route reads',
  ],
})

/** The facts of a condition. */
export interface Needs
  extends Pick<Routed, 'route' | 'params' | 'address'>,
    Pick<LineFacts, 'request' | 'caller' | 'connection' | 'access' | 'agent'> {
  readonly admission: Admission
}

/** A condition and the facts it was evaluated with. */
interface Evaluation {
  readonly when: Condition
  readonly facts: ConditionFacts
  /** The tool, prompt or resource of the condition; absent for the rule's own condition. */
  readonly used?: Used
}

/** The evaluated conditions, up to the first that failed; `undefined` where there are none. */
export interface Evaluated {
  readonly evaluated: readonly Evaluation[] | undefined
}

/** The evaluated conditions of the tools, prompts and resources that are used. */
export interface EvaluatedUses {
  readonly evaluatedUses: Evaluated['evaluated']
}

const NOT_EVALUATED: Evaluated = { evaluated: undefined }

const operandsOf = (evaluated: Evaluated['evaluated']) =>
  evaluated ? { operands: evaluated.flatMap(({ when, facts }) => when.operands(facts)) } : {}

type Code = CodeOf<typeof deny>

/**
 * Checks that the rule's condition is true for this token, request and time. A condition that cannot be evaluated
 * denies. The denial's details name the failed operand's source, never the values that were read.
 */
export const condition = stage({
  name: 'condition',
  establishes: "the rule's condition (`when`) is true",
  without: ({ route }: Pick<Routed, 'route'>) => (route.when ? undefined : NOT_EVALUATED),
  found: ({ evaluated }) => operandsOf(evaluated),
  missed: ({ evaluated }) => operandsOf(evaluated),
  denials: [deny],
  run(needs: Needs, { clock }: { readonly clock: Clock }): Outcome<Evaluated, Code> {
    const { when } = needs.route
    return when
      ? evaluateAll([{ when, facts: factsOf(needs, clock.now()) }], (evaluated) => ({ evaluated }))
      : ok(NOT_EVALUATED)
  },
})

const NO_ARGUMENTS: JsonObject = Object.freeze({})

/** Releases the parsed arguments of calls, which no later stage reads. */
export function forgetArguments(uses: Uses['uses']): void {
  for (const { named } of uses) named.arguments = NO_ARGUMENTS
}

/** Checks the conditions of all tools, prompts and resources that an MCP request uses, with their arguments. */
export const useCondition = stage({
  name: 'use_condition',
  establishes:
    'MCP: the conditions of each tool, prompt and resource that is used are true, also for its arguments',
  without: ({ route }: Pick<Routed, 'route'>) =>
    route.mcp ? undefined : { evaluatedUses: undefined },
  found: ({ evaluatedUses }) => operandsOf(evaluatedUses),
  missed: ({ evaluatedUses }) => operandsOf(evaluatedUses),
  // Parsed arguments take many times the bytes that are forwarded, and would stay until the origin answers.
  done({ route, uses }: Uses & Pick<Routed, 'route'>) {
    if (!mayAsk(route)) forgetArguments(uses)
  },
  denials: [],
  run(needs: Needs & Uses, { clock }: { readonly clock: Clock }): Outcome<EvaluatedUses, Code> {
    const { uses } = needs
    if (uses.every(({ use }) => !use.when)) return ok({ evaluatedUses: undefined })
    const facts = factsOf(needs, clock.now())
    const evaluations = uses.flatMap((used) => {
      const { when } = used.use
      return when ? [{ when, used, facts: withArguments(facts, used) }] : []
    })
    return evaluateAll(evaluations, (evaluatedUses) => ({ evaluatedUses }))
  },
})

/** The arguments are not copied, so that `done` can release them. */
const withArguments = (facts: ConditionFacts, { named }: Used): ConditionFacts => ({
  ...facts,
  get arguments() {
    return named.arguments
  },
})

/** Evaluates conditions up to the first that is not true; `factOf` makes the stage's fact of those evaluated. */
const evaluateAll = <Fact>(
  evaluations: readonly Evaluation[],
  factOf: (evaluated: readonly Evaluation[]) => Fact,
): Outcome<Fact, Code> => {
  for (const [i, evaluation] of evaluations.entries()) {
    const denial = judge(evaluation)
    if (denial) return { ...fail(denial), value: factOf(evaluations.slice(0, i + 1)) }
  }
  return ok(factOf(evaluations))
}

const judge = ({ when, facts, used }: Evaluation) => {
  const judged = when.evaluate(facts)
  if (judged.ok && judged.value) return undefined
  const detail = {
    ...(used && { [ONE_OF[used.named.kind]]: writtenName(used.named) }),
    operand: when.blamed(facts, !judged.ok),
  }
  const params = used && ({ ofCall: true } as const)
  return judged.ok
    ? deny('condition_failed', detail, params)
    : deny('condition_error', { ...detail, error: judged.reason }, params)
}

/** Whether a condition is true for a request, or for what it uses; `false` where it cannot be evaluated. */
export function isTrue(when: Condition, needs: Needs, now: number, used?: Used): boolean {
  const facts = factsOf(needs, now)
  const judged = when.evaluate(used ? withArguments(facts, used) : facts)
  return judged.ok && judged.value
}

const factsOf = (
  { request, address, params, caller, connection, access, agent, admission }: Needs,
  now: number,
): ConditionFacts => ({
  admission,
  access,
  agent,
  request,
  host: address.host,
  path: address.path,
  query: address.query,
  params,
  caller,
  connection,
  now,
})
