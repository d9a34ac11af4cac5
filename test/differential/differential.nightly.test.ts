import { expect, inject, it } from 'vitest'
import { run } from './run.ts'

const DECISIONS = 10_000_000
const WITHIN = 7_000_000

it(`says the same as the second implementation ${DECISIONS} times`, async () => {
  const { seed } = inject('trying')
  const { coverage, cases, disagreements } = await run({
    seed,
    decisions: DECISIONS,
    within: WITHIN,
    most: 20,
  })
  console.log(`${coverage.decisions} of ${DECISIONS} decisions in ${cases} cases`)
  expect(disagreements).toEqual([])
})
