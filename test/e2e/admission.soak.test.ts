import { Agent, request } from 'node:http'
import fc from 'fast-check'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import type { RecordedRequest } from '../kit/origin.ts'
import { freePort } from '../kit/port.ts'
import { tries } from '../kit/property.ts'
import { HOST, type Setting, startSetting } from './setting.ts'

/** Many requests of few tokens at once, with headers of all kinds: each is forwarded as a token's first one is. */

const SCHEME = 'x-scheme'
const AT_ONCE = 50
const ALL = 'GET,POST,OPTIONS'
const RULES = [
  { match: `${ALL} /plain` },
  { match: `${ALL} /cut`, on_revocation: 'end-all', timeout: '20s' },
  { match: `${ALL} /token`, forward_token: true, token_subprotocols: ['key.'] },
  { match: `${ALL} /credential`, inject: { 'X-Injected': `\${KEY}` } },
  { match: `${ALL} /shadow`, mode: 'shadow' },
  { match: `${ALL} /optional`, access: 'optional' },
  { match: `${ALL} /bound`, origin: 'service:BOUND' },
  { match: `${ALL} /via`, origin_via: 'BOUND' },
  { match: 'POST /mcp', mcp: { tools: { t: [] } } },
]
const PATHS = RULES.map(({ match }) => match.split(' ')[1] ?? '')

let setting: Setting
let gate: Gate
let tokens: readonly string[]
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })

beforeAll(async () => {
  setting = await startSetting()
  const nobody = { match: `${ALL} /nobody`, origin: `http://127.0.0.1:${await freePort()}` }
  gate = await setting.another({
    gate: { hosts: [HOST, 'b.example'], assertion: { binding: 'request' } },
    routes: [...RULES, nobody].map((rule) => ({ scopes: [], ...rule })),
    services: { BOUND: setting.origin.url },
    secrets: { KEY: 'injected-secret' },
    protocolHeader: SCHEME,
  })
  tokens = await Promise.all(['one', 'two'].map((client_id) => setting.token({ client_id })))
})
afterAll(async () => {
  agent.destroy()
  await setting?.close()
})

type Lines = readonly (readonly [name: string, value: string])[]

interface Asked {
  readonly path: string
  readonly method: string
  readonly token: number
  readonly headers: Lines
  /** Its length. */
  readonly body: number
  /** Whether the caller leaves in the middle of the body. */
  readonly leaves: boolean
  readonly from: string
}

/** Few names and values, so that most requests have the names of an earlier one. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  Accept: ['a/b', 'c/d', 'a/b, c/d', '\xe9'],
  'Accept-Encoding': ['gzip', 'br', 'identity'],
  'Accept-Charset': ['utf-8', 'latin1'],
  'Cache-Control': ['no-cache', 'max-age=1', 'no-cache, no-store'],
  Connection: ['Upgrade', 'keep-alive', 'x-a', 'X-B, close', 'cookie'],
  'Content-Language': ['de', 'fr'],
  'Content-Type': ['text/plain', 'application/json'],
  Cookie: ['a=1', 'a=2; b=3', 'c="x, y"'],
  DPoP: ['proof-1', 'proof-2'],
  Expect: ['100-continue'],
  'If-None-Match': ['"1"', 'W/"2"', '"1", "2"'],
  Range: ['bytes=0-1', 'bytes=2-'],
  'Sec-WebSocket-Protocol': ['chat', 'chat, key.x', 'other'],
  'Set-Cookie': ['a=1', 'b=2'],
  traceparent: ['00-1', '00-2', '00-3'],
  Upgrade: ['h2c', 'WebSocket', 'websocket'],
  'Sec-WebSocket-Extensions': ['none', 'x'],
  Via: ['1.1 me', '1.1 edgewarden'],
  'X-A': ['1', '2', '', '3, 4', '\xe9', '\xc3\xa9', '\ta\t'],
  'X-B': ['1', '2', 'a,b'],
  'X-Agent-Id': ['forged', 'one'],
  X_Agent_Scope: ['admin', 'root'],
  'X-Agent-Grant': ['admin', ''],
  'X-Forwarded-For': ['9.9.9.9', '8.8.8.8'],
  'X-Forwarded-Host': ['evil', HOST],
  'X-Injected': ['mine', 'injected-secret'],
  'X-Request-Id': ['r1', 'r2'],
  'Mcp-Protocol-Version': ['2025-06-18', '2025-11-25'],
  [SCHEME]: ['http', 'https'],
}

const lines = (names: readonly string[]): fc.Arbitrary<Lines> =>
  fc
    .tuple(
      ...names.map((name) =>
        fc.tuple(
          fc.constantFrom(name, name, name.toLowerCase()),
          fc.constantFrom(...(VALUES[name] ?? [])),
        ),
      ),
    )
    .chain((all) => fc.shuffledSubarray(all, { minLength: all.length }))

/** Shapes that come again: their names, and some with a name in two lines. */
const SHAPES = [
  ['Upgrade', 'Connection'],
  ['Upgrade', 'Connection', 'Sec-WebSocket-Protocol'],
  ...fc.sample(fc.array(fc.constantFrom(...Object.keys(VALUES)), { maxLength: 5 }), {
    seed: 7,
    numRuns: 40,
  }),
]

