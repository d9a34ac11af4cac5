import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import type { Handler } from '../kit/origin.ts'
import { connectRaw, type Header, type RawConnection, rawRequest } from '../kit/raw.ts'
import type { Members } from '../kit/signing.ts'
import { HOST, outcome, type Setting, startSetting } from './setting.ts'
import { newAgent, revoke } from './streaming.ts'

const KIB = 1024
const MIB = 1024 * KIB
const REFUSED = { status: 401, code: 'token_expired' }

let setting: Setting
/** The port of a gate that waits long, and of one that hardly waits. */
let [patient, hasty] = [0, 0]
const open: RawConnection[] = []

beforeAll(async () => {
  const rules = [
    { match: '/v1/*' },
    { match: '/timed/*', timeout: '30s' },
    { match: '/watched/*', on_revocation: 'end-all' },
  ]
  const routes = [
    ...rules.flatMap(({ match, ...more }) => [
      { match: `POST ${match}`, scopes: [], ...more },
      { match: `POST /worker${match}`, scopes: [], origin: 'service:EARLY', ...more },
    ]),
    { match: 'POST /down/plain', scopes: [], origin: 'http://127.0.0.1:9' },
    { match: 'POST /down/timed', scopes: [], origin: 'http://127.0.0.1:9', timeout: '30s' },
    { match: 'POST /hurried/*', scopes: [], timeout: '200ms' },
    { match: 'POST /mcp', scopes: [], mcp: { tools: { '*': [] } } },
  ]
  const issuer = { admin: 'all' }
  setting = await startSetting({
    workers: { EARLY: fileURLToPath(new URL('../kit/early-worker.js', import.meta.url)) },
    routes,
    issuer,
    beside: [
      { routes, issuer, gate: { unread_body: { within: '10s' } } },
      { routes, gate: { unread_body: { within: '50ms' } } },
    ],
  })
  ;[patient, hasty] = setting.gate.beside.map(({ port }) => port) as [number, number]
})
afterAll(async () => {
  for (const one of open) one.close()
  await setting?.close()
})

const expired = (claims: Members = {}) => {
  const now = Math.floor(Date.now() / 1_000)
  return setting.token({ iat: now - 900, exp: now - 600, ...claims })
}

interface Begun {
  readonly target?: string
  /** The bytes that its length says; without it `headers` frame the body. */
  readonly said?: number | undefined
  readonly sent?: number
  readonly body?: string | Uint8Array
  readonly headers?: readonly Header[]
}

/** Sends the head of a POST and a part of its body. */
const begin = async (port: number, token: string | undefined, what: Begun = {}) => {
  const {
    target = '/v1/files',
    said,
    sent = 10,
    body = new Uint8Array(sent),
    headers = [],
  } = { said: 5 * MIB, ...what }
  const connection = await connectRaw(port)
  open.push(connection)
  connection.send(
    rawRequest({
      method: 'POST',
      target,
      headers: [
        ['Host', HOST],
        ...(token === undefined ? [] : [['Authorization', `Bearer ${token}`] as const]),
        ['Content-Type', 'application/json'],
        ...(said === undefined ? [] : [['Content-Length', String(said)] as const]),
        ...headers,
      ],
      body,
    }),
  )
  return connection
}

const answered = async (connection: RawConnection) => {
  const { status, body } = await connection.response()
  return { status, code: JSON.parse(body).code }
}

/** Of these the one that is answered first. */
const firstOf = (all: Readonly<Record<string, RawConnection>>) =>
  Promise.race(Object.entries(all).map(([name, one]) => one.response().then(() => name)))

const form = (size: number) => {
  const body = new FormData()
  body.set('file', new Blob([new Uint8Array(size)]), 'a.bin')
  return { body }
}

/** A body without a length. */
const chunks = (size: number) => {
  const part = new Uint8Array(16 * KIB)
  let left = size
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left <= 0) controller.close()
      else controller.enqueue(part)
      left -= part.length
    },
  })
  return { body, duplex: 'half' as const }
}

