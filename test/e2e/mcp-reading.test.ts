import { gzipSync } from 'node:zlib'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Header, type RawResponse, rawRequest } from '../kit/raw.ts'
import { HOST, sharedWorld, type World } from './world.ts'
import { MESSAGE_LIMIT as LIMIT, PAGE, WORLD } from './world-settings.ts'

const META = 'io.modelcontextprotocol/protocolVersion'
const NEWEST = '2026-07-28'

let world: World
let token: string

beforeAll(async () => {
  world = await sharedWorld(WORLD)
  token = await world.token()
})
beforeEach(() => world.origin.clear())

interface Sent {
  readonly method?: string
  readonly headers?: readonly Header[]
  readonly body?: string | Uint8Array
}

const bytesOf = ({ method = 'POST', headers = [], body }: Sent): Buffer => {
  const has = (name: string) => headers.some(([one]) => one.toLowerCase() === name)
  const bytes = body === undefined ? undefined : Buffer.from(body as string)
  const all: Header[] = [
    ['Host', HOST],
    ['Authorization', `Bearer ${token}`],
  ]
  if (bytes && !has('content-type')) all.push(['Content-Type', 'application/json'])
  if (bytes && !has('content-length') && !has('transfer-encoding')) {
    all.push(['Content-Length', String(bytes.length)])
  }
  return rawRequest({
    method,
    target: '/read/mcp',
    headers: [...all, ...headers],
    ...(bytes && { body: bytes }),
  })
}

const send = (sent: Sent): Promise<RawResponse> => world.gate.raw(bytesOf(sent))

/** The code of a denial, in either of its forms; the status of anything else. */
const codeOf = ({ status, body }: RawResponse): string | number => {
  if (status === 200) return status
  const { code, error } = JSON.parse(body)
  return error?.data?.code ?? code
}

const call = (name: string, params: object = {}) =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, ...params } })
const ECHO = call('echo')
const PING = { jsonrpc: '2.0', id: 2, method: 'ping' }
const inMessage = (members: string) => `{"jsonrpc":"2.0","id":1,${members}}`

const modern = (name: string, headers: readonly Header[]): Sent => ({
  headers: [['MCP-Protocol-Version', NEWEST], ...headers],
  body: call(name, { _meta: { [META]: NEWEST } }),
})
const METHOD: Header = ['Mcp-Method', 'tools/call']
const NAME: Header = ['Mcp-Name', 'echo']

type Case = readonly [what: string, status: number, code: string, sent: Sent]

const CONNECTIONS: readonly Case[] = [
  [
    'a WebSocket',
    400,
    'upgrade_refused',
    {
      method: 'GET',
      headers: [
        ['Connection', 'Upgrade'],
        ['Upgrade', 'websocket'],
        ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
        ['Sec-WebSocket-Version', '13'],
      ],
    },
  ],
  [
    'a foreign page',
    403,
    'origin_not_allowed',
    { headers: [['Origin', 'https://evil.example']], body: ECHO },
  ],
  ['a page in a sandbox', 403, 'origin_not_allowed', { headers: [['Origin', 'null']], body: ECHO }],
  [
    'a foreign page beside a good one',
    403,
    'origin_not_allowed',
    {
      headers: [
        ['Origin', PAGE],
        ['Origin', 'https://evil.example'],
      ],
      body: ECHO,
    },
  ],
  [
    'an unknown revision',
    400,
    'revision_unsupported',
    { headers: [['MCP-Protocol-Version', '1999-01-01']], body: ECHO },
  ],
  [
    'two revisions',
    400,
    'revision_unsupported',
    {
      headers: [
        ['MCP-Protocol-Version', '2025-11-25'],
        ['MCP-Protocol-Version', NEWEST],
      ],
      body: ECHO,
    },
  ],
  [
    'a stream of 2026-07-28',
    405,
    'http_method_not_allowed',
    { method: 'GET', headers: [['MCP-Protocol-Version', NEWEST]] },
  ],
  ['no end of no session', 400, 'session_missing', { method: 'DELETE' }],
  [
    'a session of its own making',
    404,
    'session_unknown',
    { headers: [['Mcp-Session-Id', 'session-1']], body: ECHO },
  ],
]

