import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { authentication } from '../../../src/gate/guard/stages/authentication.ts'
import type { AuthenticationRule } from '../../../src/gate/model/route.ts'
import { accessOf, clock, codeOf, gateOf, NOW, policyOf, routeOf } from '../../kit/facts.ts'
import { tries } from '../../kit/property.ts'

const run = async (
  rule: AuthenticationRule | undefined,
  claims: Readonly<Record<string, unknown>>,
  changes: { readonly subject?: string; readonly clientId?: string } = {},
) => {
  const { subject: _, clientId: __, ...nobody } = accessOf({ claims })
  return authentication.run(
    {
      policy: policyOf([], { gate: gateOf({ clockTolerance: 5 }) }),
      route: routeOf('GET /x', rule ? { authentication: rule } : {}),
      access: { ...nobody, subject: 'alice', clientId: 'app', ...changes },
    },
    { clock },
  )
}

const MFA = { acrValues: ['urn:x:mfa', 'phr'] }
const FRESH = { maxAge: 300 }
const BOTH = { ...MFA, ...FRESH }

describe('authentication', () => {
  it.each<[AuthenticationRule | undefined, object]>([
    [undefined, {}],
    [undefined, { acr: 7, auth_time: 'x' }],
    [MFA, { acr: 'urn:x:mfa' }],
    [MFA, { acr: 'phr', auth_time: 0 }],
    [FRESH, { auth_time: NOW }],
    [FRESH, { auth_time: NOW - 300 }],
    [FRESH, { auth_time: NOW - 305, acr: 'pwd' }],
    [FRESH, { auth_time: NOW + 5 }],
    [FRESH, { auth_time: NOW - 0.5 }],
    [BOTH, { acr: 'phr', auth_time: NOW - 10 }],
  ])('%j is met by %j', async (rule, claims) => {
    expect(await run(rule, { ...claims })).toMatchObject({ ok: true, value: {} })
  })

  it('lasts in whole seconds, be its time between two', async () => {
    expect(await run(FRESH, { auth_time: NOW - 0.5 })).toMatchObject({
      within: { first: NOW - 5, last: NOW + 304 },
    })
  })

  it.each<[AuthenticationRule, object]>([
    [MFA, {}],
    [MFA, { acr: 'pwd' }],
    [MFA, { acr: '' }],
    [MFA, { acr: 'URN:X:MFA' }],
    [MFA, { acr: 'urn:x:mfa phr' }],
    [MFA, { auth_time: NOW }],
    [FRESH, {}],
    [FRESH, { acr: 'phr' }],
    [FRESH, { auth_time: NOW - 306 }],
    [FRESH, { auth_time: -NOW }],
    [BOTH, { acr: 'phr', auth_time: NOW - 306 }],
    [BOTH, { acr: 'pwd', auth_time: NOW }],
    [BOTH, { acr: 'phr' }],
  ])('%j is not met by %j, and the challenge says all of it', async (rule, claims) => {
    expect(await run(rule, { ...claims })).toMatchObject({
      reason: { code: 'authentication_insufficient', answer: 'stepUp', params: rule },
    })
  })

  it.each<[AuthenticationRule, object]>([
    [MFA, { acr: 7 }],
    [MFA, { acr: ['urn:x:mfa'] }],
    [MFA, { acr: null }],
    [FRESH, { auth_time: `${NOW}` }],
    [FRESH, { auth_time: null }],
    [FRESH, { auth_time: Number.POSITIVE_INFINITY }],
    [FRESH, { auth_time: NOW + 6 }],
    [FRESH, { auth_time: NOW * 1000 }],
    [MFA, { acr: 'phr', auth_time: NOW + 6 }],
    [FRESH, { auth_time: NOW, acr: {} }],
  ])('%j: a token with %j is refused', async (rule, claims) => {
    expect(await run(rule, { ...claims })).toMatchObject({
      reason: { code: 'authentication_malformed', answer: 'invalidToken' },
    })
  })

  it.each<[object, string]>([
    [{ subject: undefined }, 'user_missing'],
    [{ subject: undefined, clientId: undefined }, 'user_missing'],
    [{ subject: 'app' }, 'user_missing'],
    [{ subject: 'app@clients' }, 'user_missing'],
    [{ subject: 'App' }, 'authentication_insufficient'],
    [{ subject: 'alice', clientId: undefined }, 'authentication_insufficient'],
  ])('tells an agent on its own (%j) that it needs a user: %s', async (changes, code) => {
    for (const rule of [MFA, FRESH, BOTH]) {
      expect(codeOf(await run(rule, {}, changes))).toBe(code)
    }
  })

  it.each([{ acr: 'pwd' }, { auth_time: NOW - 999 }])(
    'takes %j for a word of a user, whatever the subject is',
    async (claims) => {
      expect(codeOf(await run(BOTH, claims, { subject: 'app' }))).toBe(
        'authentication_insufficient',
      )
    },
  )

  it('lets no claims pass but those that say what is asked', async () => {
    const claim = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom<unknown>('phr', 'urn:x:mfa', NOW, NOW - 300, NOW - 306, NOW + 6),
    )
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(
        fc.record({ acr: claim, auth_time: claim }, { requiredKeys: [], noNullPrototype: true }),
        async (claims) => {
          const code = codeOf(await run(BOTH, claims))
          seen.add(code)
          const { acr, auth_time: time } = claims
          const passes =
            (acr === 'phr' || acr === 'urn:x:mfa') &&
            typeof time === 'number' &&
            time >= NOW - 305 &&
            time <= NOW + 5
          expect(code === 'ok').toBe(passes)
        },
      ),
      tries(200),
    )
    expect([...seen].sort()).toEqual([
      'authentication_insufficient',
      'authentication_malformed',
      'ok',
    ])
  })
})
