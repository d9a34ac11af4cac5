import { expect, inject, it } from 'vitest'
import { run } from './run.ts'

const DECISIONS = 10_000_000
const WITHIN = 7_000_000

/** Several runs can share the cases: `SEED=7 FROM=0` and `SEED=7 FROM=1000000` have none in common. */
const { SEED, FROM = '0' } = process.env

it(`says the same as the second implementation ${DECISIONS} times`, async () => {
  const { seed } = inject('trying')
  const begin = { seed: SEED === undefined ? seed : Number(SEED), from: Number(FROM) }
  const { coverage, cases, disagreements } = await run({
    ...begin,
    decisions: DECISIONS,
    within: WITHIN,
    most: 20,
  })
  const { decisions } = coverage
  console.log(
    `${decisions} of ${DECISIONS} decisions in ${cases} cases: SEED=${begin.seed} FROM=${begin.from}`,
  )
  expect(disagreements).toEqual([])
})
