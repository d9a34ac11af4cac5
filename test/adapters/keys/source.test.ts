import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keyStatus } from '../../../src/adapters/keys/cache.ts'
import { KEY_TIMES } from '../../../src/adapters/keys/times.ts'
import type { Issuer } from '../../../src/model/issuer.ts'
import { issuerOf, MemoryKv, publicJwk, startIsolate, startServer } from './support.ts'

const { freshMs, staleMs, cooldownMs, failureMs } = KEY_TIMES
const A = await publicJwk('ES256', { kid: 'a' })
const B = await publicJwk('ES256', { kid: 'b' })

const header = (kid: string) => ({ algorithm: 'ES256', kid }) as const
const found = { ok: true }
const unknown = { ok: false, reason: 'unknown' }
const unavailable = { ok: false, reason: 'unavailable' }

let server: Awaited<ReturnType<typeof startServer>>
let issuer: Issuer
const publish = (...keys: unknown[]) => server.json('/jwks', { keys })
const asked = () => server.requests.filter((path) => path === '/jwks').length

beforeEach(async () => {
  server = await startServer()
  issuer = issuerOf({ keys: { kind: 'uri', uri: `${server.origin}/jwks` } })
  publish(A)
})
afterEach(() => server.close())

describe('where keys come from', () => {
  it('reads inline keys without asking anybody', async () => {
    const kv = new MemoryKv()
    const isolate = startIsolate(kv)
    const inline = issuerOf({ keys: { kind: 'inline', keys: [{ ...A }, { ...B, d: 'x' }] } })
    expect(await isolate.request().find(inline, header('a'))).toMatchObject(found)
    expect(await isolate.request().find(inline, header('b'))).toEqual(unknown)
    isolate.clock.advance(2 * staleMs)
    expect(await isolate.request().find(inline, header('a'))).toMatchObject(found)
    expect([kv.gets, kv.puts.length, server.requests.length]).toEqual([0, 0, 0])
  })

  it('asks jwks_uri once and remembers', async () => {
    const isolate = startIsolate()
    const first = await isolate.request().find(issuer, header('a'))
    const second = await isolate.request().find(issuer, header('a'))
    expect(first).toMatchObject({ ok: true, value: { kid: 'a' } })
    expect(second).toEqual(first)
    expect(asked()).toBe(1)
  })

  it('discovers jwks_uri', async () => {
    const discovered = issuerOf({ issuer: `${server.origin}/tenant` })
    server.json('/tenant/.well-known/openid-configuration', {
      issuer: discovered.issuer,
      jwks_uri: `${server.origin}/jwks`,
    })
    const isolate = startIsolate()
    expect(await isolate.request().find(discovered, header('a'))).toMatchObject(found)
    expect(server.requests).toEqual([
      '/.well-known/oauth-authorization-server/tenant',
      '/tenant/.well-known/openid-configuration',
      '/jwks',
    ])
  })

  it.each([
    ['http to a public name', 'http://keys.example/jwks'],
    ['a file', 'file:///jwks'],
  ])('does not go where metadata points to %s', async (_, jwks_uri) => {
    const discovered = issuerOf({ issuer: server.origin })
    server.json('/.well-known/oauth-authorization-server', { issuer: server.origin, jwks_uri })
    const isolate = startIsolate()
    expect(await isolate.request().find(discovered, header('a'))).toEqual(unavailable)
    const { error } = keyStatus(isolate.cache, discovered, isolate.clock.now())
    expect(error).toBe('address not allowed')
  })

  it('lets another isolate read from KV', async () => {
    const kv = new MemoryKv()
    const first = startIsolate(kv)
    await first.request().find(issuer, header('a'))
    await first.settle()
    const second = startIsolate(kv)
    expect(await second.request().find(issuer, header('a'))).toMatchObject(found)
    expect(asked()).toBe(1)
    expect(keyStatus(second.cache, issuer, second.clock.now()).source).toBe('kv')
  })

  it('asks the issuer where KV holds something broken, and mends it', async () => {
    const kv = new MemoryKv()
    const first = startIsolate(kv)
    await first.request().find(issuer, header('a'))
    await first.settle()
    for (const name of kv.values.keys()) kv.values.set(name, '{"jwks":{"keys":7},"fetchedAt":1}')
    const second = startIsolate(kv)
    expect(await second.request().find(issuer, header('a'))).toMatchObject(found)
    await second.settle()
    expect(asked()).toBe(2)
    expect([...kv.values.values()][0]).toContain(A.x)
  })

  it('works without KV when it fails, and says so', async () => {
    const kv = new MemoryKv()
    kv.down = true
    const isolate = startIsolate(kv)
    expect(await isolate.request().find(issuer, header('a'))).toMatchObject(found)
    await isolate.settle()
    expect(isolate.events).toMatchObject([
      { event: 'keys_recall_failed', issuer: 'acme' },
      { event: 'keys_store_failed', issuer: 'acme' },
    ])
    kv.down = false
    isolate.clock.advance(freshMs)
    await isolate.request().find(issuer, header('a'))
    await isolate.settle()
    expect(kv.values.size).toBe(1)
  })

  it('never takes one discovered issuer for another', async () => {
    const isolate = startIsolate(new MemoryKv())
    server.json('/other', { keys: [B] })
    const tenants = ['jwks', 'other'].map((path) => {
      const tenant = issuerOf({ issuer: `${server.origin}/of-${path}` })
      const jwks_uri = `${server.origin}/${path}`
      const metadata = { issuer: tenant.issuer, jwks_uri }
      server.json(`/.well-known/oauth-authorization-server/of-${path}`, metadata)
      return tenant
    })
    const [one = issuer, two = issuer] = tenants
    expect(await isolate.request().find(one, header('a'))).toMatchObject(found)
    await isolate.settle()
    expect(await isolate.request().find(two, header('a'))).toEqual(unknown)
    expect(await isolate.request().find(two, header('b'))).toMatchObject(found)
    expect(await isolate.request().find(one, header('b'))).toEqual(unknown)
  })

  it('goes on to the issuer where KV does not answer', async () => {
    let gets = 0
    const get = () => {
      gets++
      return new Promise(() => {})
    }
    const isolate = startIsolate({ get, put: async () => {} })
    const many = Array.from({ length: 6 }, () => isolate.request().find(issuer, header('a')))
    for (const result of await Promise.all(many)) expect(result).toMatchObject(found)
    expect(asked()).toBe(1)
    expect(gets).toBe(2)
  })

  it('never takes one issuer for another, nor one place, nor one list of algorithms', async () => {
    const kv = new MemoryKv()
    const isolate = startIsolate(kv)
    await isolate.request().find(issuer, header('a'))
    await isolate.settle()
    server.json('/other', { keys: [B] })
    const others = [
      issuerOf({
        issuer: 'https://other.example',
        keys: { kind: 'uri', uri: `${server.origin}/other` },
      }),
      issuerOf({ keys: { kind: 'uri', uri: `${server.origin}/other` } }),
      issuerOf({ keys: { kind: 'inline', keys: [{ ...B }] } }),
      { ...issuer, algorithms: ['RS256'] as const },
    ]
    for (const other of others) {
      expect(await isolate.request().find(other, header('a'))).toEqual(unknown)
    }
    expect(await isolate.request().find({ ...issuer }, header('a'))).toMatchObject(found)
  })
})

