import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import type { RecordedRequest } from '../kit/origin.ts'
import type { Header } from '../kit/raw.ts'
import type { GateName } from './denial-cases.ts'
import { type DenialGates, startDenialGates } from './denial-gates.ts'
import { expectChallenge, expectDenial, expectRpcDenial } from './denied.ts'
import {
  authorizationOf,
  CHALLENGES,
  caseOf,
  ENFORCED,
  expectNoForgery,
  expectNoIdentity,
  expectOrigins,
  FORGED,
  ORIGIN,
  SHADOWED,
} from './shadowed.ts'
import { type Ask, REVOCATIONS, SECRET, type World } from './world.ts'

let world: World
let started: DenialGates

beforeAll(async () => {
  started = await startDenialGates({
    gate: { mode: 'shadow', strip_headers: ['x-internal-user'] },
    routes: [
      {
        match: 'GET /v1/injected-scope',
        scopes: ['nobody:has'],
        mode: 'shadow',
        inject: { Authorization: `Bearer \${ORIGIN_KEY}` },
      },
    ],
  })
  world = started.world
})
beforeEach(() => world.origin.clear())
afterAll(() => started.close())

let asked = 0

/** Sends a request, and gives its answer with its one line in the journal. */
const send = async (ask: Ask, at: GateName = 'main') => {
  const id = `shadow-${++asked}`
  const { send, gate } = started.gates[at]
  const response = await send({ ...ask, headers: [...(ask.headers ?? []), ['X-Request-Id', id]] })
  const line = await gate.journalLine(({ request_id }) => request_id === id)
  expect(gate.journal().filter(({ request_id }) => request_id === id)).toHaveLength(1)
  return { response, line }
}

const one = (): RecordedRequest => {
  expect(world.origin.requests).toHaveLength(1)
  return world.origin.requests[0] as RecordedRequest
}

