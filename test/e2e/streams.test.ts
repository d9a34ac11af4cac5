import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, it } from 'vitest'
import { WebSocket } from 'ws'
import { usualObjects } from '../kit/repository.ts'
import type { Members } from '../kit/signing.ts'
import { readEvents, type SseEvent } from '../kit/sse.ts'
import { askGate, type Setting, sharedSetting } from './setting.ts'
import {
  fate,
  hanging,
  lastEvent,
  newAgent,
  revoke,
  SSE,
  STREAMING,
  withShortToken,
} from './streaming.ts'

let setting: Setting

beforeAll(async () => {
  setting = await sharedSetting(STREAMING)
})

/** Whether the origin's answer on a path went out whole. */
const answered = async (path: string) =>
  (await setting.origin.arrival(({ url }) => url === path)).answered()

describe.concurrent('a stream whose token is revoked', () => {
  it.each(['/v1/silent', '/v1/strict'])(
    'of events ends with the reason, also when nothing is sent: %s',
    async (path) => {
      const agent = newAgent()
      hanging(setting, path, SSE)
      const response = await setting.ask(path, { token: await setting.token({ client_id: agent }) })
      await revoke(setting, agent)
      const { bytes, error } = await fate(response)
      expect([bytes.toString(), error]).toEqual([lastEvent('token_revoked'), false])
      expect(await answered(path)).toBe('cut')
    },
  )

  it.each(['identity', 'none'])(
    'of events ends with the reason where its coding is %s, which stays in the answer',
    async (coding) => {
      const agent = newAgent()
      const path = `/v1/coding-${coding}`
      hanging(setting, path, { ...SSE, 'content-encoding': coding })
      const response = await setting.ask(path, { token: await setting.token({ client_id: agent }) })
      expect(response.headers.get('content-encoding')).toBe(coding)
      await revoke(setting, agent)
      const { bytes, error } = await fate(response)
      expect([bytes.toString(), error]).toEqual([lastEvent('token_revoked'), false])
    },
  )

  it('of events keeps what was sent before, and delivers no half event by itself', async () => {
    const agent = newAgent()
    hanging(setting, '/v1/half', SSE, 'data: one\n\nevent: number\ndata: tw')
    const token = await setting.token({ client_id: agent })
    const response = await setting.ask('/v1/half', { token })
    await revoke(setting, agent)
    const events: SseEvent[] = []
    for await (const event of readEvents(response)) events.push(event)
    expect(events).toEqual([
      { data: 'one' },
      { event: 'edgewarden.closed', data: 'tw:\n{"code":"token_revoked"}' },
    ])
  })

  const LONG = { 'content-length': 1_000_000 }
  it.each([
    ['/v1', 'in chunks', {}],
    ['/v1', 'of events in a coding', { ...SSE, 'content-encoding': 'gzip' }],
    ['/v1', 'of events in a coding beside none', { ...SSE, 'content-encoding': 'none, gzip' }],
    ['/v1', 'of events with a length', { ...SSE, ...LONG }],
    ['/all', 'in chunks', {}],
    ['/all', 'of JSON', { 'content-type': 'application/json' }],
  ])('is broken off and not ended, on %s, %s', async (prefix, _name, headers) => {
    const agent = newAgent()
    const path = `${prefix}/${agent}`
    hanging(setting, path, headers, 'part of it')
    const token = await setting.token({ client_id: agent })
    const response = await setting.ask(path, { token })
    // Read before it breaks: a broken stream forgets what has come.
    const ending = fate(response)
    await revoke(setting, agent)
    const { bytes, error } = await ending
    expect([bytes.toString(), error]).toEqual(['part of it', true])
    expect(await answered(path)).toBe('cut')
  })

  it.each([
    ['/v1', 'in chunks', {}],
    ['/v1', 'of events', SSE],
  ])(
    'is broken off, and over for the origin, while its client reads nothing, on %s, %s',
    async (prefix, _name, headers) => {
      const agent = newAgent()
      const path = `${prefix}/${agent}`
      setting.origin.on(path, (_req, res) => {
        const part = randomBytes(64 * 1024)
        const more = () => {
          while (!res.destroyed && res.write(part));
        }
        res.writeHead(200, headers).on('drain', more)
        more()
      })
      const token = await setting.token({ client_id: agent })
      const response = await setting.ask(path, { token })
      await revoke(setting, agent)
      expect(await answered(path)).toBe('cut')
      // Only events can end with the reason, where there was still room for it on the way.
      const { bytes, error } = await fate(response)
      const isTold = headers === SSE && bytes.toString().endsWith(lastEvent('token_revoked'))
      expect([error, isTold]).toContain(true)
    },
  )
})