describe('a refusal reaches a client that is still sending', () => {
  it.each<[string, string, () => RequestInit]>([
    ['form', '/v1/files', () => form(MIB)],
    ['JSON', '/v1/files', () => ({ body: JSON.stringify('x'.repeat(2 * MIB)) })],
    ['MCP message', '/mcp', () => ({ body: JSON.stringify('x'.repeat(2 * MIB)) })],
  ])('of an expired token: %s', async (_, path, init) => {
    const headers = { authorization: `Bearer ${await expired()}` }
    for (let i = 0; i < 10; i++) {
      const response = await fetch(setting.gate.url + path, { method: 'POST', headers, ...init() })
      expect(await outcome(response)).toEqual(REFUSED)
    }
  })

  it('of a body that is too large, also at an endpoint of the gate', async () => {
    const headers = {
      authorization: `Bearer ${await setting.token({ scope: 'edgewarden:read' })}`,
      'content-type': 'application/json',
    }
    for (const path of ['/mcp', '/.edgewarden/explain']) {
      for (let i = 0; i < 5; i++) {
        const body = JSON.stringify('x'.repeat(5 * MIB))
        const response = await fetch(setting.gate.url + path, { method: 'POST', headers, body })
        expect(await outcome(response)).toEqual({ status: 413, code: 'body_too_large' })
      }
    }
  })

  it('that closes its connection after the answer', async () => {
    const connection = await begin(setting.gate.port, await expired(), {
      said: MIB,
      sent: MIB,
      headers: [['Connection', 'close']],
    })
    expect(await answered(connection)).toEqual(REFUSED)
  })
})

