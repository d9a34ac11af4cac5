import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyAgent } from '../../packages/origin/src/index.ts'
import { type Connect, type Connected, modernClient, sdkClient } from '../kit/mcp/clients.ts'
import { rare } from '../kit/property.ts'
import { PATIENCE } from '../kit/wait.ts'
import { JWKS } from './asserting.ts'
import { type McpWorld, SERVERS, startMcpWorld } from './mcp-world.ts'
import { until } from './setting.ts'

let world: McpWorld

beforeAll(async () => {
  world = await startMcpWorld()
})
afterAll(() => world.close())

interface Case {
  readonly client: string
  readonly revision: string
  readonly connect: Connect
  readonly path: string
  /** What it may use of what it asks for first: its own scopes, or those alone that the challenge names. */
  readonly first: readonly string[]
}

const clients = {
  sdk: (revision: string) => ({
    client: 'sdk 1.32',
    revision,
    connect: sdkClient(revision),
    first: ['get_weather', 'files_read', 'files_write', 'slow_count', 'interrupted', 'whoami'],
  }),
  modern: (revision: string) => ({
    client: 'client 2.4',
    revision,
    connect: modernClient(revision),
    first: ['get_weather', 'files_read', 'files_write', 'slow_count', 'interrupted', 'whoami'],
  }),
}

const CASES: readonly Case[] = [
  { ...clients.sdk('2025-11-25'), path: SERVERS.sessions },
  ...rare({ ...clients.sdk('2025-06-18'), path: SERVERS.sessions }),
  { ...clients.sdk('2025-03-26'), path: SERVERS.sessions },
  { ...clients.sdk('2025-11-25'), path: SERVERS.stateless },
  ...rare({ ...clients.sdk('2025-11-25'), path: SERVERS.bound }),
  { ...clients.modern('2025-11-25'), path: SERVERS.sessions },
  { ...clients.modern('2026-07-28'), path: SERVERS.modern },
  { ...clients.modern('2026-07-28'), path: SERVERS.boundModern },
]

/** What is refused of one call alone: an error of JSON-RPC, by which a client fails no more than the call. */
const refusal = (code: string) => ({
  code: -32003,
  data: expect.objectContaining({ code, request_id: expect.any(String) }),
})

