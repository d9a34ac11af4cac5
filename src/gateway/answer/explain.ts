import type { Detail, Step } from '../../core/chain.ts'
import { answerRow, type Denial } from '../../core/denial.ts'
import { type Decision, type Guard, type GuardContext, redactSteps } from '../../core/guard.ts'
import type { Mode, Route } from '../../core/model/route.ts'
import type { Actor, AgentIdentity } from '../../core/model/token.ts'
import type { RequestHead } from '../../core/request.ts'
import { type AskedOfMcp, toExplain } from '../../mcp/explain.ts'
import { type WrittenScopes, writtenScopes } from '../../policy/rows.ts'
import { challenge } from './challenge.ts'
import { requiredBy } from './problem.ts'

/** How one request is decided, for its operator: a shape of JSON, made of claims and settings. */
export interface Explanation {
  /** What the line decides. In shadow mode the request goes on all the same; `mode` says so. */
  readonly allowed: boolean
  readonly mode: Mode
  readonly denial?: ExplainedDenial
  /** Who is calling, where the line came to know it. */
  readonly agent?: ExplainedAgent
  /** The rule the request falls under, where there is one. */
  readonly route?: ExplainedRoute
  /** What it does not say, though it could be taken to. */
  readonly note?: string
  /** Up to where the line stopped. */
  readonly steps: readonly ExplainedStep[]
}

/** What the answer to a denied request says. */
export interface ExplainedDenial {
  readonly code: string
  readonly status: number
  readonly title: string
  /** What to do next. */
  readonly hint: string
  readonly required_scopes?: readonly string[]
  readonly any_of?: readonly string[]
  /** `WWW-Authenticate`. */
  readonly challenge?: string
}

export interface ExplainedAgent {
  readonly id: string
  readonly name: string
  readonly issuer: string
  readonly subject?: string
  readonly client_id?: string
  readonly type?: string
  readonly workflow_id?: string
  readonly actors: readonly Actor[]
  readonly scopes: readonly string[]
}

export interface ExplainedRoute {
  readonly match: string
  readonly host?: string
  readonly resource: string
  readonly access: Route['access']
  /** As written in the rule. */
  readonly scopes: WrittenScopes
  readonly mode: Mode
}

export interface ExplainedStep {
  readonly stage: string
  readonly outcome: Step['outcome']
  /** Milliseconds it waited for something outside; absent where it did not. */
  readonly ms?: number
  /** What it found; of the stage that denied, the code, what it saw, and what to do. */
  readonly detail: Detail
}

/** An explanation that says how a request is decided, and nothing of its token. */
export interface RestrictedExplanation {
  readonly allowed: boolean
  readonly denial?: Pick<ExplainedDenial, 'code'>
  readonly note?: string
  readonly steps: readonly Pick<ExplainedStep, 'stage' | 'outcome'>[]
}

/** What an explanation is made with beside the request. */
export interface ExplainOptions {
  /** Sentences to add where a denial has that code. */
  readonly notes?: Readonly<Record<string, string>>
  readonly around?: Omit<GuardContext, 'trace'>
  /** What is asked of an MCP server. */
  readonly asked?: AskedOfMcp | undefined
}

/** An explanation, and the decision that it is one of. */
export interface Explained {
  readonly explanation: Explanation
  readonly decision: Decision
}

/**
 * Walks a request down the guard's line and tells each step. It is as free of effects as the
 * guard's ports are. `url` of the request is read as text, so give it as it was sent, not through
 * a URL parser.
 */
export async function explain(
  guard: Guard,
  head: RequestHead,
  { notes, around = {}, asked }: ExplainOptions = {},
): Promise<Explained> {
  const steps: Step[] = []
  const { request, note } = toExplain(guard.policy, head, asked)
  const decision = await guard(request, { ...around, trace: (step) => void steps.push(step) })
  return { explanation: explanationOf(decision, steps, { notes, note }), decision }
}

/** A decision and its steps, told; nothing of who is behind an encrypted token. */
export function explanationOf(
  decision: Decision,
  steps: readonly Step[],
  { notes = {}, note }: { notes?: ExplainOptions['notes']; note?: string | undefined } = {},
): Explanation {
  const denial = decision.outcome === 'denied' ? decision.denial : undefined
  const { route, agent: found, credential } = decision.known
  const agent = credential?.opened ? undefined : found
  return {
    allowed: denial === undefined,
    mode: route?.mode ?? 'enforce',
    ...(denial && { denial: denialOf(denial, route) }),
    ...(agent && { agent: agentOf(agent, decision) }),
    ...(route && { route: routeOf(route) }),
    ...(note !== undefined && { note }),
    steps: redactSteps(decision, steps).map((step) => stepOf(step, denial, notes)),
  }
}

/** An explanation cut down to stages and code, for a token whose content is not to be shown. */
export function restricted({ allowed, denial, note, steps }: Explanation): RestrictedExplanation {
  return {
    allowed,
    ...(denial && { denial: { code: denial.code } }),
    ...(note !== undefined && { note }),
    steps: steps.map(({ stage, outcome }) => ({ stage, outcome })),
  }
}

const denialOf = (denial: Denial, route: Route | undefined): ExplainedDenial => {
  const authenticate = route && challenge(denial, route)
  return {
    code: denial.code,
    status: answerRow(denial.answer).status,
    title: denial.summary,
    hint: denial.hint,
    ...requiredBy(denial),
    ...(authenticate !== undefined && { challenge: authenticate }),
  }
}

const agentOf = (agent: AgentIdentity, { known }: Decision): ExplainedAgent => ({
  id: agent.id,
  name: agent.name,
  issuer: agent.issuer,
  ...(agent.subject !== undefined && { subject: agent.subject }),
  ...(agent.clientId !== undefined && { client_id: agent.clientId }),
  ...(agent.type !== undefined && { type: agent.type }),
  ...(agent.workflowId !== undefined && { workflow_id: agent.workflowId }),
  actors: agent.actors,
  scopes: [...(known.access?.scopes ?? [])],
})

const routeOf = ({ name, host, resource, access, scopes, mode }: Route): ExplainedRoute => ({
  match: name,
  ...(host !== undefined && { host }),
  resource,
  access,
  scopes: writtenScopes(scopes),
  mode,
})

const stepOf = (
  { stage, outcome, ms, detail }: Step,
  denial: Denial | undefined,
  notes: Readonly<Record<string, string>>,
): ExplainedStep => ({
  stage,
  outcome,
  ...(ms > 0 && { ms }),
  detail: {
    ...Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== undefined)),
    ...(outcome === 'denied' && denial && adviceOf(denial, notes)),
  },
})

const adviceOf = (denial: Denial, notes: Readonly<Record<string, string>>): Detail => ({
  code: denial.code,
  ...requiredBy(denial),
  hint: denial.hint,
  ...(Object.hasOwn(notes, denial.code) && { note: notes[denial.code] }),
})
