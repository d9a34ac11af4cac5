import { beforeEach, describe, expect, it } from 'vitest'
import { KEY_TIMES } from '../../../src/gate/keys/times.ts'
import { FOUND, UNAVAILABLE, UNDECIDED } from './support.ts'
import {
  A,
  asked,
  B,
  find,
  HOUR,
  isolate,
  issuer,
  kv,
  MINUTE,
  publish,
  server,
  useWorld,
  world,
} from './world.ts'

useWorld()

describe('what is known to fail', () => {
  beforeEach(async () => {
    await find('a')
    await world.settle()
  })
  const DUE = 10 * MINUTE

  it('is known for as long as it is waited out, and no withdrawn key lives on by it', async () => {
    world.clock.advance(DUE / 2)
    server.status('/jwks', 500)
    await find('a')
    await world.settle()
    expect(isolate.status(issuer).error).toBe('status 500')
    publish(B)
    world.clock.advance(DUE)
    expect(await find('a')).toEqual(UNDECIDED)
  })

  it('is not the issuer where a stranger could not reach the service', async () => {
    world.clock.advance(MINUTE)
    world.cut = true
    expect(await isolate.find(issuer, 'x', '198.51.100.1')).toEqual(UNAVAILABLE)
    world.cut = false
    publish(B)
    world.clock.advance(DUE)
    expect(await find('a')).toEqual(UNDECIDED)
  })
})

describe('an issuer that is down from the start', () => {
  it('is unavailable, waited out, and there again by itself', async () => {
    server.status('/jwks', 500)
    const first = Array.from({ length: 10 }, () => find('a'))
    for (const result of await Promise.all(first)) expect(result).toEqual(UNAVAILABLE)
    world.clock.advance(KEY_TIMES.failureMs - 1)
    publish(A)
    expect(await find('a')).toEqual(UNAVAILABLE)
    expect([asked(), world.questions.length, kv.gets]).toEqual([1, 1, 1])
    world.clock.advance(1)
    expect(await find('a')).toMatchObject(FOUND)
    expect(world.events).toEqual([
      { event: 'keys_fetch_failed', issuer: 'acme', error: 'status 500' },
    ])
  })
})

describe('a service that cannot be reached', () => {
  it('does not stop keys that are held, for as long as they live', async () => {
    await find('a')
    await world.settle()
    world.cut = true
    for (const ms of [5 * MINUTE, 5 * MINUTE, HOUR]) {
      world.clock.advance(ms)
      expect(await find('a')).toMatchObject(FOUND)
      await world.settle()
    }
    expect(isolate.status(issuer)).toMatchObject({ stale: true, error: 'key service unreachable' })
    expect(world.events.at(-1)).toEqual({
      event: 'keys_ask_failed',
      issuer: 'acme',
      error: 'Error: no service',
    })
    world.clock.advance(24 * HOUR)
    expect(await find('a')).toEqual(UNAVAILABLE)
    world.cut = false
    world.clock.advance(KEY_TIMES.failureMs)
    expect(await find('a')).toMatchObject(FOUND)
    expect(isolate.status(issuer)).toMatchObject({ stale: false, age: 0 })
  })

  it.each([
    ['young', 0],
    ['old', HOUR],
  ])('leaves an isolate that starts with what KV holds, be it %s', async (_, age) => {
    await find('a')
    await world.settle()
    world.cut = true
    world.clock.advance(age)
    expect(await world.isolate().find(issuer, 'a')).toMatchObject(FOUND)
  })

  it('makes nothing of a key id that is unknown', async () => {
    await find('a')
    world.clock.advance(30_000)
    world.cut = true
    expect(await find('b')).toEqual(UNAVAILABLE)
    world.cut = false
    publish(A, B)
    world.clock.advance(KEY_TIMES.failureMs)
    expect(await find('b')).toMatchObject(FOUND)
  })
})

describe('requests at the same time', () => {
  it('share one question and one look into KV', async () => {
    const many = Array.from({ length: 200 }, () => find('a'))
    for (const result of await Promise.all(many)) expect(result).toMatchObject(FOUND)
    expect([asked(), world.questions.length, kv.gets]).toEqual([1, 1, 1])
  })

  it('are not stopped by one that never ends', async () => {
    const never = { ask: () => new Promise<never>(() => {}) }
    const hung = world.isolate({ cache: isolate.cache, service: never })
    void hung.find(issuer, 'a')
    await expect.poll(() => isolate.cache.inFlight.size).toBe(1)
    await expect.poll(() => [...isolate.cache.inFlight.keys()].join()).toContain('newer')
    world.clock.advance(KEY_TIMES.askMs)
    expect(await find('a')).toMatchObject(FOUND)
  })
})
