import { expect, it } from 'vitest'
import { createProcessReplays } from '../../packages/origin/src/index.ts'

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

it('remembers what was claimed anew, whatever the first claim was good for', () => {
  const { claim, later } = start()
  claim('a', 1_000.5)
  later(0.6)
  expect(claim('a', 1_060)).toBe(true)
  later(1)
  expect(claim('a', 1_060)).toBe(false)
  claim('b', 1_002)
  later(58.3)
  expect([claim('a', 1_060), claim('b', 1_060)]).toEqual([false, true])
})

it('remembers through a clock that is set back', () => {
  const { claim, later } = start(2)
  claim('a', 1_060)
  later(-30)
  expect([claim('a', 1_060), claim('b', 1_000)]).toEqual([false, true])
  later(30)
  expect([claim('a', 1_060), claim('c', 1_060)]).toEqual([false, true])
  expect(() => claim('d', 1_060)).toThrow(RangeError)
})