describe.concurrent('a stream whose token expires', () => {
  const expiring = (path: string, headers: Record<string, string | number>, begin = '') =>
    withShortToken(setting.token, async (token, exp) => {
      hanging(setting, path, headers, begin)
      const response = await setting.ask(path, { token }).catch(() => undefined)
      if (response?.status !== 200) return undefined
      const ended = { ...(await fate(response)), exp }
      return ended.bytes.toString().startsWith(begin) ? ended : undefined
    })

  it('of events ends with the reason', async () => {
    const { bytes, error, exp } = await expiring('/v1/expiring', SSE)
    expect([bytes.toString(), error]).toEqual([lastEvent('token_expired'), false])
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000)
  })

  it('is broken off', async () => {
    const { bytes, error } = await expiring(
      '/all/file',
      { 'content-length': 1_000_000 },
      'part of it',
    )
    expect([bytes.toString(), error]).toEqual(['part of it', true])
  })
})

/** A set that answers until the first entry is made, and then is out of reach. */
const FADING = `
import { DurableObject as Base__ } from 'cloudflare:workers'
let gone = false
const answer = (value) => { if (gone) throw new Error('unreachable'); return value }
export class FadingShard extends Base__ {
  lookup() { return answer({ epoch: 'e', version: 1, entries: [] }) }
  pullAll() { return answer({ epoch: 'e', version: 1, hashes: new Uint8Array() }) }
  pullSince() { return answer({ epoch: 'e', version: 1, added: new Uint8Array(), removed: new Uint8Array() }) }
  add(entries) { gone = true; return { added: entries, shards: { total: 1, acknowledged: 1, pending: [] } } }
}
`

it.concurrent('a set that is out of reach for longer than the bound ends streams, too', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-fading-'))
  const bundle = join(directory, 'worker.js')
  const code = await readFile(inject('bundle'), 'utf8')
  await writeFile(bundle, code.replace(/^\/\/# sourceMappingURL=.*$/m, '') + FADING)
  const durableObjects = { ...usualObjects(), REVOCATIONS: 'FadingShard' }
  const gate = await setting.another({ ...STREAMING, bundle, durableObjects })
  hanging(setting, '/v1/unwatched', SSE)
  const token = await setting.token()
  const response = await askGate(gate, '/v1/unwatched', { token })
  const socket = new WebSocket(`${gate.url.replace('http', 'ws')}/v1/socket`, {
    headers: { authorization: `Bearer ${token}` },
  })
  await once(socket, 'open')
  const closed = once(socket, 'close')
  await revoke(setting, newAgent(), gate)
  const { bytes } = await fate(response)
  expect(bytes.toString()).toBe(lastEvent('revocations_unavailable'))
  expect((await closed)[0]).toBe(4503)
  await gate.stop()
  await rm(directory, { recursive: true, force: true })
})

describe('a WebSocket', () => {
  const open = async (claims: Members) => opened(await setting.token(claims))
  const opened = async (token: string) => {
    const socket = new WebSocket(`${setting.gate.url.replace('http', 'ws')}/v1/socket`, {
      headers: { authorization: `Bearer ${token}` },
    })
    await once(socket, 'open')
    const closed = once(socket, 'close').then(([code, reason]) => [code, String(reason)])
    const there = setting.origin.webSockets.at(-1) as WebSocket
    const told = once(there, 'close').then(([code, reason]) => [code, String(reason)])
    return { socket, ends: Promise.all([closed, told]) }
  }

  it('is closed on both sides with 4401 when its token is revoked, and with 4408 when it expires', async () => {
    const expiring = await withShortToken(setting.token, (token) =>
      opened(token).catch(() => undefined),
    )
    const agent = newAgent()
    const { socket, ends } = await open({ client_id: agent })
    socket.send('hello')
    expect(String((await once(socket, 'message'))[0])).toBe('hello')
    await revoke(setting, agent)
    const both = (end: unknown) => [end, end]
    expect(await ends).toEqual(both([4401, 'token_revoked']))
    expect(await expiring.ends).toEqual(both([4408, 'token_expired']))
  })

  it.each([
    ['a frame that is none', Buffer.from([0x83, 0x00])],
    ['a close code that may not be sent', Buffer.from([0x88, 0x02, 0x03, 0xec])],
  ])('is closed when the origin sends %s', async (_, frame) => {
    const { socket, ends } = await open({})
    const there = setting.origin.webSockets.at(-1) as WebSocket & { readonly _socket: Socket }
    // Its own code comes back to the origin, which takes that for an error.
    there.on('error', () => {})
    ends.catch(() => {})
    there._socket.write(frame)
    expect((await once(socket, 'close'))[0]).toBe(1011)
  })

  it.each([
    ['the origin', 'a close without a code', [1005, '']],
    ['the origin', 'a lost connection', [1011, '']],
    ['the agent', 'a close without a code', [1005, '']],
    ['the agent', 'a lost connection', [1011, '']],
  ])('tells the other side of %s of %s', async (side, how, end) => {
    const { socket, ends } = await open({})
    const there = setting.origin.webSockets.at(-1) as WebSocket
    const [from, index] = side === 'the agent' ? [socket, 1] : [there, 0]
    if (how === 'a lost connection') from.terminate()
    else from.close()
    expect((await ends)[index]).toEqual(end)
  })
})