describe.each(CASES)('$client with $revision at $path', ({ connect, revision, path, first }) => {
  let session: Connected
  const bound = path.startsWith('/bound')

  beforeAll(async () => {
    session = await connect(world.url(path), world.credentials('mcp:connect weather:read'))
  })
  afterAll(() => session.close())

  it('finds its way from the refusal to a token, and connects', () => {
    const [refused, metadata, server, token, ...rest] = session.exchanges
    const document = world.url(`/.well-known/oauth-protected-resource${path}`)
    expect(refused).toMatchObject({ method: 'POST', url: world.url(path), status: 401 })
    expect(refused?.challenge).toContain(`resource_metadata="${document}"`)
    expect(refused?.challenge).toContain('scope="mcp:connect"')
    expect(metadata).toMatchObject({ method: 'GET', url: document, status: 200 })
    expect(server).toMatchObject({ status: 200 })
    expect(server?.url).toBe(`${world.server.issuer}/.well-known/oauth-authorization-server`)
    expect(token).toMatchObject({ method: 'POST', url: world.server.tokenEndpoint, status: 200 })
    expect(rest.map(({ status }) => status).every((status) => status < 300 || status === 405)).toBe(
      true,
    )
    expect(session.revision).toBe(revision)
  })

  it('lists what its token may use, and what a token with more of the offered scopes could', async () => {
    expect(await session.tools()).toEqual(first)
    expect(await session.prompts()).toEqual(['greeting'])
    expect(await session.resources()).toEqual(['docs://public/guide'])
  })

  it('calls a tool', async () => {
    expect(await session.call('get_weather', { city: 'Lund' })).toBe('sunny in Lund')
  })

  it('is told each step of a long call before the next one is taken', async () => {
    if (bound) {
      const told: number[] = []
      const text = await session.call('slow_count', { to: 3 }, ({ progress }) =>
        told.push(progress),
      )
      expect([text, told]).toEqual(['counted to 3', [1, 2, 3]])
      return
    }
    world.pace.hold()
    const told: number[] = []
    const text = await session.call('slow_count', { to: 4 }, ({ progress }) => {
      told.push(progress)
      world.pace.next()
    })
    world.pace.free()
    expect([text, told]).toEqual(['counted to 4', [1, 2, 3, 4]])
  })

  it.each(['forbidden_tool', 'Get_Weather'])(
    'is refused %s by an error of its own, and goes on',
    async (name) => {
      const before = world.origin.requests.length
      await expect(session.call(name)).rejects.toMatchObject(refusal('tool_not_allowed'))
      expect(world.origin.requests).toHaveLength(before)
      expect(await session.call('get_weather', { city: 'Umeå' })).toBe('sunny in Umeå')
    },
  )

  it('asks for a wider token where a scope is missing, and the call is done', async () => {
    const before = session.exchanges.length
    const given = { path: 'notes.txt', content: 'hello' }
    expect(await session.call('files_write', given)).toBe('wrote notes.txt')
    const [refused, ...further] = session.exchanges.slice(before)
    expect(refused).toMatchObject({ method: 'POST', url: world.url(path), status: 403 })
    expect(refused?.challenge).toContain('error="insufficient_scope"')
    expect(refused?.challenge).toMatch(/scope="[^"]*files:write[^"]*"/)
    expect(further.map(({ url }) => url)).toContain(world.server.tokenEndpoint)
    expect(further.at(-1)).toMatchObject({ url: world.url(path), status: 200 })
    expect(await session.tools()).toContain('files_write')
    expect(await session.call('get_weather', { city: 'Lund' })).toBe('sunny in Lund')
  })

  it('reads resources by their pattern, and steps up for them, too', async () => {
    await expect(session.read('docs://private/plan')).rejects.toMatchObject(
      refusal('resource_not_allowed'),
    )
    expect(await session.read('docs://public/guide')).toMatchObject({
      contents: [{ text: 'this is docs://public/guide' }],
    })
    expect(await session.resources()).toEqual(['docs://public/guide'])
    expect(await session.templates()).toEqual(['docs://public/{name}'])
  })

  it('is known to the server by headers and assertion, and its token is not', async () => {
    const headers = JSON.parse(await session.call('whoami')) as Record<string, string>
    expect(headers).toMatchObject({
      'x-agent-id': 'researcher',
      'x-agent-issuer': world.server.issuer,
      'x-agent-type': 'tool-use',
    })
    expect(headers['x-agent-scope']?.split(' ')).toContain('mcp:connect')
    expect(headers).not.toHaveProperty('authorization')
    const url = bound ? world.url(path.replace('/bound', '')) : world.origin.url + path
    const agent = await verifyAgent(new Request(url, { method: 'POST', headers }), {
      gate: world.url(''),
      audience: bound ? 'service:TOOLS' : world.origin.url,
      jwksUri: world.gate.url + JWKS,
    })
    expect(agent).toMatchObject({ id: 'researcher', issuer: world.server.issuer })
  })

  it('has told of no failure', () => {
    expect(session.errors).toEqual([])
  })
})

const SCOPE = 'mcp:connect docs:read'
const PUBLIC = 'docs://public/guide'
const PRIVATE = 'docs://private/plan'
const UPDATED = 'notifications/resources/updated'

/** Clients of a server with sessions. */
const LISTENING = [
  ['sdk 1.32', sdkClient()],
  ['client 2.4', modernClient('2025-11-25')],
] as const