/** Requests with the same names, as one client sends them; some are as nobody sends them. */
const series: fc.Arbitrary<readonly Asked[]> = fc
  .record({
    path: fc.constantFrom(...PATHS, '/nobody'),
    methods: fc.constantFrom(['GET', 'HEAD', 'OPTIONS'], ['GET'], ['POST']),
    names: fc.constantFrom(...SHAPES),
    others: fc.constantFrom(...SHAPES),
  })
  .chain(({ path, methods, names, others }) =>
    fc.array(
      fc.record({
        path: fc.constant(path),
        method: fc.constantFrom(...methods),
        token: fc.constantFrom(0, 0, 0, 1),
        headers: fc
          .oneof(
            { weight: 9, arbitrary: fc.constant(names) },
            { weight: 1, arbitrary: fc.constant(others) },
          )
          .chain(lines),
        body: fc.constantFrom(0, 1, 70_000),
        leaves: fc.nat(15).map((n) => n === 0),
        from: fc.constantFrom('127.0.0.1', '127.0.0.2'),
      }),
      { minLength: 10, maxLength: 20, size: 'max' },
    ),
  )

const PING = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })

/** The status that came; 0 where the connection broke. */
const send = (one: Asked, id: string, authorization: string): Promise<number> =>
  new Promise((done) => {
    const { path, from: localAddress } = one
    const isMcp = path === '/mcp'
    const method = isMcp ? 'POST' : one.method
    const body = isMcp ? PING : 'x'.repeat(method === 'POST' ? one.body : 0)
    const headers = [
      ...[['Host', HOST], ['Authorization', authorization], ...one.headers],
      ...(one.headers.some(([name]) => /^upgrade$/i.test(name))
        ? [
            ['Sec-WebSocket-Version', '13'],
            ['Sec-WebSocket-Key', Buffer.from(id.padEnd(16)).toString('base64')],
          ]
        : []),
      ...(isMcp
        ? [
            ['content-type', 'application/json'],
            ['accept', 'application/json, text/event-stream'],
          ]
        : []),
      ...(body || method === 'POST' ? [['Content-Length', String(body.length)]] : []),
    ].flat() as never
    const sent = request({
      port: gate.port,
      host: '127.0.0.1',
      agent,
      localAddress,
      path: `${path}?id=${id}`,
      method,
      headers,
    })
    sent.on('response', (answer) => {
      answer.resume().on('close', () => done(answer.statusCode ?? 0))
    })
    sent.on('upgrade', (answer, socket) => {
      socket.destroy()
      done(answer.statusCode ?? 0)
    })
    sent.on('error', () => done(0))
    if (one.leaves && body.length > 1_000) {
      sent.write(body.slice(0, 1_000))
      setTimeout(() => sent.destroy(), 5)
    } else sent.end(body)
  })

/** What an origin was told, but for what is of one request alone; lines of a list are joined. */
const told = (request: RecordedRequest | undefined) => {
  if (!request) return undefined
  const all = new Map<string, string[]>()
  for (const [written, value] of request.rawHeaders) {
    const name = written.toLowerCase()
    const text = value.trim().replace(/^Bearer +/, 'Bearer ')
    all.set(name, [...(all.get(name) ?? []), text])
  }
  const claims = Object.entries(decodeJwt(all.get('x-agent-assertion')?.[0] ?? 'e30.e30.'))
  for (const name of ['x-request-id', 'sec-websocket-key', 'x-agent-assertion']) all.delete(name)
  const headers = [...all].map(([name, values]) => [
    name,
    name === 'set-cookie' ? values : values.join(', '),
  ])
  return {
    method: request.method,
    path: request.url.split('?')[0],
    headers: Object.fromEntries(headers.sort()),
    claims: claims.filter(([name]) => !['jti', 'iat', 'exp', 'htq'].includes(name)),
  }
}

it('each is forwarded as if it were the first of its token', async () => {
  const all = fc.sample(series, tries(20)).flat()
  const statuses = new Map<string, number>()
  const queue = all.flatMap((one, i) => [
    async () => statuses.set(`a${i}`, await send(one, `a${i}`, `Bearer ${tokens[one.token]}`)),
    // A token after two spaces is verified each time, and nothing is kept of it.
    async () => statuses.set(`b${i}`, await send(one, `b${i}`, `Bearer  ${tokens[one.token]}`)),
  ])
  const work = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) await next()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const byId = new Map(
    setting.origin.requests.map((one) => [/id=(\w+)/.exec(one.url)?.[1] ?? '', one]),
  )
  for (const [i, one] of all.entries()) {
    const [again, first] = [told(byId.get(`a${i}`)), told(byId.get(`b${i}`))]
    if (again && one.path !== '/mcp') expect(again.method, JSON.stringify(one)).toBe(one.method)
    if (one.leaves) continue
    expect([again, statuses.get(`a${i}`)], JSON.stringify(one)).toEqual([
      first,
      statuses.get(`b${i}`),
    ])
  }
  const passed = [...statuses.values()].filter((status) => status === 200 || status === 101)
  expect(passed.length).toBeGreaterThan(statuses.size / 2)
  const ids = setting.origin.requests.map((one) => one.header('x-request-id'))
  expect(new Set(ids).size).toBe(ids.length)
})
