import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RecordedRequest } from '../kit/origin.ts'
import { arrivals } from './arrivals.ts'
import { AGENT, sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

let world: World
beforeAll(async () => {
  world = await sharedWorld(WORLD)
})
beforeEach(() => world.origin.clear())

const { arrived } = arrivals(() => world)

/** Every identity header that arrived but the assertion, by its name in lower case; each came once. */
const toldBy = ({ rawHeaders }: RecordedRequest) => {
  const told = rawHeaders
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => name.startsWith('x-agent-') && name !== 'x-agent-assertion')
  expect(new Set(told.map(([name]) => name)).size).toBe(told.length)
  return Object.fromEntries(told)
}

describe('the identity', () => {
  it('is what the token says', async () => {
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      sub: 'alice',
      agent_type: 'planner',
      workflow_id: 'run-1',
      scope: 'chat:admin other',
      jti: 'token-1',
      exp: now + 60.5,
      iat: now,
      act: { sub: 'planner', act: { sub: 'supervisor', iss: world.beta.issuer } },
    }
    const request = await arrived({ target: '/v1/chat/completions' }, claims)
    expect(toldBy(request)).toEqual({
      'x-agent-id': `acme/${AGENT}`,
      'x-agent-issuer': world.acme.issuer,
      'x-agent-subject': 'alice',
      'x-agent-client-id': AGENT,
      'x-agent-type': 'planner',
      'x-agent-workflow-id': 'run-1',
      'x-agent-scope': 'chat:admin other',
      'x-agent-grant': 'chat:admin',
      'x-agent-token-id': 'token-1',
      'x-agent-token-expires': String(now + 60),
      'x-agent-delegation': `planner,${world.beta.issuer};supervisor`,
      'x-agent-possession': 'bearer',
    })
  })

  it('of a client with a token of its own is the client, for nobody else', async () => {
    const exp = Math.floor(Date.now() / 1000) + 60
    const claims = { scope: 'chat:write', jti: 'token-2', exp }
    const request = await arrived({ target: '/v1/chat/completions' }, claims)
    expect(toldBy(request)).toEqual({
      'x-agent-id': `acme/${AGENT}`,
      'x-agent-issuer': world.acme.issuer,
      'x-agent-subject': AGENT,
      'x-agent-client-id': AGENT,
      'x-agent-scope': 'chat:write',
      'x-agent-grant': 'chat:write',
      'x-agent-token-id': 'token-2',
      'x-agent-token-expires': String(exp),
      'x-agent-possession': 'bearer',
    })
  })

  it('is no more than the token says', async () => {
    const exp = Math.floor(Date.now() / 1000) + 60
    const claims = { sub: undefined, client_id: undefined, scope: undefined, jti: 'token-3', exp }
    const request = await arrived({ token: await world.ops.mint(claims) })
    expect(toldBy(request)).toEqual({
      'x-agent-id': 'ops/operator',
      'x-agent-issuer': world.ops.issuer,
      'x-agent-token-id': 'token-3',
      'x-agent-token-expires': String(exp),
      'x-agent-possession': 'bearer',
    })
  })

  it('has a very long scope whole', async () => {
    const scope = Array.from({ length: 300 }, (_, i) => `res-${i}:rw`).join(' ')
    const request = await arrived({}, { scope })
    expect(request.header('x-agent-scope')).toBe(scope)
  })

  it('has no header for what the token does not say', async () => {
    const request = await arrived({ headers: [['X-Agent-Type', 'root']] }, { scope: undefined })
    for (const name of ['type', 'workflow-id', 'scope', 'grant', 'delegation']) {
      expect(request.header(`x-agent-${name}`)).toBeUndefined()
    }
  })

  it('ignores claims it does not know', async () => {
    const payload = JSON.stringify(world.acme.claims()).replace(
      '{',
      '{"prototype":{"agent_type":"root","act":{"sub":"root"},"workflow_id":"w"},"constructor":1,',
    )
    const header = { typ: 'at+jwt', alg: 'ES256', kid: world.acme.kid }
    const request = await arrived({ token: await world.acme.mintRaw(header, payload) })
    for (const name of ['type', 'workflow-id', 'delegation']) {
      expect(request.header(`x-agent-${name}`)).toBeUndefined()
    }
  })

  it('does not read what every object inherits', async () => {
    const request = await arrived({ token: await world.ops.mint() })
    expect(request.header('x-agent-id')).toBe('ops/operator')
  })
})

