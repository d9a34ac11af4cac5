import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { rawReply } from '../kit/answers.ts'
import type { Gate } from '../kit/gate.ts'
import type { Handler } from '../kit/origin.ts'
import { rawRequest } from '../kit/raw.ts'
import { feed, readEvents, sse } from '../kit/sse.ts'
import { type Answers, answersOf, REPEATED } from './answers-setting.ts'
import { askGate, outcome } from './setting.ts'
import { fate, hanging, lastEvent, newAgent, revoke, SSE, STREAMING } from './streaming.ts'

const { KEY, BASIC, SHORT, RAW, LETTERS } = REPEATED
const PASSWORD = 'pass:word/44aa'

/** Every form that none may see, also of the pair in `Basic`. */
const HIDDEN = [
  KEY,
  encodeURIComponent(KEY),
  KEY.replaceAll('/', '\\/'),
  ...['', 'x', 'xx'].map((before) =>
    Buffer.from(before + KEY)
      .toString('base64')
      .slice(4, -4),
  ),
  PASSWORD,
  encodeURIComponent(PASSWORD),
  BASIC,
  BASIC.slice(4, -4),
]

const base64 = (text: string) => Buffer.from(text).toString('base64')

let setting: Answers
let token: string

beforeAll(async () => {
  setting = await answersOf('reflection')
  token = await setting.token({ scope: 'edgewarden:read edgewarden:explain' })
})
beforeEach(() => setting.origin.clear())

/** All an agent can see of an answer. */
const seen = async (response: Response) => ({
  head: JSON.stringify([response.status, response.statusText, ...response.headers]),
  body: Buffer.from(await response.arrayBuffer()),
})

const expectHidden = (text: string) => {
  for (const hidden of HIDDEN) expect(text).not.toContain(hidden)
}

/** What the origin was sent, header by header, in the ways of writing it. */
const sent = (req: IncomingMessage) => req.rawHeaders.join('\n')
const MARK = /x-api-key\nkey \*{24}\n/i

const ask = (path: string, init: RequestInit = {}) => setting.ask(path, { token, ...init })

const handle = (handler: Handler) => setting.origin.on('*', handler)

