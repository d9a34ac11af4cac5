import { expect, it } from 'vitest'
import { createProcessReplays } from '../../src/origin/index.ts'

const start = (max?: number) => {
  let now = 1_000
  const clock = { now: () => now * 1000 }
  const replays = createProcessReplays({ clock, ...(max !== undefined && { max }) })
  return { ...replays, later: (seconds: number) => (now += seconds), at: () => now }
}

it('says yes once, until it may forget', () => {
  const { claim, later } = start()
  expect([claim('a', 1_060), claim('a', 1_060), claim('b', 1_060)]).toEqual([true, false, true])
  later(59.9)
  expect(claim('a', 1_060)).toBe(false)
  later(0.1)
  expect(claim('a', 1_120)).toBe(true)
  expect(claim('a', 1_120)).toBe(false)
})

it('throws rather than forget what is still good', () => {
  const { claim, later } = start(2)
  claim('a', 1_060)
  claim('b', 1_010)
  expect(() => claim('c', 1_060)).toThrow(RangeError)
  expect([claim('a', 1_060), claim('b', 1_010)]).toEqual([false, false])
  later(10)
  // What is over makes room, also behind one that is not.
  expect([claim('c', 1_060), claim('a', 1_060)]).toEqual([true, false])
  expect(() => claim('d', 1_060)).toThrow(RangeError)
})

it('holds what is good and no more', () => {
  const { claim, later, at } = start(100)
  for (let n = 0; n < 1_000; n++) {
    expect(claim(`id-${n}`, at() + 60)).toBe(true)
    later(1)
  }
})
