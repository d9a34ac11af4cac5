import { describe, expect, it } from 'vitest'
import { createMemoryReplays } from '../../../src/gate/model/memory-replays.ts'

const T = 1_000_000_000

const startStore = (capacity?: number) => {
  const clock = { at: T, now: () => clock.at * 1000 }
  const store = createMemoryReplays({ clock, ...(capacity !== undefined && { capacity }) })
  return { ...store, later: (seconds: number) => (clock.at += seconds) }
}

describe('uses in memory', () => {
  it('are claimed once, apart by name, until they expire', () => {
    const { claim, isClaimed, later } = startStore()
    expect(isClaimed('a')).toBe(false)
    expect([claim('a', T + 10), claim('a', T + 10), claim('a', T + 9)]).toEqual([
      true,
      false,
      false,
    ])
    expect(claim('b', T + 10)).toBe(true)
    later(9)
    expect([isClaimed('a'), claim('a', T + 10)]).toEqual([true, false])
    later(1)
    expect([isClaimed('a'), claim('a', T + 99)]).toEqual([false, true])
  })

  it('are not forgotten while they count, however many come', () => {
    const { claim, later } = startStore()
    expect(claim('first', T + 100)).toBe(true)
    for (let i = 0; i < 1_500; i++) expect(claim(`short-${i}`, T + 10)).toBe(true)
    later(50)
    for (let i = 0; i < 1_500; i++) expect(claim(`other-${i}`, T + 100)).toBe(true)
    expect(claim('first', T + 100)).toBe(false)
    expect(claim('other-0', T + 100)).toBe(false)
  })

  it('throw when there are too many, and forget what has expired for others', () => {
    const { claim, isClaimed, later } = startStore(2)
    expect([claim('a', T + 10), claim('b', T + 20)]).toEqual([true, true])
    expect(() => claim('c', T + 10)).toThrow('more than 2')
    expect([claim('a', T + 10), isClaimed('c')]).toEqual([false, false])
    later(10)
    expect(claim('c', T + 99)).toBe(true)
    expect(() => claim('d', T + 99)).toThrow('more than 2')
  })
})
