import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../src/base/limits.ts'
import type { DelegationRule, Issuer } from '../../src/model/issuer.ts'
import { delegation } from '../../src/stages/delegation.ts'
import { accessOf, codeOf, ISSUER, issuerOf, routeOf } from '../kit/facts.ts'

const OTHER = 'https://other.example.com'

interface Rules {
  readonly issuer?: Partial<DelegationRule>
  readonly route?: Partial<DelegationRule>
  readonly entry?: Partial<Issuer>
}

const LONGEST = 'x'.repeat(LIMITS.revocationValue)

const rule = (changes: Partial<DelegationRule>): DelegationRule => ({
  maxDepth: 3,
  requireActor: false,
  issuers: new Set(),
  ...changes,
})

const run = async (claims: object | string, { issuer = {}, route, entry = {} }: Rules = {}) => {
  const text = typeof claims === 'string' ? claims : JSON.stringify(claims)
  const own = issuerOf({ delegation: rule(issuer), ...entry })
  const access = accessOf({ claims: JSON.parse(text), entry: own })
  return delegation.run(
    {
      route: routeOf('GET /x', route ? { delegation: rule(route) } : {}),
      issuer: own,
      access,
    },
    undefined,
  )
}

/** Actors from the outside in, as nested `act` claims. */
const acts = (...[sub, ...inner]: unknown[]): object =>
  sub === undefined ? {} : { act: { sub, ...acts(...inner) } }

const chainOf = (...subs: unknown[]) => ({ agent_id: 'planner', ...acts(...subs) })

describe('the chain of actors', () => {
  it.each<[string, object, Rules?]>([
    ['ok', chainOf()],
    ['ok', chainOf('a')],
    ['ok', chainOf('a', 'b', 'c')],
    ['delegation_too_deep', chainOf('a', 'b', 'c', 'd')],
    ['delegation_too_deep', chainOf('a'), { issuer: { maxDepth: 0 } }],
    ['delegation_too_deep', chainOf('a', 'b'), { route: { maxDepth: 1 } }],
    ['delegation_too_deep', chainOf('a', 'b', 'c', 'd'), { route: { maxDepth: 9 } }],
    ['delegation_malformed', { agent_id: 'p', act: null }],
    ['delegation_malformed', { agent_id: 'p', act: 'a' }],
    ['delegation_malformed', { agent_id: 'p', act: [] }],
    ['delegation_malformed', { agent_id: 'p', act: [{ sub: 'a' }] }],
    ['delegation_malformed', { agent_id: 'p', act: {} }],
    ['delegation_malformed', { agent_id: 'p', act: { iss: ISSUER } }],
    ['delegation_malformed', { agent_id: 'p', act: { sub: 'a', iss: null } }],
    ['delegation_malformed', { agent_id: 'p', act: { sub: 'a', iss: '' } }],
    ['delegation_malformed', { agent_id: 'p', act: { sub: 'a', act: null } }],
    ['delegation_malformed', chainOf('')],
    ['delegation_malformed', chainOf(1)],
    ['delegation_malformed', chainOf('a\n')],
    ['delegation_malformed', chainOf('a', '')],
    ['ok', chainOf('a', LONGEST)],
    ['delegation_malformed', chainOf('a', `${LONGEST}x`)],
    ['actor_issuer_unknown', { agent_id: 'p', act: { sub: 'a', iss: LONGEST } }],
    ['delegation_malformed', { agent_id: 'p', act: { sub: 'a', iss: `${LONGEST}x` } }],
    ['delegation_malformed', chainOf('a', 'b', 'c', 'd', 5)],
    ['actor_missing', chainOf(), { issuer: { requireActor: true } }],
    ['actor_missing', chainOf(), { route: { requireActor: true } }],
    ['ok', chainOf('a'), { route: { requireActor: true } }],
    ['ok', { agent_id: 'p', act: { sub: 'a', iss: ISSUER } }],
    ['actor_issuer_unknown', { agent_id: 'p', act: { sub: 'a', iss: OTHER } }],
    ['actor_issuer_unknown', { agent_id: 'p', act: { sub: 'a', act: { sub: 'b', iss: OTHER } } }],
    [
      'ok',
      { agent_id: 'p', act: { sub: 'a', iss: OTHER } },
      { issuer: { issuers: new Set([OTHER]) } },
    ],
    [
      'actor_issuer_unknown',
      { agent_id: 'p', act: { sub: 'a', iss: OTHER } },
      { issuer: { issuers: new Set([OTHER]) }, route: {} },
    ],
    ['ok', chainOf('a'), { route: { actors: [{ sub: 'a' }] } }],
    ['ok', chainOf(), { route: { actors: [{ sub: 'a' }] } }],
    ['actor_not_allowed', chainOf('b'), { route: { actors: [{ sub: 'a' }] } }],
    ['actor_not_allowed', chainOf('a'), { route: { actors: [] } }],
    ['actor_not_allowed', chainOf('A'), { issuer: { actors: [{ sub: 'a' }] } }],
    // An allowed actor further in is history and opens nothing.
    ['actor_not_allowed', chainOf('b', 'a'), { route: { actors: [{ sub: 'a' }] } }],
    ['actor_not_allowed', chainOf('a'), { route: { actors: [{ sub: 'a', issuer: OTHER }] } }],
    [
      'actor_not_allowed',
      { agent_id: 'p', act: { sub: 'a', iss: OTHER } },
      { issuer: { issuers: new Set([OTHER]), actors: [{ sub: 'a' }] } },
    ],
    [
      'ok',
      { agent_id: 'p', act: { sub: 'a', iss: OTHER } },
      { issuer: { issuers: new Set([OTHER]), actors: [{ sub: 'a', issuer: OTHER }] } },
    ],
    ['ok', chainOf(), { route: { subjects: new Set(['alice']) } }],
    ['subject_not_allowed', chainOf(), { route: { subjects: new Set(['bob']) } }],
    ['subject_not_allowed', chainOf('bob'), { issuer: { subjects: new Set(['bob']) } }],
  ])('%s for %j under %j', async (code, claims, rules) => {
    expect(codeOf(await run(claims, rules))).toBe(code)
  })

  it('is kept from the outside in, each actor within its issuer', async () => {
    const claims = {
      agent_id: 'p',
      act: { sub: 'planner', act: { sub: 'supervisor', iss: OTHER } },
    }
    expect(await run(claims, { issuer: { issuers: new Set([OTHER]) } })).toMatchObject({
      value: {
        agent: {
          actors: [
            { sub: 'planner', issuer: ISSUER },
            { sub: 'supervisor', issuer: OTHER },
          ],
        },
      },
    })
  })

  it('is told where it is the reason', async () => {
    const claims = { agent_id: 'p', act: { sub: 'planner' } }
    const rules = { issuer: { actors: [{ sub: 'other' }] } }
    expect(await run(claims, rules)).toMatchObject({
      reason: {
        code: 'actor_not_allowed',
        detail: { depth: 1, actors: [{ sub: 'planner', issuer: ISSUER }] },
      },
    })
  })

  it('is not inherited', async () => {
    expect(codeOf(await run('{"agent_id":"p","__proto__":{"act":null}}'))).toBe('ok')
  })
})

