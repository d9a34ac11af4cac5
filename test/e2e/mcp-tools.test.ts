import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { McpRevision } from '../../src/gate/model/mcp.ts'
import type { Header, RawResponse } from '../kit/raw.ts'
import type { Members } from '../kit/signing.ts'
import { expectDenial, expectRpcDenial } from './denied.ts'
import { AGENT, type Ask, METADATA, sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

/** Rules of tools as a caller meets them: what passes, what is refused, how, and what is written of it. */

let world: World
beforeAll(async () => {
  world = await sharedWorld(WORLD)
})
beforeEach(() => world.origin.clear())

interface Sent extends Ask {
  readonly scope?: string
  readonly claims?: Members
  readonly revision?: McpRevision
}

const send = async (
  body: unknown,
  { scope = '', claims, revision = '2025-11-25', headers = [], ...ask }: Sent = {},
) => {
  world.origin.on('*', (_, res) => {
    res.setHeader('content-type', 'application/json')
    res.end('{"jsonrpc":"2.0","id":1,"result":{}}')
  })
  return world.send({
    method: 'POST',
    target: '/mcp',
    token: await world.token({ scope: `mcp:connect ${scope}`.trim(), ...claims }),
    body: JSON.stringify(body),
    ...ask,
    headers: [['MCP-Protocol-Version', revision], ...headers],
  })
}

const callOf = (name: string, given?: Members, id: string | number = 1) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, ...(given && { arguments: given }) },
})
const call = (name: string, given?: Members, sent?: Sent) => send(callOf(name, given), sent)

/** The message arrived as it was sent, and nothing else did. */
const expectPassed = (response: RawResponse, body: unknown) => {
  expect([response.status, response.body]).toEqual([200, '{"jsonrpc":"2.0","id":1,"result":{}}'])
  expect(world.origin.requests.map((one) => one.body?.toString())).toEqual([JSON.stringify(body)])
}

it('no batch makes many calls of one where calls are counted', async () => {
  const target = '/mcp/limited'
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
  const batch = [ping, { ...ping, id: 2 }]
  const many = await send(batch, { target, revision: '2025-03-26' })
  expectRpcDenial(many, 400, { code: 'batch_not_allowed', rpc: -32600, id: null })
  expect(world.origin.requests).toEqual([])
  for (const status of [200, 200, 429]) {
    expect((await send(ping, { target })).status).toBe(status)
  }
  expect(world.origin.requests).toHaveLength(2)
})

/** A caller of each kind of rule; the second implementation judges names, arguments and scopes of all kinds. */
it.each<[string, string, Members?]>([
  ['files_list', 'files:read'],
  ['read_file', 'files:read:docs/a.txt', { path: 'docs/a.txt' }],
  ['pay', '', { amount: 99.5, note: 'é"\\' }],
])('%s may be called with %j', async (name, scope, given) => {
  expectPassed(await call(name, given, { scope }), callOf(name, given))
})

it.each<[string, Members, string, number]>([
  ['Get_weather', {}, 'tool_not_allowed', -32003],
  ['get_weather\u200b', {}, 'tool_not_allowed', -32003],
  ['read_file', { path: 'docs/../secret' }, 'scope_value_invalid', -32602],
  ['pay', { amount: 100 }, 'condition_failed', -32003],
  ['pay', { amount: '5' }, 'condition_error', -32003],
])('%j may not be called with %j', async (name, given, code, rpc) => {
  const scope = 'weather:read files:read files:read:secret'
  expectRpcDenial(await call(name, given, { scope }), 200, { code, rpc })
  expect(world.origin.requests).toEqual([])
})

describe('a scope that is missing', () => {
  it('is asked for with all others that the call needs, so that one more token is enough', async () => {
    const response = await call('files_write', {}, { scope: 'files:audit' })
    expectRpcDenial(response, 403, { code: 'scope_missing', rpc: -32003 })
    const scope = 'mcp:connect files:write files:audit'
    expect(response.header('www-authenticate')?.split(', DPoP ')[0]).toBe(
      `Bearer realm="api.example.com", error="insufficient_scope", error_description="The token lacks a scope this route needs", scope="${scope}", resource_metadata="${METADATA}"`,
    )
    expect(JSON.parse(response.body).error.data).toMatchObject({
      error: 'insufficient_scope',
      required_scopes: scope.split(' '),
    })
    expect((await call('files_write', {}, { claims: { scope } })).status).toBe(200)
  })
})

