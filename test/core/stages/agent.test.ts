import { expect, it } from 'vitest'
import { agent, workflow } from '../../../src/gate/guard/stages/agent.ts'
import type { Route } from '../../../src/gate/model/route.ts'
import type { AgentIdentity } from '../../../src/gate/model/token.ts'
import { agentOf, codeOf, routeOf } from '../../kit/facts.ts'

const crawlers = { agentTypes: new Set(['crawler', 'planner']) }

it.each<[string, Partial<Route>, Partial<AgentIdentity>]>([
  ['ok', {}, {}],
  ['ok', {}, { type: 'anything', workflowId: 'w' }],
  ['ok', crawlers, { type: 'crawler' }],
  ['agent_type_not_allowed', crawlers, {}],
  ['agent_type_not_allowed', crawlers, { type: 'Crawler' }],
  ['agent_type_not_allowed', { agentTypes: new Set() }, { type: 'crawler' }],
  ['ok', crawlers, { type: 'service planner', types: ['service', 'planner'] }],
  ['ok', crawlers, { type: 'planner service', types: ['planner', 'service'] }],
  ['agent_type_not_allowed', crawlers, { type: 'service user', types: ['service', 'user'] }],
  // One type that has a space in it is no two.
  ['agent_type_not_allowed', crawlers, { type: 'service planner' }],
  ['ok', { agentTypes: new Set(['service planner']) }, { type: 'service planner' }],
  [
    'agent_type_not_allowed',
    { agentTypes: new Set(['service planner']) },
    { type: 'service planner', types: ['service', 'planner'] },
  ],
])('%s on a route with %j for %j', async (code, route, identity) => {
  const needs = { route: routeOf('GET /x', route), agent: agentOf(identity) }
  expect(codeOf(await agent.run(needs, undefined))).toBe(code)
})

const byRun = { workflow: { from: 'header', name: 'x-run' } } as const

it.each<[string, Partial<Route>, Partial<AgentIdentity>, string?]>([
  ['ok', {}, {}],
  ['ok', {}, { workflowId: 'w1' }],
  ['ok', byRun, { workflowId: 'w1' }, 'w1'],
  ['workflow_mismatch', byRun, { workflowId: 'w1' }, 'w2'],
  ['workflow_mismatch', byRun, { workflowId: 'w1' }, 'W1'],
  ['workflow_mismatch', byRun, {}, 'w1'],
  ['workflow_mismatch', byRun, { workflowId: 'w1' }],
  ['workflow_mismatch', byRun, {}],
])('%s on a route with %j for %j in %j', async (code, route, identity, namedWorkflow) => {
  const needs = {
    route: routeOf('GET /x', route),
    agent: agentOf(identity),
    ...(namedWorkflow !== undefined && { namedWorkflow }),
  }
  expect(codeOf(await workflow.run(needs, undefined))).toBe(code)
})
