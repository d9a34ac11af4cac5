import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type OpenAI from 'openai'
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { eventually } from '../kit/eventually.ts'
import { type Header, rawRequest, sendRaw } from '../kit/raw.ts'
import { HOST, type Setting, sharedSetting, withGate } from './setting.ts'
import { newAgent, revoke } from './streaming.ts'

const OPENAI = 'openai-insecure-api-key.'
const MCP = 'mcp.auth.'
const JUPYTER = 'v1.token.websocket.jupyter.org.'
const taken = { scopes: [], token_subprotocols: [OPENAI, 'acme.key.'] }

let setting: Setting
let token: string

beforeAll(async () => {
  setting = await sharedSetting({
    gate: { revocation: { consistency: 'bounded', max_staleness: '5s' } },
    issuer: { admin: 'all' },
    routes: [
      { match: 'GET,POST /v1/bounded', ...taken },
      { match: 'GET /v1/strict', ...taken, revocation: 'strict' },
      { match: 'GET /v1/optional', ...taken, access: 'optional' },
      { match: 'GET,DELETE /v1/forwarding', ...taken, forward_token: true },
      { match: 'GET /v1/watched', ...taken, mode: 'shadow' },
      { match: 'GET /v1/scoped', ...taken, scopes: ['admin'] },
      { match: 'GET /v1/realtime', ...taken },
      { match: 'GET /plain/required', scopes: [] },
      { match: 'GET /plain/optional', scopes: [], access: 'optional' },
      { match: 'GET /plain/public', access: 'public' },
      { match: 'GET /plain/shadow', scopes: [], mode: 'shadow' },
    ],
  })
  token = await setting.token({ client_id: 'browser' })
})
beforeEach(() => setting.origin.clear())

const open = (path: string, protocols: string[], headers = {}) =>
  new WebSocket(`${setting.gate.url.replace('http', 'ws')}${path}`, protocols, {
    headers: { host: HOST, ...headers },
  })

const opened = async (path: string, protocols: string[], headers = {}) => {
  const socket = open(path, protocols, headers)
  await once(socket, 'open')
  return socket
}

/** Sends a handshake as it is written. */
const shake = async (
  path: string,
  headers: readonly Header[],
  { port = setting.gate.port, method = 'GET', upgrade = 'websocket' } = {},
) => {
  const handshake: readonly Header[] = [
    ['Host', HOST],
    ['Connection', 'Upgrade'],
    ['Upgrade', upgrade],
    ['Sec-WebSocket-Version', '13'],
    ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ]
  const parts = { method, target: path, headers: [...handshake, ...headers] }
  return sendRaw(port, rawRequest(parts))
}

/** What an origin saw of the last request. */
const seen = () => {
  const request = setting.origin.requests.at(-1)
  return [request?.header('x-agent-id'), request?.header('sec-websocket-protocol')]
}

const offering = (...lists: string[]) =>
  lists.map((list): Header => ['Sec-WebSocket-Protocol', list])

describe('a token in a subprotocol', () => {
  it.each(['/v1/bounded', '/v1/forwarding', '/v1/watched'])(
    'opens a WebSocket, and the origin gets the other subprotocols only: %s',
    async (path) => {
      for (const _time of ['verified', 'remembered']) {
        const socket = await opened(path, ['realtime', OPENAI + token, 'openai-beta.realtime-v1'])
        expect(socket.protocol).toBe('realtime')
        socket.send('hello')
        expect(String((await once(socket, 'message'))[0])).toBe('hello')
        socket.terminate()
        expect(seen()).toEqual(['browser', 'realtime, openai-beta.realtime-v1'])
        expect(JSON.stringify(setting.origin.requests.at(-1)?.rawHeaders)).not.toContain(token)
      }
    },
  )

  it('is not forwarded in Authorization because other requests had it there', async () => {
    const offered = offering(`realtime, ${OPENAI}${token}`)
    for (let i = 0; i < 3; i++) {
      await shake('/v1/forwarding', [['Authorization', `Bearer ${token}`], ...offered], {
        method: 'DELETE',
      })
    }
    expect((await shake('/v1/forwarding', offered)).status).toBe(101)
    expect(setting.origin.requests.at(-1)?.header('authorization')).toBeUndefined()
  })

  it.concurrent.each(['/v1/bounded'])('ends with its revocation: %s', async (path) => {
    const agent = newAgent()
    const own = await setting.token({ client_id: agent })
    const socket = await opened(path, ['realtime', OPENAI + own])
    const closed = once(socket, 'close')
    await revoke(setting, agent)
    const [code, reason] = await closed
    expect([code, String(reason)]).toEqual([4401, 'token_revoked'])
    const again = await shake(path, offering(`realtime, ${OPENAI}${own}`))
    expect([again.status, JSON.parse(again.body).code]).toEqual([401, 'token_revoked'])
  })
})

it('is what the openai client sends in a browser', async () => {
  // The client speaks TLS only, which ends before the gate.
  const Plain = class extends globalThis.WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url.replace(/^wss:/, 'ws:'), protocols)
    }
  }
  vi.stubGlobal('WebSocket', Plain)
  const client = new OpenAIRealtimeWebSocket(
    { model: 'gpt-realtime', dangerouslyAllowBrowser: true },
    { apiKey: token, baseURL: `${setting.gate.url}/v1` } as OpenAI,
  )
  const echo = new Promise((done, failed) => {
    client.on('event', done)
    client.on('error', failed)
  })
  await once(client.socket, 'open')
  vi.unstubAllGlobals()
  expect(client.socket.protocol).toBe('realtime')
  client.send({ type: 'response.create' })
  expect(await echo).toMatchObject({ type: 'response.create' })
  client.close()
  expect(seen()).toEqual(['browser', 'realtime'])
})

