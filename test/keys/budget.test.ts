import { expect, it } from 'vitest'
import { createBudget } from '../../src/keys/budget.ts'
import { startClock } from './support.ts'

const start = (names?: number) => {
  const clock = startClock()
  const terms = { capacity: 2, refillMs: 1_000, ...(names !== undefined && { names }) }
  const budget = createBudget(terms, clock)
  const takes = (...asked: string[]) => asked.map((name) => budget.take(name))
  return { clock, takes }
}

it('gives out what it holds, and no more', () => {
  const { takes } = start()
  expect(takes('a', 'a', 'a', 'a')).toEqual([true, true, false, false])
})

it('counts each name by itself', () => {
  const { takes } = start()
  expect(takes('a', 'a', 'a', 'b', 'b', 'b')).toEqual([true, true, false, true, true, false])
})

it('gives one back per interval, whoever keeps asking, and never more than it holds', () => {
  const { clock, takes } = start()
  takes('a', 'a')
  clock.advance(999)
  expect(takes('a')).toEqual([false])
  clock.advance(1)
  expect(takes('a', 'a')).toEqual([true, false])
  clock.advance(60_000)
  expect(takes('a', 'a', 'a')).toEqual([true, true, false])
})

it('forgets the name that took longest ago, and only where there is no room', () => {
  const { takes } = start(2)
  takes('a', 'a', 'b', 'b', 'a')
  expect(takes('a', 'b')).toEqual([false, false])
  // Someone new takes the place of `a`, which has its whole budget again.
  expect(takes('c', 'b', 'a', 'a', 'a')).toEqual([true, false, true, true, false])
})

it('does not forget whoever is refused because of those who are served', () => {
  const { takes } = start(3)
  takes('a', 'a')
  expect(takes('b', 'a', 'c', 'a')).toEqual([true, false, true, false])
})

it('is not filled by a clock that goes back', () => {
  const { clock, takes } = start()
  takes('a')
  clock.advance(-500)
  expect(takes('a', 'a')).toEqual([false, false])
  clock.advance(1_500)
  expect(takes('a')).toEqual([true])
})