const BODIES: readonly Case[] = [
  [
    'in gzip',
    415,
    'message_type_unsupported',
    { headers: [['Content-Encoding', 'gzip']], body: gzipSync(ECHO) },
  ],
  ['in gzip that is not said', 400, 'message_malformed', { body: gzipSync(ECHO) }],
  ['in UTF-16', 400, 'message_malformed', { body: Buffer.from(ECHO, 'utf16le') }],
  [
    'in UTF-16 that is said',
    415,
    'message_type_unsupported',
    {
      headers: [['Content-Type', 'application/json; charset=utf-16']],
      body: Buffer.from(ECHO, 'utf16le'),
    },
  ],
  ['with a byte order mark', 400, 'message_malformed', { body: `\ufeff${ECHO}` }],
  [
    'that is no UTF-8',
    400,
    'message_malformed',
    { body: Buffer.from(ECHO.replace('echo', 'ech\u00f6'), 'latin1') },
  ],
  [
    'of a form',
    415,
    'message_type_unsupported',
    { headers: [['Content-Type', 'application/x-www-form-urlencoded']], body: ECHO },
  ],
  ['over the limit', 413, 'body_too_large', { body: call('echo', { fill: 'x'.repeat(LIMIT) }) }],
  [
    'over the limit in chunks',
    413,
    'body_too_large',
    {
      headers: [['Transfer-Encoding', 'chunked']],
      body: `${(LIMIT + 1).toString(16)}\r\n${' '.repeat(LIMIT + 1)}\r\n0\r\n\r\n`,
    },
  ],
  [
    'nested deeply',
    400,
    'message_malformed',
    { body: inMessage(`"method":"ping","params":{"x":${'['.repeat(5_000)}${']'.repeat(5_000)}}`) },
  ],
  [
    'with two names',
    400,
    'message_malformed',
    { body: inMessage('"method":"tools/call","params":{"name":"echo","name":"drop_table"}') },
  ],
  [
    'with a hidden second name',
    400,
    'message_malformed',
    { body: inMessage('"method":"tools/call","params":{"name":"echo","n\\u0061me":"drop_table"}') },
  ],
  [
    'with two methods',
    400,
    'message_malformed',
    { body: inMessage('"method":"ping","method":"tools/call","params":{"name":"drop_table"}') },
  ],
  [
    'with a name in another case',
    400,
    'params_ambiguous',
    { body: call('echo', { Name: 'drop_table' }) },
  ],
  [
    'with a look-alike of a name',
    400,
    'params_ambiguous',
    { body: call('echo', { '\uff4eame': 'drop_table' }) },
  ],
  [
    'with a name that ends early',
    400,
    'params_ambiguous',
    { body: call('echo', { 'name\u0000': 'drop_table' }) },
  ],
  ...[
    call('echo', { meta: { [META]: NEWEST } }),
    inMessage('"method":"tasks/get","params":{"task_id":"t-1"}'),
    inMessage('"method":"subscriptions/listen","params":{"notifications":{"task_ids":["t-1"]}}'),
    inMessage(
      '"method":"subscriptions/listen","params":{"notifications":{"resource_subscriptions":["x:y"]}}',
    ),
  ].map((body): Case => ['in snake case', 400, 'params_ambiguous', { body }]),
  [
    'with params in another case',
    400,
    'message_invalid',
    { body: inMessage('"method":"ping","Params":{"name":"drop_table"}') },
  ],
  [
    'with params of a long s',
    400,
    'message_invalid',
    { body: inMessage('"method":"ping","param\u017f":{"name":"drop_table"}') },
  ],
  [
    'that answers and calls',
    400,
    'message_invalid',
    { body: inMessage('"result":{},"Method":"tools/call","Params":{"name":"drop_table"}') },
  ],
  [
    'whose method is a look-alike',
    400,
    'message_invalid',
    { body: inMessage('"method":"t\u043e\u043els/call","params":{"name":"drop_table"}') },
  ],
  [
    'that brings a call along, in a revision without batches',
    400,
    'batch_not_allowed',
    {
      headers: [['MCP-Protocol-Version', '2025-06-18']],
      body: `[${JSON.stringify(PING)},${ECHO}]`,
    },
  ],
  [
    'that brings one call too often',
    400,
    'message_invalid',
    {
      body: `[${Array(51)
        .fill(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/x' }))
        .join()}]`,
    },
  ],
  [
    'with a call in a batch in a batch',
    400,
    'message_invalid',
    { body: `[${JSON.stringify(PING)},[${call('drop_table')}]]` },
  ],
  [
    'for another revision than its header',
    400,
    'header_mismatch',
    {
      headers: [['MCP-Protocol-Version', '2025-11-25']],
      body: call('echo', { _meta: { [META]: NEWEST } }),
    },
  ],
]

