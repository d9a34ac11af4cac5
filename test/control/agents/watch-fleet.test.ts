import { describe, expect, it } from 'vitest'
import { foundShare, simulate, sum } from '../../../dev/bench/watch/simulate.ts'

describe('a small fleet', () => {
  it('has few false alerts, and nearly all thefts are found', () => {
    const run = simulate({ seeds: [1], agents: 10, weeks: 6, thefts: 2 })
    expect(run.requests).toBeGreaterThan(250_000)
    expect(sum(run.alerts)).toBeLessThanOrEqual(1)
    expect(foundShare(run)).toBeGreaterThan(0.9)
    expect(simulate({ seeds: [1], agents: 2, weeks: 6 })).toEqual(
      simulate({ seeds: [1], agents: 2, weeks: 6 }),
    )
  })
})
