import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { McpRevision } from '../../src/gate/model/mcp.ts'
import type { Header, RawResponse } from '../kit/raw.ts'
import type { Members } from '../kit/signing.ts'
import { expectDenial, expectRpcDenial } from './denied.ts'
import { explaining } from './explaining.ts'
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
const NOT_ALLOWED = { code: 'tool_not_allowed', rpc: -32003 }

describe('a resource', () => {
  const read = (uri: string, scope = '') =>
    send(
      { jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri } },
      { target: '/mcp/resources', scope },
    )

  it.each([
    ['docs://public/guide', ''],
    ['docs://private/plan', 'admin'],
    ['file:///docs/a%20b', ''],
  ])('%s is read with %j', async (uri, scope) => {
    expect((await read(uri, scope)).status).toBe(200)
    expect(world.origin.requests).toHaveLength(1)
  })

  it('of a closer pattern is not read without its scope', async () => {
    expectRpcDenial(await read('docs://private/plan'), 403, { code: 'scope_missing', rpc: -32003 })
    expect(world.origin.requests).toEqual([])
  })

  it.each([
    'docs://private:/plan',
    'docs://@private/plan',
    'docs://:@private/plan',
    'docs://PRIVATE/plan',
    'docs:private/plan',
    'file://localhost/docs/secret/x',
    'file:///docs/../docs/secret/x',
    'file:///docs/%73ecret/x',
    'file:///docs/%2573ecret/x',
    'file:///docs/%25%37%33ecret/x',
    'file:///docs/%c0%ae%c0%ae/etc/passwd',
    'file:///docs//secret/x',
    'file:///docs/%EF%BC%8Fsecret/x',
    'file:///docs/%EF%BC%8E%EF%BC%8E/etc/passwd',
    'file:///docs/%E2%80%A5/etc/passwd',
    'file:///docs/plan.txt%20',
  ])('is not found by another spelling: %s', async (uri) => {
    expectRpcDenial(await read(uri), 200, { code: 'resource_not_allowed', rpc: -32003 })
    expect(world.origin.requests).toEqual([])
  })
})

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

describe('a tool', () => {
  it.each(['Delete_Item', 'delete_\u0131tem', 'l\u0131st_users', 'ma\u00df_delete'])(
    'is not found by another spelling: %s',
    async (name) => {
      const refused = await call(name, {}, { target: '/mcp/resources' })
      expectRpcDenial(refused, 200, NOT_ALLOWED)
      expect(world.origin.requests).toEqual([])
    },
  )

  it.each<[string, string, Members?]>([
    ['get_weather', 'weather:read'],
    ['files_list', 'files:read'],
    ['files_write', 'files:write files:audit'],
    ['either', 'b'],
    ['free', ''],
    ['read_file', 'files:read:docs/a.txt', { path: 'docs/a.txt' }],
    ['pay', '', { amount: 99.5, note: 'é"\\' }],
  ])('%s may be called with %j', async (name, scope, given) => {
    expectPassed(await call(name, given, { scope }), callOf(name, given))
  })

  it('may be called by a type of agent', async () => {
    const claims = { agent_type: 'orchestrator' }
    expectPassed(await call('plan', {}, { claims }), callOf('plan', {}))
    world.origin.clear()
    const refused = await call('plan', {}, { claims: { agent_type: 'sub-agent' } })
    const unnamed = await call('forbidden', {}, { claims: { agent_type: 'sub-agent' } })
    expectRpcDenial(refused, 200, NOT_ALLOWED)
    const told = ({ body }: RawResponse) => {
      const { error } = JSON.parse(body)
      return { ...error, data: { ...error.data, request_id: '' } }
    }
    expect(told(refused)).toEqual(told(unnamed))
    expect(world.origin.requests).toEqual([])
  })

  it.each([
    'forbidden_tool',
    'Get_weather',
    'get_weather\u200b',
    'ｇet_weather',
    'files',
    '__proto__',
  ])('that is not named (%j) is never called', async (name) => {
    for (const revision of ['2025-03-26', '2025-06-18', '2025-11-25'] as const) {
      const scope = 'weather:read files:read'
      expectRpcDenial(await call(name, {}, { scope, revision }), 200, NOT_ALLOWED)
    }
    expect(world.origin.requests).toEqual([])
  })

  it.each<unknown>([
    'docs/../secret',
    '../docs/a.txt',
    '/docs//a.txt',
    './docs/a.txt',
    'docs/./a.txt',
    'docs/a.txt/..',
    'docs%2F..%2Fsecret',
    '%2e%2e/secret',
    'docs\\..\\secret',
    'docs/a.txt\u0000',
    'docs/a.txt ',
    '․․/secret',
    '',
    null,
    ['docs/a.txt'],
    { toString: 'docs/a.txt' },
  ])('does not take %j where its scope takes a path', async (path) => {
    const scope = 'files:read:docs/a.txt files:read:docs files:read:secret'
    const response = await call('read_file', { path }, { scope })
    expectRpcDenial(response, 200, { code: 'scope_value_invalid', rpc: -32602 })
    expect(world.origin.requests).toEqual([])
  })

  it.each<unknown>([100, '5', null, undefined, [5], { valueOf: 5 }, true])(
    'is not called with an amount of %j',
    async (amount) => {
      const response = await call('pay', { amount })
      const code = amount === 100 ? 'condition_failed' : 'condition_error'
      expectRpcDenial(response, 200, { code, rpc: -32003 })
      expect(world.origin.requests).toEqual([])
    },
  )
})

