import { type Outcome, stage } from '../../base/chain.ts'
import { type CodeOf, denials } from '../../base/denial.ts'
import { fail, ok } from '../../base/result.ts'
import type { LineFacts } from '../../model/facts.ts'
import { typesOf } from '../../model/token.ts'
import type { Routed } from './route.ts'

const deny = denials({
  agent_type_not_allowed: [
    'forbidden',
    'Agents of this type may not use this route',
    'Use a route that is open to this type of agent, or ask the operator',
  ],
})

type Needs = Pick<LineFacts, 'route' | 'agent'>

/** Checks that the rule allows one of the agent's types. An agent without a type is denied where types are listed. */
export const agent = stage({
  name: 'agent',
  establishes: "the rule allows the agent's type",
  found: ({ agent }) => ({ type: agent.type }),
  denials: [deny],
  run({ route, agent }: Needs): Outcome<object, CodeOf<typeof deny>> {
    const { agentTypes } = route
    return agentTypes && !typesOf(agent).some((type) => agentTypes.has(type))
      ? fail(deny('agent_type_not_allowed', { type: agent.type }))
      : ok({})
  },
})

const denyWorkflow = denials({
  workflow_mismatch: [
    'forbidden',
    'The token belongs to another workflow than the request',
    'Use a token that was issued for the workflow the request names',
  ],
})

/** Checks that the token has the workflow that the request names, where the rule has a `workflow`. */
export const workflow = stage({
  name: 'workflow',
  establishes: 'the token is for the workflow that the request names',
  without: ({ route }: Pick<Routed, 'route'>) => (route.workflow ? undefined : {}),
  found: ({ namedWorkflow }) => ({ workflow: namedWorkflow }),
  denials: [denyWorkflow],
  run({
    route,
    namedWorkflow,
    agent,
  }: Needs & Pick<Routed, 'namedWorkflow'>): Outcome<object, CodeOf<typeof denyWorkflow>> {
    return route.workflow && (namedWorkflow === undefined || agent.workflowId !== namedWorkflow)
      ? fail(denyWorkflow('workflow_mismatch', { request: namedWorkflow, token: agent.workflowId }))
      : ok({})
  },
})