const MIRRORED: readonly Case[] = [
  [
    'a revision, the body none',
    400,
    'params_invalid',
    { headers: [['MCP-Protocol-Version', NEWEST], METHOD, NAME], body: ECHO },
  ],
  ['one tool, the body another', 400, 'header_mismatch', modern('drop_table', [METHOD, NAME])],
  [
    'an encoded tool, the body another',
    400,
    'header_mismatch',
    modern('drop_table', [METHOD, ['Mcp-Name', '=?base64?ZWNobw==?=']]),
  ],
  ['a tool twice', 400, 'header_mismatch', modern('echo', [METHOD, NAME, NAME])],
  ['two tools', 400, 'header_mismatch', modern('echo', [METHOD, NAME, ['Mcp-Name', 'drop_table']])],
  [
    'a harmless method',
    400,
    'header_mismatch',
    modern('echo', [['Mcp-Method', 'tools/list'], NAME]),
  ],
  ['no tool', 400, 'header_mismatch', modern('echo', [METHOD])],
]

describe.each([
  ['a connection', CONNECTIONS],
  ['a body', BODIES],
  ['headers that name', MIRRORED],
])('%s', (_, cases) => {
  it.each(cases)(
    '%s is %i %s, and nothing reaches the server',
    async (_what, status, code, sent) => {
      const response = await send(sent)
      expect([response.status, codeOf(response)]).toEqual([status, code])
      expect(response.header('cache-control')).toBe('no-store')
      expect(response.header('www-authenticate')).toBeUndefined()
      expect(world.origin.requests).toEqual([])
    },
  )
})

it.each<[string, object]>([
  ['files_read', { path: '/public', Path: '/etc' }],
  ['delete', { options: { Force: true } }],
  ['clean', { items: [{ FORCE: true }] }],
])(
  'an argument of %s in another case is refused, and nothing reaches the server',
  async (name, given) => {
    const body = call(name, { arguments: given })
    const response = await send({ body })
    expect(response.status).toBe(200)
    expect(JSON.parse(response.body)).toMatchObject({
      error: { code: -32602, data: { code: 'arguments_ambiguous' } },
    })
    expect(world.origin.requests).toEqual([])
  },
)

/** Methods of requests, with the params that they need. */
const REQUESTS: Readonly<Record<string, object>> = {
  initialize: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: {} },
  ping: {},
  'tools/list': {},
  'tools/call': { name: 'echo' },
  'server/discover': {},
  'resources/read': { uri: 'docs://a' },
  'unknown/method': {},
}

/** A message of a revision that only lacks an id, or has one. */
const told = (revision: string, method: string, more: object = {}): Sent => {
  const isMirrored = revision === NEWEST
  const params = { ...REQUESTS[method], ...(isMirrored && { _meta: { [META]: NEWEST } }) }
  const { name, uri } = params as { readonly name?: string; readonly uri?: string }
  const named = name ?? uri
  const mirrors: readonly Header[] = [
    ['Mcp-Method', method],
    ...(named === undefined ? [] : [['Mcp-Name', named] as const]),
  ]
  return {
    headers: [['MCP-Protocol-Version', revision], ...(isMirrored ? mirrors : [])],
    body: JSON.stringify({ jsonrpc: '2.0', method, params, ...more }),
  }
}

describe.each(['2025-03-26', '2025-06-18', '2025-11-25', NEWEST])('in %s', (revision) => {
  const expectInvalid = async (sent: Sent) => {
    const response = await send(sent)
    expect(response.status).toBe(400)
    expect(JSON.parse(response.body)).toMatchObject({
      id: null,
      error: { code: -32600, data: { code: 'message_invalid' } },
    })
    expect(world.origin.requests).toEqual([])
  }

  it.each(Object.keys(REQUESTS))('%s without an id does not reach the server', async (method) => {
    await expectInvalid(told(revision, method))
  })

  it('a notification goes on without an id, and does not with one', async () => {
    await expectInvalid(told(revision, 'notifications/initialized', { id: 1 }))
    expect((await send(told(revision, 'notifications/initialized'))).status).toBe(200)
    expect(world.origin.requests).toHaveLength(1)
  })
})

