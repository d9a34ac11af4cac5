import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { reply } from '../kit/answers.ts'
import type { RecordedRequest } from '../kit/origin.ts'
import type { Header, RawResponse } from '../kit/raw.ts'
import { IDENTITY, OTHERS } from './attacks/header-names.ts'
import { CASES, type Case, type GateName } from './denial-cases.ts'
import { type DenialGates, startDenialGates } from './denial-gates.ts'
import { expectChallenge, expectDenial, expectRpcDenial } from './denied.ts'
import { type Ask, HOST, REVOCATIONS, SECRET, type World } from './world.ts'

/** A code of each stage that a rule in shadow mode lets through; the second implementation judges all. */
const SHADOWED = [
  ...['insecure_transport', 'parameter_ambiguous', 'credential_missing', 'token_malformed'],
  ...['decryption_failed', 'issuer_unknown', 'keys_unavailable', 'signature_invalid'],
  ...['token_expired', 'token_bound', 'proof_missing', 'actor_missing', 'grant_missing'],
  ...['agent_type_not_allowed', 'scope_missing', 'condition_failed', 'rate_limit_unavailable'],
  ...['single_use_unavailable', 'token_revoked', 'agent_suspended', 'assertion_unavailable'],
]

/** Codes that are enforced all the same, of each kind. */
const ENFORCED = [
  ...['host_unknown', 'path_ambiguous', 'method_unknown', 'route_unknown', 'policy_invalid'],
  ...['body_unexpected', 'digest_mismatch', 'tool_not_allowed', 'session_unknown'],
  ...['origin_unreachable', 'origin_credential_refused', 'revocation_invalid', 'admin_reach'],
]

/** The request that brings a code about. */
function caseOf(code: string): Case {
  const found = CASES[code]
  if (!found) throw new Error(`${code} has no case`)
  return found
}

const FORGERY = 'forged-value'

/** What a stranger sends so that an origin takes it for the gate's word. */
const FORGED = [...IDENTITY, ...OTHERS]
  .filter((name) => !/^(?:dpop|proxy-authorization)$/i.test(name))
  .map((name): Header => [name, FORGERY])

/** The `Authorization` that an origin must get of a request: what was sent, joined if twice. */
function authorizationOf({ token, headers = [] }: Ask): string | undefined {
  const own = headers.filter(([name]) => name === 'Authorization').map(([, value]) => value)
  const all = token === undefined ? own : [`Bearer ${token}`, ...own]
  return all.length === 0 ? undefined : all.join(', ')
}

/** Nothing that was forged arrived. */
function expectNoForgery({ rawHeaders }: RecordedRequest): void {
  expect(rawHeaders.filter(([, value]) => value.includes(FORGERY))).toEqual([])
}

/** No identity arrived, in any spelling, and no credential of the gate's own. */
function expectNoIdentity(request: RecordedRequest): void {
  const folded = request.rawHeaders.map(([name]) => name.toLowerCase().replace(/[^a-z0-9]/g, '-'))
  expect(folded.filter((name) => name.startsWith('x-agent-'))).toEqual([])
  expect(JSON.stringify(request.rawHeaders)).not.toContain(SECRET)
}

/** An answer that nothing but the origin gives: status, headers, body. */
const ORIGIN: readonly [number, Record<string, string>, string] = [
  203,
  { 'x-origin': 'yes', 'content-type': 'text/plain' },
  'answer of the origin',
]

/** The agent got that answer. */
function expectOrigins(response: RawResponse): void {
  const [status, headers, body] = ORIGIN
  expect({ status: response.status, body: response.body }).toEqual({ status, body })
  for (const [name, value] of Object.entries(headers)) expect(response.header(name)).toBe(value)
}

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
  it.each(SHADOWED)('(%s) goes on as it came', async (code) => {
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
    'bearer   spaced-and-lower-case',
    'Bearer',
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
})

it('a body of unknown length goes on whole', async () => {
  world.origin.on('*', reply(201))
  const parts = Array.from({ length: 50 }, (_, i) => Buffer.alloc(20_000, i))
  const response = await world.gate.fetch('/v1/any', {
    ...{ method: 'POST', body: ReadableStream.from(parts), duplex: 'half' },
    headers: { host: HOST },
  } as RequestInit)
  expect(response.status).toBe(201)
  const hash = createHash('sha256').update(Buffer.concat(parts)).digest('base64url')
  expect([one().bodyLength, one().bodySha256]).toEqual([1_000_000, hash])
})

it('a WebSocket that would be denied is connected', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${world.gate.port}/v1/any`, {
    headers: { host: HOST, authorization: 'Basic dXNlcjpwYXNz' },
  })
  await once(socket, 'open')
  socket.send('hello')
  expect(String((await once(socket, 'message'))[0])).toBe('hello')
  socket.terminate()
  expect(one().header('authorization')).toBe('Basic dXNlcjpwYXNz')
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
