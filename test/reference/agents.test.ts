/** Examples of the documentation about agents: delegation, grants, revocation, limits, shadow mode. */
import { describe, expect, it } from 'vitest'
import { API, codeOf, DOCUMENTS, gateOf, ISSUER, tokenOf, worldOf } from './sampleGate.ts'
import { makeRequest, NOW } from './samples.ts'
import { agentKey, type JsonObject, type World } from './types.ts'

describe('docs/configuration/delegation.md, From an orchestrator to a sub-agent', () => {
  const acme = { profile: 'actor', delegation: { max_depth: 2, parent_scope: 'parent_scope' } }
  const write = {
    match: 'POST /v1/runs/{run}/documents',
    scopes: ['documents:write'],
    workflow: 'path:run',
  }
  const rulesWith = (delegation: object) => [
    {
      match: 'GET /v1/runs/{run}/documents',
      scopes: ['documents:read'],
      agent_types: ['ai_agent'],
      workflow: 'path:run',
    },
    { ...write, delegation },
  ]
  const actor = (sub: string, act?: JsonObject): JsonObject => ({
    sub,
    iss: ISSUER,
    sub_profile: 'ai_agent',
    ...(act && { act }),
  })
  const claims = {
    sub: 'alice',
    client_id: 'assistant',
    workflow_id: 'run-7',
    parent_scope: 'documents:read documents:write',
    act: actor('researcher', actor('orchestrator')),
  }
  const deciding = { max_depth: 1, actors: ['orchestrator'] }
  it.each([
    ['GET', 'run-7', deciding, 'documents:read', 'allowed'],
    ['GET', 'run-8', deciding, 'documents:read', 'workflow_mismatch'],
    ['POST', 'run-7', deciding, 'documents:read', 'delegation_too_deep'],
    ['POST', 'run-7', { actors: ['orchestrator'] }, 'documents:read', 'actor_not_allowed'],
    ['POST', 'run-7', {}, 'documents:read', 'scope_missing'],
    ['GET', 'run-7', deciding, 'documents:delete', 'delegation_scope_exceeded'],
  ])('%s of %s with %o and %s is %s', (method, run, delegation, scope, code) => {
    const token = tokenOf({ ...claims, scope })
    const line = `${method} ${API}/v1/runs/${run}/documents`
    expect(codeOf(rulesWith(delegation), line, { token }, { acme })).toBe(code)
  })

  it('the origin gets the chain', () => {
    const request = makeRequest(`GET ${API}/v1/runs/run-7/documents`, { token: tokenOf(claims) })
    const { headers } = gateOf(rulesWith({}), { acme }).decide(request, worldOf())
    expect(Object.fromEntries(headers ?? [])).toMatchObject({
      'x-agent-id': 'acme/researcher',
      'x-agent-delegation': 'researcher,orchestrator',
    })
  })
})

describe('docs/grants.md', () => {
  const acme = { scopes_from: 'grants' }
  const GRANTS = [
    {
      issuer: 'acme',
      claims: { repository_id: '123', ref: 'refs/heads/main' },
      scopes: ['documents:read'],
      agent_type: 'ci',
      agent_id: 'repo:{repository_id}',
    },
  ]
  const line = `GET ${API}/v1/documents/7`
  it('gives scopes, an id and a type by claims', () => {
    const token = tokenOf({ repository_id: '123', ref: 'refs/heads/main', scope: 'x' })
    const request = makeRequest(line, { token })
    const { headers, agent } = gateOf(DOCUMENTS, { acme, GRANTS }).decide(request, worldOf())
    expect(agent).toBe('acme/repo:123')
    const sent = Object.fromEntries(headers ?? [])
    expect(sent).toMatchObject({ 'x-agent-type': 'ci', 'x-agent-scope': 'documents:read' })
  })

  it('refuses a token that matches none', () => {
    const token = tokenOf({ repository_id: '124', ref: 'refs/heads/main' })
    expect(codeOf(DOCUMENTS, line, { token }, { acme, GRANTS })).toBe('grant_missing')
  })
})