describe('in a batch', () => {
  const batchOf = (...bodies: readonly Sent['body'][]) => ({ body: `[${bodies.join()}]` })
  const NOTIFICATION = 'notifications/initialized'

  it.each([
    ...Object.keys(REQUESTS).map((method) => [method, 'without an id', {}] as const),
    [NOTIFICATION, 'with an id', { id: 1 }] as const,
  ])('%s %s does not reach the server', async (method, _, more) => {
    const { body } = told('2025-03-26', method, more)
    for (const batch of [batchOf(body), batchOf(JSON.stringify(PING), body)]) {
      const response = await send(batch)
      expect([response.status, codeOf(response)]).toEqual([400, 'message_invalid'])
    }
    expect(world.origin.requests).toEqual([])
  })

  it('a notification without an id goes on', async () => {
    const { body } = told('2025-03-26', NOTIFICATION)
    expect((await send(batchOf(JSON.stringify(PING), body))).status).toBe(200)
  })
})

it('a batch with one forbidden call in it is refused whole', async () => {
  const response = await send({ body: `[${JSON.stringify(PING)},${call('drop_table')}]` })
  expect([response.status, codeOf(response)]).toEqual([403, 'tool_not_allowed'])
  expect(world.origin.requests).toEqual([])
})

describe('what is taken', () => {
  it.each<[string, Sent]>([
    ['a message', { body: ECHO }],
    [
      'one with blanks, escapes and members in any order',
      {
        body: ` {"params" : {"name":"\\u0065cho"},\r\n"id":1.0,"method":"tools\\/call", "jsonrpc":"2.0"}\n`,
      },
    ],
    ['a batch', { body: `[${JSON.stringify(PING)}, ${ECHO}]` }],
    ['a message of 2026-07-28', modern('echo', [METHOD, NAME])],
    [
      'a message of 2026-07-28 about a name with a comma',
      modern('Hello, world', [METHOD, ['Mcp-Name', 'Hello, world']]),
    ],
    [
      'a message with its charset',
      { headers: [['Content-Type', 'application/json; charset=UTF-8']], body: ECHO },
    ],
    ['a message of a page that is named', { headers: [['Origin', PAGE]], body: ECHO }],
    [
      'a message in chunks',
      {
        headers: [['Transfer-Encoding', 'chunked']],
        body: `${ECHO.length.toString(16)}\r\n${ECHO}\r\n0\r\n\r\n`,
      },
    ],
  ])('%s goes on byte for byte', async (what, sent) => {
    expect((await send(sent)).status).toBe(200)
    const [request] = world.origin.requests
    await request?.finished()
    const body = what.endsWith('in chunks') ? ECHO : sent.body
    expect(request?.body).toBe(body)
    expect(request?.header('content-length')).toBe(String(Buffer.byteLength(body as string)))
  })

  it('a name goes on as one header, which the body has as a whole', async () => {
    const names: readonly Header[] = ['Hello', 'world'].map((part) => ['Mcp-Name', part])
    expect((await send(modern('Hello, world', [METHOD, ...names]))).status).toBe(200)
    const [request] = world.origin.requests
    const told = request?.rawHeaders.filter(([name]) => name.toLowerCase() === 'mcp-name')
    expect(told?.map(([, value]) => value)).toEqual(['Hello, world'])
  })

  it('a stream has no body', async () => {
    expect((await send({ method: 'GET' })).status).toBe(200)
    expect((await send({ method: 'GET', body: ECHO })).status).toBe(413)
    expect(world.origin.requests).toHaveLength(1)
  })
})

it('makes no error that nobody has caught', () => {
  // What workerd itself tells of tests in other files: a CONNECT, and an answer that a revocation cuts off.
  const others = /stream was cut|connect\(\) function/
  const lines = world.gate
    .output()
    .split('\n')
    .filter((line) => !others.test(line))
  expect(lines.filter((line) => /unexpected_error|uncaught|unhandled/i.test(line))).toEqual([])
})

it.each<[string, string, unknown]>([
  ['the id of its message', JSON.stringify(PING), 2],
  ['null where the body is no message', '{}', null],
  ['null where the body is too long', call('x'.repeat(64 * 1024)), null],
])('a refused revision is told with %s', async (_what, body, id) => {
  const headers: [string, string][] = [['MCP-Protocol-Version', '1999-01-01']]
  const response = await send({ headers, body })
  expect(response.status).toBe(400)
  expect(JSON.parse(response.body)).toMatchObject({
    id,
    error: {
      code: -32022,
      data: { requested: '1999-01-01', supported: expect.arrayContaining(['2026-07-28']) },
    },
  })
})