describe('renewal', () => {
  it('asks again in the background, never before an answer', async () => {
    const isolate = startIsolate()
    await isolate.request().find(issuer, header('a'))
    isolate.clock.advance(freshMs - 1)
    await isolate.request().find(issuer, header('a'))
    await isolate.settle()
    expect(asked()).toBe(1)

    isolate.clock.advance(1)
    const { promise: open, resolve: answer } = Promise.withResolvers<void>()
    server.paths.set('/jwks', (_, response) => {
      void open.then(() => response.end(JSON.stringify({ keys: [B] })))
    })
    const during = Array.from({ length: 20 }, () => isolate.request().find(issuer, header('a')))
    for (const result of await Promise.all(during)) expect(result).toMatchObject(found)
    answer()
    await isolate.settle()
    expect(asked()).toBe(2)
    expect(await isolate.request().find(issuer, header('b'))).toMatchObject(found)
    expect(await isolate.request().find(issuer, header('a'))).toEqual(unknown)
  })

  it('takes what another isolate put in KV instead of asking', async () => {
    const kv = new MemoryKv()
    const [one, two] = [startIsolate(kv), startIsolate(kv)]
    await one.request().find(issuer, header('a'))
    await one.settle()
    await two.request().find(issuer, header('a'))
    publish(A, B)
    for (const { clock } of [one, two]) clock.advance(freshMs)
    await one.request().find(issuer, header('a'))
    await one.settle()
    await two.request().find(issuer, header('a'))
    await two.settle()
    expect(asked()).toBe(2)
    expect(await two.request().find(issuer, header('b'))).toMatchObject(found)
  })

  it('writes KV when the keys changed or half its life is gone', async () => {
    const kv = new MemoryKv()
    const isolate = startIsolate(kv)
    const use = async (ms: number) => {
      isolate.clock.advance(ms)
      await isolate.request().find(issuer, header('a'))
      await isolate.settle()
    }
    await use(0)
    await use(freshMs)
    await use(freshMs)
    expect([asked(), kv.puts.length]).toEqual([3, 1])
    publish(A, B)
    await use(freshMs)
    expect(kv.puts.length).toBe(2)
    await use(staleMs / 2 - 1)
    expect(kv.puts.length).toBe(2)
    await use(freshMs)
    expect(kv.puts.length).toBe(3)
  })

  it('does not go back to what KV still holds', async () => {
    const kv = new MemoryKv()
    const isolate = startIsolate(kv)
    await isolate.request().find(issuer, header('a'))
    await isolate.settle()
    publish(A, B)
    kv.down = true
    isolate.clock.advance(freshMs)
    await isolate.request().find(issuer, header('a'))
    await isolate.settle()
    kv.down = false
    server.status('/jwks', 500)
    isolate.clock.advance(cooldownMs)
    expect(await isolate.request().find(issuer, header('x'))).toEqual(unavailable)
    expect(await isolate.request().find(issuer, header('b'))).toMatchObject(found)
  })

  it('renews a cold isolate that KV gave an old set', async () => {
    const kv = new MemoryKv()
    const first = startIsolate(kv)
    await first.request().find(issuer, header('a'))
    await first.settle()
    publish(B)
    const second = startIsolate(kv, first.clock.now() + freshMs)
    expect(await second.request().find(issuer, header('a'))).toMatchObject(found)
    await second.settle()
    expect(await second.request().find(issuer, header('a'))).toEqual(unknown)
    expect(asked()).toBe(2)
  })
})

