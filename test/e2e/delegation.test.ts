import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Members } from '../kit/signing.ts'
import { administration } from './administration.ts'
import { assertionIn } from './asserting.ts'
import { expectChallenge, expectDenial, expectNoLeak } from './denied.ts'
import { AGENT, HOST, startWorld, type World } from './world.ts'

/**
 * Two issuers: `acme` issues tokens of the actor profile, counts actors of `beta` and writes the
 * scopes of the parent token; `beta` reads its agents from within `act` as well, and their types and
 * workflows from claims.
 */
let world: World
beforeAll(async () => {
  const any = { scopes: [] }
  world = await startWorld({
    gate: { hosts: [HOST, '127.0.0.1'] },
    issuers: {
      acme: {
        profile: 'actor',
        agent_id: ['act.sub', 'client_id'],
        delegation: { max_depth: 5, issuers: ['beta'], parent_scope: 'parent_scope' },
      },
      beta: {
        agent_id: ['act.sub', 'client_id'],
        workflow_id: ['workflow_id', 'intent.workflow_id'],
        delegation: { issuers: ['acme'] },
      },
    },
    routes: [
      { match: 'GET /d/supervised', ...any, delegation: { actors: ['supervisor'] } },
      {
        match: 'GET /d/helped',
        ...any,
        delegation: { actors: ['supervisor'], require_actor: false },
      },
      { match: 'GET /d/known', ...any, delegation: { may_act: 'if_present' } },
      { match: 'GET /d/allowed', ...any, delegation: { may_act: 'required' } },
      { match: 'GET /d/direct', ...any, delegation: { max_depth: 1 } },
      { match: 'GET /d/agents', ...any, agent_types: ['ai_agent', 'sub-agent'] },
      { match: 'GET /d/runs/{run}', ...any, workflow: 'path:run' },
      { match: 'GET /d/by-header', ...any, workflow: 'header:x-run' },
      { match: 'GET /d/by-query', ...any, workflow: 'query:run' },
      { match: 'GET /d/read', scopes: ['docs:read'] },
      { match: 'GET /d/write', scopes: ['docs:write'] },
      { match: 'GET /d/*', ...any },
    ],
  })
})
beforeEach(() => world.origin.clear())
afterAll(() => world.close())

type Name = 'acme' | 'beta'
type Claims = (world: World) => Members

/** An actor of `acme`, with the actors before it inside. */
const act = (world: World, sub: string, ...inner: readonly string[]): Members => ({
  sub,
  iss: world.acme.issuer,
  ...(inner.length > 0 && { act: act(world, inner[0] ?? '', ...inner.slice(1)) }),
})

const chain =
  (sub: string, ...inner: readonly string[]): Claims =>
  (world) => ({ sub: 'alice', act: act(world, sub, ...inner) })

let asked = 0

/** Asks, and holds status and code against what they must be, also in the journal. */
const ask = async (
  { status, code }: { readonly status: number; readonly code?: string },
  target: string,
  claims: Members | Claims,
  by: Name = 'acme',
) => {
  const id = `delegated-${++asked}`
  const token = await world[by].mint(typeof claims === 'function' ? claims(world) : claims)
  const [path = '', header] = target.split(' x-run:')
  const response = await world.send({
    target: path,
    token,
    headers: [['X-Request-Id', id], ...(header ? [['X-Run', header] as const] : [])],
  })
  if (code === undefined) expect(response.status).toBe(status)
  else {
    expectDenial(response, status, code)
    expectChallenge(response, status === 401 ? 'invalid_token' : 'none')
    expectNoLeak(response, world, token)
  }
  expect(world.origin.requests).toHaveLength(code === undefined ? 1 : 0)
  const line = await world.gate.journalLine(({ request_id }) => request_id === id)
  expect(line).toMatchObject({ decision: code === undefined ? 'allowed' : 'denied' })
  expect(line.code).toBe(code)
  return { line, request: world.origin.requests[0] }
}

const OK = { status: 200 }
const bad = (code: string) => ({ status: 401, code })
const refused = (code: string) => ({ status: 403, code })