describe('an origin that repeats what it was sent', () => {
  it.each([200, 404])(
    'tells no secret in a body, a header or the reason of a %i',
    async (status) => {
      handle((req, res) => {
        const { authorization = '', 'x-api-key': key = '' } = req.headers
        res.writeHead(status, `No ${key}`, {
          'x-echo': [String(key), authorization, encodeURIComponent(String(key))],
          'set-cookie': [
            `a=${encodeURIComponent(String(key))}; Path=/`,
            'b=2',
            `c=${authorization}`,
          ],
          link: `</x?k=${encodeURIComponent(String(key))}>; rel=next`,
          etag: `"${KEY}"`,
          'x-name-sk-live-93b1f07d': '1',
          'content-type': 'text/plain',
        })
        res.end(sent(req))
      })
      const response = await ask('/v1/x')
      expect(response.status).toBe(status)
      expect(response.headers.getSetCookie()).toEqual([
        expect.stringMatching(/^a=key%20\*{32}; Path=\/$/),
        'b=2',
        expect.stringMatching(/^c=Basic \*+$/),
      ])
      expect(response.headers.get('etag')).toBe(`"${'*'.repeat(KEY.length)}"`)
      const { head, body } = await seen(response)
      expectHidden(head)
      expectHidden(String(body))
      expect(String(body)).toMatch(MARK)
    },
  )

  it.each<[string, (text: string) => string]>([
    ['double percent-encoding', (text) => encodeURIComponent(encodeURIComponent(text))],
    [
      'JSON of JSON with \\/',
      (text) => JSON.stringify(JSON.stringify(text).replaceAll('/', '\\/')),
    ],
    [
      'JSON of .NET',
      (text) => JSON.stringify(text).replaceAll('+', '\\u002B').replaceAll('\\"', '\\u0022'),
    ],
    [
      'HTML by names and long numbers',
      (text) => text.replaceAll('_', '&lowbar;').replaceAll('-', '&#x002d;').replace('"', '&quot;'),
    ],
    ['base64 of base64', (text) => base64(`a:${base64(`user:${text}`)}`)],
    ['base64 in lines', (text) => base64('x'.repeat(50) + text).replace(/.{76}/g, '$&\r\n')],
    ['base64 in lines', (text) => base64('x'.repeat(50) + text).replace(/.{76}/g, '$&\r\n')],
    ['base64 of JSON', (text) => base64(JSON.stringify({ k: text }))],
  ])('tells none in %s', async (_, write) => {
    handle((req, res) => {
      const text = write(String(req.headers['x-raw']))
      res.writeHead(200, { 'x-echo': text.replace(/\s/g, '') })
      for (const part of text.match(/.{1,7}/gs) ?? []) res.write(part)
      res.end('\n')
    })
    const { head, body } = await seen(await ask('/v1/x'))
    const stars = new RegExp(`\\*{${RAW.length}}`)
    expect([head, String(body)]).toEqual([
      expect.stringMatching(stars),
      expect.stringMatching(stars),
    ])
  })

  it('tells none in the address of a redirect', async () => {
    handle((req, res) => {
      const key = String(req.headers['x-api-key'])
      // A tab is taken out of an address when it is read.
      const location = `${setting.origin.url}/v1/y?a=${encodeURIComponent(key)}&b=${KEY.slice(0, 9)}\t${KEY.slice(9)}`
      res.writeHead(302, { location, 'content-location': `/v1/${encodeURIComponent(KEY)}` }).end()
    })
    const response = await ask('/v1/x')
    expect(response.headers.get('location')).toMatch(/\/v1\/y\?a=key%20\*{32}&b=\*{24}$/)
    expect(response.headers.get('content-location')).toMatch(/^\/v1\/\*{32}$/)
    expectHidden((await seen(response)).head)
  })

  it.each([10, 1_000_000])('keeps its length and everything else, %i', async (size) => {
    handle((req, res) => {
      const body = JSON.stringify({ headers: req.headers, other: 'ü'.repeat(size) })
      res.writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      })
      res.end(body)
    })
    const response = await ask('/v1/x')
    const length = Number(response.headers.get('content-length') ?? -1)
    const { body } = await seen(response)
    expect(body.length).toBe(length)
    const { headers, other } = JSON.parse(String(body))
    expect(headers['x-api-key']).toBe(`key ${'*'.repeat(KEY.length)}`)
    expect(headers['x-team']).toBe(SHORT)
    expect(other).toBe('ü'.repeat(size))
    expectHidden(String(body))
  })

  it.each([1, 3, 7, 64])('tells none in chunks of %i bytes', async (size) => {
    handle(async (req, res) => {
      const text = `${sent(req)}\n${encodeURIComponent(KEY)}\n${BASIC}`
      for (let at = 0; at < text.length; at += size) {
        res.write(text.slice(at, at + size))
        await new Promise((done) => setImmediate(done))
      }
      res.end()
    })
    const { body } = await seen(await ask('/v1/x'))
    expect(String(body)).toMatch(MARK)
    expect(String(body)).toMatch(/\*{32}\n\*+$/)
    expectHidden(String(body))
  })

  it.each([
    [64, '\n'],
    [76, '\r\n'],
  ])('tells none in base64 in lines of %i, wherever it begins', async (length, end) => {
    const lines = (before: number) =>
      base64('x'.repeat(before) + LETTERS + 'y'.repeat(60)).replace(
        new RegExp(`.{${length}}`, 'g'),
        `$&${end}`,
      )
    handle(async (req, res) => {
      expect(req.headers['x-letters']).toBe(LETTERS)
      for (const part of lines(Number(req.url?.split('=')[1])).match(/.{1,17}/gs) ?? []) {
        res.write(part)
        await new Promise((done) => setImmediate(done))
      }
      res.end()
    })
    const left = await Promise.all(
      Array.from({ length: 48 }, async (_, before) => {
        const body = await (await ask(`/v1/letters?before=${before}`)).text()
        expect(body).toHaveLength(lines(before).length)
        return [before, body.split('*').length - 1]
      }),
    )
    // Of 32 characters one at each side may be that of a neighbour, too.
    expect(left.filter(([, masked = 0]) => masked < 31)).toEqual([])
  })

  it('is asked for the whole answer, in no coding', async () => {
    await (
      await ask('/v1/x', { headers: { 'accept-encoding': 'gzip', range: 'bytes=0-9' } })
    ).text()
    await (
      await ask('/v1/plain/x', { headers: { 'accept-encoding': 'gzip', range: 'bytes=0-9' } })
    ).text()
    const [read, plain] = setting.origin.requests
    expect([read?.header('accept-encoding'), read?.header('range')]).toEqual([
      'identity',
      undefined,
    ])
    expect([plain?.header('accept-encoding'), plain?.header('range')]).toEqual([
      'gzip',
      'bytes=0-9',
    ])
  })

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ])('tells none in %s, which is decoded', async (coding, encode) => {
    handle((req, res) => {
      const body = encode(sent(req))
      res.writeHead(200, { 'content-encoding': coding, 'content-length': body.length }).end(body)
    })
    const response = await ask('/v1/x')
    expect(response.headers.get('content-encoding')).toBeNull()
    const { body } = await seen(response)
    expect(String(body)).toMatch(MARK)
    expectHidden(String(body))
  })

  it.each([
    ['gzip, br', (text: string) => brotliCompressSync(gzipSync(text))],
    ['x-own', (text: string) => Buffer.from(text)],
    // It is not registered, so it does not say that the body is not compressed.
    ['none', (text: string) => brotliCompressSync(text)],
  ])('is not handed back in %s', async (coding, encode) => {
    handle((req, res) => {
      res.writeHead(200, { 'content-encoding': coding, 'x-echo': KEY }).end(encode(sent(req)))
    })
    const response = await ask('/v1/x')
    expect(JSON.stringify([...response.headers])).not.toContain('x-echo')
    expect(await outcome(response)).toEqual({ status: 502, code: 'origin_encoding_unsupported' })
    const line = await setting.gate.journalLine(
      ({ code }) => code === 'origin_encoding_unsupported',
    )
    expect(line).toMatchObject({ decision: 'denied', origin_status: 200 })
  })

  it.each([
    'Content-Encoding:',
    'Content-Encoding: ,',
    'Content-Encoding: identity, gzip',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: gzip',
    'Transfer-Encoding: chunked, gzip',
    'Transfer-Encoding: identity',
    'Transfer-Encoding:',
  ])('is not handed back where %s says no coding plainly', async (line) => {
    const body = gzipSync(KEY)
    const framed = /chunked$/.test(line)
      ? [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]
      : [body]
    handle(rawReply(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${line}\r\n\r\n`), ...framed])))
    const response = await ask('/v1/x')
    // workerd hands no empty line on, so nobody takes the body for a coded one.
    expect(response.headers.get('content-encoding')).toBeNull()
    if (line.endsWith(':')) return
    const { status, code } = await outcome(response)
    expect([status, code]).toEqual([502, 'origin_encoding_unsupported'])
  })

  it.each([
    'text/plain; name="; charset=utf-8"; charset=utf-16le',
    'text/plain; charset=utf-8\r\nContent-Type: text/plain; charset=utf-16le',
    "text/plain; charset*=utf-8''utf-16le",
    'text/plain; charset*0=utf-16le',
    'text/plain; x charset=utf-16le',
    'text/plain, charset=utf-16le',
  ])('is not handed back in another charset, %j', async (type) => {
    const bytes = Buffer.from(KEY, 'utf16le').toString('latin1')
    handle(rawReply(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n\r\n${bytes}`))
    expect(await outcome(await ask('/v1/x'))).toEqual({
      status: 502,
      code: 'origin_encoding_unsupported',
    })
  })

  it('keeps the bytes and the lines of headers without any', async () => {
    handle(
      rawReply(
        [
          'HTTP/1.1 200 OK',
          'Content-Disposition: attachment; filename="caf\xe9.pdf"',
          'X-Lines: one',
          'X-Lines: another',
          `X-Mixed: \xe9${KEY}\xf0\x9f${KEY}`,
          'Set-Cookie: a=\xe9',
          'Set-Cookie: b=2',
          'Content-Length: 2',
          '',
          'ok',
        ].join('\r\n'),
      ),
    )
    const { headers, raw } = await setting.gate.raw(
      rawRequest({
        target: '/v1/x',
        headers: [
          ['Host', setting.host],
          ['Authorization', `Bearer ${token}`],
        ],
      }),
    )
    const lines = headers.filter(([name]) =>
      /^(?:content-disposition|x-lines|set-cookie)$/i.test(name),
    )
    expect(lines).toEqual([
      ['Content-Disposition', 'attachment; filename="caf\xe9.pdf"'],
      ['Set-Cookie', 'a=\xe9'],
      ['Set-Cookie', 'b=2'],
      ['X-Lines', 'one'],
      ['X-Lines', 'another'],
    ])
    expectHidden(raw.toString('latin1'))
  })

  it('that is broken is broken off', async () => {
    handle((req, res) => {
      res.writeHead(200, { 'content-encoding': 'gzip' }).end(sent(req))
    })
    const text = await ask('/v1/x')
      .then(
        (response) => response.text(),
        () => '',
      )
      .catch(() => '')
    expectHidden(text)
    expect(text).not.toMatch(/x-api-key/i)
  })

  it('tells none in early hints or trailers', async () => {
    handle((req, res) => {
      res.writeEarlyHints({ link: `</${KEY}>; rel=preload` })
      res.writeHead(200, { trailer: 'x-echo' })
      res.write(sent(req))
      res.addTrailers({ 'x-echo': KEY })
      res.end()
    })
    const raw = await setting.gate.raw(
      `GET /v1/x HTTP/1.1\r\nHost: ${setting.host}\r\nAuthorization: Bearer ${token}\r\nTE: trailers\r\nConnection: close\r\n\r\n`,
    )
    expect(raw.raw.toString()).toMatch(/x-api-key/i)
    expectHidden(raw.raw.toString())
  })
})