describe('an unknown key id', () => {
  it('finds a key just rotated in', async () => {
    const isolate = startIsolate()
    await isolate.request().find(issuer, header('a'))
    publish(A, B)
    isolate.clock.advance(cooldownMs)
    expect(await isolate.request().find(issuer, header('b'))).toMatchObject(found)
  })

  it('causes one question per cooldown, whoever asks', async () => {
    const kv = new MemoryKv()
    const isolate = startIsolate(kv)
    await isolate.request().find(issuer, header('a'))
    await isolate.settle()
    isolate.clock.advance(cooldownMs)
    for (let i = 0; i < 30; i++) {
      expect(await isolate.request().find(issuer, header(`x${i}`))).toEqual(unknown)
      isolate.clock.advance(cooldownMs / 30 - 1)
    }
    expect(asked()).toBe(2)
    expect(kv.gets).toBe(2)
    isolate.clock.advance(30)
    await isolate.request().find(issuer, header('x'))
    expect(asked()).toBe(3)
  })

  it('causes one question when many come at once', async () => {
    const isolate = startIsolate(new MemoryKv())
    await isolate.request().find(issuer, header('a'))
    isolate.clock.advance(cooldownMs)
    publish(A, B)
    const many = Array.from({ length: 20 }, (_, i) =>
      isolate.request().find(issuer, header(i % 2 ? 'b' : `x${i}`)),
    )
    const results = await Promise.all(many)
    expect(asked()).toBe(2)
    for (const [i, result] of results.entries()) {
      expect(result).toMatchObject(i % 2 ? found : unknown)
    }
  })

  it('reads KV before the issuer is asked', async () => {
    const kv = new MemoryKv()
    const [one, two] = [startIsolate(kv), startIsolate(kv)]
    for (const isolate of [one, two]) {
      await isolate.request().find(issuer, header('a'))
      await isolate.settle()
      isolate.clock.advance(cooldownMs)
    }
    publish(A, B)
    await one.request().find(issuer, header('b'))
    await one.settle()
    expect(asked()).toBe(2)
    two.clock.advance(5_000)
    expect(await two.request().find(issuer, header('b'))).toMatchObject(found)
    expect(await two.request().find(issuer, header('x'))).toEqual(unknown)
    expect(asked()).toBe(2)
  })

  it('is unavailable, not unknown, while the issuer cannot be asked', async () => {
    const isolate = startIsolate()
    await isolate.request().find(issuer, header('a'))
    server.status('/jwks', 503)
    isolate.clock.advance(cooldownMs)
    for (let i = 0; i < 10; i++) {
      expect(await isolate.request().find(issuer, header('b'))).toEqual(unavailable)
      isolate.clock.advance(cooldownMs / 10 - 1)
    }
    expect(asked()).toBe(2)
    publish(A, B)
    isolate.clock.advance(10)
    expect(await isolate.request().find(issuer, header('b'))).toMatchObject(found)
  })
})

