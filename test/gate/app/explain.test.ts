import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import type { GateEnv } from '../../../src/gate/app/context.ts'
import { explainRequest } from '../../../src/gate/app/explain.ts'
import type { GatePorts } from '../../../src/gate/app/platform/ports.ts'
import type { Decision, GuardPorts } from '../../../src/gate/guard/guard.ts'
import type { AdminReach } from '../../../src/gate/model/issuer.ts'
import { createMemoryRevocations } from '../../../src/gate/revocation/memory.ts'
import {
  accessOf,
  agentOf,
  anyRooms,
  clock,
  ISSUER,
  noLimits,
  noReplays,
  noSessions,
  noSigning,
  noTokens,
  RESOURCE,
} from '../../kit/facts.ts'
import { keys, minted } from '../../line-cases.ts'
import { policy } from '../policy/support.ts'

const BETA = 'https://auth.beta.example'

const policyWith = (admin: AdminReach) =>
  policy({
    ISSUERS: {
      acme: { issuer: ISSUER, agent_prefix: 'acme/' },
      beta: { issuer: BETA, agent_prefix: 'beta/', admin },
    },
    ROUTES: [
      { match: 'GET /v1/acme', scopes: ['confidential:read'], issuers: ['acme'] },
      { match: 'GET /v1/acme/{id}', scopes: [], issuers: ['acme'], mode: 'shadow' },
      { match: 'GET /v1/anonymous', scopes: [], issuers: ['acme'], access: 'optional' },
      { match: 'GET /v1/beta', scopes: ['docs:read'], issuers: ['beta'] },
      { match: 'GET /v1/both', scopes: ['docs:write'] },
      { match: 'GET /open', access: 'public' },
    ],
  })

const explaining: GuardPorts = {
  clock,
  keys,
  tokens: noTokens,
  revocations: createMemoryRevocations({ clock }),
  limits: noLimits,
  replays: noReplays,
  signingKeys: noSigning,
  sessions: noSessions,
  bodies: anyRooms,
  onError: () => {},
}

/** An administrator of `beta` asks; what it is told, as text and as JSON. */
const told = async (path: string, token?: string, admin: AdminReach = 'own') => {
  const app = new Hono<GateEnv>()
    .use(async (c, next) => {
      c.set('policy', policyWith(admin))
      c.set('decision', { outcome: 'passed', known: {}, waits: {} } as unknown as Decision)
      c.set('ports', { ...explaining, explaining } as GatePorts)
      c.set('access', accessOf({ issuer: BETA }))
      c.set('agent', agentOf({ issuer: BETA }))
      await next()
    })
    .post('/', explainRequest)
  const response = await app.request('/', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ method: 'GET', url: RESOURCE + path, token }),
  })
  expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store'])
  const text = await response.text()
  return { text, body: JSON.parse(text) as Readonly<Record<string, unknown>> }
}

const OWN = minted({ iss: BETA })
const passed = (...stages: string[]) => stages.map((stage) => ({ stage, outcome: 'passed' }))
const deniedAt = (stage: string) => ({ stage, outcome: 'denied' })

describe('a rule beyond the reach of who asks', () => {
  const NOT_ACCEPTED = {
    allowed: false,
    denial: { code: 'issuer_not_accepted' },
    steps: [...passed('route', 'address', 'credential'), deniedAt('issuer')],
  }

  it.each<[string, string, string | undefined, object]>([
    [
      'no token',
      '/v1/acme',
      undefined,
      {
        allowed: false,
        denial: { code: 'credential_missing' },
        steps: [...passed('route', 'address'), deniedAt('credential')],
      },
    ],
    ['its own token', '/v1/acme', OWN, NOT_ACCEPTED],
    ['its own token, in shadow mode', '/v1/acme/7', OWN, NOT_ACCEPTED],
    [
      'no token where none is needed',
      '/v1/anonymous',
      undefined,
      {
        allowed: true,
        steps: [...passed('route', 'address'), { stage: 'credential', outcome: 'ended' }],
      },
    ],
  ])('is told by stage and code only, with %s', async (_, path, token, expected) => {
    const { text, body } = await told(path, token)
    expect(body).toEqual(expected)
    for (const secret of ['acme', 'confidential', ISSUER]) expect(text).not.toContain(secret)
    const all = await told(path, token, 'all')
    expect(all.body).toMatchObject({ route: { match: `GET ${path.replace('7', '{id}')}` } })
  })
})

it.each(['/v1/acme', '/v1/both'])(
  'a token of another issuer is told of by stage and code only: %s',
  async (path) => {
    const { text, body } = await told(path, minted({ jti: 'jti-9d1c' }))
    expect(Object.keys(body)).toEqual(['allowed', 'denial', 'steps'])
    for (const secret of ['9d1c', 'acme', ISSUER]) expect(text).not.toContain(secret)
  },
)