describe('a request that would be denied', () => {
  // A handshake loses its token: subprotocols.test.ts.
  const unchanged = SHADOWED.filter((code) => code !== 'subprotocols_malformed')
  it.each(unchanged)('(%s) goes on as it came', async (code) => {
    const { at, ask } = caseOf(code)
    const plain = await ask(world)
    world.origin.clear()
    world.origin.on('*', reply(...ORIGIN))
    const { response, line } = await send(
      { ...plain, headers: [...(plain.headers ?? []), ...FORGED] },
      at,
    )
    expectOrigins(response)
    const request = one()
    expect(request.method).toBe(plain.method ?? 'GET')
    expect(request.url).toBe(plain.target ?? '/v1/any')
    expect(request.header('authorization')).toBe(authorizationOf(plain))
    expectNoIdentity(request)
    expectNoForgery(request)
    expect(line).toMatchObject({
      decision: 'allowed',
      would_deny: true,
      mode: 'shadow',
      code,
      route: expect.stringMatching(/ \//),
      origin_status: 203,
    })
  })

  it.each([
    'Basic dXNlcjpwYXNz',
    'Digest username="a", realm="b, c", nc=00000001',
    'bearer   spaced-and-lower-case',
    'Bearer',
    'Bearer a.b.c, Basic dXNlcjpwYXNz',
    'DPoP eyJ0eXAiOiJkcG9wK2p3dCJ9.e30.AA',
    'ApiKey "quoted \\" text"; x=\u00a7',
  ])('keeps its own Authorization: %s', async (value) => {
    world.origin.on('*', reply(...ORIGIN))
    const bytes = Buffer.from(value, 'utf8').toString('latin1')
    const { response, line } = await send({ headers: [['Authorization', bytes]] })
    expectOrigins(response)
    expect(Buffer.from(one().header('authorization') ?? '', 'latin1').toString('utf8')).toBe(value)
    expectNoIdentity(one())
    expect(line).toMatchObject({ would_deny: true, mode: 'shadow' })
  })

  it('keeps a token that is not good where none is needed', async () => {
    const { line } = await send({ target: '/optional', token: 'not-a-token' })
    expect(one().header('authorization')).toBe('Bearer not-a-token')
    expectNoIdentity(one())
    expect(line).toMatchObject({ code: 'token_malformed', would_deny: true })
  })

  it('keeps its proof of possession', async () => {
    const proof: Header = ['DPoP', 'eyJ0eXAiOiJkcG9wK2p3dCJ9.e30.AA']
    await send({ headers: [['Authorization', 'DPoP a.b.c'], proof] })
    expect(one().header('dpop')).toBe(proof[1])
  })

  it.each<[string, Ask]>([
    ['its query', { target: '/v1/any?a=%41&&b=x%20y+z&access_token=&c=%zz?/' }],
    ['its body', { target: '/v1/chat/completions', method: 'POST', body: '{"a": "\u00e4"}' }],
    ['a scope too few and a body', { target: '/tools/x', method: 'PUT', body: 'x'.repeat(70_000) }],
  ])('keeps %s', async (_name, ask) => {
    world.origin.on('*', reply(...ORIGIN))
    const { response, line } = await send(ask)
    expectOrigins(response)
    const { url, method, bodyLength, body } = one()
    expect({ url, method }).toEqual({
      url: ask.target?.replace(/^\/tools/, ''),
      method: ask.method ?? 'GET',
    })
    expect(bodyLength).toBe(Buffer.byteLength(ask.body ?? ''))
    if (bodyLength < 1_000) expect(body).toBe(ask.body ?? '')
    expect(line.would_deny).toBe(true)
  })

  it('is told apart from one whose origin failed too', async () => {
    const { response, line } = await send({ target: '/v1/dead' })
    expectDenial(response, 502, 'origin_unreachable')
    expect(line).toMatchObject({ decision: 'denied', code: 'origin_unreachable', would_deny: true })
  })
})

describe('the origin still authenticates', () => {
  it.each([
    ['would be denied', undefined],
    ['is allowed', {}],
  ])('a request that %s: its own 401 reaches the agent', async (_name, claims) => {
    world.origin.on('*', reply(401, CHALLENGES, 'who are you'))
    const { response, line } = await send(claims ? { token: await world.token(claims) } : {})
    expect(response).toMatchObject({ status: 401, body: 'who are you' })
    for (const [name, value] of Object.entries(CHALLENGES)) {
      expect(response.header(name)).toBe(value)
    }
    expect(line).toMatchObject({ decision: 'allowed', origin_status: 401 })
  })
})

describe('a request that is allowed', () => {
  it('has its identity and its Authorization', async () => {
    const token = await world.token({ client_id: 'agent-7' })
    const authorization: Header = ['Authorization', `bearer  ${token}`]
    const { response, line } = await send({ headers: [authorization, ...FORGED] })
    expect(response.status).toBe(200)
    expect(one().header('authorization')).toBe(authorization[1])
    expect(one().header('x-agent-id')).toBe('acme/agent-7')
    expect(one().header('x-agent-issuer')).toBe(world.acme.issuer)
    expectNoForgery(one())
    expect(line).toMatchObject({ decision: 'allowed', mode: 'shadow', agent: 'agent-7' })
    for (const name of ['would_deny', 'code', 'detail']) expect(line).not.toHaveProperty(name)
  })

  it.each<[string, Ask]>([
    ['a public rule, whatever the token', { target: '/public/x', token: 'not-a-token' }],
    ['an optional rule without a token', { target: '/optional' }],
  ])('goes on without an identity: %s', async (_name, ask) => {
    const { response, line } = await send({ ...ask, headers: FORGED })
    expect(response.status).toBe(200)
    expectNoIdentity(one())
    expect(one().header('authorization')).toBe(authorizationOf(ask))
    expect(line).toMatchObject({ decision: 'allowed', mode: 'shadow' })
    expect(line).not.toHaveProperty('would_deny')
  })
})

/** What is found in an answer only. */
const ANSWERED = /^(?:origin_(?:timeout|credential|encoding)|session_invalid|mcp_answer)/

describe('enforced all the same', () => {
  it.each(ENFORCED)('%s', async (code) => {
    const { at, ask, status, challenge, headers = [], rpc } = caseOf(code)
    const plain = await ask(world)
    const { response, line } = await send(plain, at)
    if (rpc) expectRpcDenial(response, status, { code, ...rpc })
    else expectDenial(response, status, code)
    expectChallenge(response, challenge)
    for (const [name, value] of headers) expect(response.header(name)).toBe(value)
    const reached = ANSWERED.test(code) ? 1 : 0
    expect(world.origin.requests).toHaveLength(reached)
    expect(line).toMatchObject({ decision: 'denied', code })
    expect(line).not.toHaveProperty('would_deny')
  })

  it.each<[string, number, string, Ask]>([
    ['no token', 401, 'credential_missing', { target: REVOCATIONS }],
    ['no token', 401, 'credential_missing', { target: REVOCATIONS, method: 'POST', body: '{}' }],
    ['no token', 401, 'credential_missing', { target: `${REVOCATIONS}/x`, method: 'DELETE' }],
    ['no good token', 401, 'token_malformed', { target: '/.edgewarden/ready', token: 'x' }],
    ['another method', 404, 'route_unknown', { target: '/.edgewarden', method: 'POST' }],
    [
      'a preflight for no method of any rule',
      403,
      'preflight_refused',
      {
        method: 'OPTIONS',
        headers: [
          ['Origin', 'https://app.example.com'],
          ['Access-Control-Request-Method', 'PROPFIND'],
        ],
      },
    ],
    ['no token for an origin’s credential', 401, 'credential_missing', { target: '/v1/injected' }],
  ])('%s: %i %s', async (_name, status, code, ask) => {
    const { response, line } = await send(ask)
    expectDenial(response, status, code)
    expect(world.origin.requests).toHaveLength(0)
    expect(line).toMatchObject({ decision: 'denied', mode: 'enforce', code })
    expect(line).not.toHaveProperty('would_deny')
  })

  it('a scope too few for the gate’s own endpoints, and for an origin’s credential', async () => {
    for (const target of [REVOCATIONS, '/v1/injected-scope']) {
      const { response, line } = await send({ target, token: await world.token() })
      expectDenial(response, 403, 'scope_missing')
      expect(line).toMatchObject({ decision: 'denied', mode: 'enforce' })
    }
    expect(world.origin.requests).toHaveLength(0)
  })

  it('an origin’s credential takes the place of the token', async () => {
    const { line } = await send({ target: '/v1/injected', token: await world.token() })
    expect(one().header('authorization')).toBe(`Bearer ${SECRET}`)
    expect(line).toMatchObject({ decision: 'allowed', mode: 'enforce' })
  })
})