describe('the way in which a call is refused', () => {
  const ID: Header = ['X-Request-Id', 'request-0123456789']
  const notAllowed = {
    code: -32003,
    message:
      'This tool may not be called here. Call a tool that tools/list names, or ask the operator (tool_not_allowed)',
    data: {
      code: 'tool_not_allowed',
      request_id: ID[1],
      hint: 'Call a tool that tools/list names, or ask the operator',
    },
  }
  const scopeMissing = {
    code: -32003,
    message:
      'The token lacks a scope this route needs: weather:read. Request a token with the scopes that are named (scope_missing)',
    data: {
      code: 'scope_missing',
      error: 'insufficient_scope',
      required_scopes: ['mcp:connect', 'weather:read'],
      request_id: ID[1],
      hint: 'Request a token with the scopes that are named',
    },
  }

  it.each([
    ['/mcp', 'forbidden', 200, notAllowed],
    ['/mcp/http', 'forbidden', 403, notAllowed],
    ['/mcp/json-rpc', 'forbidden', 200, notAllowed],
    ['/mcp', 'get_weather', 403, scopeMissing],
    ['/mcp/http', 'get_weather', 403, scopeMissing],
    ['/mcp/json-rpc', 'get_weather', 200, scopeMissing],
  ])('at %s of %s is %i', async (target, name, status, error) => {
    const response = await send(callOf(name, {}, 'call-7'), { target, headers: [ID] })
    expect(response.status).toBe(status)
    expect(JSON.parse(response.body)).toEqual({ jsonrpc: '2.0', id: 'call-7', error })
    expect(response.header('content-type')).toBe('application/json')
    expect(response.header('cache-control')).toBe('no-store')
    expect(response.header('x-request-id')).toBe(ID[1])
    const challenged = response.header('www-authenticate') !== undefined
    expect(challenged).toBe(error === scopeMissing)
  })

  it.each(['/mcp', '/mcp/http', '/mcp/json-rpc'])(
    'at %s is that of HTTP where it is no matter of one call',
    async (target) => {
      const bare = await world.send({ method: 'POST', target, body: '{}' })
      expectDenial(bare, 401, 'credential_missing')
      const expired = await call('free', {}, { target, claims: { exp: 1_000, iat: 900 } })
      expectDenial(expired, 401, 'token_expired')
      const connect = await call('free', {}, { target, claims: { scope: 'other' } })
      expectDenial(connect, 403, 'scope_missing')
      const notified = await send({ jsonrpc: '2.0', method: 'notifications/x.y' }, { target })
      expectDenial(notified, 403, 'mcp_method_not_allowed')
    },
  )
})

describe('what is written of a call', () => {
  const line = (id: string) => world.gate.journalLine(({ request_id }) => request_id === id)

  it('is its method, name and revision, whatever it was answered with', async () => {
    const id = (name: string): Header => ['X-Request-Id', `journal-${name}`]
    await call('free', { secret: 'argument-secret' }, { headers: [id('allowed')] })
    expect(await line('journal-allowed')).toMatchObject({
      decision: 'allowed',
      mcp: { method: 'tools/call', name: 'free', revision: '2025-11-25' },
    })
    const long = 'x'.repeat(200)
    const refused = await call(long, { secret: 'argument-secret' }, { headers: [id('refused')] })
    expect(refused.status).toBe(200)
    expect(await line('journal-refused')).toMatchObject({
      route: 'GET,POST,DELETE /mcp',
      decision: 'denied',
      code: 'tool_not_allowed',
      agent: AGENT,
      mcp: { method: 'tools/call', name: 'x'.repeat(128), revision: '2025-11-25' },
    })
    await call('pay', { amount: 987_654 }, { headers: [id('unmet')] })
    expect(await line('journal-unmet')).toMatchObject({
      decision: 'denied',
      code: 'condition_failed',
      detail: { tool: 'pay', operand: 'arguments.amount < 100.0' },
    })
    const batch = [callOf('free', {}, 1), callOf('forbidden', {}, 2)]
    await send(batch, { revision: '2025-03-26', headers: [id('batched')] })
    expect(await line('journal-batched')).toMatchObject({
      mcp: {
        revision: '2025-03-26',
        batch: [
          { method: 'tools/call', name: 'free' },
          { method: 'tools/call', name: 'forbidden' },
        ],
      },
    })
    const output = world.gate.output()
    for (const text of ['argument-secret', '987654']) expect(output).not.toContain(text)
  })
})
