import { describe, expect, it } from 'vitest'
import { isWithin } from '../../src/gate/policy/reading/rows.ts'
import { showPolicy } from '../../src/gate/policy/show.ts'
import { CHAT, ITEM, policy } from './support.ts'

const ACME = 'https://auth.acme.example'
const BETA = 'https://auth.beta.example'
const STRANGER = 'https://stranger.example'

/** Actors of every sort: of nobody in particular, and of three issuers. */
const delegation = {
  issuers: ['acme', 'beta', STRANGER],
  actors: [
    'anyone',
    { issuer: 'acme', sub: 'of-acme' },
    { issuer: 'beta', sub: 'of-beta' },
    { issuer: STRANGER, sub: 'of-stranger' },
  ],
  subjects: ['alice', { issuer: 'acme', sub: 'of-acme' }],
}
const POLICY = policy({
  ISSUERS: {
    acme: { issuer: ACME, agent_prefix: 'acme/', delegation },
    beta: { issuer: BETA, agent_prefix: 'beta/' },
  },
  ROUTES: [
    { ...CHAT, delegation },
    { ...ITEM, issuers: ['beta'] },
    { match: 'GET /v1/any', scopes: [], access: 'optional', issuers: ['acme'] },
    { match: '* /open/*', access: 'public' },
  ],
})

describe('delegation, shown within one issuer', () => {
  const shown = showPolicy(POLICY, ACME)

  it.each([
    ['of the issuer', shown.issuers.acme],
    ['of a rule', shown.routes[0]],
  ])('names no actor and no issuer of another: %s', (_, of) => {
    expect(of?.delegation).toMatchObject({
      actors: ['anyone', { issuer: ACME, sub: 'of-acme' }],
      issuers: [ACME],
      subjects: ['alice', { issuer: ACME, sub: 'of-acme' }],
    })
  })

  it('names no subject of another', () => {
    const subjects = [{ issuer: 'beta', sub: 'of-beta' }]
    const { routes } = showPolicy(
      policy({
        ISSUERS: {
          acme: { issuer: ACME, agent_prefix: 'acme/' },
          beta: { issuer: BETA, agent_prefix: 'beta/' },
        },
        ROUTES: [{ ...CHAT, delegation: { subjects } }],
      }),
      ACME,
    )
    expect(routes[0]?.delegation).toMatchObject({ subjects: [], other_subjects: 'redacted' })
  })

  it('is nowhere in the text', () => {
    const text = JSON.stringify(shown)
    for (const other of ['of-beta', 'of-stranger', BETA, STRANGER])
      expect(text).not.toContain(other)
  })

  it('is whole for who may see everything', () => {
    const { issuers, routes } = showPolicy(POLICY)
    for (const of of [issuers.acme, routes[0]]) {
      expect(of?.delegation).toMatchObject({
        actors: [
          'anyone',
          { issuer: ACME, sub: 'of-acme' },
          { issuer: BETA, sub: 'of-beta' },
          { issuer: STRANGER, sub: 'of-stranger' },
        ],
        issuers: [ACME, BETA, STRANGER],
      })
    }
  })
})

it.each([
  [ACME, [true, false, true, true]],
  [BETA, [true, true, false, true]],
  [STRANGER, [true, false, false, true]],
])('rules within %s: %j', (issuer, within) => {
  expect(POLICY.routes.map((route) => isWithin(route, issuer))).toEqual(within)
})
