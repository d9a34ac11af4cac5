import { expect, it } from 'vitest'
import { parsePolicy } from '../../../src/gate/policy/parse.ts'
import { ACME, CHAT, GATE } from './support.ts'

const sent = { issuer: 'https://i.example', audience: 'a', jwks_uri: 'https://i.example/k' }
const poll = { endpoint: 'https://i.example/poll', authorization: 'POLL' }
const mistakes = (secrets: Readonly<Record<string, string>>) => {
  const events = [{ ...sent, authorization: 'PUSH', poll }]
  const read = parsePolicy(
    { GATE, ISSUERS: { acme: { ...ACME, events } }, ROUTES: [CHAT] },
    { has: () => true, secret: (name) => secrets[name] },
  )
  return read.ok ? [] : read.reason.map(({ path }) => path)
}
const GOOD = { PUSH: 'Bearer 0123456789abcdef', POLL: 'Basic dXNlcjpwYXNzd29yZA==' }

it('takes secrets that are headers', () => {
  expect(mistakes(GOOD)).toEqual([])
  expect(mistakes({})).toEqual([])
})

it.each(['Bearer 0123456789ab', 'Bearer 0123456789abcdef\n', 'Bearer 0123456789abc\u00e9def'])(
  'refuses the secret %j',
  (secret) => {
    expect(mistakes({ ...GOOD, PUSH: secret })).toEqual(['ISSUERS.acme.events[0].authorization'])
    expect(mistakes({ ...GOOD, POLL: secret })).toEqual([
      'ISSUERS.acme.events[0].poll.authorization',
    ])
  },
)
