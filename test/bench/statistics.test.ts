import { describe, expect, it } from 'vitest'
import {
  median,
  orderOf,
  pairedRatio,
  percentile,
  surcharge,
  uncertainty,
} from '../../bench/statistics.ts'

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

describe('what is compared', () => {
  it('is compared within each round, if it is a ratio', () => {
    // The second round was slow for both.
    expect(pairedRatio([500, 50, 480], [1000, 100, 1000])).toBe(0.5)
  })

  it('is compared by the quicker halves, whichever rounds were slow', () => {
    expect(surcharge([150, 950, 152, 990], [800, 100, 102, 900])).toBe(50)
    expect(surcharge([160, 150, 900], [100, 900, 110])).toBe(50)
  })

  it('is as uncertain as parts of the rounds lie apart', () => {
    expect(uncertainty([7, 7, 7, 7], [2, 2, 2, 2])).toBe(0)
    // The parts say 10 and 14.
    expect(uncertainty([10, 14, 10, 14], [0, 0, 0, 0])).toBeCloseTo(4)
    expect(uncertainty([10], [0])).toBeNaN()
  })

  it('is no number without the other', () => {
    expect(pairedRatio([1, 2], [])).toBeNaN()
    expect(surcharge([1, 2], [])).toBeNaN()
  })
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