describe('an answer of an origin that has not read the body reaches a client that is still sending', () => {
  const BODIES = {
    form,
    JSON: (size: number) => ({ body: JSON.stringify('x'.repeat(size)) }),
    chunks,
  }
  // After its answer a server of Node reads the rest of the body.
  const ANSWERS: readonly (readonly [number, Handler])[] = [
    [413, (_req, res) => res.writeHead(413).end('early')],
    [401, (req, res) => req.once('data', () => res.writeHead(401).end('early'))],
  ]
  const RULES = ['/v1', '/timed', '/watched']
  const cases = RULES.flatMap((rule) => ANSWERS.map((answer) => [rule, ...answer] as const))
  it.each(cases)('on %s: %i', async (rule, status, handler) => {
    const path = `${rule}/early-${status}`
    setting.origin.on(path, handler)
    const headers = { authorization: `Bearer ${await setting.token()}` }
    for (const size of [20 * KIB, MIB, 5 * MIB]) {
      for (const body of Object.values(BODIES)) {
        for (let i = 0; i < 3; i++) {
          const init = { method: 'POST', headers, ...body(size) }
          const response = await fetch(setting.gate.url + path, init)
          expect([response.status, await response.text()]).toEqual([status, 'early'])
        }
      }
    }
  })

  it.each(RULES.flatMap((rule) => ['', '?read'].map((query) => `/worker${rule}/early${query}`)))(
    'of a Worker, on %s',
    async (path) => {
      const headers = { authorization: `Bearer ${await setting.token()}` }
      for (const size of [MIB, 5 * MIB]) {
        for (const body of Object.values(BODIES)) {
          const init = { method: 'POST', headers, ...body(size) }
          const response = await fetch(setting.gate.url + path, init)
          expect([response.status, await response.text()]).toEqual([413, 'early'])
        }
      }
    },
  )

  it.each(RULES)('that reads only once it has sent all, on %s', async (rule) => {
    // The buffers of a connection hold some MiB.
    const size = 14 * MIB
    const headers: readonly Header[] = [
      ['Host', HOST],
      ['Authorization', `Bearer ${await setting.token()}`],
      ['Content-Length', String(size)],
    ]
    const target = `/worker${rule}/early`
    const bytes = rawRequest({ method: 'POST', target, headers, body: new Uint8Array(size) })
    const socket = connect(setting.gate.port, '127.0.0.1').pause()
    await new Promise<void>((sent, failed) => {
      socket.once('error', failed).write(bytes, () => sent())
    })
    expect(String((await once(socket.resume(), 'data'))[0])).toMatch(/^HTTP\/1.1 413 /)
    socket.destroy()
  })

  it.each([
    ['cannot be reached', '/down/plain', 502, 'origin_unreachable'],
    ['cannot be reached', '/down/timed', 502, 'origin_unreachable'],
    ['resets after some bytes', '/v1/cuts', 502, 'origin_unreachable'],
    ['reads nothing in time', '/hurried/stuck', 504, 'origin_timeout'],
  ] as const)('or that of the gate, where the origin %s: %s', async (_, path, status, code) => {
    setting.origin.on('/v1/cuts', (req) => req.socket.resetAndDestroy())
    setting.origin.on('/hurried/stuck', (req) => void req.pause())
    const headers = { authorization: `Bearer ${await setting.token()}` }
    for (const body of Object.values(BODIES)) {
      for (let i = 0; i < 5; i++) {
        const init = { method: 'POST', headers, ...body(5 * MIB) }
        expect(await outcome(await fetch(setting.gate.url + path, init))).toEqual({ status, code })
      }
    }
  })

  it.each(cases)('once the origin has read the rest, on %s: %i', async (rule, status, handler) => {
    const target = `${rule}/slow-${status}`
    setting.origin.on(target, handler)
    const sending = await begin(patient, await setting.token(), { target })
    await setting.origin.arrival(({ url }) => url === target)
    sending.send(new Uint8Array(5 * MIB - 10))
    sending.send(rawRequest({ target: '/none', headers: [['Host', HOST]] }))
    // The connection is whole: a second request on it is answered.
    const text = await sending.until((all) => all.includes('HTTP/1.1 404'))
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} .*early`, 's'))
  })

  it('unless the agent is revoked before the origin has read the rest', async () => {
    const target = '/watched/refused'
    let isOver = false
    setting.origin.on(target, (req, res) => {
      req.resume().on('close', () => {
        isOver = true
      })
      res.writeHead(413).write('early')
    })
    const agent = newAgent()
    const token = await setting.token({ client_id: agent })
    const sending = await begin(patient, token, { target })
    await setting.origin.arrival(({ url }) => url === target)
    await revoke(setting, agent, setting.gate.beside[0] as Gate)
    await eventually(() => expect(isOver).toBe(true))
    sending.send(new Uint8Array(5 * MIB - 10))
    expect(await answered(sending)).toEqual({ status: 401, code: 'token_revoked' })
  })

  it.each(RULES)('where the origin reads nothing and ends its side, on %s', async (rule) => {
    const target = `${rule}/ends`
    setting.origin.on(target, (req) => {
      req.pause()
      req.socket.end('HTTP/1.1 413 Early\r\nConnection: close\r\nContent-Length: 5\r\n\r\nearly')
    })
    const token = await setting.token()
    for (let i = 0; i < 10; i++) {
      const sending = await begin(hasty, token, { target, sent: 256 * KIB })
      const { status, body } = await sending.response()
      expect([status, body.toString()]).toEqual([413, 'early'])
    }
  })

  // workerd may lose the answer, or its body after the status.
  it.each(RULES)('or none that looks complete, where the origin resets, on %s', async (rule) => {
    const path = `${rule}/resets`
    setting.origin.on(path, (_, res) => res.writeHead(413, { connection: 'close' }).end('early'))
    const headers = { authorization: `Bearer ${await setting.token()}` }
    const init = { method: 'POST', headers, body: new Uint8Array(MIB) }
    const lost = [502, 'origin_unreachable']
    for (let i = 0; i < 20; i++) {
      const got = await fetch(`http://127.0.0.1:${hasty}${path}`, init)
        .then(async (response) => {
          const text = await response.text()
          return [response.status, response.status === 413 ? text : JSON.parse(text).code]
        })
        .catch(() => lost)
      expect([[413, 'early'], lost]).toContainEqual(got)
    }
  })
})

