import { expect, it } from 'vitest'
import { parsePolicy } from '../../../src/gate/policy/parse.ts'
import type { PolicyEnv } from '../../../src/gate/policy/reading/env.ts'
import { showPolicy } from '../../../src/gate/policy/show.ts'

const SECRET = 'Bearer of-the-gate-4d1f0c'
const ENV: PolicyEnv = {
  has: (_, name) => name !== 'MISSING',
  secret: (name) => ({ PARTNER: SECRET, SHORT: 'Bearer x' })[name],
}
const RECEIVER = {
  audience: 'https://partner.example',
  endpoint: 'https://partner.example/events',
  authorization: 'PARTNER',
}
const read = (table: object, env = ENV) =>
  parsePolicy(
    {
      GATE: { resource: 'https://api.example.com', origin: 'https://origin.example.com/base' },
      ISSUERS: { acme: { issuer: 'https://auth.acme.example' } },
      ROUTES: [{ match: 'GET /v1/*', scopes: [], origin: 'https://other.example.com' }],
      TRANSMIT: { partner: { ...RECEIVER, ...table } },
    },
    env,
  )

it('a receiver has defaults, and is shown without the value of its secret', () => {
  const policy = read({})
  if (!policy.ok) throw new Error(JSON.stringify(policy.reason))
  expect(policy.value.policy.transmit).toEqual([
    {
      ...{ name: 'partner', audience: RECEIVER.audience, endpoint: RECEIVER.endpoint },
      ...{ secret: 'PARTNER', authorization: SECRET },
      events: ['account-disabled', 'account-enabled', 'session-revoked'],
      issuers: new Set(['https://auth.acme.example']),
    },
  ])
  const shown = showPolicy(policy.value.policy)
  expect(shown.transmit).toEqual({
    partner: { ...RECEIVER, events: ['account-disabled', 'account-enabled', 'session-revoked'] },
  })
  expect(showPolicy(policy.value.policy, 'https://auth.acme.example').transmit).toBeUndefined()
})

it.each([
  ['http', { endpoint: 'http://partner.example/events' }, 'endpoint', /https/],
  ['a query', { endpoint: 'https://partner.example/events?a=1' }, 'endpoint', /query/],
  ['the gate', { endpoint: 'https://api.example.com/x' }, 'endpoint', /the gate itself/],
  ['another port of it', { endpoint: 'https://api.example.com:444/' }, 'endpoint', /the gate/],
  ['an origin', { endpoint: 'https://origin.example.com/x' }, 'endpoint', /an origin/],
  ["a rule's origin", { endpoint: 'https://other.example.com/' }, 'endpoint', /an origin/],
  ['a missing secret', { authorization: 'MISSING' }, 'authorization', /not set/],
  ['a short secret', { authorization: 'SHORT' }, 'authorization', /20 characters/],
  ['an event', { events: ['account-purged'] }, 'events[0]', /unknown value/],
  ['an issuer', { subjects: ['acmee'] }, 'subjects', /unknown issuer/],
  ['a key', { retry: true }, 'retry', /unknown key/],
])('%s is a mistake', (_, table, path, message) => {
  const policy = read(table)
  expect(policy.ok ? [] : policy.reason).toEqual([
    { path: `TRANSMIT.partner.${path}`, message: expect.stringMatching(message) },
  ])
})

it('the binding of the keys must be there', () => {
  const policy = read({}, { ...ENV, has: (_, name) => name !== 'ASSERTION_KEY_SERVICE' })
  expect(policy.ok ? [] : policy.reason.map(({ path }) => path)).toContain('TRANSMIT')
})
