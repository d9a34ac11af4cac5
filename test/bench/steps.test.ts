import { expect, it } from 'vitest'
import { type Contender, PASS_THROUGH } from '../../bench/lineup.ts'
import type { Series } from '../../bench/match.ts'
import { STEPS, stepsOf } from '../../bench/steps.ts'

const series = (
  contender: Contender | undefined,
  cpus: readonly (number | undefined)[],
): Series => {
  if (!contender) throw new Error('no such contender')
  const measures = cpus.map((cpu) => ({
    rate: 1000,
    p50: 1,
    p99: 2,
    client: 0.1,
    ...(cpu !== undefined && { cpu }),
  }))
  return { contender, alg: 'ES256', measures }
}

const step = (id: string) => STEPS.find((one) => one.id === id)

it('costs are told above the pass-through, from the faster half of the turns', () => {
  expect(
    stepsOf(
      [
        series(step('headers-copied'), [150, 140, 900, 800]),
        series(PASS_THROUGH, [500, 100, 110, 90]),
        series(step('headers-in-place'), [160, 150, 400, 170.004]),
      ],
      PASS_THROUGH.id,
    ),
  ).toEqual({
    base: 95,
    lines: [
      {
        id: 'headers-in-place',
        title: 'headers edited on a Request that is sent',
        isOurs: false,
        above: 60,
        toA: 1.632,
      },
      {
        id: 'headers-copied',
        title: 'headers copied and edited, and no Request made',
        isOurs: true,
        above: 50,
        toA: 1.526,
      },
    ],
  })
})

it('what is done often in a request is told for once', () => {
  const { lines } = stepsOf(
    [series(PASS_THROUGH, [100]), series(step('address-known'), [125])],
    PASS_THROUGH.id,
  )
  expect(step('address-known')?.times).toBe(50)
  expect(lines).toMatchObject([{ above: 0.5, toA: 1.005 }])
})

it('without processor times there are no numbers', () => {
  const { base, lines } = stepsOf(
    [series(PASS_THROUGH, [undefined]), series(step('floor'), [undefined])],
    PASS_THROUGH.id,
  )
  expect(base).toBeUndefined()
  expect(lines).toHaveLength(1)
  for (const name of ['above', 'toA']) expect(lines[0]).not.toHaveProperty(name)
})

it('only the decision looks at tokens', () => {
  expect(STEPS.filter(({ verifies = true }) => verifies).map(({ id }) => id)).toEqual(['decision'])
})