describe('a stream', () => {
  it('of events holds none, and no event waits for the next', async () => {
    const events = feed()
    handle((req, res) => sse(res, withKey(events, req)))
    const response = await ask('/v1/x')
    const reading = readEvents(response)
    for (const data of ['one', `two ${KEY}`, 'sk-live-']) {
      events.push(data)
      const { value } = await reading.next()
      expect(value?.data).toBe(`${data.replace(KEY, '*'.repeat(KEY.length))}`)
    }
    events.end()
    expect((await reading.next()).done).toBe(true)
  })
})

async function* withKey(events: AsyncIterable<{ readonly data: string }>, req: IncomingMessage) {
  expect(req.headers['x-api-key']).toBe(`key ${KEY}`)
  yield* events
}

it('messages of a WebSocket hold none, nor does its end', async () => {
  const socket = new WebSocket(`${setting.gate.url.replace('http', 'ws')}/v1/socket`, {
    headers: { authorization: `Bearer ${token}`, host: setting.host },
  })
  await once(socket, 'open')
  const there = setting.origin.webSockets.at(-1)
  const next = async () => {
    const [data, isBinary] = await once(socket, 'message')
    return [String(data), isBinary]
  }
  const masked = '*'.repeat(KEY.length)
  for (const [message, expected] of [
    [`text ☃ ${KEY}`, [`text ☃ ${masked}`, false]],
    [Buffer.from(`bytes ${KEY}`), [`bytes ${masked}`, true]],
    ['nothing', ['nothing', false]],
  ] as const) {
    const answer = next()
    there?.send(message)
    expect(await answer).toEqual(expected)
  }
  const ended = once(socket, 'close')
  there?.close(4000, `bye ${KEY}`)
  const [code, reason] = await ended
  expect([code, String(reason)]).toEqual([4000, `bye ${masked}`])
})

