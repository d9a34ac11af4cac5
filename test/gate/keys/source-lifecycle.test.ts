import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { FOUND, UNAVAILABLE, UNDECIDED } from './support.ts'
import {
  A,
  asked,
  B,
  find,
  HOUR,
  isolate,
  issuer,
  MINUTE,
  publish,
  server,
  useWorld,
  world,
} from './world.ts'

useWorld()

describe('a set', () => {
  it('serves at once in the second half, while one question renews it', async () => {
    await find('a')
    await world.settle()
    world.clock.advance(5 * MINUTE)
    publish(B)
    const answer = Promise.withResolvers<void>()
    const arrived = server.hold('/jwks', answer.promise)
    const during = await Promise.all(Array.from({ length: 50 }, () => find('a')))
    await arrived
    for (const found of [...during, await find('a')]) expect(found).toMatchObject(FOUND)
    expect([asked(), world.questions.length]).toEqual([2, 2])
    answer.resolve()
    await world.settle()
    expect(await find('b')).toMatchObject(FOUND)
    expect(await find('a')).toEqual(UNDECIDED)
  })

  it('is confirmed first once its life is over, by one question', async () => {
    await find('a')
    await world.settle()
    world.clock.advance(10 * MINUTE)
    publish(B)
    const late = await Promise.all(Array.from({ length: 50 }, () => find('a')))
    for (const found of late) expect(found).toEqual(UNDECIDED)
    expect([asked(), world.questions.length]).toEqual([2, 2])
  })

  it('that has not changed is asked for by its entity-tag, and lives on', async () => {
    server.json('/jwks', { keys: [A] }, { etag: '"1"' })
    const first = await find('a')
    for (let i = 0; i < 5; i++) {
      world.clock.advance(9 * MINUTE)
      const found = await find('a')
      expect(found.ok && first.ok && found.value === first.value).toBe(true)
      await world.settle()
      expect(isolate.status(issuer)).toMatchObject({ age: 0, keys: 1, stale: false })
    }
    expect(server.heard.map((headers) => headers['if-none-match'])).toEqual([
      undefined,
      ...Array(5).fill('"1"'),
    ])
  })
})

describe('a key that its issuer has withdrawn', () => {
  it.each([
    ['in a busy isolate', 10_000],
    ['in an idle one', 10 * MINUTE],
    ['in one that nobody needed for an hour', HOUR],
  ])('verifies nothing when its set has lived out its life, %s', async (_, step) => {
    await find('a')
    await world.settle()
    publish(B)
    for (let age = step; age < 10 * MINUTE; age += step) {
      world.clock.advance(step)
      await find('a')
      await world.settle()
    }
    world.clock.advance(step)
    expect(await find('a')).toEqual(UNDECIDED)
    expect(await find('b')).toMatchObject(FOUND)
  })

  it('stops at once where another isolate asked for an unknown one', async () => {
    await find('a')
    publish(B)
    world.clock.advance(30_000)
    const other = world.isolate()
    expect(await other.find(issuer, 'b', '192.0.2.1')).toMatchObject(FOUND)
    expect(await other.find(issuer, 'a')).toEqual(UNDECIDED)
  })
})

describe('an issuer that cannot be asked', () => {
  const fail = async (status = 500) => {
    await find('a')
    await world.settle()
    server.status('/jwks', status)
  }

  it('leaves keys in use for a day, not longer', async () => {
    await fail()
    for (let hours = 0; hours < 23; hours++) {
      world.clock.advance(HOUR)
      expect(await find('a')).toMatchObject(FOUND)
      await world.settle()
      expect(isolate.status(issuer)).toMatchObject({ stale: true, error: 'status 500' })
    }
    world.clock.advance(HOUR - 1)
    expect(await find('a')).toMatchObject(FOUND)
    await world.settle()
    world.clock.advance(1)
    expect(await find('a')).toEqual(UNAVAILABLE)
    expect(isolate.status(issuer)).toMatchObject({ keys: 0, error: 'status 500' })
  })

  it('keeps nobody waiting who has keys, but the first, and him for a second', async () => {
    await fail()
    world.clock.advance(10 * MINUTE)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    let asks = 0
    const never = () => {
      asks++
      return new Promise<never>(() => {})
    }
    const silent = world.isolate({ cache: isolate.cache, service: { ask: never } })
    let served = 0
    const first = [1, 2, 3].map(() => silent.find(issuer, 'a').then(() => served++))
    await vi.advanceTimersByTimeAsync(999)
    expect(served).toBe(0)
    await vi.advanceTimersByTimeAsync(1)
    await Promise.all(first)
    // From here on, no timer runs: whoever waited would wait for good.
    for (let i = 0; i < 20; i++) {
      expect(await silent.find(issuer, 'a')).toMatchObject(FOUND)
      world.clock.advance(5_000)
    }
    expect(await silent.find(issuer, 'b')).toEqual(UNAVAILABLE)
    expect(isolate.status(issuer)).toMatchObject({ stale: true, error: 'slow' })
    expect(asks).toBeGreaterThan(1)
  })

  it('is asked once per failure, not once per request', async () => {
    await fail()
    world.clock.advance(10 * MINUTE)
    for (let i = 0; i < 20; i++) {
      expect(await find('a')).toMatchObject(FOUND)
      await world.settle()
    }
    expect([asked(), world.questions.length]).toEqual([2, 2])
    world.clock.advance(5_000)
    publish(A, B)
    expect(await find('a')).toMatchObject(FOUND)
    await world.settle()
    expect(isolate.status(issuer)).not.toHaveProperty('error')
    expect(await find('b')).toMatchObject(FOUND)
  })
})