describe('an outage', () => {
  it('at the start is unavailable, remembered briefly, and ends by itself', async () => {
    const isolate = startIsolate(new MemoryKv())
    server.status('/jwks', 500)
    const first = Array.from({ length: 10 }, () => isolate.request().find(issuer, header('a')))
    for (const result of await Promise.all(first)) expect(result).toEqual(unavailable)
    isolate.clock.advance(failureMs - 1)
    publish(A)
    expect(await isolate.request().find(issuer, header('a'))).toEqual(unavailable)
    expect(asked()).toBe(1)
    isolate.clock.advance(1)
    expect(await isolate.request().find(issuer, header('a'))).toMatchObject(found)
    expect(isolate.events).toEqual([
      { event: 'keys_fetch_failed', issuer: 'acme', error: 'status 500' },
    ])
  })

  it.each([
    ['a page', '<html>'],
    ['an object that is no JWK set', '{"error":"x"}'],
    ['keys that are no array', '{"keys":{}}'],
  ])('is also %s in place of the set', async (_, body) => {
    const isolate = startIsolate()
    await isolate.request().find(issuer, header('a'))
    server.paths.set('/jwks', (_request, response) => response.end(body))
    isolate.clock.advance(freshMs)
    for (let i = 0; i < 2; i++) {
      expect(await isolate.request().find(issuer, header('a'))).toMatchObject(found)
      await isolate.settle()
    }
    expect(asked()).toBe(2)
    expect(await startIsolate().request().find(issuer, header('a'))).toEqual(unavailable)
  })

  it('leaves known keys in use for a day, not longer', async () => {
    const isolate = startIsolate()
    await isolate.request().find(issuer, header('a'))
    await server.close()
    isolate.clock.advance(staleMs - 1)
    expect(await isolate.request().find(issuer, header('a'))).toMatchObject(found)
    await isolate.settle()
    isolate.clock.advance(failureMs + 1)
    expect(await isolate.request().find(issuer, header('a'))).toEqual(unavailable)
    expect(keyStatus(isolate.cache, issuer, isolate.clock.now())).toEqual({
      age: (staleMs + failureMs) / 1000,
      source: 'issuer',
      keys: 0,
      error: 'unreachable',
    })
    server = await startServer()
  })

  it('does not make a stale set ask on each request', async () => {
    const isolate = startIsolate()
    await isolate.request().find(issuer, header('a'))
    server.status('/jwks', 500)
    isolate.clock.advance(freshMs)
    for (let i = 0; i < 10; i++) {
      await isolate.request().find(issuer, header('a'))
      await isolate.settle()
    }
    expect(asked()).toBe(2)
    isolate.clock.advance(failureMs)
    await isolate.request().find(issuer, header('a'))
    await isolate.settle()
    expect(asked()).toBe(3)
  })
})

