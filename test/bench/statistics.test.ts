import { describe, expect, it } from 'vitest'
import {
  mean,
  median,
  orderOf,
  pairedRatio,
  quickerHalf,
  surcharge,
  uncertainty,
} from '../../dev/bench/statistics.ts'

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
    expect(surcharge([150, 950, 152, 990], [800, 100, 102, 900], quickerHalf)).toBe(50)
    expect(surcharge([160, 150, 900], [100, 900, 110], quickerHalf)).toBe(50)
  })

  it('is compared by the mean of all rounds, rare work included', () => {
    expect(surcharge([150, 950, 160], [100, 110, 120])).toBe(310)
    expect(mean([])).toBeNaN()
  })

  it('is as uncertain as parts of the run lie apart', () => {
    const run = (low: number, high: number) =>
      Array.from({ length: 40 }, (_, round) => (round < 20 ? low : high))
    const sure = (values: readonly number[]) =>
      uncertainty(values.length, (own) => surcharge(own(values), own(run(2, 2))))
    expect(sure(run(7, 7))).toBe(0)
    // Five parts say 10 and five 14: a deviation of 2.11.
    expect(sure(run(12, 16))).toBeCloseTo(1.51)
    expect(sure([10, 14])).toBeNaN()
  })

  it('is no number without the other', () => {
    expect(pairedRatio([1, 2], [])).toBeNaN()
    expect(surcharge([1, 2], [])).toBeNaN()
  })
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