describe('a chain of actors', () => {
  it('is told to the origin and the journal whole, and the outermost is the agent', async () => {
    const { acme, beta } = world
    const inner = { sub: 'planner', iss: beta.issuer, act: { sub: 'root, 1', iss: acme.issuer } }
    const claims = {
      sub: 'alice',
      client_id: 'app',
      act: { sub: 'worker', iss: acme.issuer, sub_profile: 'ai_agent', act: inner },
    }
    const { line, request } = await ask(OK, '/d/any', claims)
    const header = (name: string) => request?.header(`x-agent-${name}`)
    expect(header('id')).toBe('acme/worker')
    expect(header('issuer')).toBe(acme.issuer)
    expect(header('subject')).toBe('alice')
    expect(header('client-id')).toBe('app')
    expect(header('delegation')).toBe(`worker,${beta.issuer};planner,root%2C%201`)
    const actors = [
      { sub: 'worker', issuer: acme.issuer },
      { sub: 'planner', issuer: beta.issuer },
      { sub: 'root, 1', issuer: acme.issuer },
    ]
    expect(line).toMatchObject({ agent: 'worker', issuer: acme.issuer, client: 'app', actors })
    const { payload } = await assertionIn(world.gate, request, world.origin.url)
    expect(payload).toMatchObject({
      sub: 'acme/worker',
      agent_iss: acme.issuer,
      agent_sub: 'alice',
      agent_type: 'ai_agent',
    })
    expect(payload.act).toEqual({ sub: 'worker', iss: acme.issuer, act: inner })
  })

  it.each<[string, { status: number; code?: string }, string, Claims]>([
    ['an array', bad('delegation_malformed'), '/d/any', () => ({ act: [{ sub: 'a' }] })],
    ['null', bad('delegation_malformed'), '/d/any', () => ({ act: null })],
    ['text', bad('delegation_malformed'), '/d/any', () => ({ act: 'planner' })],
    [
      'no sub at depth 2',
      bad('delegation_malformed'),
      '/d/any',
      (w) => ({ act: { ...act(w, 'planner'), act: { iss: w.acme.issuer } } }),
    ],
    [
      'null at depth 3',
      bad('delegation_malformed'),
      '/d/any',
      (w) => ({ act: { ...act(w, 'a'), act: { ...act(w, 'b'), act: null } } }),
    ],
    ['no issuer', bad('delegation_malformed'), '/d/any', () => ({ act: { sub: 'planner' } })],
    [
      'no issuer at depth 2',
      bad('delegation_malformed'),
      '/d/any',
      (w) => ({ act: { ...act(w, 'planner'), act: { sub: 'b' } } }),
    ],
    ['depth 5', OK, '/d/any', chain('a', 'b', 'c', 'd', 'e')],
    ['depth 6', refused('delegation_too_deep'), '/d/any', chain('a', 'b', 'c', 'd', 'e', 'f')],
    ['depth 1 on a route for 1', OK, '/d/direct', chain('a')],
    ['depth 2 on a route for 1', refused('delegation_too_deep'), '/d/direct', chain('a', 'b')],
    ['the supervisor that acts', OK, '/d/supervised', chain('supervisor')],
    ['nobody, where somebody named must', refused('actor_missing'), '/d/supervised', () => ({})],
    ['nobody, where nobody need', OK, '/d/helped', () => ({})],
    [
      'a supervisor before',
      refused('actor_not_allowed'),
      '/d/supervised',
      chain('p', 'supervisor'),
    ],
    ['a supervisor that was helped', OK, '/d/supervised', chain('supervisor', 'planner')],
    [
      'an issuer that does not count, inside',
      refused('actor_issuer_unknown'),
      '/d/any',
      (w) => ({ act: { ...act(w, 'a'), act: { sub: 'b', iss: 'https://evil.example' } } }),
    ],
    [
      'a key of the actor, which is not the sender’s',
      OK,
      '/d/any',
      (w) => ({ act: { ...act(w, 'a'), cnf: { jkt: 'x' } } }),
    ],
  ])('%s: %j', async (_, expected, target, claims) => {
    await ask(expected, target, claims)
  })

  it('that is refused is in the journal all the same', async () => {
    const expected = refused('actor_not_allowed')
    const { line } = await ask(expected, '/d/supervised', chain('planner', 'supervisor'))
    expect(line.detail).toMatchObject({ depth: 2, actors: expect.stringContaining('supervisor') })
  })
})

describe('may_act', () => {
  const held = (may_act: unknown, actor = 'worker'): Claims => {
    const of = chain(actor)
    return (world) => ({ ...of(world), ...(may_act !== undefined && { may_act }) })
  }
  it.each<[string, { status: number; code?: string }, string, Claims]>([
    ['is not looked at unless asked for', OK, '/d/any', held('nonsense')],
    ['names who acts', OK, '/d/known', held({ sub: 'worker' })],
    ['names somebody else', refused('may_act_mismatch'), '/d/known', held({ sub: 'other' })],
    [
      'names another issuer’s',
      refused('may_act_mismatch'),
      '/d/known',
      (w) => held({ sub: 'worker', iss: w.beta.issuer })(w),
    ],
    ['is absent', OK, '/d/known', held(undefined)],
    ['is absent where required', refused('may_act_mismatch'), '/d/allowed', held(undefined)],
    ['is there where required', OK, '/d/allowed', held({ sub: 'worker' })],
    ['is not needed where nobody acts', OK, '/d/allowed', () => ({})],
    ['is malformed', bad('delegation_malformed'), '/d/known', held(true)],
    ['has no sub', bad('delegation_malformed'), '/d/known', held({ client_id: 'worker' })],
  ])('%s: %j', async (_, expected, target, claims) => {
    await ask(expected, target, claims)
  })
})

