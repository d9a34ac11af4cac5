import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { authorizationDetails } from '../../../src/gate/guard/stages/authorization-details.ts'
import type { DetailRule } from '../../../src/gate/model/details.ts'
import { accessOf, codeOf, RESOURCE, routeOf, scopesOf } from '../../kit/facts.ts'
import { tries } from '../../kit/property.ts'

/** A rule as it is written. */
type Written = Omit<DetailRule, 'identifier'> & { readonly identifier?: string }

const ruleOf = ({ identifier, ...rule }: Written): DetailRule => {
  const [template] = identifier === undefined ? [] : scopesOf('all', identifier).scopes
  return { ...rule, ...(template && { identifier: template }) }
}

const run = async (
  rules: readonly Written[] | undefined,
  claim: unknown,
  params: Readonly<Record<string, string>> = {},
) =>
  authorizationDetails.run(
    {
      route: routeOf('GET /x', rules ? { authorizationDetails: rules.map(ruleOf) } : {}),
      deciding: new Map(Object.entries(params)),
      access: accessOf({ claims: claim === undefined ? {} : { authorization_details: claim } }),
    },
    undefined,
  )

const tool = { type: 'tool', actions: ['call', 'list'], identifier: 'weather' }

describe('authorization_details', () => {
  it.each<[Written[] | undefined, unknown, Record<string, string>?]>([
    [undefined, undefined],
    [undefined, 'not well formed'],
    [[{ type: 'tool' }], [{ type: 'tool' }]],
    [[{ type: 'tool' }], [tool]],
    [[{ type: 'tool' }], [{ type: 'other' }, tool]],
    [[{ type: 'tool' }], [{ type: 'tool', limit: { amount: '1' } }]],
    [[{ type: 'tool', actions: ['call'] }], [tool]],
    [[{ type: 'tool', actions: ['list', 'call'] }], [tool]],
    [[{ type: 'tool', datatypes: ['a'] }], [{ type: 'tool', datatypes: ['b', 'a'] }]],
    [[{ type: 'tool', privileges: ['a'] }], [{ type: 'tool', privileges: ['a'] }]],
    [[{ type: 'tool', identifier: 'weather' }], [tool]],
    [[{ type: 'tool', identifier: 't/{id}' }], [{ type: 'tool', identifier: 't/7' }], { id: '7' }],
    [
      [{ type: 'a' }, { type: 'b' }],
      [{ type: 'b' }, { type: 'a' }],
    ],
    [
      [
        { type: 'a', actions: ['r'] },
        { type: 'a', actions: ['w'] },
      ],
      [{ type: 'a', actions: ['r', 'w'] }],
    ],
    [[{ type: 'tool' }], [{ type: 'tool', locations: ['urn:x', RESOURCE] }]],
    [[{ type: 'tool' }], [{ type: 'tool', locations: [`${RESOURCE}/`] }]],
    [[{ type: 'tool', locations: ['urn:x'] }], [{ type: 'tool', locations: ['urn:y', 'urn:x'] }]],
    [[{ type: '__proto__' }], [{ type: '__proto__' }]],
  ])('%j is allowed by %j', async (rules, claim, params) => {
    expect(await run(rules, claim, params)).toEqual({ ok: true, value: {} })
  })

  it.each<[Written[], unknown, Record<string, string>?]>([
    [[{ type: 'tool' }], undefined],
    [[{ type: 'tool' }], []],
    [[{ type: 'tool' }], [{ type: 'Tool' }]],
    [[{ type: 'tool' }], [{ type: 'tools' }]],
    [[{ type: 'tool', actions: ['drop'] }], [tool]],
    [[{ type: 'tool', actions: ['call'] }], [{ type: 'tool' }]],
    [[{ type: 'tool', actions: ['call', 'drop'] }], [tool]],
    [
      [{ type: 'tool', actions: ['call'] }],
      [{ type: 'tool', actions: ['CALL', 'cal', 'calls', '*'] }],
    ],
    [[{ type: 'tool', datatypes: ['a'] }], [{ type: 'tool', actions: ['a'] }]],
    [[{ type: 'tool', privileges: ['a'] }], [{ type: 'tool', privileges: [] }]],
    [[{ type: 'tool', identifier: 'weather' }], [{ type: 'tool' }]],
    [[{ type: 'tool', identifier: 'weather' }], [{ ...tool, identifier: 'weather2' }]],
    [[{ type: 'tool', identifier: 't/{id}' }], [{ type: 'tool', identifier: 't/7' }], { id: '8' }],
    [
      [{ type: 'tool', identifier: 't/{id}' }],
      [{ type: 'tool', identifier: 't/{id}' }],
      { id: '8' },
    ],
    [[{ type: 'a' }, { type: 'b' }], [{ type: 'a' }]],
    // One detail must do: what two allow together, neither does.
    [
      [{ type: 'a', actions: ['r', 'w'] }],
      [
        { type: 'a', actions: ['r'] },
        { type: 'a', actions: ['w'] },
      ],
    ],
    [
      [{ type: 'a', actions: ['r'], identifier: '1' }],
      [
        { type: 'a', actions: ['r'], identifier: '2' },
        { type: 'a', identifier: '1' },
      ],
    ],
    [[{ type: 'tool' }], [{ type: 'tool', locations: ['https://other.example'] }]],
    [[{ type: 'tool' }], [{ type: 'tool', locations: [] }]],
    [[{ type: 'tool', locations: ['urn:x'] }], [{ type: 'tool' }]],
    [[{ type: 'tool', locations: ['urn:x', 'urn:y'] }], [{ type: 'tool', locations: ['urn:x'] }]],
    [[{ type: 'tool', locations: ['urn:x'] }], [{ type: 'tool', locations: [RESOURCE] }]],
    [[{ type: 'constructor' }], [{ type: 'tool' }]],
  ])('%j is not allowed by %j', async (rules, claim, params) => {
    const outcome = await run(rules, claim, params)
    expect(outcome).toMatchObject({
      reason: { code: 'authorization_details_missing', answer: 'forbidden' },
    })
    expect(outcome).not.toHaveProperty('reason.params')
  })

  it.each([
    [null],
    ['tool'],
    [{ type: 'tool' }],
    [['tool']],
    [[null]],
    [[[]]],
    [[{}]],
    [[{ type: '' }]],
    [[{ type: 7 }]],
    [[{ type: ['tool'] }]],
    [[{ type: 'tool', actions: 'call' }]],
    [[{ type: 'tool', actions: ['call', 7] }]],
    [[{ type: 'tool', locations: null }]],
    [[{ type: 'tool', datatypes: {} }]],
    [[{ type: 'tool', privileges: [['a']] }]],
    [[{ type: 'tool', identifier: 7 }]],
    [[{ type: 'tool' }, { type: 'other', actions: 7 }]],
    [JSON.parse('[{"__proto__":{"type":"tool"}}]')],
    [Array.from({ length: 65 }, () => ({ type: 'tool' }))],
  ])('refuses a token with %.80j', async (claim) => {
    expect(codeOf(await run([{ type: 'tool' }], claim))).toBe('authorization_details_malformed')
  })

  it('takes as many as it says', async () => {
    const many = Array.from({ length: 64 }, (_, i) => ({ type: i === 63 ? 'tool' : 'other' }))
    expect(codeOf(await run([{ type: 'tool' }], many))).toBe('ok')
  })

  it.each(['', '%2F', 'a%20b', 'a:b', 'a/b', 'ä', 'a'.repeat(129)])(
    'refuses %.20j as a part of an identifier, also where the token has just that one',
    async (id) => {
      const held = [
        { type: 'tool', identifier: `t:${id}` },
        { type: 'tool', identifier: 't:' },
      ]
      const outcome = await run([{ type: 'tool', identifier: 't:{id}' }], held, { id })
      expect(codeOf(outcome)).toBe('authorization_details_value_invalid')
    },
  )

  it('never throws, and allows only what one detail has whole', () => {
    const name = fc.constantFrom('a', 'b', '__proto__', 'constructor', '%2F', 'ß', 'c:')
    const names = fc.array(name, { minLength: 1, maxLength: 2 })
    const rule = fc.record(
      { type: name, actions: names, datatypes: names, locations: names, identifier: name },
      { requiredKeys: ['type'], noNullPrototype: true },
    )
    const wanted = fc
      .tuple(rule, rule, fc.boolean())
      .map(([one, two, both]) =>
        both ? one : { type: one.type, ...(two.actions && { actions: two.actions }) },
      )
    const held = (like: Written) =>
      fc.array(
        fc.oneof(
          { weight: 4, arbitrary: rule.map((one) => ({ ...one, type: like.type })) },
          { weight: 4, arbitrary: rule.map((one) => ({ ...like, ...one })) },
          { weight: 1, arbitrary: rule.map((one) => ({ ...one, ...like })) },
          { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
        ),
        { maxLength: 3 },
      )
    const seen = { ok: 0, authorization_details_missing: 0, authorization_details_malformed: 0 }
    fc.assert(
      fc.property(
        wanted.chain((one) => fc.tuple(fc.constant(one), held(one))),
        ([asked, claim]) => {
          const route = routeOf('GET /x', { authorizationDetails: [ruleOf(asked)] })
          const access = accessOf({ claims: { authorization_details: claim } })
          const outcome = authorizationDetails.run(
            { route, deciding: new Map(), access },
            undefined,
          )
          if (outcome instanceof Promise) throw new Error('it waits for nothing')
          const code = codeOf(outcome) as keyof typeof seen
          seen[code]++
          if (code === 'authorization_details_malformed') return
          const fits = (one: Readonly<Record<string, unknown>>) =>
            (Object.hasOwn(asked, 'locations') || one.locations === undefined) &&
            Object.entries(asked).every(([key, value]) =>
              Array.isArray(value)
                ? value.every((item) => (one[key] as unknown[] | undefined)?.includes(item))
                : one[key] === value,
            )
          expect(code === 'ok').toBe((claim as Readonly<Record<string, unknown>>[]).some(fits))
        },
      ),
      tries(300),
    )
    expect(seen.ok).toBeGreaterThan(6)
    expect(seen.authorization_details_missing).toBeGreaterThan(80)
    expect(seen.authorization_details_malformed).toBeGreaterThan(10)
  })
})
