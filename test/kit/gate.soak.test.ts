import { existsSync } from 'node:fs'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { redirect } from './answers.ts'
import { build } from './bundle.ts'
import { type Gate, type GateOptions, startGate } from './gate.ts'
import type { KvEntry } from './kv.ts'
import { type Origin, startOrigin } from './origin.ts'
import { freePort } from './port.ts'
import { rawRequest } from './raw.ts'
import { ROOT } from './repository.ts'
import { feed, readEvents, sse } from './sse.ts'

const bundle = fileURLToPath(new URL('trivial-worker.js', import.meta.url))
const temporary = () => mkdtemp(join(tmpdir(), 'edgewarden-kit-'))

let origin: Origin
beforeAll(async () => {
  origin = await startOrigin()
})
beforeEach(() => origin.clear())
afterAll(() => origin.close())

describe('gate', () => {
  const options = (): GateOptions => ({
    bundle,
    vars: { POLICY: { origin: origin.url, 'k"\\ü\n': ['\u{1f600}', null] } },
    secrets: { SECRET: 'q"\\\nü' },
    services: { ORIGIN: origin.url },
    durableObjects: { COUNTER: 'Counter' },
  })
  let gate: Gate
  beforeAll(async () => {
    gate = await startGate(options())
  })
  afterAll(() => gate.stop())
  const json = async <T = unknown>(path: string, from = gate) =>
    (await (await from.fetch(path)).json()) as T

  it('hands over variables and secrets unchanged', async () => {
    const { vars, secrets } = options()
    expect(await json('/env')).toEqual({ policy: vars.POLICY, secret: secrets?.SECRET, kv: true })
  })

  it('lets the raw path, the host and the headers through', async () => {
    const headers = { host: 'api.example.com', 'x_y.z': '1' }
    const echo = await (await gate.fetch('/a/../b//%2e', { headers })).json()
    expect(echo).toEqual({
      url: 'http://api.example.com/a/../b//%2e',
      headers: [['connection', 'close'], ...Object.entries(headers)],
    })
    const two = [
      ['Host', gate.host],
      ['Authorization', 'a'],
      ['authorization', 'b'],
    ] as const
    const raw = await gate.raw(rawRequest({ target: '/x', headers: two }))
    expect(JSON.parse(raw.body).headers).toContainEqual(['authorization', 'a, b'])
  })

  it('reaches this machine, by network and by binding, and nothing beyond', async () => {
    origin.on('/moved', redirect('/elsewhere'))
    const init = { method: 'POST', body: 'abc', headers: { host: 'api.example.com' } }
    await gate.fetch('/origin/a?b', init)
    await gate.fetch('/bound/a', init)
    expect(origin.requests).toMatchObject([
      { method: 'POST', url: '/a?b', body: 'abc' },
      { method: 'POST', url: '/bound/a', body: 'abc' },
    ])
    expect(origin.requests.map((r) => r.header('host'))).toEqual([origin.host, 'api.example.com'])
    const moved = await gate.fetch('/origin/moved')
    expect([moved.status, moved.headers.get('location')]).toEqual([302, '/elsewhere'])
    expect((await gate.fetch('/outside')).status).toBe(500)
  })

  it('streams both ways', async () => {
    const events = feed()
    origin.on('/sse', (_req, res) => sse(res, events))
    const read = readEvents(await gate.fetch('/origin/sse'))
    events.push('one')
    expect((await read.next()).value).toEqual({ data: 'one' })
    events.end()
    expect((await read.next()).done).toBe(true)

    const up = new TransformStream<Uint8Array, Uint8Array>()
    const writer = up.writable.getWriter()
    const answer = gate.fetch('/origin/up', { method: 'PUT', body: up.readable, duplex: 'half' })
    void writer.write(new Uint8Array(70_000))
    const request = await origin.arrival((r) => r.url === '/up')
    await request.received(70_000)
    expect(request.state).toBe('arriving')
    await writer.close()
    expect((await answer).status).toBe(200)
  })

  it('keeps values in KV as Cloudflare does', async () => {
    expect(await json('/put')).toBe('stored')
    expect(await json('/get')).toMatchObject({ value: 'value', metadata: { from: 'worker' } })
    const { keys } = await json<{ keys: KvEntry[] }>('/list')
    expect(keys).toMatchObject([{ name: 'a/b ü', metadata: { from: 'worker' } }])
    expect((keys[0]?.expiration ?? 0) - Date.now() / 1000).toBeGreaterThan(55)
    expect(await gate.kv.list()).toEqual(keys)
    expect(await (await gate.fetch('/short')).text()).toContain('expiration_ttl is under 60')
    await gate.kv.put('a/b ü', 'planted')
    expect(await json('/get')).toMatchObject({ value: 'planted' })
    await gate.kv.fail(503)
    expect((await gate.fetch('/get')).status).toBe(500)
    expect((await gate.fetch('/put')).status).toBe(500)
    expect(await gate.kv.get('a/b ü')).toBe('planted')
    await gate.kv.fail()
    expect(await json('/delete')).toBe('deleted')
    expect(await gate.kv.get('a/b ü')).toBeUndefined()
  })

  it('collects the journal', async () => {
    await gate.fetch('/journal')
    const line = await gate.journalLine((l) => l.path === '/journal')
    expect(line).toEqual({ path: '/journal', text: 'one\nline' })
    expect(gate.journal()).toContain(line)
    expect(gate.output()).toContain('{ not json }')
    await expect(gate.journalLine(() => false, 20)).rejects.toThrow('no such line')
  })

  it('keeps its storage over a restart and a crash, on a port of choice', async () => {
    const dataDir = await temporary()
    const port = await freePort()
    const start = () => startGate({ ...options(), dataDir, port })
    for (const [count, signal] of [
      [1, 'SIGTERM'],
      [2, 'SIGKILL'],
      [3, 'SIGTERM'],
    ] as const) {
      const next = await start()
      expect(next.port).toBe(port)
      expect(await next.kv.get('kept')).toBe(count === 1 ? undefined : 'yes')
      await next.kv.put('kept', 'yes')
      expect(await json('/count', next)).toBe(count)
      await next.stop(signal)
      await next.stop()
    }
    expect(existsSync(dataDir)).toBe(true)
    await rm(dataDir, { recursive: true })
  })

  it('shares its KV namespace and its keeper of keys', async () => {
    const first = await startGate({
      bundle,
      vars: {},
      durableObjects: { KEY_SERVICE: 'Keeper' },
      sharing: true,
    })
    const second = await startGate({
      bundle,
      vars: {},
      durableObjects: false,
      kv: first,
      keeper: first,
    })
    expect(await json('/put', second)).toBe('stored')
    expect(await json('/get', first)).toMatchObject({ value: 'value' })
    expect(await second.kv.get('a/b ü')).toBe('value')
    const answer = { name: 'one', question: ['place', { a: [null] }] }
    for (const one of [first, second]) {
      expect(await json('/ask', one)).toEqual(answer)
      expect(await (await one.fetch('/ask-nothing')).text()).toContain('nothing asked')
    }
    await Promise.all([first.stop(), second.stop()])
    const wrong = { bundle, vars: {}, durableObjects: false }
    await expect(startGate({ ...wrong, sharing: true })).rejects.toThrow('no KEY_SERVICE')
    await expect(startGate({ ...wrong, keeper: gate })).rejects.toThrow('shares no keeper')
  })

  it('lends its objects to gates beside it, and to the test', async () => {
    const vars = { POLICY: 'of its own' }
    const first = await startGate({ ...options(), reaching: true, beside: [{ vars }] })
    const [second] = first.beside as [Gate]
    expect(second.port).not.toBe(first.port)
    const { secrets } = options()
    expect(await json('/env', second)).toEqual({
      policy: 'of its own',
      secret: secrets?.SECRET,
      kv: true,
    })
    expect(await json('/put', second)).toBe('stored')
    expect(await json('/get', first)).toMatchObject({ value: 'value' })
    expect(await json('/count', first)).toBe(1)
    expect(await json('/count', second)).toBe(2)
    expect(await first.call('COUNTER', 'one', 'count')).toBe(3)
    expect(await first.call('COUNTER', 'another', 'count')).toBe(1)
    await expect(first.call('COUNTER', 'one', 'nothing')).rejects.toThrow('nothing')
    await expect(gate.call('COUNTER', 'one', 'count')).rejects.toThrow('out of reach')
    await second.stop()
    await expect(first.fetch('/env')).rejects.toThrow('ECONNREFUSED')
  })

  it('binds only what is asked for, and says why it does not start', async () => {
    const bare = await startGate({ bundle, vars: {}, kv: false, durableObjects: false })
    expect(await json('/env', bare)).toEqual({ kv: false })
    expect(() => bare.kv).toThrow('no KV')
    await bare.stop()
    const wrong = startGate({ ...options(), compatibilityFlags: ['no_such_flag'] })
    await expect(wrong).rejects.toThrow('no_such_flag')
  })
})

describe('bundle', () => {
  it('of this run starts as a gate', async () => {
    const gate = await startGate({ vars: {} })
    expect((await gate.fetch('/.edgewarden/health')).status).toBe(200)
    await gate.stop()
  })

  it('is refused when wrangler ignores a key', async () => {
    const root = await temporary()
    const lines = ['name = "x"', 'main = "worker.js"', 'compatibility_date = "2026-11-01"', 'x = 1']
    const config = join(root, 'wrangler.toml')
    await writeFile(config, lines.join('\n'))
    await writeFile(join(root, 'worker.js'), 'export default { fetch: () => new Response() }')
    await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'))
    await expect(build(join(root, 'dist'), config)).rejects.toThrow('Unexpected fields')
    await rm(root, { recursive: true })
  })
})
