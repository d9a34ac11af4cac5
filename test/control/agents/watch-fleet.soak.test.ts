import { expect, it } from 'vitest'
import { foundShare, simulate, sum, THEFTS } from '../../../dev/bench/watch/simulate.ts'
import { tries } from '../../kit/property.ts'

const FLEETS = 3
const WEEKS = 8
/**
 * Alerts in all. Fleets have 0.77 a week, so 18: chance makes more than 36 of these in about one run of 10,000. Of two a
 * week, 48, more than 36 are in 95 runs of 100.
 */
const MOST = 1.5 * FLEETS * WEEKS

it('a fleet of 1,000 has at most one false alert a week, and 95 of 100 thefts are found within fifteen minutes', () => {
  const { seed } = tries(1)
  const first = Math.abs(seed) % 100_000
  const seeds = Array.from({ length: FLEETS }, (_, i) => first + i)
  const run = simulate({ seeds, agents: 1_000, weeks: WEEKS })
  console.log(JSON.stringify({ seeds, fleets: run.fleets, alerts: run.alerts, byKind: run.byKind }))
  for (const theft of THEFTS) expect(run.thefts[theft].tried).toBeGreaterThan(1_000 * FLEETS)
  expect(sum(run.alerts)).toBeLessThanOrEqual(MOST)
  expect(foundShare(run)).toBeGreaterThan(0.95)
}, 1_200_000)
