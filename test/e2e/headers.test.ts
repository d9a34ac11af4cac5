import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { verifyAgent } from '../../packages/origin/src/index.ts'
import type { Header } from '../kit/raw.ts'
import { arrivals } from './arrivals.ts'
import { JWKS } from './asserting.ts'
import { IDENTITY, OTHERS } from './attacks/header-names.ts'
import { askGate, sharedSetting } from './setting.ts'
import { AGENT, HOST, RESOURCE, SECRET, type Sender, sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

let world: World
beforeAll(async () => {
  world = await sharedWorld(WORLD)
})
beforeEach(() => world.origin.clear())

const { arrived } = arrivals(() => world)

const folded = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '-')

describe('headers that only the gate may set', () => {
  const routes = [
    ['a route that needs a token', '/v1/any'],
    ['a public route', '/public/x'],
    ['an optional route without a token', '/optional'],
    ['a route with its own credential', '/v1/injected'],
  ] as const

  it.each(routes)('never reach the origin of %s', async (_name, target) => {
    // Not itself among the names: a header that reads as Authorization makes no second credential.
    const headers = [...IDENTITY, ...OTHERS].map((name): Header => [name, 'forged-value'])
    const anonymous = target !== '/v1/any' && target !== '/v1/injected'
    const sent = { target, headers, ...(!anonymous && { token: await world.token() }) }
    expect((await world.send(sent)).status).toBe(200)
    const [request] = world.origin.requests
    const left = request?.rawHeaders.filter(([, value]) => value.includes('forged-value'))
    expect(left).toEqual([])
  })

  it('cannot be removed by naming them in Connection', async () => {
    const names = 'X-Agent-Id, X-Agent-Issuer, X-Agent-Scope, X-Forwarded-For, X-Request-Id, close'
    const request = await arrived({ headers: [['Connection', names]] })
    expect(request.header('x-agent-id')).toBe(`acme/${AGENT}`)
    expect(request.header('x-agent-issuer')).toBe(world.acme.issuer)
    expect(request.header('x-agent-scope')).toBe('chat:write')
    expect(request.header('x-forwarded-for')).toBe('127.0.0.1')
    expect(request.header('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('end at this hop in both directions, also where Connection names thousands', async () => {
    const names = Array.from({ length: 9_000 }, (_, i) => `x-${i.toString(36)}`)
    const own: Header[] = names.slice(0, 300).map((name) => [name, 'forged-value'])
    const Connection = ['close', 'x-hop', ...names].join(', ')
    world.origin.on('/v1/hops', (_, res) =>
      res.writeHead(200, { Connection, 'X-Hop': 'inner', 'X-Kept': 'yes' }).end(),
    )
    const headers: Header[] = [['Connection', Connection], ['X-Hop', 'forged-value'], ...own]
    const token = await world.token()
    const answer = await world.send({ target: '/v1/hops', token, headers })
    const [request] = world.origin.requests
    expect(request?.rawHeaders.filter(([, value]) => value === 'forged-value')).toEqual([])
    expect(answer.headers.map(([name]) => name.toLowerCase())).not.toContain('x-hop')
    expect(answer.headers).toContainEqual(['X-Kept', 'yes'])
  })

  it('come from the gate with its own values', async () => {
    const headers: Header[] = [
      ['X-Forwarded-For', '6.6.6.6'],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Host', 'evil.example'],
      ['Via', '1.0 evil'],
      ['X-Request-Id', 'a b'],
    ]
    const request = await arrived({ headers })
    expect(request.header('x-forwarded-for')).toBe('127.0.0.1')
    expect(request.header('x-forwarded-proto')).toBe('http')
    expect(request.header('x-forwarded-host')).toBe(HOST)
    expect(request.header('via')).toBe('1.1 edgewarden')
    expect(request.header('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    expect(request.header('host')).toBe(world.origin.host)
  })
})

describe('a prefix of the gate’s own', () => {
  const names = ['id', 'issuer', 'assertion', 'anything']
  const headers = ['X-Caller-', 'x_caller_', 'X.CALLER-', 'X-Agent-', 'x_agent_'].flatMap(
    (prefix) => names.map((name): Header => [prefix + name, 'forged-value']),
  )
  let gate: Sender
  beforeAll(async () => {
    gate = await world.another({}, { identity_prefix: 'x-caller-', hosts: [HOST, '127.0.0.1'] })
  })

  it('is that of all that is told, and by it origins verify', async () => {
    expect((await gate.send({ headers, token: await world.token() })).status).toBe(200)
    const { rawHeaders = [], url } = world.origin.requests[0] ?? {}
    expect(rawHeaders.filter(([, value]) => value.includes('forged-value'))).toEqual([])
    const told = Object.fromEntries(rawHeaders.map(([name, value]) => [name.toLowerCase(), value]))
    expect(told['x-caller-id']).toBe(`acme/${AGENT}`)
    expect(Object.keys(told).filter((name) => name.startsWith('x-agent-'))).toEqual([])
    const agent = await verifyAgent(
      { method: 'GET', url, headers: told },
      {
        gate: RESOURCE,
        audience: world.origin.url,
        jwksUri: gate.gate.url + JWKS,
        identityPrefix: 'x-caller-',
      },
    )
    expect(agent).toMatchObject({ id: `acme/${AGENT}`, issuer: world.acme.issuer })
  })

  it('never reaches the origin of a public route', async () => {
    expect((await gate.send({ target: '/public/x', headers })).status).toBe(200)
    expect(JSON.stringify(world.origin.requests[0]?.rawHeaders)).not.toContain('forged-value')
  })
})

describe('credentials', () => {
  it('of the agent never reach the origin', async () => {
    const token = await world.token()
    const request = await arrived({ token })
    expect(request.header('authorization')).toBeUndefined()
    expect(JSON.stringify(request.rawHeaders)).not.toContain(token.split('.')[2])
  })

  it('of the origin take the place of the agent’s', async () => {
    const request = await arrived({ target: '/v1/injected' })
    const all = request.rawHeaders.filter(([name]) => folded(name) === 'authorization')
    expect(all.map(([, value]) => value)).toEqual([`Bearer ${SECRET}`])
  })

  it('goes on where the rule says so, and only in its own spelling', async () => {
    const token = await world.token()
    const headers: Header[] = [['Proxy-Authorization', 'Basic YTpi']]
    const request = await arrived({ target: '/v1/with-token', token, headers })
    expect(request.header('authorization')).toBe(`Bearer ${token}`)
    expect(request.header('proxy-authorization')).toBeUndefined()
  })

  it('never go on if strip_headers names them', async () => {
    const setting = await sharedSetting({
      gate: { strip_headers: ['authorization', 'dpop'] },
      routes: [
        { match: 'GET /v1/with-token', scopes: [], forward_token: true },
        { match: 'GET /v1/shadow', scopes: ['none'], mode: 'shadow' },
      ],
    })
    const token = await setting.token()
    for (const path of ['/v1/with-token', '/v1/shadow']) {
      const response = await askGate(setting.gate, path, { token, headers: { dpop: 'x' } })
      expect(response.status).toBe(200)
      const request = setting.origin.requests.at(-1)
      expect([path, request?.header('authorization'), request?.header('dpop')]).toEqual([
        path,
        undefined,
        undefined,
      ])
    }
  })
})

describe('the path the origin gets', () => {
  it.each([
    ['/v1/%61ny', '/v1/any'],
    ['/v1/any?q=/../%2e#x', '/v1/any?q=/../%2e'],
    ['/v1/models/meta-llama%2fLlama-3', '/v1/models/meta-llama%2FLlama-3'],
    ['/tools/', '/'],
    [`http://user@${HOST}/v1/any`, '/v1/any'],
  ])('of %s is %s, the one that was decided on', async (target, url) => {
    const request = await arrived({ target })
    expect(request.url).toBe(url)
    expect(request.header('x-forwarded-host')).toBe(HOST)
  })
})