describe('a stream whose token is revoked', () => {
  let gate: Gate
  beforeAll(async () => {
    gate = await setting.another({
      ...STREAMING,
      secrets: { KEY },
      routes: [
        { match: 'GET /v1/*', scopes: [], inject: { 'x-api-key': `\${KEY}` } },
        {
          match: 'GET /all/*',
          scopes: [],
          inject: { 'x-api-key': `\${KEY}` },
          on_revocation: 'end-all',
        },
      ],
    })
  })
  afterAll(() => gate.stop())

  it('ends with the reason where it is one of events, and is broken off where it has a length', async () => {
    const ending = async (path: string, ...[headers, part]: [object, string]) => {
      hanging(setting, path, { ...headers }, part)
      const agent = newAgent()
      const mine = await setting.token({ client_id: agent })
      const response = await askGate(gate, path, { token: mine })
      // Read before it breaks: a broken stream forgets what has come.
      const reading = fate(response)
      await revoke(setting, agent, gate)
      const { bytes, error } = await reading
      const seen = await setting.origin.arrival(({ url }) => url === path)
      return [String(bytes), error, await seen.answered()]
    }
    const events = ending('/v1/events', SSE, `data: ${KEY}\n\ndata: sk-live-`)
    const file = ending('/all/file', { 'content-length': 1_000_000 }, 'part of it\n')
    const masked = `data: ${'*'.repeat(KEY.length)}\n\ndata: `
    expect(await events).toEqual([masked + lastEvent('token_revoked'), false, 'cut'])
    expect(await file).toEqual(['part of it\n', true, 'cut'])
  })

  it('is closed on both sides, where it is a WebSocket', async () => {
    const agent = newAgent()
    const socket = new WebSocket(`${gate.url.replace('http', 'ws')}/v1/socket`, {
      headers: { authorization: `Bearer ${await setting.token({ client_id: agent })}` },
    })
    await once(socket, 'open')
    const there = setting.origin.webSockets.at(-1) as WebSocket
    const ends = Promise.all([once(socket, 'close'), once(there, 'close')])
    await revoke(setting, agent, gate)
    expect((await ends).map(([code, reason]) => [code, String(reason)])).toEqual([
      [4401, 'token_revoked'],
      [4401, 'token_revoked'],
    ])
  })
})

