import { chainDenials } from '../../core/chain.ts'
import { GUARD } from '../../core/guard.ts'
import { isObject, type JsonObject, own, ownText } from '../../core/json.ts'
import { EXIT, type ExitCode } from './output.ts'
import { operandLines, stepLines } from './steps.ts'

/** Codes of a line that could not decide. */
const UNDECIDED: ReadonlySet<string> = new Set(
  [chainDenials, ...GUARD.stages.flatMap(({ denials }) => denials)].flatMap(({ rows }) =>
    Object.entries(rows).flatMap(([code, [answer]]) => (answer === 'unavailable' ? [code] : [])),
  ),
)

/** Members of a step's detail that are told below the steps. */
const TOLD: ReadonlySet<string> = new Set(['required_scopes', 'any_of', 'hint', 'note', 'operands'])

/** Whether a document has the form of an explanation, as far as it is shown here. */
export function isExplanation(value: JsonObject): boolean {
  return typeof own(value, 'allowed') === 'boolean' && Array.isArray(own(value, 'steps'))
}

/** Whether the line came as far as a stage. */
export function reached(explanation: JsonObject, stage: string): boolean {
  return stepsOf(explanation).some((step) => own(step, 'stage') === stage)
}

/** What an explanation comes to: allowed, denied, or a line that could not decide. */
export function verdictOf(explanation: JsonObject): ExitCode {
  if (own(explanation, 'allowed') === true) return EXIT.yes
  const denial = objectOf(own(explanation, 'denial'))
  const status = own(denial, 'status')
  const undecided = UNDECIDED.has(ownText(denial, 'code') ?? '')
  return undecided || (typeof status === 'number' && status >= 500) ? EXIT.unknown : EXIT.no
}

/**
 * An explanation for people: each step, what was decided, what to do. Takes whatever a gate
 * answers.
 */
export function explanationLines(explanation: JsonObject): readonly string[] {
  const steps = stepsOf(explanation)
  const shown = steps.map((step) => {
    const { code, ...detail } = objectOf(own(step, 'detail'))
    const rest = Object.entries(detail).filter(([name]) => !TOLD.has(name))
    return { ...step, detail: Object.fromEntries([['code', code], ...rest]) }
  })
  const end = own(explanation, 'allowed') === true ? allowed(explanation) : denied(explanation)
  const isWithheld = steps.length > 0 && steps.every((step) => own(step, 'detail') === undefined)
  const note = ownText(explanation, 'note')
  const lines = stepLines(shown).flatMap((line, i) => [line, ...operandLines(steps[i] ?? {})])
  return [
    ...lines,
    '',
    ...end,
    ...(note === undefined ? [] : [`Note: ${note}`]),
    ...(isWithheld ? [WITHHELD] : []),
  ]
}

const WITHHELD =
  'No more is shown: the token is encrypted, or of an issuer outside the reach of who asks.'

const allowed = (explanation: JsonObject): readonly string[] => {
  const agent = objectOf(own(explanation, 'agent'))
  const route = objectOf(own(explanation, 'route'))
  const name = ownText(agent, 'name')
  const rule = ownText(route, 'match')
  const by = rule === undefined ? '' : ` by the rule ${JSON.stringify(rule)}`
  if (name !== undefined) return [`Allowed${by}, as ${name} of ${ownText(agent, 'issuer') ?? '?'}`]
  const last = ownText(stepsOf(explanation).at(-1) ?? {}, 'outcome')
  return [`Allowed${by}${last === 'ended' ? ', without an identity' : ''}`]
}

const denied = (explanation: JsonObject): readonly string[] => {
  const denial = objectOf(own(explanation, 'denial'))
  const verdict = verdictOf(explanation) === EXIT.unknown ? 'Cannot tell' : 'Denied'
  const code = ownText(denial, 'code') ?? 'no code'
  const title = ownText(denial, 'title')
  const status = own(denial, 'status')
  const all = own(denial, 'required_scopes')
  const any = own(denial, 'any_of')
  const hint = ownText(denial, 'hint')
  const note = ownText(objectOf(own(stepsOf(explanation).at(-1) ?? {}, 'detail')), 'note')
  return [
    title === undefined
      ? `${verdict}: ${code}`
      : `${verdict}: ${title} (${code}${typeof status === 'number' ? `, ${status}` : ''})`,
    ...(Array.isArray(all) ? [`Scopes it needs, all of them: ${all.join(' ')}`] : []),
    ...(Array.isArray(any) ? [`Scopes it needs, one of them: ${any.join(' ')}`] : []),
    ...(hint === undefined ? [] : [`What to do: ${hint}`]),
    ...(note === undefined ? [] : [`Note: ${note}`]),
    ...(own(explanation, 'mode') === 'shadow'
      ? ['The rule is in shadow mode: the request goes on all the same, without an identity.']
      : []),
  ]
}

const objectOf = (value: unknown): JsonObject => (isObject(value) ? value : {})

const stepsOf = (explanation: JsonObject): readonly JsonObject[] => {
  const steps = own(explanation, 'steps')
  return Array.isArray(steps) ? steps.filter(isObject) : []
}
