import { describe, expect, it, vi } from 'vitest'
import { KEY_TIMES } from '../../../src/gate/keys/times.ts'
import { PATIENCE } from '../../kit/wait.ts'
import { FOUND, issuerOf, UNAVAILABLE, UNDECIDED, UNKNOWN } from './support.ts'
import { A, asked, B, HOUR, issuer, kv, publish, server, useWorld, world } from './world.ts'

useWorld()

const DAY = 24 * HOUR
const read = async (isolate: ReturnType<typeof world.isolate>, kid: string, from = issuer) => {
  const result = await isolate.read(from, kid)
  await world.settle()
  return result
}

describe('keys come from', () => {
  it('the entry itself, without asking anybody', async () => {
    const isolate = world.isolate()
    const inline = issuerOf({ keys: { kind: 'inline', keys: [{ ...A }, { ...B, d: 'x' }] } })
    expect(await isolate.find(inline, 'a')).toMatchObject(FOUND)
    expect(await isolate.find(inline, 'b')).toEqual(UNKNOWN)
    world.clock.advance(365 * 24 * 3_600_000)
    expect(await isolate.find(inline, 'a')).toMatchObject(FOUND)
    expect([kv.gets, world.questions, asked()]).toEqual([0, [], 0])
  })

  it('KV, where an isolate has just started', async () => {
    await world.isolate().find(issuer, 'a')
    await world.settle()
    const second = world.isolate()
    expect(await second.find(issuer, 'a')).toMatchObject(FOUND)
    expect(second.status(issuer).source).toBe('kv')
    expect([world.questions.length, asked()]).toEqual([1, 1])
  })
})

describe('KV', () => {
  it('with something broken is passed over, and mended', async () => {
    await world.isolate().find(issuer, 'a')
    await world.settle()
    for (const name of kv.values.keys()) kv.values.set(name, '{"jwks":{"keys":7},"fetchedAt":1}')
    expect(await world.isolate().find(issuer, 'a')).toMatchObject(FOUND)
    world.clock.advance(KEY_TIMES.rewriteMs)
    await world.isolate().find(issuer, 'a')
    await world.settle()
    expect([...kv.values.values()][0]).toContain(A.x)
  })

  it('that fails is done without, and told of', async () => {
    kv.down = true
    expect(await world.isolate().find(issuer, 'a')).toMatchObject(FOUND)
    await world.settle()
    expect(world.events).toMatchObject([
      { event: 'keys_recall_failed', issuer: 'acme' },
      { event: 'keys_store_failed', issuer: 'acme' },
    ])
  })

  it('is read once for all that come while the issuer is asked', async () => {
    const isolate = world.isolate()
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
    server.hold('/jwks', answered)
    const first = isolate.find(issuer, 'a')
    await vi.waitFor(() => expect(asked()).toBe(1), PATIENCE)
    const found = [first, ...Array.from({ length: 20 }, () => isolate.find(issuer, 'a'))]
    // Later than a reading of KV.
    for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done))
    answer()
    for (const one of await Promise.all(found)) expect(one).toMatchObject(FOUND)
    expect([kv.gets, asked()]).toEqual([1, 1])
  })

  it('that does not answer is not waited for', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const get = vi.fn(() => new Promise(() => {}))
    const record = { keys: [A], fetchedAt: world.clock.now(), rotations: [] }
    const service = { ask: async () => ({ record }) }
    const isolate = world.isolate({ kv: { get, put: async () => {} }, service })
    const found: unknown[] = []
    for (let i = 0; i < 3; i++) void isolate.find(issuer, 'a').then((one) => found.push(one))
    for (let ms = 0; ms < 10_000 && found.length < 3; ms += 100)
      await vi.advanceTimersByTimeAsync(100)
    expect(found).toMatchObject([FOUND, FOUND, FOUND])
    expect(get.mock.calls.length).toBeLessThanOrEqual(2)
    vi.useRealTimers()
  })

  it('with an old set gives a start: the set is confirmed before it serves', async () => {
    await world.isolate().find(issuer, 'a')
    await world.settle()
    publish(B)
    world.clock.advance(KEY_TIMES.usualFreshMs)
    const second = world.isolate()
    expect(await second.find(issuer, 'a')).toEqual(UNDECIDED)
    expect(await second.find(issuer, 'b')).toMatchObject(FOUND)
    expect(asked()).toBe(2)
  })

  it('with a set in its second half serves it, and has it renewed', async () => {
    await world.isolate().find(issuer, 'a')
    await world.settle()
    publish(B)
    world.clock.advance(KEY_TIMES.usualFreshMs / 2)
    const second = world.isolate()
    expect(await second.find(issuer, 'a')).toMatchObject(FOUND)
    await world.settle()
    expect(await second.find(issuer, 'a')).toEqual(UNDECIDED)
    expect(asked()).toBe(2)
  })
})