describe.each(LISTENING)('%s of a server with sessions', (_name, connect) => {
  let session: Connected
  let own: readonly string[]

  beforeAll(async () => {
    const others = world.origin.sessions()
    // The stream of notifications is judged by the token it was opened with, that is the first one.
    session = await connect(world.url(`/hurried${SERVERS.sessions}`), world.credentials(SCOPE))
    own = world.origin.sessions().filter((id) => !others.includes(id))
  })

  it('gets another id of its session than the server gave it, and is known by it', async () => {
    expect(session.sessionId).toMatch(/^[\x21-\x7e]+$/)
    expect(own).toEqual([expect.any(String)])
    expect(own).not.toContain(session.sessionId)
    expect(JSON.parse(await session.call('whoami'))).toMatchObject({ 'mcp-session-id': own[0] })
  })

  it('comes back to an answer that broke off', async () => {
    world.pace.hold()
    const before = new Set(world.origin.requests)
    const answer = session.call('interrupted')
    const resumed = await world.origin.arrival(
      (request) =>
        !before.has(request) &&
        request.method === 'GET' &&
        request.header('last-event-id') !== undefined,
    )
    world.pace.next()
    expect(await answer).toBe('here again')
    world.pace.free()
    expect(resumed.header('x-agent-id')).toBe('researcher')
  })

  it('is told of changes, but of no resource that it may not use', async () => {
    await session.watch(PUBLIC)
    await expect(session.watch(PRIVATE)).rejects.toMatchObject({ code: -32003 })
    await world.origin.resourceUpdated(PRIVATE)
    await world.origin.resourceUpdated(PUBLIC)
    await session.hears(`${UPDATED} ${PUBLIC}`)
    await world.origin.listsChanged()
    await session.hears('notifications/tools/list_changed')
    expect(session.heard).not.toContain(`${UPDATED} ${PRIVATE}`)
  })

  it('ends its session at the server', async () => {
    expect(session.errors).toEqual([])
    expect(world.origin.sessions()).toEqual(expect.arrayContaining([...own]))
    await session.close()
    expect(world.origin.sessions()).not.toContain(own[0])
  })
})

describe.each(LISTENING)('%s whose token runs out', (_name, connect) => {
  it('is cut off, gets another token and goes on listening in the same session', async () => {
    const others = world.origin.sessions()
    const url = world.url(SERVERS.sessions)
    const session = await connect(url, world.credentials(SCOPE, 'hasty'))
    const own = () => world.origin.sessions().filter((id) => !others.includes(id))
    const [id] = own()
    const streams = async () =>
      session.exchanges.filter(
        (exchange) => exchange.method === 'GET' && exchange.url === url && exchange.status === 200,
      )
    await until(streams, ({ length }) => length > 1, PATIENCE)
    const tokens = session.exchanges.filter((one) => one.url === world.server.tokenEndpoint)
    expect(tokens.length).toBeGreaterThan(1)
    const heard = async () => {
      // A stream may just be cut when it is told.
      await world.origin.listsChanged()
      return session.heard
    }
    await until(heard, (all) => all.includes('notifications/tools/list_changed'), PATIENCE)
    expect(await session.call('slow_count', { to: 1 })).toBe('counted to 1')
    expect(own()).toEqual([id])
    await session.close()
  })
})

describe('client 2.4 with 2026-07-28', () => {
  it('is told of changes, but of no resource that it may not use', async () => {
    const session = await modernClient('2026-07-28')(
      world.url(SERVERS.modern),
      world.credentials('mcp:connect'),
    )
    await session.watch(PUBLIC)
    await world.origin.resourceUpdated(PRIVATE)
    await world.origin.resourceUpdated(PUBLIC)
    await session.hears(`${UPDATED} ${PUBLIC}`)
    await expect(session.watch(PRIVATE)).rejects.toMatchObject({ code: -32003 })
    expect(session.heard).not.toContain(`${UPDATED} ${PRIVATE}`)
    await session.close()
  })
})

it('no server has seen a token, or anything that is signed but the assertion', () => {
  const seen = world.origin.requests.flatMap(({ rawHeaders }) => rawHeaders)
  const signed = seen.filter(([, value]) => /eyJ[\w-]+\.eyJ/.test(value))
  expect(new Set(signed.map(([name]) => name.toLowerCase()))).toEqual(
    new Set(['x-agent-assertion']),
  )
  expect(seen.filter(([name]) => /authorization/i.test(name))).toEqual([])
})
