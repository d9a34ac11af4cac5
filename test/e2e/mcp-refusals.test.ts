import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Connect, modernClient, sdkClient } from '../kit/mcp/clients.ts'
import { MCP, type McpWorld, SERVERS, startMcpWorld } from './mcp-world.ts'

const CLIENTS: readonly (readonly [name: string, Connect, path: string])[] = [
  ['sdk 1.32', sdkClient(), SERVERS.sessions],
  ['client 2.4 with 2025-11-25', modernClient('2025-11-25'), SERVERS.sessions],
  ['client 2.4 with 2026-07-28', modernClient('2026-07-28'), SERVERS.modern],
]

/** The transport's own error: why the call has failed stands in its text alone. */
const http = (code: string) =>
  expect.objectContaining({
    message: expect.stringMatching(`Error POSTing to endpoint: .*"code":"${code}"`),
  })

/** The error of JSON-RPC, with the code that says why. */
const rpc = (code: string, more: object = {}) =>
  expect.objectContaining({ code: -32003, data: expect.objectContaining({ code, ...more }) })

/** What each way to refuse comes to: a call that is not allowed, and one whose scope is missing. */
const REFUSALS = {
  auto: { notAllowed: rpc('tool_not_allowed'), scopeMissing: 'steps up' },
  http: { notAllowed: http('tool_not_allowed'), scopeMissing: 'steps up' },
  'json-rpc': {
    notAllowed: rpc('tool_not_allowed'),
    scopeMissing: rpc('scope_missing', { required_scopes: ['mcp:connect', 'files:write'] }),
  },
}

it('a client whose provider does not heed a challenge fails with the call, after one more token', async () => {
  const world = await startMcpWorld()
  const session = await sdkClient(undefined, false)(
    world.url(SERVERS.sessions),
    world.credentials('mcp:connect'),
  )
  const tokens = () => session.exchanges.filter(({ url }) => url === world.server.tokenEndpoint)
  await expect(session.call('files_write', { path: 'a', content: 'b' })).rejects.toThrow(
    'Server returned 403 after trying upscoping',
  )
  expect(tokens()).toHaveLength(2)
  expect(await session.call('slow_count', { to: 1 })).toBe('counted to 1')
  await world.close()
})

describe.each(Object.entries(REFUSALS))('refusals = %s', (refusals, expected) => {
  let world: McpWorld

  beforeAll(async () => {
    world = await startMcpWorld({ rule: { mcp: { ...MCP, refusals } } })
  })
  afterAll(() => world.close())

  it.each(CLIENTS)('%s survives', async (_name, connect, path) => {
    const session = await connect(world.url(path), world.credentials('mcp:connect'))
    const attempt = (name: string, given?: object) =>
      session.call(name, { ...given }).catch((error: unknown) => error)
    expect(await attempt('forbidden_tool')).toEqual(expected.notAllowed)
    expect(await attempt('slow_count', { to: 1 })).toBe('counted to 1')
    const written = await attempt('files_write', { path: 'a', content: 'b' })
    expect(written).toEqual(
      expected.scopeMissing === 'steps up' ? 'wrote a' : expected.scopeMissing,
    )
    expect(await attempt('slow_count', { to: 1 })).toBe('counted to 1')
    await session.close()
  })
})
