import { expect, inject, it } from 'vitest'
import { CODES } from '../reference/codes.ts'
import { met } from './compare.ts'
import { NOT_DECIDING } from './coverage.ts'
import { run } from './run.ts'

const DECISIONS = 200_000
/** On a quiet core there is time for all of them. */
const WITHIN = 180_000

it(`says the same as the second implementation ${DECISIONS} times`, async () => {
  const { seed } = inject('trying')
  const begin = process.cpuUsage()
  const ran = await run({ seed, decisions: DECISIONS, within: WITHIN })
  const { user, system } = process.cpuUsage(begin)
  const { coverage, cases, disagreements } = ran
  const { decisions, said } = coverage
  const list = (counts: Iterable<[string, number]>) =>
    [...counts]
      .sort(([, a], [, b]) => b - a)
      .map(([name, times]) => `${name} ${times}`)
      .join(', ')
  console.log(
    [
      `${decisions} of ${DECISIONS} decisions in ${cases} cases, ${Math.round((user + system) / 1e6)} s of processor time`,
      `codes: ${list(said)}`,
      `codes not met: ${Object.keys(CODES)
        .filter((code) => !said.has(code))
        .join(', ')}`,
      `codes of one stage, of which either may be sent: ${list(met)}`,
      `keys that bear on no decision: ${Object.keys(NOT_DECIDING).join(', ')}`,
    ].join('\n'),
  )
  expect(disagreements).toEqual([])
  expect(coverage.missing(100)).toEqual([])
})
