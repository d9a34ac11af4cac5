import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { denialGroups } from '../../src/command/base/denials.ts'
import type { Header, RawResponse } from '../kit/raw.ts'
import { CASES, type Case, EXEMPT, NO_HEAD } from './denial-cases.ts'
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

const send = (at: Case['at'] = 'main', ask: Ask): Promise<RawResponse> =>
  started.gates[at].send(ask)

describe('every denial code', () => {
  it('has a request here', () => {
    const codes = denialGroups().flatMap(({ rows }) => rows.map(([code]) => code))
    const tested = [...Object.keys(CASES), ...Object.keys(EXEMPT)]
    expect(tested.sort()).toEqual(codes.sort())
  })

  it.each(Object.entries(CASES))('%s is answered as documented', async (code, expected) => {
    const { at, status, challenge, body = {}, headers = [], rpc, late } = expected
    const answerTo = async () => {
      const ask = await expected.ask(world)
      const seen = world.origin.requests.length
      const response = await send(at, { ...ask, headers: [...(ask.headers ?? []), ID] })
      return { ask, seen, response }
    }
    let { ask, seen, response } = await answerTo()
    for (let i = 1; i < 5 && late && JSON.parse(response.body).code === late; i++) {
      ;({ ask, seen, response } = await answerTo())
    }
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

  it('that a GET gets has the same head and no body for HEAD', async () => {
    for (const [code, { at, status, challenge, headers = [], ask: asking }] of Object.entries(
      CASES,
    )) {
      const ask = await asking(world)
      if ((ask.method ?? 'GET') !== 'GET' || NO_HEAD.has(code)) continue
      const response = await send(at, { ...ask, method: 'HEAD' })
      expectDenialHeaders(response, status)
      expectChallenge(response, challenge)
      expect(response.header('content-type')).toBe('application/problem+json')
      // A body that follows would be read as the next response.
      expect(response.raw.subarray(response.raw.indexOf('\r\n\r\n') + 4)).toHaveLength(0)
      for (const [name, value] of headers) expect(response.header(name)).toBe(value)
    }
  })
})

const ID: Header = ['X-Request-Id', 'request-0123456789']

it.each(['', ' \t '])(
  'an Authorization header of "%s" is none: the runtime drops it',
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

describe('a denial', () => {
  it('gives a request id of its own where the one sent is not well formed', async () => {
    for (const id of ['short', 'a b c d e f', 'x'.repeat(65), 'id-12345678"', 'é1234567890']) {
      const bytes = Buffer.from(id).toString('latin1')
      const response = await world.send({ headers: [['X-Request-Id', bytes]] })
      expectDenial(response, 401, 'credential_missing')
      expect(response.header('x-request-id')).not.toBe(bytes)
    }
  })

  it('of a broken policy is that of every endpoint', async () => {
    const token = await world.ops.mint({ scope: 'edgewarden:read' })
    const response = await started.gates.invalid.send({ target: '/.edgewarden/policy', token })
    expectDenial(response, 503, 'policy_invalid')
  })
})
