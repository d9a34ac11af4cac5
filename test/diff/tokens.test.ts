import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparePolicies } from '../../src/compare/compare.ts'
import { isSoak, tries } from '../kit/property.ts'
import { GATE, policy } from '../policy/support.ts'
import { type Caller, combinations, widening } from './brute.ts'

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

/** Whether somebody passes who did not; fails where that is not told. */
const isWider = async (
  one: Written,
  other: Written,
  callers: readonly Caller[],
): Promise<boolean | undefined> => {
  const [before, after] = [policyOf(one), policyOf(other)]
  if (!before || !after) return undefined
  const found = await comparePolicies(before, after)
  const real = await widening(before, after, requests, callers)
  if (real) {
    const widens = found.ok && found.value.widens
    expect({ widens, real, one, other }).toEqual({ widens: true, real, one, other })
  }
  return real !== undefined
}

describe('what reads a token, against every token of a small world', () => {
  it.each(KEYS)('is told of where it lets more pass: %s', async (key) => {
    const seen = { wider: 0, not: 0 }
    const callers = callersOf(isSoak() ? KEYS : [key])
    for (const part of isSoak() ? (['rule', 'issuer'] as const) : (['rule'] as const)) {
      const all = [undefined, ...VALUES[key]].map((value) => ({
        ...{ issuer: {}, rule: {} },
        [part]: { [key]: value },
      }))
      for (const [one, other] of combinations([all, all])) {
        if (!one || !other || one === other) continue
        seen[(await isWider(one, other, callers)) ? 'wider' : 'not']++
      }
    }
    expect(seen.wider).toBeGreaterThan(0)
    expect(seen.not).toBeGreaterThan(0)
  })

  it('is told of also beside all else', async () => {
    const seen = { wider: 0 }
    const callers = callersOf(KEYS)
    await fc.assert(
      fc.asyncProperty(pair, async ([one, other]) => {
        const found = await isWider(one, other, callers)
        fc.pre(found !== undefined)
        if (found) seen.wider++
      }),
      tries(30),
    )
    expect(seen.wider).toBeGreaterThan(0)
  })
})