describe('what the gate reads for it is bounded', () => {
  it('a sender that stops is answered', async () => {
    expect(await answered(await begin(setting.gate.port, await expired()))).toEqual(REFUSED)
  })

  it('of a stranger it reads 64 KiB, also of one with a forged token', async () => {
    const [head, payload] = (await expired()).split('.')
    const forged = `${head}.${payload}.${'A'.repeat(86)}`
    const chunks = [['Transfer-Encoding', 'chunked']] as const
    const known = await begin(patient, await expired())
    const short = await begin(patient, undefined, { said: 64 * KIB })
    for (const [token, code] of [
      [undefined, 'credential_missing'],
      [forged, 'signature_invalid'],
    ] as const) {
      const long = await begin(patient, token, { said: 64 * KIB + 1 })
      expect(await firstOf({ known, short, long })).toBe('long')
      expect(await answered(long)).toEqual({ status: 401, code })
      const body = `${(64 * KIB).toString(16)}\r\n${'x'.repeat(64 * KIB)}\r\n1\r\n`
      const chunked = await begin(patient, token, { said: undefined, body, headers: chunks })
      expect(await firstOf({ known, short, chunked })).toBe('chunked')
      expect(await answered(chunked)).toEqual({ status: 401, code })
    }
    short.send(new Uint8Array(64 * KIB - 10))
    expect((await answered(short)).code).toBe('credential_missing')
    known.send(new Uint8Array(5 * MIB - 10))
    expect(await answered(known)).toEqual(REFUSED)
  })

  it.each([
    ['one address', undefined, 16, 'credential_missing'],
    ['one agent', 'greedy', 32, 'token_expired'],
  ] as const)('at a time for %s, which leaves others their share', async (_, id, most, code) => {
    const token = id && (await expired({ client_id: id }))
    const waiting = []
    for (let i = 0; i < most; i++) waiting.push(await begin(patient, token, { said: 64 * KIB }))
    const more = await begin(patient, token, { said: 64 * KIB })
    expect(await firstOf({ ...Object.fromEntries(waiting.entries()), more })).toBe('more')
    expect((await answered(more)).code).toBe(code)
    const headers = { authorization: `Bearer ${await expired({ client_id: 'another' })}` }
    const url = `http://127.0.0.1:${patient}/v1/files`
    const body = new Uint8Array(2 * MIB)
    expect(await outcome(await fetch(url, { method: 'POST', headers, body }))).toEqual(REFUSED)
    for (const one of waiting) one.close()
  })
})

describe('a client that waits for 100 Continue', () => {
  const headers = [['Expect', '100-continue']] as const

  it('is refused without it', async () => {
    const asking = await begin(patient, await expired(), { sent: 0, headers })
    const other = await begin(patient, await expired(), { sent: 0 })
    expect(await firstOf({ asking, other })).toBe('asking')
    const response = await asking.response()
    expect([response.status, response.raw.toString()]).toEqual([
      401,
      expect.stringMatching(/^HTTP\/1\.1 401 /),
    ])
    other.close()
  })

  it('gets it where the request is allowed', async () => {
    const connection = await begin(patient, await setting.token(), { said: 5, sent: 0, headers })
    await connection.until((text) => text.startsWith('HTTP/1.1 100 '))
    connection.send('hello')
    expect((await connection.response()).status).toBe(200)
    expect(setting.origin.requests.at(-1)?.body).toBe('hello')
    connection.close()
  })
})