/** Texts that a careless encoding would let run into each other. */
const IDS = [
  'a,b',
  'a%2Cb',
  'a%2cb',
  'a%252Cb',
  'a, b',
  'a b',
  'a%20b',
  'a  b',
  'a+b',
  ' a',
  'a ',
  'a',
  'A',
  'a"b',
  'a%22b',
  "a'b",
  'a\\b',
  'a%5Cb',
  'a;b',
  'a%3Bb',
  'a%3bb',
  'a=b',
  'a/b',
  'a%2Fb',
  '%',
  '%25',
  '%2525',
  '%zz',
  '\u00fc',
  '%C3%BC',
  'u\u0308',
  '\u00c3\u00bc',
  '?',
  '\u20ac',
  '\ud83d\ude00',
  '\ufeffa',
  'a\u200bb',
  'a\u00a0b',
  '\u202ea',
  '=?utf-8?B?YQ==?=',
  'acme/a',
  'beta/a',
  '__proto__',
] as const

describe('ids of any kind', () => {
  const headers = ['x-agent-id', 'x-agent-subject', 'x-agent-type', 'x-agent-workflow-id'] as const
  const seen = new Map<string, Set<string>>(headers.map((name) => [name, new Set()]))

  it.each(IDS)('%j comes back from its header', async (id) => {
    const claims = { client_id: id, sub: id, agent_type: id, workflow_id: id, jti: id }
    const request = await arrived({}, claims)
    for (const name of [...headers, 'x-agent-client-id', 'x-agent-token-id']) {
      const value = request.header(name) ?? ''
      expect(value).toMatch(/^[\x21-\x7e]+$/)
      expect(value).not.toMatch(/[,"\\]/)
      expect(decodeURIComponent(value)).toBe(name === 'x-agent-id' ? `acme/${id}` : id)
      seen.get(name)?.add(value)
    }
  })

  it('never give one header for two', () => {
    for (const values of seen.values()) expect(values.size).toBe(IDS.length)
  })

  it('never give one header for two chains of actors', async () => {
    const { issuer } = world.beta
    const chains: readonly (readonly (string | { sub: string; iss: string })[])[] = [
      ...IDS.map((id) => [id]),
      ...IDS.map((sub) => [{ sub, iss: issuer }]),
      ['a', 'b'],
      ['b', 'a'],
      ['a', 'a'],
      ['a', 'b', 'c'],
      ['a,b', 'c'],
      ['a', 'b,c'],
      [`${issuer};a`],
      [`${issuer}%3Ba`],
      [{ sub: 'a', iss: issuer }, 'b'],
      ['a', { sub: 'b', iss: issuer }],
      [{ sub: 'a,b', iss: issuer }],
      [{ sub: `a,${issuer};b`, iss: issuer }],
      [
        { sub: 'a', iss: issuer },
        { sub: 'b', iss: issuer },
      ],
    ]
    const values = new Set<string>()
    for (const chain of chains) {
      world.origin.clear()
      const act = chain.reduceRight<object | undefined>(
        (inner, one) => ({
          ...(typeof one === 'string' ? { sub: one } : one),
          ...(inner && { act: inner }),
        }),
        undefined,
      )
      const value = (await arrived({}, { act })).header('x-agent-delegation') ?? ''
      expect(value).toMatch(/^[\x21-\x7e]+$/)
      expect(value.split(',')).toHaveLength(chain.length)
      values.add(value)
    }
    expect(values.size).toBe(new Set(chains.map((chain) => JSON.stringify(chain))).size)
  })
})