describe('the agent', () => {
  it.each<[string, object, Partial<Issuer>?]>([
    ['ok', { agent_id: 'p' }],
    ['ok', { client_id: 'app' }],
    ['agent_id_missing', {}],
    ['agent_id_missing', { sub: 'alice' }],
    ['agent_id_malformed', { agent_id: null, client_id: 'app' }],
    ['agent_id_malformed', { agent_id: '', client_id: 'app' }],
    ['agent_id_malformed', { agent_id: 1 }],
    ['agent_id_malformed', { agent_id: ['p'] }],
    ['agent_id_malformed', { agent_id: 'p\0' }],
    ['agent_id_malformed', { agent_id: '\udc00' }],
    ['agent_id_malformed', { agent_id: 'p', agent_type: '' }],
    ['agent_id_malformed', { agent_id: 'p', agent_type: ['a'] }],
    ['agent_id_malformed', { agent_id: 'p', workflow_id: null }],
    ['agent_id_malformed', { agent_id: 'p', workflow_id: 7 }],
    ['ok', { agent_id: LONGEST, agent_type: LONGEST, workflow_id: LONGEST }],
    ['agent_id_malformed', { agent_id: `${LONGEST}x` }],
    ['agent_id_malformed', { agent_id: 'p', agent_type: `${LONGEST}x` }],
    ['agent_id_malformed', { agent_id: 'p', workflow_id: `${LONGEST}x` }],
    ['ok', { agent_id: LONGEST.slice(2) }, { agentPrefix: 'a/' }],
    ['agent_id_malformed', { agent_id: LONGEST.slice(1) }, { agentPrefix: 'a/' }],
    ['ok', { agent: { id: 'p' } }, { agentId: [['agent', 'id']] }],
    ['agent_id_missing', { agent: [{ id: 'p' }] }, { agentId: [['agent', '0', 'id']] }],
    ['agent_id_missing', { agent: 'p' }, { agentId: [['agent', 'length']] }],
    ['agent_id_missing', {}, { agentId: [['constructor', 'name']] }],
  ])('%s for %j', async (code, claims, entry) => {
    expect(codeOf(await run(claims, entry ? { entry } : {}))).toBe(code)
  })

  it('has its own id and the name its issuer gives it', async () => {
    const claims = { agent_id: 'p', client_id: 'x', agent_type: 'crawler', workflow_id: 'w1' }
    expect(await run(claims, { entry: { agentPrefix: 'acme/' } })).toEqual({
      ok: true,
      value: {
        agent: {
          id: 'p',
          name: 'acme/p',
          issuer: ISSUER,
          subject: 'alice',
          clientId: 'app',
          type: 'crawler',
          workflowId: 'w1',
          actors: [],
        },
      },
    })
  })

  it('has its type and workflow from where its issuer says', async () => {
    const claims = { agent_id: 'p', kind: 'crawler', intent: { run: 'w1' }, agent_type: 'x' }
    const entry = { agentType: ['kind'], workflowId: ['intent', 'run'] }
    expect(await run(claims, { entry })).toMatchObject({
      value: { agent: { type: 'crawler', workflowId: 'w1' } },
    })
  })
})
