import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Handler } from '../kit/origin.ts'
import { connectRaw, type RawConnection, rawRequest } from '../kit/raw.ts'
import { HOST, type Setting, startSetting } from './setting.ts'

const MIB = 1024 * 1024
/** Uploads at the same time, and the bytes of each. */
const MANY = 100
const BODY = new Uint8Array(4 * MIB)
/**
 * Bytes of memory that the gate may take more than before the first flood, in all of them. Bodies that are held whole
 * take {@link BODY} each. What each takes here are mostly the runtime's own buffers.
 */
const MOST = MANY * 3 * MIB

const REFUSAL = 'HTTP/1.1 413 Early\r\nConnection: close\r\nContent-Length: 5\r\n\r\nearly'

let setting: Setting
/** Bytes of the gate's process before the first flood. */
let before = 0

beforeAll(async () => {
  setting = await startSetting({
    gate: { unread_body: { within: '10s' } },
    routes: [
      { match: 'GET,POST /v1/*', scopes: [] },
      { match: 'POST /timed/*', scopes: [], timeout: '1s' },
    ],
  })
  // What the first large upload loads stays.
  await othersAreAnswered()
  before = resident('VmRSS')
})
afterAll(() => setting?.close())

const resident = (name: 'VmRSS' | 'VmHWM') => {
  const status = readFileSync(`/proc/${setting.gate.pid}/status`, 'utf8')
  return 1024 * Number(RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1])
}
/** Makes `VmHWM` the most from now on (proc_pid_clear_refs(5)). */
const forgetPeak = () => writeFileSync(`/proc/${setting.gate.pid}/clear_refs`, '5')

const othersAreAnswered = async () => {
  const token = await setting.token({ client_id: 'another' })
  expect((await setting.ask('/v1/read', { token })).status).toBe(200)
  const upload = await setting.ask('/v1/write', { token, method: 'POST', body: BODY })
  expect(await upload.json()).toMatchObject({ bodyLength: BODY.length })
}

const told = async (connection: RawConnection) => {
  const { status, body } = await connection.response()
  return `${status} ${/"code":"(\w+)"/.exec(body)?.[1] ?? body}`
}

/** Sends all at the same time, to an origin that reads nothing until it has all requests. */
const beginFlood = async (path: string, handler: Handler) => {
  let begun = 0
  let haveAll = () => {}
  const all = new Promise<void>((done) => {
    haveAll = done
  })
  let go = () => {}
  const going = new Promise<void>((done) => {
    go = done
  })
  setting.origin.on(path, async (req, res, recorded) => {
    req.pause()
    begun++
    if (begun === MANY) haveAll()
    await going
    return handler(req, res, recorded)
  })
  const token = await setting.token({ client_id: 'flood' })
  const head = rawRequest({
    method: 'POST',
    target: path,
    headers: [
      ['Host', HOST],
      ['Authorization', `Bearer ${token}`],
      ['Content-Length', `${BODY.length}`],
    ],
  })
  const senders = await Promise.all(
    Array.from({ length: MANY }, async () => {
      const sender = await connectRaw(setting.gate.port)
      sender.send(head)
      sender.send(BODY)
      return sender
    }),
  )
  await all
  return { senders, go }
}

const FLOODS: readonly (readonly [string, string, Handler, string])[] = [
  [
    'refuses, and reads the rest',
    '/v1/early',
    (req, res) => {
      res.writeHead(413).end('early')
      req.resume()
    },
    '413 early',
  ],
  ['refuses, and reads nothing', '/v1/deaf', (req) => req.socket.end(REFUSAL), '413 early'],
  [
    'reads slowly, and then refuses',
    '/v1/slow',
    async (req, res) => {
      for await (const _ of req) await wait(5)
      res.writeHead(422).end('late')
    },
    '422 late',
  ],
  ['reads nothing, and never answers', '/timed/mute', () => {}, '504 origin_timeout'],
  [
    'ends the connection',
    '/v1/gone',
    (req) => req.socket.resetAndDestroy(),
    '502 origin_unreachable',
  ],
]

it.each(FLOODS)(
  'an origin that %s: a flood of uploads takes little memory and stops nobody else',
  async (_, path, handler, expected) => {
    forgetPeak()
    const { senders, go } = await beginFlood(path, handler)
    await othersAreAnswered()
    go()
    await othersAreAnswered()
    expect(await Promise.all(senders.map(told))).toEqual(Array(MANY).fill(expected))
    for (const one of senders) one.close()
    await othersAreAnswered()
    expect(resident('VmHWM') - before).toBeLessThan(MOST)
  },
)
