import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Members } from '../kit/signing.ts'
import { administration } from './administration.ts'
import { expectChallenge, expectDenial } from './denied.ts'
import { bodyOf, explaining, type Wanted } from './explaining.ts'
import { AGENT, EXPLAIN, KID, RESOURCE, sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

let world: World
beforeAll(async () => {
  world = await sharedWorld(WORLD)
  // So that the gate holds the keys of all of them.
  for (const name of ['acme', 'beta', 'ops'] as const) {
    expect((await world.send({ token: await world[name].mint() })).status).toBe(200)
  }
})
beforeEach(() => world.origin.clear())

const { ask, told } = explaining(() => world)
const { revoke, liftAll } = administration(() => world)

const STAGES = [
  'route',
  'address',
  'credential',
  'issuer',
  'signature',
  'claims',
  'agentic_jwt',
  'possession',
  'delegation',
  'agent',
  'workflow',
  'scope',
  'authorization_details',
  'authentication',
  'limit_precheck',
  'in_flight',
  'condition',
  'holding',
  'operation',
  'mcp_access',
  'use_scope',
  'use_condition',
  'approval_need',
  'signing',
  'revocation_precheck',
  'approval',
  'replay',
  'limit',
  'approval_take',
  'revocation',
]

describe('an allowed request', () => {
  it('is explained in full', async () => {
    const claims = { sub: 'alice', workflow_id: 'run-1', act: { sub: 'planner' }, jti: 'jti-1' }
    const token = await world.token({ ...claims, agent_type: 'planner' })
    const response = await ask('ops', {
      body: bodyOf({ token, method: 'POST', path: '/v1/chat/completions?x=1' }),
    })
    expect(response.status).toBe(200)
    expect(response.header('content-type')).toMatch(/^application\/json/)
    expect(response.header('cache-control')).toBe('no-store')
    const explanation = JSON.parse(response.body)
    expect(explanation).toMatchObject({
      allowed: true,
      mode: 'enforce',
      agent: {
        id: AGENT,
        name: `acme/${AGENT}`,
        issuer: world.acme.issuer,
        subject: 'alice',
        client_id: AGENT,
        type: 'planner',
        workflow_id: 'run-1',
        actors: [{ sub: 'planner', issuer: world.acme.issuer }],
        scopes: ['chat:write'],
      },
      route: {
        match: 'GET,POST /v1/chat/completions',
        resource: RESOURCE,
        access: 'required',
        scopes: ['chat:write'],
        mode: 'enforce',
      },
    })
    expect(explanation.steps.map(({ stage }: { stage: string }) => stage)).toEqual(STAGES)
    expect(explanation).not.toHaveProperty('denial')
    expect(world.origin.requests).toEqual([])
  })
})

describe('a denied request', () => {
  it('is told nothing of a query, and no claim of an unverified token but its issuer', async () => {
    const claims = { sub: 'claim-sub-44', client_id: 'claim-client-44', jti: 'claim-jti-44' }
    const [head, payload] = (await world.token(claims)).split('.')
    const token = `${head}.${payload}.${'A'.repeat(86)}`
    const explanation = await told('ops', { token, path: '/v1/any?query-44' })
    expect(explanation.denial?.code).toBe('signature_invalid')
    const text = JSON.stringify(explanation.steps)
    expect(text).toContain(world.acme.issuer)
    expect(text).not.toMatch(/-44/)
  })

  it('may be one whose token is revoked', async () => {
    const token = await world.token({ jti: 'explained-1' })
    const entry = { kind: 'token', issuer: world.acme.issuer, value: 'explained-1' }
    const id = await revoke('ops', entry)
    const explanation = await told('ops', { token })
    await liftAll()
    expect(explanation.denial?.code).toBe('token_revoked')
    expect(explanation.steps.at(-1)).toMatchObject({
      stage: 'revocation',
      detail: { id, kind: 'token' },
    })
    expect((await told('ops', { token })).allowed).toBe(true)
  })
})

describe('a token outside the reach of who asks', () => {
  /** What a token of `acme` says, and nobody of `beta` may learn by asking. */
  const CLAIMS = {
    jti: 'jti-yankee',
    sub: 'subject-yankee',
    client_id: 'client-yankee',
    act: 'act-yankee',
  }

  it.each<[string, Wanted, Members]>([
    ['allowed', {}, { act: { sub: 'actor-yankee' } }],
    ['denied', { path: '/v1/docs/7' }, { act: { sub: 'actor-yankee' } }],
    ['malformed', {}, CLAIMS],
    ['not read', { path: '/public/x' }, CLAIMS],
  ])('is shown by stage and code only (%s)', async (_name, wanted, claims) => {
    const token = await world.token({ ...CLAIMS, ...claims })
    const response = await ask('beta', { body: bodyOf({ token, ...wanted }) })
    const full = await told('ops', { token, ...wanted })
    expect(JSON.parse(response.body)).toEqual({
      allowed: full.allowed,
      ...(full.denial && { denial: { code: full.denial.code } }),
      steps: full.steps.map(({ stage, outcome }) => ({ stage, outcome })),
    })
    for (const text of ['yankee', world.acme.issuer, 'acme', KID, token]) {
      expect(response.body).not.toContain(text)
    }
  })

  it('may come in a subprotocol as well', async () => {
    const token = await world.token({ jti: 'jti-yankee' })
    const headers = {
      Upgrade: 'websocket',
      'Sec-WebSocket-Protocol': `realtime, mcp.auth.${token}`,
    }
    const wanted = { path: '/v1/socket-of-browser', headers }
    expect(Object.keys(await told('beta', wanted)).sort()).toEqual(['allowed', 'steps'])
    expect(await told('ops', wanted)).toMatchObject({
      allowed: true,
      agent: { issuer: world.acme.issuer },
    })
  })
})

it('an encrypted token is shown by stage and code only, whoever asks', async () => {
  const token = `${Buffer.from('{"alg":"RSA-OAEP-256"}').toString('base64url')}.AA.AA.AA.AA`
  for (const by of ['beta', 'ops'] as const) {
    expect(await told(by, { token })).toEqual({
      allowed: false,
      denial: { code: 'token_encrypted' },
      steps: [
        { stage: 'route', outcome: 'passed' },
        { stage: 'address', outcome: 'passed' },
        { stage: 'credential', outcome: 'denied' },
      ],
    })
    const open = await told(by, { token, path: '/public/x' })
    expect(open).toMatchObject({ allowed: true })
    expect(open).not.toHaveProperty('route')
  }
})

describe('the endpoint', () => {
  it('needs a token, with its scope, of an issuer that administers', async () => {
    const body = bodyOf({})
    const none = await world.send({ method: 'POST', target: EXPLAIN, body })
    expectDenial(none, 401, 'credential_missing')
    expectChallenge(none, 'plain')
    const unscoped = await ask('ops', { body }, { scope: 'edgewarden:revoke' })
    expectDenial(unscoped, 403, 'scope_missing')
    expectChallenge(unscoped, 'insufficient_scope')
    const plain = await ask('plain', { body }, { scope: 'edgewarden:read' })
    expectDenial(plain, 403, 'admin_not_allowed')
    expectChallenge(plain, 'none')
  })
})

describe('the journal', () => {
  it('has the line of who asked, and nothing of what was explained', async () => {
    const token = await world.token({ jti: 'journal-zulu', sub: 'subject-zulu' })
    const wanted = {
      token,
      path: '/v1/any/path-zulu?query-zulu=1',
      headers: { 'X-Seven': 'header-zulu' },
    }
    const bodies = [
      bodyOf(wanted),
      bodyOf({ ...wanted, path: '/v1/../path-zulu' }),
      bodyOf({ ...wanted, token: 'token-zulu' }),
      bodyOf({ ...wanted, method: 'method zulu' }),
      `${bodyOf(wanted)}zulu`,
    ]
    const before = world.gate.journal().length
    for (const [i, body] of bodies.entries()) {
      await ask('ops', { body, headers: [['X-Request-Id', `explained-${i}`]] })
    }
    await world.gate.journalLine(({ request_id }) => request_id === 'explained-4')
    const lines = world.gate.journal().slice(before)
    expect(lines.map(({ request_id, decision, code }) => [request_id, decision, code])).toEqual([
      ['explained-0', 'allowed', undefined],
      ['explained-1', 'allowed', undefined],
      ['explained-2', 'allowed', undefined],
      ['explained-3', 'denied', 'explain_invalid'],
      ['explained-4', 'denied', 'explain_invalid'],
    ])
    for (const line of lines) {
      expect(line).toMatchObject({
        route: `POST ${EXPLAIN}`,
        issuer: world.ops.issuer,
        agent: 'operator',
      })
    }
    const output = world.gate.output()
    expect(output).not.toContain('zulu')
    expect(output).not.toContain('unexpected_error')
    for (const text of token.split('.').slice(1)) expect(output).not.toContain(text)
  })
})
