import { type Outcome, stage } from '../base/chain.ts'
import { type CodeOf, denials } from '../base/denial.ts'
import { fail, ok } from '../base/result.ts'
import { type AgentIdentity, typesOf } from '../model/token.ts'
import type { Routed } from './route.ts'

const deny = denials({
  agent_type_not_allowed: [
    'forbidden',
    'Agents of this type may not use this route',
    'Use a route that is open to this type of agent, or ask the operator',
  ],
  workflow_mismatch: [
    'forbidden',
    'The token belongs to another workflow than the request',
    'Use a token that was issued for the workflow the request names',
  ],
})

interface Needs extends Pick<Routed, 'route' | 'namedWorkflow'> {
  readonly agent: AgentIdentity
}

/**
 * This kind of agent may use this route, and its token belongs to the workflow the request names.
 * Of several types any one is enough. A token without a type or workflow is denied where the route
 * asks for one.
 */
export const agent = stage({
  name: 'agent',
  establishes: "the agent's type may use the route, and its workflow is the one the request names",
  found: ({ agent, namedWorkflow }) => ({ type: agent.type, workflow: namedWorkflow }),
  denials: [deny],
  run({ route, namedWorkflow, agent }: Needs): Outcome<object, CodeOf<typeof deny>> {
    const { agentTypes } = route
    if (agentTypes && !typesOf(agent).some((type) => agentTypes.has(type))) {
      return fail(deny('agent_type_not_allowed', { type: agent.type }))
    }
    if (route.workflow && (namedWorkflow === undefined || agent.workflowId !== namedWorkflow)) {
      return fail(deny('workflow_mismatch', { token: agent.workflowId }))
    }
    return ok({})
  },
})
