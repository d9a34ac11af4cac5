import { describe, expect, it } from 'vitest'
import { issuer } from '../../../src/gate/guard/stages/issuer.ts'
import type { Route } from '../../../src/gate/model/route.ts'
import type { Credential } from '../../../src/gate/model/token.ts'
import { codeOf, credentialOf, ISSUER, issuerOf, policyOf, routeOf } from '../../kit/facts.ts'

const OTHER = 'https://other.example.com'
const entry = issuerOf()
const policy = policyOf([], {
  issuers: [
    entry,
    issuerOf({ issuer: OTHER, algorithms: ['Ed25519'], types: new Set(['absent']) }),
  ],
})

const run = async (changes: Partial<Credential>, route: Partial<Route> = {}) =>
  issuer.run(
    { policy, route: routeOf('GET /x', route), credential: credentialOf(changes) },
    undefined,
  )

describe('issuer', () => {
  it.each<[string, Partial<Credential>, Partial<Route>?]>([
    ['ok', {}],
    ['ok', { algorithm: 'Ed25519' }],
    ['ok', {}, { issuers: new Set([ISSUER]) }],
    ['ok', { claimedIssuer: OTHER, algorithm: 'Ed25519', type: 'absent' }],
    ['issuer_unknown', { claimedIssuer: '' }],
    ['issuer_unknown', { claimedIssuer: `${ISSUER}/` }],
    ['issuer_unknown', { claimedIssuer: ISSUER.toUpperCase() }],
    ['issuer_unknown', { claimedIssuer: ` ${ISSUER}` }],
    ['issuer_unknown', { claimedIssuer: 'acme' }],
    ['issuer_unknown', { claimedIssuer: '__proto__' }],
    ['issuer_unknown', { claimedIssuer: 'constructor' }],
    ['issuer_not_accepted', {}, { issuers: new Set([OTHER]) }],
    ['issuer_not_accepted', {}, { issuers: new Set() }],
    ['algorithm_not_accepted', { algorithm: 'ES384' }],
    ['algorithm_not_accepted', { algorithm: 'RS512' }],
    ['algorithm_not_accepted', { claimedIssuer: OTHER, type: 'absent' }],
    ['type_not_accepted', { type: 'jwt' }],
    ['type_not_accepted', { type: 'absent' }],
    ['type_not_accepted', { claimedIssuer: OTHER, algorithm: 'Ed25519' }],
  ])('%s for %j', async (code, changes, route) => {
    expect(codeOf(await run(changes, route))).toBe(code)
  })

  const other = policy.issuers.get(OTHER)
  it.each<[string, Partial<Credential>]>([
    ['ok', { opened: { by: entry, signed: 'e30.e30.AA' } }],
    ['encryption_issuer_mismatch', { opened: { by: other ?? entry, signed: 'e30.e30.AA' } }],
    ['encryption_issuer_mismatch', { opened: { by: { ...entry }, signed: 'e30.e30.AA' } }],
    [
      'encryption_issuer_mismatch',
      { opened: { by: entry, signed: 'e30.e30.AA' }, claimedIssuer: OTHER },
    ],
    [
      'encryption_issuer_mismatch',
      { opened: { by: entry, signed: 'e30.e30.AA' }, claimedIssuer: 'https://evil.example' },
    ],
  ])('is the one whose key opened it: %s', async (code, changes) => {
    expect(codeOf(await run(changes))).toBe(code)
    const apart = { issuers: new Set<string>() }
    expect(codeOf(await run(changes, apart))).toBe(code === 'ok' ? 'issuer_not_accepted' : code)
  })

  it('gives the configured entry', async () => {
    expect(await run({})).toEqual({ ok: true, value: { issuer: entry } })
  })
})
