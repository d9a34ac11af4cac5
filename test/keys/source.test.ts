import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KEY_TIMES } from '../../src/gate/keys/times.ts'
import type { Issuer } from '../../src/gate/model/issuer.ts'
import {
  FOUND,
  issuerOf,
  MemoryKv,
  publicJwk,
  startServer,
  startWorld,
  UNAVAILABLE,
  UNKNOWN,
} from './support.ts'

const A = await publicJwk('ES256', { kid: 'a' })
const B = await publicJwk('ES256', { kid: 'b' })

let server: Awaited<ReturnType<typeof startServer>>
let kv: MemoryKv
let world: ReturnType<typeof startWorld>
let issuer: Issuer
const publish = (...keys: unknown[]) => server.json('/jwks', { keys })
const asked = () => server.requests.filter((path) => path === '/jwks').length

beforeEach(async () => {
  server = await startServer()
  issuer = issuerOf({ keys: { kind: 'uri', uri: `${server.origin}/jwks` } })
  kv = new MemoryKv()
  world = startWorld({ kv })
  publish(A)
})
afterEach(() => server.close())

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

  it('memory, at once and without a promise', async () => {
    const isolate = world.isolate()
    const first = await isolate.find(issuer, 'a')
    expect(first).toMatchObject({ ok: true, value: { kid: 'a' } })
    await world.settle()
    expect(await isolate.find(issuer, 'a')).toEqual(first)
    expect([kv.gets, world.questions.length, asked()]).toEqual([1, 1, 1])
  })

  it('KV, where an isolate has just started', async () => {
    await world.isolate().find(issuer, 'a')
    await world.settle()
    const second = world.isolate()
    expect(await second.find(issuer, 'a')).toMatchObject(FOUND)
    expect(second.status(issuer).source).toBe('kv')
    expect([world.questions.length, asked()]).toEqual([1, 1])
  })

  it('the place that metadata names', async () => {
    const discovered = issuerOf({ issuer: `${server.origin}/tenant` })
    server.json('/tenant/.well-known/openid-configuration', {
      issuer: discovered.issuer,
      jwks_uri: `${server.origin}/jwks`,
    })
    expect(await world.isolate().find(discovered, 'a')).toMatchObject(FOUND)
    expect(server.requests).toEqual([
      '/.well-known/oauth-authorization-server/tenant',
      '/tenant/.well-known/openid-configuration',
      '/jwks',
    ])
  })

  it('nowhere that metadata must not lead to', async () => {
    const discovered = issuerOf({ issuer: server.origin })
    const jwks_uri = 'http://keys.example/jwks'
    server.json('/.well-known/oauth-authorization-server', { issuer: server.origin, jwks_uri })
    const isolate = world.isolate()
    expect(await isolate.find(discovered, 'a')).toEqual(UNAVAILABLE)
    expect(isolate.status(discovered).error).toBe('address not allowed')
  })
})

describe('KV', () => {
  it('is read by isolates that hold nothing, and by no other', async () => {
    const isolate = world.isolate()
    await isolate.find(issuer, 'a')
    await world.settle()
    expect(kv.gets).toBe(1)
    for (let i = 0; i < 50; i++) {
      world.clock.advance(61_000)
      await isolate.find(issuer, 'a')
      await isolate.find(issuer, `x${i}`, `192.0.2.${i}`)
      await world.settle()
    }
    expect(asked()).toBeGreaterThan(10)
    expect(kv.gets).toBe(1)
  })

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

  it('that does not answer is not waited for', async () => {
    let gets = 0
    const get = () => {
      gets++
      return new Promise(() => {})
    }
    const isolate = world.isolate({ kv: { get, put: async () => {} } })
    const many = Array.from({ length: 6 }, () => isolate.find(issuer, 'a'))
    for (const result of await Promise.all(many)) expect(result).toMatchObject(FOUND)
    expect(asked()).toBe(1)
    expect(gets).toBeLessThanOrEqual(2)
  })

  it('with an old set gives a start: the set is confirmed before it serves', async () => {
    await world.isolate().find(issuer, 'a')
    await world.settle()
    publish(B)
    world.clock.advance(KEY_TIMES.usualFreshMs)
    const second = world.isolate()
    expect(await second.find(issuer, 'a')).toEqual(UNKNOWN)
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
    expect(await second.find(issuer, 'a')).toEqual(UNKNOWN)
    expect(asked()).toBe(2)
  })

  it('does not take back what is known since', async () => {
    const isolate = world.isolate()
    await isolate.find(issuer, 'a')
    await world.settle()
    publish(A, B)
    kv.down = true
    world.clock.advance(KEY_TIMES.usualFreshMs)
    expect(await isolate.find(issuer, 'b')).toMatchObject(FOUND)
    kv.down = false
    server.status('/jwks', 500)
    world.clock.advance(KEY_TIMES.usualFreshMs)
    expect(await isolate.find(issuer, 'b')).toMatchObject(FOUND)
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
    expect(await isolate.find(two, 'a')).toEqual(UNKNOWN)
    expect(await isolate.find(two, 'b')).toMatchObject(FOUND)
    expect(await isolate.find(one, 'b')).toEqual(UNKNOWN)
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
    for (const other of others) expect(await isolate.find(other, 'a')).toEqual(UNKNOWN)
    expect(await isolate.find({ ...issuer }, 'a')).toMatchObject(FOUND)
  })

  it('scheme: what may come over http is not for an entry that wants https', async () => {
    await world.isolate().find(issuer, 'a')
    await world.settle()
    const strict = { ...issuer, allowInsecureHttp: false }
    expect(await world.isolate().find(strict, 'a')).toEqual(UNAVAILABLE)
    expect(kv.values.size).toBe(1)
  })
})