describe('concurrent requests', () => {
  it('share one question', async () => {
    const kv = new MemoryKv()
    const isolate = startIsolate(kv)
    const many = Array.from({ length: 20 }, () => isolate.request().find(issuer, header('a')))
    for (const result of await Promise.all(many)) expect(result).toMatchObject(found)
    expect([asked(), kv.gets]).toEqual([1, 1])
  })

  it('wait for a question under way, also after a failure', async () => {
    const isolate = startIsolate()
    await isolate.request().find(issuer, header('a'))
    server.status('/jwks', 500)
    isolate.clock.advance(freshMs)
    await isolate.request().find(issuer, header('a'))
    await isolate.settle()
    isolate.clock.advance(failureMs)
    const answer = Promise.withResolvers<void>()
    const arrived = new Promise<void>((done) => {
      server.paths.set('/jwks', (_, response) => {
        done()
        void answer.promise.then(() => response.end(JSON.stringify({ keys: [A, B] })))
      })
    })
    await isolate.request().find(issuer, header('a'))
    await arrived
    const rotated = isolate.request().find(issuer, header('b'))
    answer.resolve()
    expect(await rotated).toMatchObject(found)
    expect(asked()).toBe(3)
  })

  it('are not stopped by a flight whose request is gone', async () => {
    const isolate = startIsolate()
    const hung = isolate.request({ fetch: () => new Promise(() => {}) })
    void hung.find(issuer, header('a'))
    await new Promise(setImmediate)
    isolate.clock.advance(KEY_TIMES.askMs)
    expect(await isolate.request().find(issuer, header('a'))).toMatchObject(found)
  })

  it('go on when the runtime has ended the one they wait for', async () => {
    const isolate = startIsolate()
    void isolate.request({ fetch: () => new Promise(() => {}) }).find(issuer, header('a'))
    await new Promise(setImmediate)
    const gone = Promise.reject(new Error('created by a request that has since ended'))
    gone.catch(() => {})
    for (const [name, flight] of isolate.cache.flights) {
      isolate.cache.flights.set(name, { ...flight, promise: gone })
    }
    const many = Array.from({ length: 5 }, () => isolate.request().find(issuer, header('a')))
    for (const result of await Promise.all(many)) expect(result).toMatchObject(found)
    expect(asked()).toBe(1)
  })
})

describe('keyStatus', () => {
  it('tells what is known without asking', async () => {
    const isolate = startIsolate()
    const status = () => keyStatus(isolate.cache, issuer, isolate.clock.now())
    expect(status()).toEqual({ age: undefined, source: undefined, keys: 0 })
    expect(server.requests).toEqual([])
    publish(A, B, { ...A, use: 'enc' })
    await isolate.request().find(issuer, header('a'))
    isolate.clock.advance(1_500)
    expect(status()).toEqual({ age: 1, source: 'issuer', keys: 2 })
    const inline = issuerOf({ keys: { kind: 'inline', keys: [{ ...A }] } })
    expect(keyStatus(isolate.cache, inline, 0)).toEqual({
      age: undefined,
      source: 'inline',
      keys: 1,
    })
  })

  it('names a failure until a question succeeds', async () => {
    const isolate = startIsolate()
    const error = () => keyStatus(isolate.cache, issuer, isolate.clock.now()).error
    server.status('/jwks', 502)
    await isolate.request().find(issuer, header('a'))
    expect(error()).toBe('status 502')
    publish(A)
    isolate.clock.advance(failureMs)
    await isolate.request().find(issuer, header('a'))
    expect(error()).toBeUndefined()
  })
})
