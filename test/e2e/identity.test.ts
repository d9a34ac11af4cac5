import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RecordedRequest } from '../kit/origin.ts'
import { SAME } from './administration.ts'
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
})

/** Texts that a careless encoding would let run into each other. */
const IDS = [
  ...['a', 'A', ' a', 'a ', 'a b', 'a%20b', 'a+b', 'a,b', 'a%2Cb', 'a%2cb', 'a, b'],
  ...['a"b', 'a\\b', 'a;b', 'a%3Bb', 'a=b', 'a/b', '%', '%25', '%zz', '\u00fc', '%C3%BC'],
  ...[
    'u\u0308',
    '\u00c3\u00bc',
    '\ud83d\ude00',
    '\ufeffa',
    '\u202ea',
    '=?utf-8?B?YQ==?=',
    'beta/a',
  ],
]

it('ids of any kind come back from their headers, and no two give one', async () => {
  const NAMES = ['id', 'subject', 'type', 'workflow-id', 'client-id', 'token-id']
  const seen = new Set<string>()
  for (const id of IDS) {
    world.origin.clear()
    const claims = { client_id: id, sub: id, agent_type: id, workflow_id: id, jti: id }
    const request = await arrived({}, claims)
    for (const name of NAMES) {
      const value = request.header(`x-agent-${name}`) ?? ''
      expect(value).toMatch(/^[\x21-\x7e]+$/)
      expect(value).not.toMatch(/[,"\\]/)
      expect(decodeURIComponent(value)).toBe(name === 'id' ? `acme/${id}` : id)
      seen.add(`${name} ${value}`)
    }
  }
  expect(seen.size).toBe(NAMES.length * IDS.length)
})

it('tokens that are remembered are never taken for each other, however many come at once', async () => {
  const HEADERS = ['id', 'issuer', 'subject', 'client-id', 'token-id', 'scope']
  expect(world.acme.kid).toBe(world.beta.kid)
  const senderOf = async (name: 'acme' | 'beta', agent: string, scope: string) => {
    const token = await world[name].mint({ ...SAME, client_id: agent, scope })
    for (let i = 0; i < 2; i++) expect((await world.send({ token })).status).toBe(200)
    const { issuer } = world[name]
    return { token, told: [`${name}/${agent}`, issuer, SAME.sub, agent, SAME.jti, scope] }
  }
  const senders = [
    await senderOf('acme', 'agent-a', 'chat:write'),
    await senderOf('beta', 'agent-a', 'chat:write'),
    await senderOf('acme', 'agent-b', 'docs:read'),
    { told: HEADERS.map(() => undefined) },
  ]
  world.origin.clear()
  const count = 60
  const send = async (n: number) => {
    const { token } = senders[n % senders.length] as { token?: string }
    const target = `/optional?n=${n}`
    expect((await world.send({ target, ...(token !== undefined && { token }) })).status).toBe(200)
  }
  await Promise.all(Array.from({ length: count }, (_, n) => send(n)))
  expect(world.origin.requests).toHaveLength(count)
  for (const { url, header } of world.origin.requests) {
    const n = Number(url.split('=')[1])
    const told = HEADERS.map((name) => header(`x-agent-${name}`))
    expect(told, `request ${n}`).toEqual(senders[n % senders.length]?.told)
  }
})
