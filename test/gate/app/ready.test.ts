import { Hono } from 'hono'
import { expect, it } from 'vitest'
import type { GateEnv } from '../../../src/gate/app/context.ts'
import { ready } from '../../../src/gate/app/endpoints.ts'
import type { GatePorts } from '../../../src/gate/app/platform/ports.ts'
import type { Decision } from '../../../src/gate/guard/guard.ts'
import type { AdminReach } from '../../../src/gate/model/issuer.ts'
import { accessOf, ISSUER, issuerOf, policyOf } from '../../kit/facts.ts'

const OTHER = 'https://other.example.com'

const READ = 'edgewarden:read'

const ask = async (outcome: Decision['outcome'], admin: AdminReach, scopes = [READ]) => {
  const issuers = [{ issuer: ISSUER }, { issuer: OTHER, error: 'no answer' }]
  const readiness = async () => ({ keys: false, revocations: true, issuers })
  const app = new Hono<GateEnv>()
    .use(async (c, next) => {
      c.set('policy', {
        ...policyOf([], { issuers: [issuerOf({ admin })] }),
        includedBy: (scope) => (scope === READ ? [READ, 'ops'] : [scope]),
      })
      c.set('ports', { readiness } as unknown as GatePorts)
      c.set('decision', { outcome, known: {}, waits: {} } as Decision)
      if (outcome === 'passed') c.set('access', accessOf({ scopes }))
      await next()
    })
    .get('/ready', ready)
  const response = await app.request('/ready')
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

it.each<[Decision['outcome'], AdminReach, readonly object[] | undefined]>([
  ['passed', 'all', [{ issuer: ISSUER }, { issuer: OTHER, error: 'no answer' }]],
  ['passed', 'own', [{ issuer: ISSUER }]],
  ['passed', false, []],
  ['ended', 'all', undefined],
])('a request that %s is told of issuers within reach %s', async (outcome, admin, issuers) => {
  expect(await ask(outcome, admin)).toEqual({
    status: 503,
    body: {
      ready: false,
      checks: { policy: true, keys: false, revocations: true },
      ...(issuers && { issuers }),
    },
  })
})

it.each([[[]], [['documents:read']], [['edgewarden:revoke']]])(
  'a good token with scopes %j is told what everybody is',
  async (scopes) => {
    expect(await ask('passed', 'all', scopes)).toEqual(await ask('ended', 'all'))
  },
)

it('the scope may be included in another', async () => {
  expect(await ask('passed', 'own', ['ops'])).toEqual(await ask('passed', 'own'))
})
