import { expect, it } from 'vitest'
import { createBuckets } from '../../../src/gate/platform/buckets.ts'
import { startClock } from '../keys/support.ts'

const start = (most = 1_000) => {
  const clock = startClock()
  const take = createBuckets({ clock, most })
  const takes = (...asked: string[]) =>
    asked.map((name) => take(name, { limit: 2, period: 2_000 }).ok)
  return { clock, takes }
}

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

it('forgets the name that was seen longest ago, and only where there is no room', () => {
  const { takes } = start(2)
  takes('b', 'b', 'a', 'a')
  expect(takes('b', 'a')).toEqual([false, false])
  // Someone new takes the place of `b`, which has a full bucket again.
  expect(takes('c', 'a', 'b', 'b', 'b')).toEqual([true, false, true, true, false])
})

it('does not forget whoever is refused because of those who are served', () => {
  const { takes } = start(2)
  takes('a', 'a')
  expect(takes('b', 'a', 'c', 'a')).toEqual([true, false, true, false])
})

it('is not filled by a clock that goes back', () => {
  const { clock, takes } = start()
  takes('a', 'a')
  clock.advance(-500)
  expect(takes('a')).toEqual([false])
  clock.advance(500)
  expect(takes('a')).toEqual([false])
  clock.advance(1_000)
  expect(takes('a', 'a')).toEqual([true, false])
})
