import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { later, reply } from '../kit/answers.ts'
import { connectRaw, type Header, rawRequest } from '../kit/raw.ts'
import { HOST, outcome, type Setting, startSetting } from './setting.ts'

let setting: Setting
/** An origin that accepts connections and reads nothing. */
let stuck: Server
const sockets: Socket[] = []

beforeAll(async () => {
  stuck = createServer({ pauseOnConnect: true }, (socket) => sockets.push(socket))
  stuck.listen(0, '127.0.0.1')
  await once(stuck, 'listening')
  const { port } = stuck.address() as AddressInfo
  const origin = `http://127.0.0.1:${port}`
  setting = await startSetting({
    routes: [
      // Only for what is to be given up: a busy machine may take as long for any answer.
      { match: 'GET,POST /v1/hasty', scopes: [], timeout: '500ms' },
      { match: 'POST /v1/stuck', scopes: [], timeout: '500ms', origin },
      { match: 'GET,POST /v1/slow', scopes: [], timeout: '2s' },
      { match: 'GET,POST /v1/patient', scopes: [], timeout: '30s' },
    ],
  })
})
beforeEach(() => setting.origin.clear())
afterAll(async () => {
  await setting?.close()
  for (const socket of sockets) socket.destroy()
  stuck.close()
})

/** Takes longer than the rule's timeout. */
const LONGER = ['a', 'b', 'c', 'd']

describe('bodies and patience', () => {
  it('hands an upload on while it is still being sent', async () => {
    const hash = createHash('sha256')
    const part = randomBytes(256 * 1024)
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (sent === 20) return controller.close()
        if (sent === 19) {
          const { received } = await setting.origin.arrival()
          await received(10 * part.length)
        }
        sent++
        hash.update(part)
        return controller.enqueue(part)
      },
    })
    const init = { method: 'POST', token: await setting.token(), body, duplex: 'half' } as const
    const response = await setting.ask('/v1/patient', init)
    expect(response.status).toBe(200)
    const [seen] = setting.origin.requests
    expect(seen?.bodyLength).toBe(20 * part.length)
    expect(seen?.bodySha256).toBe(hash.digest('base64url'))
  })

  it('waits for a silent origin as long as the rule allows', async () => {
    const release = Promise.withResolvers<void>()
    setting.origin.on('/v1/patient', later(release.promise, reply(200, {}, 'at last')))
    const token = await setting.token()
    const patient = setting.ask('/v1/patient', { token })
    // As long as another rule's whole patience, measured by that rule.
    setting.origin.on('/v1/hasty', later(new Promise(() => {}), reply(200)))
    const begun = Date.now()
    const hasty = await setting.ask('/v1/hasty', { token })
    expect(await outcome(hasty)).toEqual({ status: 504, code: 'origin_timeout' })
    expect(Date.now() - begun).toBeGreaterThanOrEqual(490)
    release.resolve()
    expect(await (await patient).text()).toBe('at last')
  })

  it('does not count the time in which a body flows, in either direction', async () => {
    const token = await setting.token()
    setting.origin.on('/v1/slow', async (req, res, recorded) => {
      await recorded.finished()
      res.writeHead(200)
      if (req.method === 'GET') for await (const part of slowly(LONGER, 600)) res.write(part)
      res.end()
    })
    const begun = Date.now()
    const uploading = setting.ask('/v1/slow', {
      method: 'POST',
      token,
      body: slowly(LONGER, 600),
      duplex: 'half',
    } as RequestInit)
    const downloading = setting.ask('/v1/slow', { token })
    expect(await (await downloading).text()).toBe('abcd')
    expect((await uploading).status).toBe(200)
    expect(Date.now() - begun).toBeGreaterThan(2_000)
    const upload = setting.origin.requests.find(({ method }) => method === 'POST')
    expect(upload?.body).toBe('abcd')
  })
})