describe('docs/revocation.md and docs/agent-registry.md', () => {
  const line = `GET ${API}/v1/documents/7`
  const entry = { kind: 'agent', issuer: ISSUER, value: 'agent-42', mode: 'block' } as const
  const codeIn = (changed: Partial<World>, routes = DOCUMENTS, GATE = {}) =>
    codeOf(routes, line, { token: tokenOf() }, { GATE }, worldOf(changed))

  it('refuses a revoked agent, unless the entry is lifted or over', () => {
    expect(codeIn({ revocations: [entry] })).toBe('token_revoked')
    expect(codeIn({ revocations: [{ ...entry, value: 'acme/agent-42' }] })).toBe('allowed')
    expect(codeIn({ revocations: [{ ...entry, expires: NOW }] })).toBe('allowed')
    expect(codeIn({ revocations: [{ ...entry, id: 'e' }] }, DOCUMENTS, { lift: ['e'] })).toBe(
      'allowed',
    )
    const before = { ...entry, mode: 'before', at: NOW - 65 } as const
    expect(codeIn({ revocations: [before] })).toBe('token_revoked')
    expect(codeIn({ revocations: [{ ...before, at: NOW - 66 }] })).toBe('allowed')
  })

  it('accepts approved agents only, where the policy says so', () => {
    const key = agentKey(ISSUER, 'agent-42')
    expect(codeIn({}, DOCUMENTS, { agents: 'approved' })).toBe('agent_not_approved')
    const approved = { agents: { [key]: { status: 'approved' as const } } }
    expect(codeIn(approved, DOCUMENTS, { agents: 'approved' })).toBe('allowed')
    expect(codeIn({ agents: { [key]: { status: 'suspended' } } })).toBe('agent_suspended')
  })
})

describe('docs/configuration/rate-limits.md', () => {
  it('allows as many requests at once as the limit, then one every period / limit', () => {
    const gate = gateOf([
      { match: 'GET /v1/x', scopes: [], rate_limit: { limit: 2, period: '60s', daily: 4 } },
    ])
    const world = worldOf()
    const at = (second: number) => {
      const token = tokenOf({ exp: NOW + 200, iat: NOW })
      const now = (NOW + second) * 1000
      return gate.decide(makeRequest(`GET ${API}/v1/x`, { token, now }), world).code
    }
    expect([0, 0, 0, 29, 30, 31, 60, 90].map(at)).toEqual([
      undefined,
      undefined,
      'rate_limited',
      'rate_limited',
      undefined,
      'rate_limited',
      undefined,
      'rate_limited',
    ])
  })

  it('accepts each token once on rules with single_use', () => {
    const gate = gateOf([{ match: 'POST /v1/payments', scopes: [], single_use: true }])
    const world = worldOf()
    const request = makeRequest(`POST ${API}/v1/payments`, { token: tokenOf() })
    expect(gate.decide(request, world).code).toBeUndefined()
    expect(gate.decide(request, world).code).toBe('token_replayed')
  })
})

describe('docs/rollout.md, What reaches the origin', () => {
  const GATE = { mode: 'shadow' }
  it('forwards a request that would be denied with its own Authorization, without an identity', () => {
    const token = tokenOf({ scope: 'x' })
    const request = makeRequest(`GET ${API}/v1/documents/7`, { token })
    const verdict = gateOf(DOCUMENTS, { GATE }).decide(request, worldOf())
    expect(verdict).toMatchObject({ allowed: true, shadow: true, code: 'scope_missing' })
    const sent = Object.fromEntries(verdict.headers ?? [])
    expect(sent.authorization).toBe(`Bearer ${token}`)
    expect(Object.keys(sent).filter((name) => name.startsWith('x-agent-'))).toEqual([])
  })

  it('enforces rules with inject', () => {
    const routes = [{ ...DOCUMENTS[0], inject: { 'X-Key': ['$', '{K}'].join('') } }]
    const asked = { token: tokenOf({ scope: 'x' }) }
    expect(codeOf(routes, `GET ${API}/v1/documents/7`, asked, { GATE })).toBe('scope_missing')
  })
})
