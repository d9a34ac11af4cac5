import { describe, expect, it } from 'vitest'
import { createAddressLimits, createMemoryLimits } from '../../../src/gate/limit/memory.ts'
import type { AddressLimit, RateLimit } from '../../../src/gate/model/limit.ts'

const clockAt = (at = 1_000_000_000_000) => {
  const clock = { at, now: () => clock.at }
  return clock
}

const TWO: RateLimit = {
  kind: 'exact',
  per: 'agent',
  quotas: { bucket: { limit: 2, period: 60_000 } },
}

describe('limits of one process', () => {
  it('are counted apart by name, and refill', async () => {
    const clock = clockAt()
    const limits = createMemoryLimits({ clock })
    const take = async (name: string, spend = true) => (await limits.take(TWO, name, spend)).ok
    expect([await take('a'), await take('a'), await take('a')]).toEqual([true, true, false])
    expect(await take('b')).toBe(true)
    clock.at += 30_000
    expect([await take('a', false), await take('a', false)]).toEqual([true, true])
    expect([await take('a'), await take('a')]).toEqual([true, false])
  })

  it('forget nobody who has still spent something, however many come', async () => {
    const clock = clockAt()
    const limits = createMemoryLimits({ clock })
    const spend = (name: string) => limits.take(TWO, name, true)
    await spend('first')
    await spend('first')
    for (let i = 0; i < 5_000; i++) await spend(`other-${i}`)
    expect(await spend('first')).toMatchObject({ ok: false })
    // All have what they had at first, so that a sweep leaves nothing.
    clock.at += 60_000
    for (let i = 0; i < 12_000; i++) await spend(`later-${i}`)
    expect(await spend('first')).toMatchObject({ ok: true, value: { bucket: { left: 1 } } })
  })
})

describe('limits of addresses', () => {
  const ONE: AddressLimit = { kind: 'memory', limit: 1, period: 60_000 }

  it('are of so many addresses at once, and forget the one not seen for longest', async () => {
    const { takeAddress } = createAddressLimits({ clock: clockAt(), most: 3 })
    const take = async (network: string) => (await takeAddress(ONE, network)).ok
    for (const network of ['a', 'b', 'c']) expect(await take(network)).toBe(true)
    // Refused, and so seen last.
    expect(await take('a')).toBe(false)
    expect(await take('d')).toBe(true)
    expect(await take('a')).toBe(false)
    expect(await take('b')).toBe(true)
  })

  it('a caller of many addresses does not free one that goes on asking', async () => {
    const { takeAddress } = createAddressLimits({ clock: clockAt(), most: 100 })
    expect(takeAddress(ONE, 'flood')).toMatchObject({ ok: true })
    for (let i = 0; i < 20_000; i++) {
      takeAddress(ONE, `address-${i}`)
      if (i % 50 === 0) expect(takeAddress(ONE, 'flood')).toMatchObject({ ok: false })
    }
  })
})