describe('what is refused', () => {
  const bearer = (): Header => ['Authorization', `Bearer ${token}`]
  const offer = (list: string, ...more: Header[]) => [...offering(list), ...more]
  it.each<[string, number, string, () => readonly Header[]]>([
    ['no token', 401, 'credential_missing', () => offer('realtime')],
    ['only the token', 400, 'subprotocols_malformed', () => offer(OPENAI + token)],
    [
      'a header too',
      400,
      'subprotocols_malformed',
      () => offer(`realtime, ${OPENAI}${token}`, bearer()),
    ],
    [
      'two tokens',
      400,
      'subprotocols_malformed',
      () => offer(`realtime, ${OPENAI}${token}, acme.key.${token}`),
    ],
    ['a prefix not taken', 401, 'credential_missing', () => offer(`realtime, ${MCP}${token}`)],
  ])('%s', async (_name, status, code, headers) => {
    const answer = await shake('/v1/bounded', headers())
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([status, code])
    expect(answer.header('www-authenticate')).toMatch(/^Bearer /)
    expect(answer.raw.toString()).not.toContain(token)
    expect(setting.origin.requests).toHaveLength(0)
    const id = answer.header('x-request-id')
    await eventually(() => {
      const line = setting.gate.journal().find(({ request_id }) => request_id === id)
      expect(line).toMatchObject({ decision: 'denied', code })
      expect(JSON.stringify(line)).not.toContain(token)
    })
  })

  it('a token in a request that opens no WebSocket', async () => {
    const list = offering(`realtime, ${OPENAI}${token}`)
    for (const about of [{ method: 'POST' }, { upgrade: 'h2c' }]) {
      const answer = await shake('/v1/bounded', list, about)
      expect([answer.status, JSON.parse(answer.body).code]).toEqual([401, 'credential_missing'])
    }
    expect(setting.origin.requests).toHaveLength(0)
  })
})

describe('a token in a subprotocol that the rule does not read', () => {
  it.each([OPENAI.toUpperCase(), JUPYTER])('never reaches an origin: %s', async (prefix) => {
    const bearer: Header = ['Authorization', `Bearer ${token}`]
    for (const [path, ...more] of [
      ['/plain/required', bearer],
      ['/plain/optional'],
      ['/plain/public'],
      ['/plain/shadow'],
      ['/plain/shadow', bearer],
      ['/v1/watched'],
    ] as const) {
      // The headers of the last request are used again: `realtime` alone comes before.
      for (const list of ['realtime', 'realtime', `realtime, ${prefix}${token}`, 'realtime']) {
        const answer = await shake(path, [...offering(list), ...more])
        expect([answer.status, answer.header('sec-websocket-protocol')]).toEqual([101, 'realtime'])
        expect(seen()[1]).toBe('realtime')
      }
      const alone = await shake(path, [...offering(prefix + token), ...more])
      expect([alone.status, seen()[1]]).toEqual([101, undefined])
      const malformed = `realtime;a "${prefix}${token}", other`
      await shake(path, [...offering(malformed), ...more], { upgrade: 'none' })
      expect(seen()[1]).toBe('other')
    }
  })

  it('is removed in shadow mode where it would be refused', async () => {
    const sent = OPENAI + token
    const answer = await shake('/v1/watched', offering(`realtime, ${sent}, ${sent}`))
    expect([answer.status, seen()]).toEqual([101, [undefined, 'realtime']])
    const shadowed = { route: 'GET /v1/watched', would_deny: true, code: 'subprotocols_malformed' }
    await eventually(() =>
      expect(setting.gate.journal()).toContainEqual(expect.objectContaining(shadowed)),
    )
  })
})

describe('an origin that chooses a subprotocol', () => {
  it.each([
    ['that was offered', 'realtime', 101],
    ['that was not', 'evil', 502],
    ['by no word', false, 101],
  ] as const)('%s', async (_name, chosen, status) => {
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => chosen })
    const server = createServer()
    server.on('upgrade', (req, socket, head) => {
      sockets.handleUpgrade(req, socket, head, (ws) => sockets.emit('connection', ws))
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const closes = once(sockets, 'connection').then(([ws]) => once(ws, 'close'))
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const options = { gate: { origin }, routes: [{ match: 'GET /v1/bounded', ...taken }] }
    await withGate(setting, options, async ({ port }) => {
      const list = offering(`realtime, other, ${OPENAI}${token}`)
      const answer = await shake('/v1/bounded', list, { port })
      expect(answer.status).toBe(status)
      if (status === 502) expect((await closes)[0]).toBe(1002)
      if (status === 502) expect(JSON.parse(answer.body).code).toBe('origin_unreachable')
    })
    for (const socket of sockets.clients) socket.terminate()
    server.close()
  })
})

it('an explanation reads the token of a subprotocol, and does not repeat it', async () => {
  const operator = await setting.token({ client_id: 'operator', scope: 'edgewarden:read' })
  const headers = {
    upgrade: 'websocket',
    'sec-websocket-protocol': `realtime, ${OPENAI}${token}`,
  }
  const response = await setting.ask('/.edgewarden/explain', {
    method: 'POST',
    token: operator,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ method: 'GET', url: `https://${HOST}/v1/bounded`, headers }),
  })
  const text = await response.text()
  expect(JSON.parse(text)).toMatchObject({ allowed: true, agent: { id: 'browser' } })
  expect(text).not.toContain(token)
})