describe('a scope that is missing', () => {
  const needs = (response: RawResponse) =>
    /scope="([^"]*)"/.exec(response.header('www-authenticate') ?? '')?.[1]

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

  it('of alternatives is the first; that of an argument is spelled out', async () => {
    expect(needs(await call('either'))).toBe('mcp:connect a')
    expect(needs(await call('read_file', { path: 'x/y' }))).toBe('mcp:connect files:read:x/y')
    const claims = { scope: 'weather:read' }
    expect(needs(await call('get_weather', {}, { claims }))).toBe('mcp:connect weather:read')
  })

  it('is asked for without a token, for the connection', async () => {
    const response = await world.send({ method: 'POST', target: '/mcp', body: '{}' })
    expectDenial(response, 401, 'credential_missing')
    expect(needs(response)).toBe('mcp:connect')
  })
})

describe('a batch of 2025-03-26', () => {
  const revision = '2025-03-26'
  const batch = [callOf('get_weather', {}, 1), callOf('files_list', {}, 2)]

  it('needs what all of its messages need', async () => {
    expect((await send(batch, { revision, scope: 'weather:read files:read' })).status).toBe(200)
    for (const scope of ['weather:read', 'files:read', '']) {
      const response = await send(batch, { revision, scope })
      expectDenial(response, 403, 'scope_missing')
      expect(JSON.parse(response.body).required_scopes).toEqual([
        'mcp:connect',
        'weather:read',
        'files:read',
      ])
    }
    expect(world.origin.requests).toHaveLength(1)
  })

  it.each([
    ['first', [callOf('forbidden', {}, 1), callOf('free', {}, 2)]],
    ['last', [callOf('free', {}, 1), callOf('forbidden', {}, 2)]],
  ])('passes whole or not at all: %s', async (_, body) => {
    for (const target of ['/mcp', '/mcp/json-rpc']) {
      expectDenial(await send(body, { revision, target }), 403, 'tool_not_allowed')
    }
    expect(world.origin.requests).toEqual([])
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

  it('reaches a browser on a route with cors', async () => {
    const headers: Header[] = [['Origin', 'https://app.example.com']]
    for (const name of ['forbidden', 'get_weather']) {
      const response = await call(name, {}, { target: '/mcp/browser', headers })
      expect(response.status).toBe(name === 'forbidden' ? 200 : 403)
      expect(response.header('access-control-allow-origin')).toBe('https://app.example.com')
      expect(response.header('access-control-expose-headers')).toMatch(/WWW-Authenticate/i)
    }
  })
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

  it('is nothing before the token is verified', async () => {
    const headers: Header[] = [['X-Request-Id', 'journal-forged']]
    await call('free', {}, { token: 'e30.e30.AA', headers })
    expect(await line('journal-forged')).not.toHaveProperty('mcp')
  })
})

describe('a call that is explained', () => {
  const { told } = explaining(() => world)
  const asked = async (mcp: Members | undefined, scope = '', method = 'POST') =>
    told('ops', {
      method,
      path: '/mcp',
      token: await world.token({ scope: `mcp:connect ${scope}`.trim() }),
      ...(mcp && { mcp }),
    })
  const step = ({ steps }: Awaited<ReturnType<typeof told>>, name: string) =>
    steps.find(({ stage }) => stage === name)

  it('is decided as it would be', async () => {
    const weather = { method: 'tools/call', name: 'get_weather' }
    const allowed = await asked(weather, 'weather:read')
    expect(allowed).toMatchObject({ allowed: true })
    expect(allowed).not.toHaveProperty('note')
    expect(step(allowed, 'mcp_access')?.detail).toEqual({ uses: ['tools: get_weather'] })
    const missing = await asked(weather)
    expect(missing.denial).toMatchObject({
      code: 'scope_missing',
      status: 403,
      required_scopes: ['mcp:connect', 'weather:read'],
    })
    const refused = await asked({ method: 'tools/call', name: 'forbidden' })
    expect(refused.denial).toMatchObject({ code: 'tool_not_allowed' })
    const unmet = await asked({ method: 'tools/call', name: 'pay', arguments: { amount: 500 } })
    expect(unmet.denial).toMatchObject({ code: 'condition_failed' })
    expect(step(unmet, 'use_condition')?.detail).toMatchObject({
      tool: 'pay',
      operands: [{ source: 'arguments.amount < 100.0', sides: [{ value: 500 }] }],
    })
    expect(world.origin.requests).toEqual([])
  })

  it('is explained for the connection where nothing is asked, and says that it is', async () => {
    const told = await asked(undefined)
    expect(told).toMatchObject({
      allowed: true,
      note: expect.stringMatching(/connection without a message/),
    })
    expect(step(told, 'mcp_access')?.detail).toEqual({})
    const other = await asked(undefined, '', 'GET')
    expect(other).toMatchObject({
      allowed: true,
      note: expect.stringMatching(/connection without a message/),
    })
  })
})
