import { describe, expect, it } from 'vitest'
import { foundShare, simulate } from '../../bench/watch/simulate.ts'

describe('a small fleet', () => {
  it('has few false alerts, and nearly all thefts are found', () => {
    const run = simulate({ seed: 1, agents: 40, weeks: 6, thefts: 2 })
    const alerts = Object.values(run.alerts).reduce((sum, count) => sum + count, 0)
    expect(run.requests).toBeGreaterThan(1_000_000)
    expect(alerts).toBeLessThanOrEqual(2)
    expect(foundShare(run)).toBeGreaterThan(0.9)
    expect(simulate({ seed: 1, agents: 2, weeks: 6 })).toEqual(
      simulate({ seed: 1, agents: 2, weeks: 6 }),
    )
  })
})
