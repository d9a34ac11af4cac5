import fc from 'fast-check'
import { expect, it } from 'vitest'
import { comparePolicies } from '../../../src/tools/diff/compare.ts'
import { tries } from '../../kit/property.ts'
import { GATE, policy } from '../../policy/support.ts'
import { type Caller, combinations, widening } from './brute.ts'

const ACME = 'https://auth.acme.example'
const BETA = 'https://auth.beta.example'
const API = 'https://api.example.com'

const sometimes = <Value>(...values: readonly Value[]) =>
  fc.option(fc.constantFrom(...values), { nil: undefined, freq: 2 })

const claims = sometimes<object>(
  { tenant: 'blue' },
  { tenant: ['blue', 'red'] },
  { tenant: 'red', level: 1 },
  { level: { min: 2 } },
  { level: { min: 1, max: 5 } },
  { tenant: { pattern: 'b*' } },
)
const audiences = sometimes(['urn:x'], ['urn:y', API], ['urn:x', 'urn:y'])
const max_lifetime = sometimes('1m')
const delegation = sometimes<object>(
  { max_depth: 0 },
  { max_depth: 1 },
  { require_actor: true },
  { actors: ['bot'] },
  { actors: ['bot', 'other'], max_depth: 2 },
  { actors: [{ issuer: 'beta', sub: 'bot' }], issuers: ['beta'] },
  { subjects: ['alice'] },
  { subjects: ['alice', 'bob'], require_actor: true },
  { issuers: ['beta'] },
  { may_act: 'if_present' },
  { may_act: 'required' },
)

/** What reads a token, at the issuer and at its one rule. */
const written = fc.record({
  issuer: fc.record({ claims, audiences, max_lifetime, delegation }),
  rule: fc.record({ claims, audiences, max_lifetime, delegation }),
})
type Written = typeof written extends fc.Arbitrary<infer Value> ? Value : never

/** Two that are often alike but for one thing. */
const pair = fc
  .record({
    one: written,
    other: written,
    part: fc.constantFrom('issuer' as const, 'rule' as const),
    key: fc.constantFrom('claims', 'audiences', 'max_lifetime', 'delegation', 'delegation'),
    isAlike: fc.constantFrom(true, true, true, false),
  })
  .map(({ one, other, part, key, isAlike }): readonly [Written, Written] => {
    const set = (other[part] as Readonly<Record<string, unknown>>)[key]
    return [one, isAlike ? { ...one, [part]: { ...one[part], [key]: set } } : other]
  })

/** The policy; none where what is written is a mistake. */
const policyOf = ({ issuer, rule }: Written) => {
  const vars = JSON.parse(
    JSON.stringify({
      GATE,
      ISSUERS: {
        acme: { issuer: ACME, agent_prefix: 'acme/', ...issuer },
        beta: { issuer: BETA, agent_prefix: 'beta/' },
      },
      ROUTES: [{ match: 'GET /a', scopes: [], issuers: ['acme'], ...rule }],
    }),
  )
  try {
    return policy(vars)
  } catch {
    return undefined
  }
}

const bot = { sub: 'bot' }
const chains = [
  undefined,
  bot,
  { sub: 'other' },
  { sub: 'bot', iss: BETA },
  { sub: 'other', iss: BETA },
  { ...bot, act: { sub: 'other' } },
  { sub: 'other', act: { ...bot, act: { sub: 'third' } } },
]
const callers: readonly Caller[] = combinations<unknown>([
  chains,
  ['alice', 'bob'],
  [undefined, bot, { sub: 'nobody' }],
  ['blue', 'red'],
  [1, 9],
  [API, 'urn:x', 'urn:y'],
  [60, 900],
]).map(([act, sub, may_act, tenant, level, aud, life]) => ({
  ...{ iss: ACME, scopes: [], aud: String(aud), life: Number(life) },
  more: JSON.parse(JSON.stringify({ act, sub, may_act, tenant, level })) as object,
}))
const requests = [{ method: 'GET', host: 'api.example.com', path: '/a' }]

it('tells of every widening by claims, audiences, lifetimes and chains of actors', async () => {
  const seen = { wider: 0, exact: 0 }
  await fc.assert(
    fc.asyncProperty(pair, async ([one, other]) => {
      const [before, after] = [policyOf(one), policyOf(other)]
      fc.pre(before !== undefined && after !== undefined)
      if (!before || !after) return
      const found = await comparePolicies(before, after)
      const real = await widening(before, after, requests, callers)
      if (real) {
        seen.wider++
        expect({ widens: found.ok && found.value.widens, real }).toEqual({ widens: true, real })
      } else if (found.ok && !found.value.widens) seen.exact++
    }),
    tries(150, 30),
  )
  expect(seen.wider).toBeGreaterThan(3)
  expect(seen.exact).toBeGreaterThan(0)
})
