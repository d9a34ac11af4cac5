import { gzipSync } from 'node:zlib'
import { beforeAll, beforeEach, expect, it } from 'vitest'
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

const modern = (name: string, headers: readonly Header[]): Sent => ({
  headers: [['MCP-Protocol-Version', NEWEST], ...headers],
  body: call(name, { _meta: { [META]: NEWEST } }),
})
const METHOD: Header = ['Mcp-Method', 'tools/call']
const NAME: Header = ['Mcp-Name', 'echo']

type Case = readonly [what: string, status: number, code: string, sent: Sent]

const CASES: readonly Case[] = [
  [
    'from a foreign page beside a good one',
    403,
    'origin_not_allowed',
    { headers: [PAGE, 'https://evil.example'].map((page) => ['Origin', page]), body: ECHO },
  ],
  ['in gzip that is not said', 400, 'message_malformed', { body: gzipSync(ECHO) }],
  ['with a byte order mark', 400, 'message_malformed', { body: `\ufeff${ECHO}` }],
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
    'with a look-alike of a name',
    400,
    'params_ambiguous',
    { body: call('echo', { '\uff4eame': 'drop_table' }) },
  ],
  [
    'with a forbidden call in its batch',
    403,
    'tool_not_allowed',
    { body: `[${JSON.stringify(PING)},${call('drop_table')}]` },
  ],
  [
    'with a tool twice in its headers',
    400,
    'header_mismatch',
    modern('echo', [METHOD, NAME, NAME]),
  ],
  [
    'with an encoded tool in its header, and another in its body',
    400,
    'header_mismatch',
    modern('drop_table', [METHOD, ['Mcp-Name', '=?base64?ZWNobw==?=']]),
  ],
  ['to open a stream with a body', 413, 'body_too_large', { method: 'GET', body: ECHO }],
]

it.each(CASES)(
  'a message %s is %i %s, and nothing reaches the server',
  async (_what, status, code, sent) => {
    const response = await send(sent)
    expect([response.status, codeOf(response)]).toEqual([status, code])
    expect(response.header('cache-control')).toBe('no-store')
    expect(response.header('www-authenticate')).toBeUndefined()
    expect(world.origin.requests).toEqual([])
  },
)

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
])('%s goes on to the server byte for byte', async (what, sent) => {
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
