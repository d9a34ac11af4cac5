import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ALWAYS } from '../../../../src/gate/base/admission.ts'
import { authentication } from '../../../../src/gate/guard/stages/authentication.ts'
import { claims } from '../../../../src/gate/guard/stages/claims.ts'
import { type AuthenticationRule, longestLife } from '../../../../src/gate/model/route.ts'
import type { VerifiedToken } from '../../../../src/gate/model/token.ts'
import {
  accessOf,
  gateOf,
  ISSUER,
  issuerOf,
  NOW,
  policyOf,
  RESOURCE,
  routeOf,
} from '../../../kit/facts.ts'
import { tries } from '../../../kit/property.ts'

/** Seconds about now, whole or not, and some that are far away. */
const seconds = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: -90, max: 90 }).map((n) => NOW + n) },
  { weight: 3, arbitrary: fc.integer({ min: -900, max: 900 }).map((n) => NOW + n / 10) },
  { weight: 1, arbitrary: fc.constantFrom(0, -1, NOW * 2, 2 ** 53, 1e300, Number.MIN_VALUE) },
)
/** Milliseconds at which it is decided once, and at which it is asked again. */
const at = fc.integer({ min: -120_000, max: 120_000 }).map((ms) => NOW * 1000 + ms)
const tolerance = fc.constantFrom(0, 1, 5, 60)

const clockAt = (ms: number) => ({ clock: { now: () => ms } })
const holds = ({ first, last }: typeof ALWAYS, ms: number) =>
  first <= Math.floor(ms / 1000) && Math.floor(ms / 1000) <= last

const policyWith = (clockTolerance: number) => policyOf([], { gate: gateOf({ clockTolerance }) })

it('a token that is judged to live lives for just as long as is said', () => {
  const entry = issuerOf({ maxLifetime: 300 })
  const seen = { yes: 0, no: 0 }
  const token = fc.record({
    iat: seconds,
    exp: seconds,
    nbf: fc.option(seconds, { nil: undefined }),
  })
  fc.assert(
    fc.property(
      token,
      tolerance,
      at,
      fc.array(at, { minLength: 1 }),
      (times, within, now, later) => {
        const needs = {
          policy: policyWith(within),
          route: routeOf('GET /x'),
          issuer: entry,
          token: {
            claims: { iss: ISSUER, aud: RESOURCE, jti: 'a', sub: 'b', client_id: 'c', ...times },
            issuer: entry,
            key: {},
          } as unknown as VerifiedToken,
        }
        if (times.nbf === undefined) delete (needs.token.claims as { nbf?: unknown }).nbf
        const decided = claims.run(needs, clockAt(now))
        if ('then' in decided || !decided.ok || !('within' in decided)) return
        for (const ms of [now, ...later]) {
          const again = claims.run(needs, clockAt(ms))
          expect('ok' in again && again.ok).toBe(holds(decided.within ?? ALWAYS, ms))
          seen['ok' in again && again.ok ? 'yes' : 'no']++
        }
      },
    ),
    tries(1_000),
  )
  expect(Math.min(seen.yes, seen.no)).toBeGreaterThan(100)
})

it('an authentication that is judged to be good is so for just as long as is said', () => {
  const seen = { yes: 0, no: 0 }
  const rule: fc.Arbitrary<AuthenticationRule> = fc.record(
    { acrValues: fc.constant(['a']), maxAge: fc.constantFrom(0, 1, 30, 60) },
    { requiredKeys: [] },
  )
  const said = fc.record({ acr: fc.constant('a'), auth_time: seconds }, { requiredKeys: [] })
  fc.assert(
    fc.property(
      rule,
      said,
      tolerance,
      at,
      fc.array(at, { minLength: 1 }),
      (asked, told, within, now, later) => {
        const needs = {
          policy: policyWith(within),
          route: routeOf('GET /x', { authentication: asked }),
          access: accessOf({ claims: { ...told } }),
        }
        const decided = authentication.run(needs, clockAt(now))
        if ('then' in decided || !decided.ok) return
        const { within: said = ALWAYS } = decided as { within?: typeof ALWAYS }
        for (const ms of [now, ...later]) {
          const again = authentication.run(needs, clockAt(ms))
          expect('ok' in again && again.ok).toBe(holds(said, ms))
          seen['ok' in again && again.ok ? 'yes' : 'no']++
        }
      },
    ),
    tries(1_000),
  )
  expect(Math.min(seen.yes, seen.no)).toBeGreaterThan(100)
})

it('a rule can only narrow the lifetime of its issuer', () => {
  const lives = [undefined, 1, 9].map((maxLifetime) =>
    longestLife({ maxLifetime: 5 }, maxLifetime === undefined ? {} : { maxLifetime }),
  )
  expect(lives).toEqual([5, 1, 5])
})
