import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { denialGroups } from '../../src/command/base/denials.ts'
import type { Header, RawResponse } from '../kit/raw.ts'
import { CASES, type Case, EXEMPT, NOT_GET } from './denial-cases.ts'
import { type DenialGates, startDenialGates } from './denial-gates.ts'
import {
  expectChallenge,
  expectDenial,
  expectDenialHeaders,
  expectNoLeak,
  expectRpcDenial,
} from './denied.ts'
import type { Ask, World } from './world.ts'

let world: World
let started: DenialGates

beforeAll(async () => {
  started = await startDenialGates()
  world = started.world
})
afterAll(() => started.close())

const GETS = Object.entries(CASES).filter(([code]) => !NOT_GET.has(code))

const send = (at: Case['at'] = 'main', ask: Ask): Promise<RawResponse> =>
  started.gates[at].send(ask)

describe('every denial code', () => {
  it('has a request here', () => {
    const codes = denialGroups().flatMap(({ rows }) => rows.map(([code]) => code))
    const tested = [...Object.keys(CASES), ...Object.keys(EXEMPT)]
    expect(tested.sort()).toEqual(codes.sort())
  })

  it.each(Object.entries(CASES))('%s is answered as documented', async (code, expected) => {
    const { at, status, challenge, body = {}, headers = [], rpc } = expected
    const ask = await expected.ask(world)
    const seen = world.origin.requests.length
    const response = await send(at, { ...ask, headers: [...(ask.headers ?? []), ID] })
    if (rpc) expectRpcDenial(response, status, { code, ...rpc })
    else expectDenial(response, status, code)
    expect(response.header('x-request-id')).toBe(ID[1])
    expectChallenge(response, challenge)
    const told = JSON.parse(response.body)
    expect(rpc ? told.error.data : told).toMatchObject(body)
    for (const [name, value] of headers) expect(response.header(name)).toBe(value)
    expectNoLeak(response, world, ask.token)
    expect(response.raw.toString()).not.toContain('confidential-value')
    const reached = /^(origin_(timeout|credential|encoding)|session_invalid|mcp_answer)/.test(code)
      ? 1
      : 0
    expect(world.origin.requests.length - seen).toBe(reached)
  })

  it.each(GETS)('%s has the same head and no body for HEAD', async (_code, expected) => {
    const ask = await expected.ask(world)
    expect(ask.method ?? 'GET').toBe('GET')
    const response = await send(expected.at, { ...ask, method: 'HEAD' })
    expectDenialHeaders(response, expected.status)
    expectChallenge(response, expected.challenge)
    expect(response.header('content-type')).toBe('application/problem+json')
    // A body that follows would be read as the next response.
    expect(response.raw.subarray(response.raw.indexOf('\r\n\r\n') + 4)).toHaveLength(0)
    for (const [name, value] of expected.headers ?? []) expect(response.header(name)).toBe(value)
  })
})

const ID: Header = ['X-Request-Id', 'request-0123456789']

describe('an Authorization header that is there', () => {
  it.each<[string, number, 'scheme_unsupported' | 'credential_malformed']>([
    ['Basic YTpi', 401, 'scheme_unsupported'],
    ['Digest username="a", realm="b, c d", nc=00000001', 401, 'scheme_unsupported'],
    ['Basic YTpi, Basic YTpi', 400, 'credential_malformed'],
  ])('(%j) is not passed over where none is needed', async (value, status, code) => {
    const headers: Header[] = [['Authorization', value]]
    expectDenial(await world.send({ target: '/optional', headers }), status, code)
  })

  it.each(['', ' \t '])(
    '(%j) is none to the Worker: the runtime drops an empty one',
    async (value) => {
      world.origin.clear()
      const headers: Header[] = [
        ['Authorization', value],
        ['X-Empty', value],
      ]
      expect((await world.send({ target: '/optional', headers })).status).toBe(200)
      const [request] = world.origin.requests
      expect(request?.header('x-empty')).toBe('')
      expect(request?.header('authorization')).toBeUndefined()
      expect(request?.header('x-agent-id')).toBeUndefined()
      expectDenial(await world.send({ headers }), 401, 'credential_missing')
    },
  )

  it('twice is one too many, whatever the scheme', async () => {
    const headers: Header[] = [
      ['Authorization', 'Basic YTpi'],
      ['Authorization', 'Basic YTpi'],
    ]
    for (const target of ['/optional', '/v1/any']) {
      expectDenial(await world.send({ target, headers }), 400, 'credential_malformed')
    }
  })
})

describe('a denial', () => {
  it('gives a request id of its own where the one sent is not well formed', async () => {
    for (const id of ['short', 'a b c d e f', 'x'.repeat(65), 'id-12345678"', 'é1234567890']) {
      const bytes = Buffer.from(id).toString('latin1')
      const response = await world.send({ headers: [['X-Request-Id', bytes]] })
      expectDenial(response, 401, 'credential_missing')
      expect(response.header('x-request-id')).not.toBe(bytes)
    }
  })

  it('names all scopes in the challenge, or the first alternative', async () => {
    const needs = async (ask: Ask) => (await world.send(ask)).header('www-authenticate')
    expect(await needs({ target: '/v1/admin/users' })).toContain('scope="admin:all"')
    expect(await needs({ target: '/v1/docs/7' })).toContain('scope="docs:read"')
    const with_ = { token: await world.token() }
    expect(await needs({ ...with_, target: '/v1/docs/7', method: 'DELETE' })).toContain(
      'scope="docs:write docs:delete:7"',
    )
    expect(await needs({ ...with_, target: '/v1/docs/7' })).toContain('scope="docs:read"')
  })

  it('reaches a browser on a route with cors, and no other', async () => {
    const headers: Header[] = [['Origin', 'https://app.example.com']]
    const open = await world.send({ target: '/v1/browser', headers })
    expectDenial(open, 401, 'credential_missing')
    expect(open.header('access-control-allow-origin')).toBe('https://app.example.com')
    expect(open.header('access-control-expose-headers')).toMatch(/WWW-Authenticate/i)
    const other = await world.send({ target: '/v1/browser', headers: [['Origin', 'https://x.y']] })
    expect(other.header('access-control-allow-origin')).toBeUndefined()
    const closed = await world.send({ target: '/v1/any', headers })
    expect(closed.header('access-control-allow-origin')).toBeUndefined()
  })

  it('of a broken policy is that of every endpoint', async () => {
    const token = await world.ops.mint({ scope: 'edgewarden:read' })
    const response = await started.gates.invalid.send({ target: '/.edgewarden/policy', token })
    expectDenial(response, 503, 'policy_invalid')
  })

  it('never puts a token or a secret into the log', async () => {
    const secret = await world.token({ jti: 'log-probe' }, { typ: 'JWT' })
    const [, payload = '', signature = ''] = secret.split('.')
    const target = '/v1/any?q=query-confidential'
    await world.send({ token: secret, target, headers: [['X-Request-Id', 'log-probe-1']] })
    await world.gate.journalLine((line) => line.request_id === 'log-probe-1')
    // All gates write into one log.
    const output = world.gate.output()
    for (const text of [payload, signature, 'query-confidential', 'origin-credential-']) {
      expect(output).not.toContain(text)
    }
    expect(output).not.toContain('unexpected_error')
  })
})
