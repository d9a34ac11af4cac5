import { describe, expect, it } from 'vitest'
import { fasterHalf, median, orderOf, percentile } from '../../bench/statistics.ts'

it.each([
  [[], Number.NaN],
  [[3], 3],
  [[9, 1, 5], 5],
  [[10, 2, 30, 4], 7],
  [[100, 20, 3], 20],
])('median of %j is %d', (values, expected) => {
  const before = [...values]
  expect(median(values)).toBe(expected)
  expect(values).toEqual(before)
})

it.each([
  [[], Number.NaN],
  [[3], 3],
  [[100, 1, 9], 5],
  [[9, 100, 1, 100], 5],
])('the faster half of %j is %d on average', (values, expected) => {
  expect(fasterHalf(values)).toBe(expected)
})

it.each([
  [0.5, 50],
  [0.99, 99],
  [0.991, 100],
  [0, 1],
  [1, 100],
])('percentile %d of 1 to 100 is %d', (share, expected) => {
  expect(
    percentile(
      Array.from({ length: 100 }, (_, i) => i + 1),
      share,
    ),
  ).toBe(expected)
})

it('percentile of nothing is no number', () => {
  expect(percentile([], 0.5)).toBeNaN()
})

describe('the order of a round', () => {
  const items = ['a', 'b', 'c', 'd', 'e']
  const rounds = Array.from({ length: 20 }, (_, round) => orderOf(items, round))

  it('has everyone once', () => {
    for (const round of rounds) expect([...round].sort()).toEqual(items)
  })

  it('gives everyone every place, and both neighbours before', () => {
    for (const item of items) {
      expect(new Set(rounds.map((round) => round.indexOf(item))).size).toBe(items.length)
      const before = rounds.map((round) => round[round.indexOf(item) - 1])
      expect(new Set(before.filter((one) => one !== undefined)).size).toBe(2)
    }
  })

  it('is nothing for nobody', () => {
    expect(orderOf([], 3)).toEqual([])
  })
})
