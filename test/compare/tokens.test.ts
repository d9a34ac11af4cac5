import fc from 'fast-check'
import { describe, it } from 'vitest'
import type { Policy } from '../../src/gate/model/policy.ts'
import { isSoak, tries } from '../kit/property.ts'
import { type Caller, combinations, explore, policyOrNone, widening } from './brute.ts'

const ACME = 'https://auth.acme.example'
const BETA = 'https://auth.beta.example'
const API = 'https://api.example.com'

/** What reads a token: values of each key, of which none need be there. */
const VALUES = {
  claims: [
    { tenant: 'blue' },
    { tenant: ['blue', 'red'] },
    { tenant: 'red', level: 1 },
    { level: { min: 2 } },
    { level: { min: 1, max: 5 } },
    { tenant: { pattern: 'b*' } },
  ],
  audiences: [['urn:x'], ['urn:y', API], ['urn:x', 'urn:y']],
  max_lifetime: ['1m'],
  delegation: [
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
  ],
} as const
const KEYS = Object.keys(VALUES) as readonly (keyof typeof VALUES)[]

type Keys = Readonly<Partial<Record<keyof typeof VALUES, unknown>>>

/** The keys of the issuer, and of its one rule. */
interface Written {
  readonly issuer: Keys
  readonly rule: Keys
}

const keys: fc.Arbitrary<Keys> = fc.record(
  Object.fromEntries(KEYS.map((key) => [key, fc.constantFrom<unknown>(undefined, ...VALUES[key])])),
)
const pair = fc
  .record({ issuer: keys, rule: keys, part: fc.constantFrom('issuer', 'rule'), other: keys })
  .chain(({ issuer, rule, part, other }) =>
    fc.constantFrom(...KEYS).map((key): readonly [Written, Written] => {
      const one = { issuer, rule }
      const changed = { ...(part === 'rule' ? rule : issuer), [key]: other[key] }
      return [one, { ...one, [part]: changed }]
    }),
  )

const policies = new Map<string, Policy | undefined>()
/** The same policy for what is written the same. */
const policyOf = ({ issuer, rule }: Written) => {
  const vars = JSON.stringify({
    ISSUERS: {
      acme: { issuer: ACME, agent_prefix: 'acme/', ...issuer },
      beta: { issuer: BETA, agent_prefix: 'beta/' },
    },
    ROUTES: [{ match: 'GET /a', scopes: [], issuers: ['acme'], ...rule }],
  })
  if (!policies.has(vars)) policies.set(vars, policyOrNone(JSON.parse(vars)))
  return policies.get(vars)
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
/** What a token may have, by the key that reads it. */
const PARTS: readonly (readonly [keyof typeof VALUES, readonly unknown[]])[] = [
  ['delegation', chains],
  ['delegation', ['alice', 'bob']],
  ['delegation', [undefined, bot, { sub: 'nobody' }]],
  ['claims', ['blue', 'red']],
  ['claims', [1, 9]],
  ['audiences', [API, 'urn:x', 'urn:y']],
  ['max_lifetime', [60, 900]],
]
/** Every token, as far as these keys read it. */
const callersOf = (keys: readonly string[]): readonly Caller[] =>
  combinations<unknown>(
    PARTS.map(([key, values]) => (keys.includes(key) ? values : values.slice(0, 1))),
  ).map(([act, sub, may_act, tenant, level, aud, life]) => ({
    ...{ iss: ACME, scopes: [], aud: String(aud), life: Number(life) },
    more: JSON.parse(JSON.stringify({ act, sub, may_act, tenant, level })) as object,
  }))
const requests = [{ method: 'GET', host: 'api.example.com', path: '/a' }]

const among =
  (callers: readonly Caller[]) =>
  async (before: Policy, after: Policy): Promise<boolean> =>
    (await widening(before, after, requests, callers)) !== undefined

describe('what reads a token, against every token of a small world', () => {
  it.each(KEYS)('is told of where it lets more pass: %s', async (key) => {
    const parts = isSoak() ? (['rule', 'issuer'] as const) : (['rule'] as const)
    const values = [undefined, ...VALUES[key]]
    const written = (part: string, value: unknown): Written => ({
      ...{ issuer: {}, rule: {} },
      [part]: { [key]: value },
    })
    const all = parts.flatMap((part) =>
      combinations<unknown>([values, values]).map(
        ([one, other]) => [written(part, one), written(part, other)] as const,
      ),
    )
    const isWider = among(callersOf(isSoak() ? KEYS : [key]))
    const examples = all.map((two): [typeof two] => [two])
    await explore(
      { pair: fc.constantFrom(...all), policyOf, isWider },
      { numRuns: all.length, examples },
    )
  })

  it('is told of also beside all else', async () => {
    await explore({ pair, policyOf, isWider: among(callersOf(KEYS)) }, tries(30))
  })
})