describe('an upload', () => {
  /** One of which a part is at the origin, and what comes of it. */
  const begun = async (framing: Header, part: string) => {
    const id = crypto.randomUUID()
    const headers: readonly Header[] = [
      ['Host', HOST],
      ['Authorization', `Bearer ${await setting.token()}`],
      ['X-Request-Id', id],
      framing,
    ]
    const connection = await connectRaw(setting.gate.port)
    connection.send(rawRequest({ method: 'POST', target: '/v1/patient', headers, body: part }))
    const seen = await setting.origin.arrival()
    await seen.received(2)
    return {
      connection,
      seen,
      async answered() {
        const { status, body } = await connection.response()
        return [status, JSON.parse(body).code]
      },
      written: async () =>
        (await setting.gate.journalLine(({ request_id }) => request_id === id)).code,
    }
  }
  /** Framing, a part, more of it, and what breaks it off where the end of the connection does not. */
  const PARTS = [
    ['small', ['Content-Length', '1000'], 'hi', 'x', undefined],
    ['large', ['Content-Length', '1000000'], 'hi', 'x', undefined],
    ['in chunks', ['Transfer-Encoding', 'chunked'], '2\r\nhi\r\n', '1\r\nx\r\n', undefined],
    ['in broken chunks', ['Transfer-Encoding', 'chunked'], '2\r\nhi\r\n', '1\r\nx\r\n', 'ZZ\r\n'],
  ] as const

  it.each(PARTS)(
    'that breaks off is the doing of who sent it (%s)',
    async (_, framing, part, _more, broken) => {
      const { connection, seen, answered, written } = await begun(framing, part)
      if (broken === undefined) connection.end()
      else connection.send(broken)
      expect(await answered()).toEqual([400, 'body_incomplete'])
      expect(await written()).toBe('body_incomplete')
      expect(await seen.finished()).toBe('cut')
      connection.close()
    },
  )

  it.each([
    [PARTS[0][0], true, 'destroy', PARTS[0]],
    [PARTS[0][0], false, 'resetAndDestroy', PARTS[0]],
    [PARTS[1][0], false, 'destroy', PARTS[1]],
    [PARTS[1][0], true, 'resetAndDestroy', PARTS[1]],
    [PARTS[2][0], false, 'end', PARTS[2]],
    [PARTS[2][0], true, 'end', PARTS[2]],
  ] as const)(
    'that its origin hangs up on is the doing of the origin (%s, flowing: %s, by %s)',
    async (_, flows, way, [, framing, part, more]) => {
      setting.origin.on('/v1/patient', async ({ socket }, _res, recorded) => {
        await recorded.received(flows ? 10 : 2)
        socket[way]()
      })
      const { connection, answered, written } = await begun(framing, part)
      const flow = setInterval(() => flows && connection.send(more), 1)
      const code = await written().finally(() => clearInterval(flow))
      expect(code).toBe('origin_unreachable')
      // A connection that more is sent to after its end may lose the answer.
      if (!flows) expect(await answered()).toEqual([502, 'origin_unreachable'])
      connection.close()
    },
  )

  it('may be answered before it is through', async () => {
    setting.origin.on('/v1/patient', (_req, res) => {
      res.writeHead(413, { connection: 'close' }).end('too much')
    })
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent++ < 2) controller.enqueue(randomBytes(1024))
      },
    })
    const init = { method: 'POST', token: await setting.token(), body, duplex: 'half' } as const
    const response = await setting.ask('/v1/patient', init)
    expect([response.status, await response.text()]).toEqual([413, 'too much'])
  })
})

describe('an origin that takes nothing more', () => {
  it('keeps an upload waiting no longer than the timeout', async () => {
    const response = await setting.ask('/v1/stuck', {
      method: 'POST',
      token: await setting.token(),
      body: new Uint8Array(16 * 1024 * 1024),
    })
    expect(await outcome(response)).toEqual({ status: 504, code: 'origin_timeout' })
  })
})

function slowly(parts: readonly string[], ms: number): ReadableStream<Uint8Array> {
  const rest = parts.map((part) => Buffer.from(part))
  return new ReadableStream({
    async pull(controller) {
      const next = rest.shift()
      if (next === undefined) return controller.close()
      await new Promise((done) => setTimeout(done, ms))
      return controller.enqueue(next)
    },
  })
}
