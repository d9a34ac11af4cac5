import fc from 'fast-check'
import { expect, it } from 'vitest'
import { reachable } from '../../../src/compare/reach/reachable.ts'
import { ruleFor } from '../../../src/compare/requests.ts'
import { counted, type Met } from '../../../src/compare/scopes.ts'
import { agent, workflow } from '../../../src/gate/guard/stages/agent.ts'
import { scope } from '../../../src/gate/guard/stages/scope.ts'
import type { AgentIdentity } from '../../../src/gate/model/token.ts'
import { parsePolicy } from '../../../src/gate/policy/parse.ts'
import { ENV, GATE } from '../../gate/policy/support.ts'
import { tries } from '../../kit/property.ts'

const ISSUERS = { acme: { issuer: 'https://auth.acme.example', admin: 'own' } }
/** It takes some paths of the rule. */
const FIRST = { match: 'GET /m/lit/{y}', scopes: ['plain'] }
const VALUES = ['1', '2', 'x', 'lit', 'other']
const some = (...of: string[]) => fc.uniqueArray(fc.constantFrom(...of), { minLength: 1 })

const rule = fc.record(
  {
    match: fc.constantFrom('GET /m/{x}/{y}', 'GET /n/{x}/{y}'),
    scopes: fc
      .tuple(fc.boolean(), some('a:{x}', 'b:{x}', 'a:{y}', 'p:{x}:{y}', 'q:{y}:{y}', 'plain'))
      .map(([isAny, list]) => (isAny ? { any: list } : list)),
    agent_types: fc.constant(['sub-agent']),
    workflow: fc.constantFrom('path:x', 'path:y', 'header:x-run'),
  },
  { requiredKeys: ['match', 'scopes'] },
)
const includes = some('a:*', 'a:1', 'b:2', 'p:1:*', 'p:2:lit', 'q:*', 'plain')
const described = fc.record({
  type: fc.constantFrom('sub-agent', 'other'),
  scopes: some(
    'a:1',
    'a:2',
    'b:1',
    'b:lit',
    'p:1:2',
    'q:2:2',
    'q:1:2',
    'plain',
    'vip',
    'a:x',
    'a:*',
  ),
  workflow: fc.constantFrom('1', 'lit', 'a/b'),
})

type Agent = {
  readonly type: string
  readonly scopes: readonly string[]
  readonly workflow: string
}

/** Whether the stages let the agent pass at a rule. */
const passes = async ({ route, params, policy }: Met, one: Agent): Promise<boolean> => {
  const { workflow: source } = route
  const namedWorkflow = source?.from === 'path' ? params.get(source.name) : one.workflow
  const identity = { type: one.type, types: [one.type], workflowId: one.workflow }
  const [entry] = policy.issuers.values()
  if (!entry) throw new Error('there is no issuer')
  const access = { scopes: counted(one.scopes, entry), entry }
  const facts = {
    route,
    policy,
    agent: identity as Partial<AgentIdentity> as AgentIdentity,
    access,
  }
  const stages = await Promise.all([
    scope.run({ ...facts, deciding: params }, undefined),
    agent.run(facts, undefined),
    workflow.run({ ...facts, ...(namedWorkflow !== undefined && { namedWorkflow }) }, undefined),
  ])
  return stages.every(({ ok }) => ok)
}

it('an agent reaches a rule with the path values with which the stages let it pass, and no others', () =>
  fc.assert(
    fc.asyncProperty(rule, includes, described, async (last, vip, one) => {
      const ROUTES = [FIRST, last]
      const parsed = parsePolicy({ GATE, ISSUERS, ROUTES, SCOPES: { vip } }, ENV)
      // Not, for example, if a rule can never match.
      fc.pre(parsed.ok)
      if (!parsed.ok) return
      const { policy } = parsed.value
      const [host = ''] = policy.gate.hosts
      const found = await reachable(policy, one)
      for (const [x, y] of VALUES.flatMap((first) => VALUES.map((last) => [first, last]))) {
        for (const path of [`/m/${x}/${y}`, `/n/${x}/${y}`]) {
          const met = await ruleFor(policy, { method: 'GET', host, path })
          if (!met) continue
          const reach = found.find(({ route }) => route === met.route)
          const isNamed =
            reach?.only.length === 0 ||
            reach?.only.some((way) =>
              Object.entries(way).every(([name, value]) => met.params.get(name) === value),
            )
          expect(isNamed ?? false, path).toBe(await passes(met, one))
        }
      }
    }),
    tries(60, 300),
  ))