describe('a token that says what its parent could', () => {
  it.each<[string, { status: number; code?: string }, string, Members]>([
    [
      'no more than it',
      OK,
      '/d/read',
      { scope: 'docs:read', parent_scope: 'docs:read docs:write' },
    ],
    ['exactly as much', OK, '/d/write', { scope: 'docs:write', parent_scope: ['docs:write'] }],
    [
      'what the parent’s includes',
      OK,
      '/d/any',
      { scope: 'chat:write', parent_scope: 'chat:admin' },
    ],
    [
      'more',
      bad('delegation_scope_exceeded'),
      '/d/any',
      { scope: 'a docs:write', parent_scope: 'a' },
    ],
    [
      'anything of nothing',
      bad('delegation_scope_exceeded'),
      '/d/any',
      { scope: 'a', parent_scope: '' },
    ],
    [
      'something unreadable',
      bad('delegation_malformed'),
      '/d/any',
      { scope: 'a', parent_scope: 7 },
    ],
    [
      'what includes the parent’s',
      bad('delegation_scope_exceeded'),
      '/d/any',
      { scope: 'chat:admin', parent_scope: 'chat:write' },
    ],
  ])('%s: %j', async (_, expected, target, claims) => {
    await ask(expected, target, (world) => ({ ...chain('worker', 'planner')(world), ...claims }))
  })

  it('does not get from it what it was not given itself', async () => {
    const claims = { scope: 'docs:read', parent_scope: 'docs:read docs:write' }
    const token = await world.acme.mint({ ...chain('worker', 'planner')(world), ...claims })
    const response = await world.send({ target: '/d/write', token })
    expectDenial(response, 403, 'scope_missing')
    expectChallenge(response, 'insufficient_scope')
  })
})

describe('an actor of another issuer', () => {
  const foreign = (by: Name, of: Name): Claims => {
    const inside = by === 'acme' ? { sub_profile: 'ai_agent' } : {}
    return (world) => ({ act: { sub: 'planner', iss: world[of].issuer, ...inside } })
  }

  it.each<[Name, Name]>([
    ['acme', 'beta'],
    ['beta', 'acme'],
  ])('of %s cannot be an agent of %s, though it counts', async (by, of) => {
    await ask(refused('agent_issuer_mismatch'), '/d/any', foreign(by, of), by)
    world.origin.clear()
    const { request } = await ask(OK, '/d/any', foreign(by, by), by)
    expect(request?.header('x-agent-id')).toBe(`${by}/planner`)
    expect(request?.header('x-agent-issuer')).toBe(world[by].issuer)
    expect(request?.header('x-agent-delegation')).toBe('planner')
  })

  it('that is inside is told with its issuer, and is no actor of the token’s own', async () => {
    const inner = { sub: 'supervisor', iss: world.beta.issuer }
    const { request, line } = await ask(OK, '/d/any', (w) => ({
      act: { ...act(w, 'a'), act: inner },
    }))
    expect(request?.header('x-agent-delegation')).toBe(`a,${world.beta.issuer};supervisor`)
    expect(line.actors).toEqual([
      { sub: 'a', issuer: world.acme.issuer },
      { sub: 'supervisor', issuer: world.beta.issuer },
    ])
    world.origin.clear()
    const outer: Claims = (w) => ({ act: { ...inner, act: act(w, 'supervisor') } })
    await ask(refused('actor_not_allowed'), '/d/supervised', outer)
  })
})

