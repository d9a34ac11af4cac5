import type { Detail, Step } from '../base/chain.ts'
import { answerRow, type Denial } from '../base/denial.ts'
import type { RequestHead } from '../base/request.ts'
import type { Decision, Guard, GuardContext } from '../guard/guard.ts'
import type { Mode, Route } from '../model/route.ts'
import type { AgentIdentity } from '../model/token.ts'
import { writtenScopes } from '../policy/reading/rows.ts'
import { challenge } from './challenge.ts'
import { type AskedOfMcp, toExplain } from './mcp-explain.ts'
import { requiredBy } from './problem.ts'

/** How the gate decides one request, as JSON for operators. */
export interface Explanation {
  /** The decision of the guard. In shadow mode a denied request is forwarded anyway; see `mode`. */
  readonly allowed: boolean
  readonly mode: Mode
  readonly denial?: ReturnType<typeof denialOf>
  /** The caller; absent before it was identified, and for an encrypted token. */
  readonly agent?: ReturnType<typeof agentOf>
  /** The rule the request matches, if any. */
  readonly route?: ReturnType<typeof routeOf>
  /** A limit of this explanation. */
  readonly note?: string
  /** The steps up to the stage that ended the decision. */
  readonly steps: readonly ReturnType<typeof stepOf>[]
}

export interface ExplainOptions {
  /** By denial code: a sentence to add to the denying step. */
  readonly notes?: Readonly<Record<string, string>>
  readonly around?: Omit<GuardContext, 'trace'>
  /** The MCP operation the request is assumed to ask for. */
  readonly asked?: AskedOfMcp | undefined
}

/**
 * Runs the guard on a request and records each step. It has the side effects of the guard's ports,
 * and no others. Returns the decision too. `url` of the request is text as sent: a URL parser would change it.
 */
export async function explain(
  guard: Guard,
  head: RequestHead,
  { notes = {}, around = {}, asked }: ExplainOptions = {},
): Promise<{ readonly explanation: Explanation; readonly decision: Decision }> {
  const steps: Step[] = []
  const { request, note } = toExplain(guard.policy, head, asked)
  const decision = await guard(request, { ...around, trace: (step) => void steps.push(step) })
  const denial = decision.outcome === 'denied' ? decision.denial : undefined
  const { route, agent, credential } = decision.known
  // The sender of an encrypted token may be unable to read it.
  const shown = credential?.opened ? steps.map((step) => ({ ...step, detail: {} })) : steps
  const explanation = {
    allowed: denial === undefined,
    mode: route?.mode ?? 'enforce',
    ...(denial && { denial: denialOf(denial, route) }),
    ...(agent && !credential?.opened && { agent: agentOf(agent, decision) }),
    ...(route && { route: routeOf(route) }),
    ...(note !== undefined && { note }),
    steps: shown.map((step) => stepOf(step, denial, notes)),
  }
  return { explanation, decision }
}

/** Reduces an explanation to stages and denial code, for callers who may not see the token. */
export function restricted({ allowed, denial, note, steps }: Explanation) {
  return {
    allowed,
    ...(denial && { denial: { code: denial.code } }),
    ...(note !== undefined && { note }),
    steps: steps.map(({ stage, outcome }) => ({ stage, outcome })),
  }
}

/** The content of the answer to a denied request. */
const denialOf = (denial: Denial, route: Route | undefined) => {
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

const agentOf = (agent: AgentIdentity, { known }: Decision) => ({
  id: agent.id,
  name: agent.name,
  issuer: agent.issuer,
  ...(agent.subject !== undefined && { subject: agent.subject }),
  ...(agent.clientId !== undefined && { client_id: agent.clientId }),
  ...(agent.type !== undefined && { type: agent.type }),
  ...(agent.workflowId !== undefined && { workflow_id: agent.workflowId }),
  ...(agent.step !== undefined && { step: agent.step }),
  actors: agent.actors,
  scopes: [...(known.access?.scopes ?? [])],
})

const routeOf = ({ name, host, resource, access, scopes, mode }: Route) => ({
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
) => ({
  stage,
  outcome,
  // The time of waiting for I/O.
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