describe('keys are never those of another', () => {
  it('issuer that is discovered', async () => {
    const isolate = world.isolate()
    server.json('/other', { keys: [B] })
    const tenants = ['jwks', 'other'].map((path) => {
      const tenant = issuerOf({ issuer: `${server.origin}/of-${path}` })
      const metadata = { issuer: tenant.issuer, jwks_uri: `${server.origin}/${path}` }
      server.json(`/.well-known/oauth-authorization-server/of-${path}`, metadata)
      return tenant
    })
    const [one = issuer, two = issuer] = tenants
    expect(await isolate.find(one, 'a')).toMatchObject(FOUND)
    expect(await isolate.find(two, 'a')).toEqual(UNDECIDED)
    expect(await isolate.find(two, 'b')).toMatchObject(FOUND)
    expect(await isolate.find(one, 'b')).toEqual(UNDECIDED)
  })

  it('issuer, place, or list of algorithms', async () => {
    const isolate = world.isolate()
    await isolate.find(issuer, 'a')
    await world.settle()
    server.json('/other', { keys: [B] })
    const uri = `${server.origin}/other`
    const others = [
      issuerOf({ issuer: 'https://other.example', keys: { kind: 'uri', uri } }),
      issuerOf({ keys: { kind: 'uri', uri } }),
      issuerOf({ keys: { kind: 'inline', keys: [{ ...B }] } }),
      { ...issuer, algorithms: ['RS256'] as const },
    ]
    for (const other of others) {
      const missed = other.keys.kind === 'inline' ? UNKNOWN : UNDECIDED
      expect(await isolate.find(other, 'a')).toEqual(missed)
    }
    expect(await isolate.find({ ...issuer }, 'a')).toMatchObject(FOUND)
  })
})

describe('a reader of keys', () => {
  it('has none where nobody has asked yet, and has nobody ask', async () => {
    const isolate = world.isolate()
    expect(await read(isolate, 'a')).toEqual(UNAVAILABLE)
    expect(isolate.status(issuer)).toMatchObject({ source: undefined, keys: 0 })
    expect(asked()).toBe(0)
    // Nothing of that stands in the way of those who may ask.
    expect(await isolate.find(issuer, 'a')).toMatchObject(FOUND)
    expect(asked()).toBe(1)
  })

  it('does not find what is not there, as often as it is asked, and spends nothing', async () => {
    const isolate = world.isolate()
    await isolate.find(issuer, 'a')
    await world.settle()
    world.clock.advance(30_000)
    publish(A, B)
    for (let i = 0; i < 100; i++) expect(await read(isolate, i % 2 ? 'b' : 'x')).toEqual(UNKNOWN)
    expect([asked(), world.questions.length]).toEqual([1, 1])
    expect(await isolate.find(issuer, 'b', '192.0.2.1')).toMatchObject(FOUND)
    expect(asked()).toBe(2)
    expect(await read(isolate, 'b')).toMatchObject(FOUND)
  })

  it('renews nothing, and reads what lives as long as it does', async () => {
    const isolate = world.isolate()
    await isolate.find(issuer, 'a')
    await world.settle()
    for (const ms of [KEY_TIMES.usualFreshMs, DAY - KEY_TIMES.usualFreshMs - 1]) {
      world.clock.advance(ms)
      expect(await read(isolate, 'a')).toMatchObject(FOUND)
    }
    world.clock.advance(1)
    expect(await read(isolate, 'a')).toEqual(UNAVAILABLE)
    expect(asked()).toBe(1)
    expect(world.questions.map(({ why }) => why)).not.toContain('unknown')
  })
})
