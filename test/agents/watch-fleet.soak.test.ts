import { expect, it } from 'vitest'
import { foundShare, simulate, THEFTS } from '../../bench/watch/simulate.ts'
import { tries } from '../kit/property.ts'

it('a fleet of 1,000 has about two false alerts a week, and 95 of 100 thefts are found within fifteen minutes', () => {
  const { seed } = tries(1)
  const run = simulate({ seed: Math.abs(seed) % 100_000, agents: 1_000, weeks: 8 })
  const alerts = Object.values(run.alerts).reduce((sum, count) => sum + count, 0)
  console.log(JSON.stringify({ seed, alerts: run.alerts, byKind: run.byKind }))
  for (const theft of THEFTS) expect(run.thefts[theft].tried).toBeGreaterThan(1_000)
  expect(alerts).toBeLessThanOrEqual(4 * run.weeks)
  expect(foundShare(run)).toBeGreaterThan(0.94)
}, 600_000)
