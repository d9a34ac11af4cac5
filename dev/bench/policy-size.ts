import { parsePolicy } from '../../src/gate/policy/parse.ts'
import { workerEnv } from '../../src/gate/policy/reading/env.ts'
import { readVars } from '../../src/gate/policy/reading/vars.ts'
import { deployment } from '../../test/kit/repository.ts'
import { policyVars } from './policy.ts'
import type { PublicKey } from './public-key.ts'
import { median, orderOf, rounded } from './statistics.ts'

/** What a policy of some size costs in this process; nothing is sent. */
export interface PolicySize {
  readonly rules: number
  /** Milliseconds to read and check the whole policy, once per isolate. */
  readonly parse: number
}

const SIZES = [10, 1_000, 10_000]
const ROUNDS = 7

/** Measures each size: medians over interleaved rounds. Throws when a policy is not valid. */
export const measurePolicies = (
  keys: readonly PublicKey[],
  sizes: readonly number[] = SIZES,
): readonly PolicySize[] => {
  const subjects = sizes.map((rules) => {
    const { vars } = readVars(policyVars(keys, rules))
    return { rules, vars, times: [] as number[] }
  })
  // The first round warms up.
  for (let round = -1; round < ROUNDS; round++) {
    for (const { rules, vars, times } of orderOf(subjects, round + 1)) {
      const begin = performance.now()
      const read = parsePolicy(vars, ENV)
      const time = performance.now() - begin
      if (!read.ok) throw new Error(`${rules} rules: ${JSON.stringify(read.reason[0])}`)
      if (round >= 0) times.push(time)
    }
  }
  return subjects.map(({ rules, times }) => ({ rules, parse: rounded(2, median(times)) }))
}

const nothing = () => undefined
const OBJECTS = { idFromName: nothing, get: nothing }

/** The bindings the policy asks for: their methods are looked at, and none is called. */
const ENV = workerEnv({
  ORIGIN: { fetch: nothing },
  ...Object.fromEntries(Object.keys(deployment().durableObjects).map((name) => [name, OBJECTS])),
})
