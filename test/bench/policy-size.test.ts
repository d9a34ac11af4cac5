import { expect, it } from 'vitest'
import { measurePolicies } from '../../dev/bench/policy-size.ts'
import { createMint } from '../../dev/bench/tokens.ts'

it('the policy of the benchmark is valid with the bindings of a deployment', async () => {
  const { keys } = await createMint()
  expect(measurePolicies(keys, [10])).toEqual([{ rules: 10, parse: expect.any(Number) }])
})
