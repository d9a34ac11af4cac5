import { createHash, randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Setting, sharedSetting } from './setting.ts'
import { BOUND, fate, hanging, newAgent, revoke, SSE, STREAMING } from './streaming.ts'

let setting: Setting

beforeAll(async () => {
  setting = await sharedSetting(STREAMING)
})

describe.concurrent('what goes on', () => {
  const size = 6 * 64 * 1024
  const content = randomBytes(size)
  const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

  /** Sends the content in a few steps over more than the bound. */
  const slowly = (path: string, headers: Record<string, string | number>) => {
    setting.origin.on(path, async (_req, res) => {
      res.writeHead(200, headers)
      for (let at = 0; at < size; at += size / 6) {
        res.write(content.subarray(at, at + size / 6))
        await new Promise((done) => setTimeout(done, BOUND / 4))
      }
      res.end()
    })
  }

  it.each([
    ['in chunks', {}],
    ['with a length', { 'content-length': size }],
    ['of events', SSE],
  ])('a stream whose token stands, to its last byte, %s', async (name, headers) => {
    const others = [revoke(setting, newAgent()), revoke(setting, newAgent())]
    const path = `/all/slow-${name.replaceAll(' ', '-')}`
    slowly(path, headers)
    const response = await setting.ask(path, { token: await setting.token() })
    const { bytes, error, ms } = await fate(response)
    expect([hash(bytes), error]).toEqual([hash(content), false])
    expect(ms).toBeGreaterThan(BOUND)
    const length = 'content-length' in headers ? String(size) : null
    expect(response.headers.get('content-length')).toBe(length)
    await Promise.all(others)
  })

  it('compressed bytes, as they are', async () => {
    const gzipped = gzipSync(content)
    setting.origin.on('/all/gzip', (_req, res) => {
      res.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipped)
    })
    const response = await setting.ask('/all/gzip', { token: await setting.token() })
    expect(hash((await fate(response)).bytes)).toBe(hash(gzipped))
  })

  it.each([
    ['a stream where no token is read', '/public', SSE, false],
    ['a stream where nothing is enforced', '/v1/shadow', SSE, true],
    ['a stream where revocation is ignored', '/ignored/events', SSE, true],
    ['JSON', '/v1/json', { 'content-type': 'application/json' }, true],
    ['a file whose length is known', '/v1/file', { 'content-length': 20_000 }, true],
  ])('%s', async (_name, path, headers, sends) => {
    const agent = newAgent()
    const origin = hanging(setting, path, headers)
    const token = await setting.token({ client_id: agent })
    const response = await setting.ask(path, sends ? { token } : {})
    const res = await origin
    // One that is watched ends; by then this one had its looks, too.
    const watched = `/v1/events-of-${agent}`
    hanging(setting, watched, SSE)
    const other = await setting.ask(watched, { token })
    await revoke(setting, agent)
    await fate(other)
    const rest = 'still here\n'.padEnd(20_000)
    res.end(rest)
    expect((await fate(response)).bytes.toString()).toBe(rest)
  })
})