describe('types of agents', () => {
  const typed =
    (sub_profile?: string, more: Members = {}): Claims =>
    (world) => ({ act: { ...act(world, 'a'), ...(sub_profile && { sub_profile }) }, ...more })

  it.each<[string, { status: number; code?: string }, Claims]>([
    ['of the actor', OK, typed('ai_agent')],
    ['one of several of the actor', OK, typed('service ai_agent')],
    ['none of the actor', refused('agent_type_not_allowed'), typed()],
    ['another of the actor', refused('agent_type_not_allowed'), typed('service')],
    ['a part of another', refused('agent_type_not_allowed'), typed('ai_agent2 not_ai_agent')],
    [
      'of the subject alone',
      refused('agent_type_not_allowed'),
      typed(undefined, { sub_profile: 'ai_agent' }),
    ],
    [
      'of a claim that is not read',
      refused('agent_type_not_allowed'),
      typed(undefined, { agent_type: 'sub-agent' }),
    ],
    ['of the agent itself', OK, () => ({ sub_profile: 'ai_agent' })],
    [
      'of an inner actor',
      refused('agent_type_not_allowed'),
      (w) => ({ act: { ...act(w, 'a'), act: { ...act(w, 'b'), sub_profile: 'ai_agent' } } }),
    ],
    ['that are malformed', bad('agent_id_malformed'), typed('service  ai_agent')],
  ])('%s: %j', async (_, expected, claims) => {
    await ask(expected, '/d/agents', claims)
  })

  it('are told as the token has them', async () => {
    const { request } = await ask(OK, '/d/agents', typed('service ai_agent'))
    expect(request?.header('x-agent-type')).toBe('service%20ai_agent')
    const { payload } = await assertionIn(world.gate, request, world.origin.url)
    expect(payload.agent_type).toBe('service ai_agent')
  })

  it('are a claim of the deployment’s own words where the issuer has no profiles', async () => {
    await ask(OK, '/d/agents', { agent_type: 'sub-agent' }, 'beta')
    world.origin.clear()
    const claims = { agent_type: 'orchestrator', sub_profile: 'ai_agent' }
    await ask(refused('agent_type_not_allowed'), '/d/agents', claims, 'beta')
  })
})

describe('a token of one workflow', () => {
  const targets = (run: string) => [
    `/d/runs/${run}`,
    `/d/by-query?run=${run}`,
    `/d/by-header x-run:${run}`,
  ]
  const mismatch = refused('workflow_mismatch')
  const intent = (workflow_id: unknown) => ({ intent: { workflow_id } })

  it.each(targets('run-1'))('passes %s of its own', async (target) => {
    await ask(OK, target, { workflow_id: 'run-1' })
  })

  it.each([...targets('run-2'), ...targets('RUN-1')])('is kept out of %s', async (target) => {
    await ask(mismatch, target, { workflow_id: 'run-1' })
  })

  it.each<[string, { status: number; code?: string }, Members, Name]>([
    ['agrees with its intent', OK, { workflow_id: 'run-1', ...intent('run-1') }, 'acme'],
    ['disagrees', bad('workflow_conflict'), { workflow_id: 'run-1', ...intent('run-2') }, 'acme'],
    [
      'has a malformed intent',
      bad('agent_id_malformed'),
      { workflow_id: 'run-1', ...intent(7) },
      'acme',
    ],
    ['has it in its intent only', mismatch, intent('run-1'), 'acme'],
    ['has it in its intent, which is read', OK, intent('run-1'), 'beta'],
    ['has another there', mismatch, intent('run-2'), 'beta'],
    [
      'disagrees with what is read',
      bad('workflow_conflict'),
      { workflow_id: 'run-1', ...intent('x') },
      'beta',
    ],
    ['has none', mismatch, {}, 'acme'],
  ])('that %s: %j', async (_, expected, claims, by) => {
    const { request } = await ask(expected, '/d/runs/run-1', claims, by)
    expect(request?.header('x-agent-workflow-id')).toBe(request && 'run-1')
  })
})

it('an actor is stopped by a revocation of its own issuer, and by none of another', async () => {
  const { acme, beta } = world
  const { call } = administration(() => world)
  const revoke = async (issuer: string) => {
    const body = { kind: 'agent', issuer, value: 'stopped-actor' }
    expect((await call('ops', { method: 'POST', body })).status).toBe(200)
  }
  const inner = { sub: 'stopped-actor', iss: beta.issuer }
  const claims = { sub: 'alice', act: { sub: 'worker', iss: acme.issuer, act: inner } }
  await revoke(acme.issuer)
  await ask(OK, '/d/any', claims)
  world.origin.clear()
  await revoke(beta.issuer)
  await ask(bad('token_revoked'), '/d/any', claims)
})

it('a sub-agent gets neither the routes, the workflow nor the scopes of who started it', async () => {
  const started = (sub: string, ...before: readonly string[]): Claims => {
    const of = chain(sub, ...before)
    return (world) => ({ ...of(world), client_id: AGENT, workflow_id: 'run-1', scope: 'docs:read' })
  }
  const [orchestrator, worker] = [started('supervisor'), started('worker', 'supervisor')]
  await ask(OK, '/d/supervised', orchestrator)
  world.origin.clear()
  await ask(refused('actor_not_allowed'), '/d/supervised', worker)
  await ask(refused('workflow_mismatch'), '/d/runs/run-2', worker)
  const token = await world.acme.mint(worker(world))
  expectDenial(await world.send({ target: '/d/write', token }), 403, 'scope_missing')
  const { request } = await ask(OK, '/d/read', worker)
  expect(request?.header('x-agent-id')).toBe('acme/worker')
})
