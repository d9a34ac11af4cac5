import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Connected, modernClient, sdkClient } from '../kit/mcp/clients.ts'
import { type McpWorld, SERVERS, startMcpWorld } from './mcp-world.ts'
import { until } from './setting.ts'

const SCOPE = 'mcp:connect docs:read'
const PUBLIC = 'docs://public/guide'
const PRIVATE = 'docs://private/plan'
const UPDATED = 'notifications/resources/updated'

const CLIENTS = [
  ['sdk 1.32', sdkClient()],
  ['client 2.4', modernClient('2025-11-25')],
] as const

let world: McpWorld
let session: Connected

describe.each(CLIENTS)('%s of a server with sessions', (_name, connect) => {
  beforeAll(async () => {
    // The stream of notifications is judged by the token it was opened with, that is the first one.
    world = await startMcpWorld({ rule: { timeout: '500ms', scopes: SCOPE.split(' ') } })
    session = await connect(world.url(SERVERS.sessions), world.credentials(SCOPE))
  })
  afterAll(() => world.close())

  it('gets another id of its session than the server gave it, and is known by it', async () => {
    const [own] = world.origin.sessions()
    expect(session.sessionId).toMatch(/^[\x21-\x7e]+$/)
    expect(session.sessionId).not.toBe(own)
    expect(JSON.parse(await session.call('whoami'))).toMatchObject({ 'mcp-session-id': own })
  })

  it('comes back to an answer that broke off', async () => {
    world.pace.hold()
    const answer = session.call('interrupted')
    const resumed = await world.origin.arrival(
      (request) => request.method === 'GET' && request.header('last-event-id') !== undefined,
    )
    world.pace.next()
    expect(await answer).toBe('here again')
    world.pace.free()
    expect(resumed.header('x-agent-id')).toBe('researcher')
  })

  it('may wait for a tool longer than for headers', async () => {
    world.pace.hold()
    const told: number[] = []
    const text = await session.call('slow_count', { to: 2 }, async ({ progress }) => {
      told.push(progress)
      // Longer than `timeout`, during which nothing flows.
      if (progress === 1) await new Promise((done) => setTimeout(done, 700))
      world.pace.next()
    })
    world.pace.free()
    expect([text, told]).toEqual(['counted to 2', [1, 2]])
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
    expect(world.origin.sessions()).toHaveLength(1)
    await session.close()
    expect(world.origin.sessions()).toEqual([])
  })
})

describe.each(CLIENTS)('%s whose token runs out', (_name, connect) => {
  beforeAll(async () => {
    world = await startMcpWorld({ tokenLifetime: 2 })
    session = await connect(world.url(SERVERS.sessions), world.credentials(SCOPE))
  })
  afterAll(() => world.close())

  it('is cut off, gets another token and goes on listening in the same session', async () => {
    const streams = async () =>
      session.exchanges.filter(
        ({ method, url, status }) =>
          method === 'GET' && url === world.url(SERVERS.sessions) && status === 200,
      )
    await until(streams, ({ length }) => length === 2, 8_000)
    const tokens = session.exchanges.filter(({ url }) => url === world.server.tokenEndpoint)
    expect(tokens).toHaveLength(2)
    await world.origin.listsChanged()
    await session.hears('notifications/tools/list_changed')
    expect(await session.call('slow_count', { to: 1 })).toBe('counted to 1')
    expect(world.origin.sessions()).toHaveLength(1)
    await session.close()
  })
})

describe('client 2.4 with 2026-07-28', () => {
  beforeAll(async () => {
    world = await startMcpWorld()
    session = await modernClient('2026-07-28')(
      world.url(SERVERS.modern),
      world.credentials('mcp:connect'),
    )
  })
  afterAll(() => world.close())

  it('is told of changes, but of no resource that it may not use', async () => {
    await session.watch(PUBLIC)
    await world.origin.resourceUpdated(PRIVATE)
    await world.origin.resourceUpdated(PUBLIC)
    await session.hears(`${UPDATED} ${PUBLIC}`)
    await expect(session.watch(PRIVATE)).rejects.toMatchObject({ code: -32003 })
    expect(session.heard).not.toContain(`${UPDATED} ${PRIVATE}`)
    await session.close()
  })
})
