import type { Router } from '../src/model/route.ts'
import { workerEnv } from '../src/policy/env.ts'
import { parsePolicy } from '../src/policy/parse.ts'
import { readVars } from '../src/policy/vars.ts'
import { HOST, pathOf, policyVars } from './policy.ts'
import type { PublicKey } from './public-key.ts'
import { median, orderOf } from './statistics.ts'

/** What a policy of some size costs in this process; nothing is sent. */
export interface PolicySize {
  readonly rules: number
  /** Milliseconds to read and check the whole policy, once per isolate. */
  readonly parse: number
  /** Nanoseconds to find the rule of a path for the first time: the last, the middle one, none. */
  readonly find: number
}

const SIZES = [10, 1_000, 10_000]
const ROUNDS = 7
/** Look-ups of each kind in a round. */
const LOOKUPS = 20_000

/** Measures each size: medians over interleaved rounds. Throws when a policy is not valid. */
export const measurePolicies = (keys: readonly PublicKey[]): readonly PolicySize[] => {
  const subjects = SIZES.map((rules) => {
    const { vars } = readVars(policyVars(keys, rules))
    return { rules, vars, parse: [] as number[], find: [] as number[] }
  })
  // The first round warms up.
  for (let round = -1; round < ROUNDS; round++) {
    for (const { rules, vars, parse, find } of orderOf(subjects, round + 1)) {
      const begin = performance.now()
      const read = parsePolicy(vars, ENV)
      const readIn = performance.now() - begin
      if (!read.ok) throw new Error(`${rules} rules: ${JSON.stringify(read.reason[0])}`)
      const found = lookUp(read.value.policy.router, rules)
      if (round < 0) continue
      parse.push(readIn)
      find.push(found)
    }
  }
  return subjects.map(({ rules, parse, find }) => ({
    rules,
    parse: Number(median(parse).toFixed(2)),
    find: Math.round(median(find)),
  }))
}

/** So many paths of each kind in turn: for the last rule, the middle one, none. None is there twice. */
export const pathsFor = (rules: number, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => [
    pathOf(i),
    `/v1/collection-${rules >> 1}/${i}`,
    `/v1/nothing/${i}`,
  ]).flat()

/** Nanoseconds of one look-up, on average; a router remembers paths, so each is asked for once. */
const lookUp = ({ find }: Router, rules: number): number => {
  const paths = pathsFor(rules, LOOKUPS)
  if (!find('GET', HOST, pathOf('x')).match) throw new Error(`${rules} rules: the last is missing`)
  const begin = performance.now()
  for (const path of paths) find('GET', HOST, path)
  return ((performance.now() - begin) * 1e6) / paths.length
}

const nothing = () => undefined

/** The bindings the policy asks for: their methods are looked at, and none is called. */
const ENV = workerEnv({
  ORIGIN: { fetch: nothing },
  KEY_KEEPER: { idFromName: nothing, get: nothing },
  REVOCATIONS: { idFromName: nothing, get: nothing },
})
