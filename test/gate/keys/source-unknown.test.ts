import { beforeEach, describe, expect, it } from 'vitest'
import { FOUND, UNAVAILABLE, UNDECIDED, UNKNOWN } from './support.ts'
import {
  A,
  asked,
  B,
  find,
  HERE,
  isolate,
  issuer,
  publish,
  server,
  useWorld,
  world,
} from './world.ts'

useWorld('max-age=3600')
beforeEach(async () => {
  await find('a')
  await world.settle()
  world.clock.advance(COOLDOWN)
})

const COOLDOWN = 30_000
const HOUR = 3_600_000

/** Strangers, each from an address of its own, ask until nobody may any more. */
const spend = async () => {
  for (let i = 0; i < 100; i++) {
    if (i > 0) world.clock.advance(COOLDOWN)
    const before = asked()
    await find(`x${i}`, `198.51.100.${i}`)
    if (asked() === before) return
  }
  throw new Error('nobody was refused')
}

describe('an unknown key id', () => {
  it('causes one question per cooldown', async () => {
    isolate.recordSuccess(issuer, HERE)
    for (let i = 0; i < 30; i++) {
      expect([UNKNOWN, UNDECIDED]).toContainEqual(await find(`x${i}`))
      world.clock.advance(COOLDOWN / 30 - 1)
    }
    expect([asked(), world.questions.length]).toEqual([2, 2])
    world.clock.advance(30)
    await find('x')
    expect(asked()).toBe(3)
  })

  it('is asked for after the cooldown also where the clock was set back by an hour', async () => {
    isolate.recordSuccess(issuer, HERE)
    await find('x')
    world.clock.advance(-HOUR)
    expect(await find('b')).toEqual(UNDECIDED)
    expect(asked()).toBe(3)
    publish(A, B)
    expect(await find('b')).toEqual(UNDECIDED)
    world.clock.advance(COOLDOWN)
    expect(await find('b')).toMatchObject(FOUND)
    expect(asked()).toBe(4)
  })

  it('that a herd brings from everywhere is one fetch, and all pass', async () => {
    publish(A, B)
    const all = Array.from({ length: 200 }, (_, i) => find('b', `198.51.100.${i}`))
    for (const found of await Promise.all(all)) expect(found).toMatchObject(FOUND)
    expect(asked()).toBe(2)
  })

  it('that known callers of many networks bring is one question', async () => {
    const callers = Array.from({ length: 200 }, (_, i) => `198.51.100.${i}`)
    for (const caller of callers) isolate.recordSuccess(issuer, caller)
    const before = world.questions.length
    publish(A, B)
    const all = callers.map((caller) => find('b', caller))
    for (const found of await Promise.all(all)) expect(found).toMatchObject(FOUND)
    expect([world.questions.length - before, asked()]).toEqual([1, 2])
  })

  it('that was refused in a cooldown is asked for once it is over, by all who were refused', async () => {
    const late = world.isolate()
    await late.find(issuer, 'a')
    expect(await find('x')).toEqual(UNKNOWN)
    publish(A, B)
    world.clock.advance(COOLDOWN - 1)
    const herd = () =>
      Promise.all([1, 2, 3, 4].map((i) => late.find(issuer, i > 2 ? 'b' : 'y', `192.0.2.${i}`)))
    expect(await herd()).toEqual(Array(4).fill(UNKNOWN))
    world.clock.advance(1)
    const [first, second, ...others] = await herd()
    expect([first, second]).toEqual([UNKNOWN, UNKNOWN])
    for (const found of others) expect(found).toMatchObject(FOUND)
    expect(asked()).toBe(3)
  })

  it('is unavailable, not unknown, until the issuer can be asked again', async () => {
    server.status('/jwks', 503)
    for (let i = 0; i < 10; i++) {
      expect(await find('b')).toEqual(UNAVAILABLE)
      world.clock.advance(COOLDOWN / 10 - 1)
    }
    expect(asked()).toBe(2)
    publish(A, B)
    world.clock.advance(10)
    expect(await find('b', '192.0.2.2')).toMatchObject(FOUND)
  })

  it('that was refused is not asked for again, whoever brings it, within the cooldown', async () => {
    await spend()
    const another = world.isolate()
    await another.find(issuer, 'a')
    const questions = async (callers: number) => {
      const from = world.questions.length
      for (let i = 0; i < callers; i++) await another.find(issuer, 'b', `203.0.113.${i}`)
      return world.questions.length - from
    }
    expect(await questions(50)).toBe(1)
    expect(await questions(50)).toBe(0)
  })

  it('of ever new strangers is ten questions of an isolate, and holds nobody up who is known', async () => {
    await spend()
    const another = world.isolate()
    await another.find(issuer, 'a')
    const questions = async () => {
      const from = world.questions.length
      for (let i = 0; i < 2_000; i++) {
        await another.find(issuer, `x${i}`, `2001:db8:${i.toString(16)}::1`)
      }
      return world.questions.length - from
    }
    expect(await questions()).toBe(10)
    expect(await questions()).toBe(0)
    another.recordSuccess(issuer, HERE)
    publish(A, B)
    expect(await another.find(issuer, 'b', HERE)).toMatchObject(FOUND)
  })
})

describe('one caller', () => {
  const flood = async (count: number, callerOf: (i: number) => string) => {
    for (let i = 0; i < count; i++) {
      await find(`x${i}`, callerOf(i))
      if (i % 10 === 9) world.clock.advance(COOLDOWN)
    }
  }

  it.each([
    ['a /64 of IPv6', (i: number) => `2001:db8::${i.toString(16)}`],
    ['IPv4 written as IPv6 too', (i: number) => (i % 2 ? HERE : `::ffff:${HERE}`)],
    ['whoever has no address', () => ''],
  ])('is %s', async (_, callerOf) => {
    await flood(100, callerOf)
    expect(asked()).toBe(3)
  })

  it('that is known may cause one per cooldown', async () => {
    isolate.recordSuccess(issuer, HERE)
    await flood(80, () => HERE)
    expect(asked()).toBe(9)
  })

  it('that is known heals a rotation, though strangers from everywhere have spent all', async () => {
    isolate.recordSuccess(issuer, HERE)
    await spend()
    publish(A, B)
    const before = asked()
    // They have seen the new name too, and ask for it first.
    for (let i = 0; i < 20; i++) expect(await find('b', `203.0.113.${i}`)).toEqual(UNDECIDED)
    expect(asked()).toBe(before)
    expect(await find('b')).toMatchObject(FOUND)
    expect(asked()).toBe(before + 1)
  })

  it('that is known does not share the question of a stranger who asks at the same time', async () => {
    await spend()
    const another = world.isolate()
    await another.find(issuer, 'a')
    another.recordSuccess(issuer, HERE)
    publish(A, B)
    const callers = ['203.0.113.1', HERE]
    const found = await Promise.all(callers.map((caller) => another.find(issuer, 'b', caller)))
    expect(found[1]).toMatchObject(FOUND)
  })

  it('that is known may ask for what the key service has refused to a stranger', async () => {
    await spend()
    const another = world.isolate()
    await another.find(issuer, 'a')
    another.recordSuccess(issuer, HERE)
    publish(A, B)
    expect(await another.find(issuer, 'b', '203.0.113.1')).toEqual(UNKNOWN)
    expect(await another.find(issuer, 'b', HERE)).toMatchObject(FOUND)
  })
})