describe('the gate itself', () => {
  it.each([
    ['GET', '/.edgewarden/policy', undefined],
    [
      'POST',
      '/.edgewarden/explain',
      JSON.stringify({ method: 'GET', url: 'https://reflection.example.com/v1/x', token: 'TOKEN' }),
    ],
  ])('tells no secret by %s %s', async (method, path, body) => {
    const text = body?.replace('TOKEN', token)
    const headers = { 'content-type': 'application/json' }
    const response = await ask(path, { method, ...(text && { body: text, headers }) })
    expect(response.status).toBe(200)
    const answer = await response.text()
    expect(answer).toContain('/v1/*')
    expectHidden(answer)
    expect(answer).not.toContain(`"${SHORT}"`)
  })

  it('writes none where the origin has it in its request id', async () => {
    handle((_, res) => res.writeHead(200, { 'x-request-id': `id-${KEY}` }).end())
    expect((await ask('/v1/x')).headers.get('x-request-id')).toBe(`id-${'*'.repeat(KEY.length)}`)
    const origin_request_id = expect.stringMatching(/^id-\*+$/)
    const line = await setting.gate.journalLine((one) =>
      String(one.origin_request_id).startsWith('id-'),
    )
    expect(line).toMatchObject({ origin_request_id })
  })

  it('has written none, and says which is too short to be hidden', () => {
    const output = setting.gate.output()
    expectHidden(output)
    expect(output).not.toContain(token)
    expect(output).toMatch(/"ROUTES\[\d+\]\.inject\.x-team: the secret `SHORT` is too short/)
    expect(output.match(/the secret `SHORT` is too short/g)).toHaveLength(1)
  })
})
