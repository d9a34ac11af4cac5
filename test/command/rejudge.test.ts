import { expect, it } from 'vitest'
import { rejudge } from '../../src/command/operate/rejudge.ts'
import { parsePolicy } from '../../src/index.ts'

const AT = '2026-11-28T12:00:00.000Z'
const iat = Date.parse(AT) / 1000 - 10
const ISSUER = 'https://auth.acme.example'

const parsed = parsePolicy({
  GATE: { resource: 'https://api.acme.example', origin: 'https://origin.acme.example' },
  ISSUERS: { acme: { issuer: ISSUER } },
  ROUTES: [{ match: 'GET /bound', scopes: ['a'], possession: 'required' }],
})

const RECORD = {
  time: AT,
  method: 'GET',
  host: 'api.acme.example',
  route: 'GET /bound',
  issuer: ISSUER,
  subject: 'agent-1',
  client: 'agent-1',
  agent: 'agent-1',
  jti: 'one',
  aud: 'https://api.acme.example',
  iat,
  exp: iat + 300,
  token_scopes: ['a'],
}

it.each([
  ['with a proved key is judged with one', { possession: 'dpop' }, 'allowed', undefined],
  ['without one is not judged', {}, 'unknown', 'possession_required'],
  [
    'with a proved key, and without the scope',
    { possession: 'mtls', token_scopes: [] },
    'denied',
    'scope_missing',
  ],
])('a record %s', async (_, members, decision, code) => {
  if (!parsed.ok) throw new Error(JSON.stringify(parsed))
  const judged = await rejudge(parsed.value.policy, { ...RECORD, ...members })
  expect([judged?.decision, judged?.code]).toEqual([decision, code])
})
