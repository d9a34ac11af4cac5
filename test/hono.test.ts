import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { createMemoryRevocations } from '../src/adapters/revocations/memory.ts'
import { createGuard } from '../src/guard.ts'
import { type AgentVariables, agentGuard } from '../src/hono.ts'
import { clock, noLimits, noSessions, noSigning, noTokens } from './kit/facts.ts'
import { keys, minted } from './line-cases.ts'
import { policy } from './policy/support.ts'

const APP = 'https://app.example'
const PREFLIGHT = { origin: APP, 'access-control-request-method': 'GET' }
const cors = { origins: [APP], max_age: '10m' }

const guard = createGuard(
  policy({
    ISSUERS: { acme: { issuer: 'https://auth.example.com' } },
    ROUTES: [
      { match: 'GET,OPTIONS /v1/docs', scopes: ['docs:read'], cors },
      { match: 'GET /v1/plain', scopes: ['docs:read'] },
      { match: '* /open', access: 'public', cors },
      { match: 'GET /v1/shadow', scopes: ['docs:read'], cors, mode: 'shadow' },
    ],
  }),
  {
    clock,
    keys,
    tokens: noTokens,
    revocations: createMemoryRevocations({ clock }),
    limits: noLimits,
    signingKeys: noSigning,
    sessions: noSessions,
    onError: () => {},
  },
)

/** An app behind the middleware, and what it saw. */
const ask = async (url: string, init: RequestInit = {}) => {
  const seen: string[] = []
  const app = new Hono<{ Variables: AgentVariables }>().all('*', agentGuard(guard), (c) => {
    seen.push(`${c.req.method} ${c.get('decision').outcome} ${c.get('agent')?.id}`)
    return c.text('the app')
  })
  const response = await app.request(url, init)
  const text = await response.text()
  const problem = response.headers.get('content-type') === 'application/problem+json'
  return {
    status: response.status,
    code: problem ? (JSON.parse(text) as { readonly code: string }).code : undefined,
    cors: [...response.headers.keys()].filter((name) => name.startsWith('access-control-')),
    allowed: response.headers.get('access-control-allow-origin'),
    seen,
  }
}
const preflight = (url: string) => ask(url, { method: 'OPTIONS', headers: PREFLIGHT })
const token = minted()

describe('a preflight', () => {
  it('that is allowed is answered with what the page may send', async () => {
    expect(await preflight('https://api.example.com/v1/docs')).toEqual({
      status: 204,
      code: undefined,
      cors: [
        'access-control-allow-headers',
        'access-control-allow-methods',
        'access-control-allow-origin',
        'access-control-expose-headers',
        'access-control-max-age',
      ],
      allowed: APP,
      seen: [],
    })
  })

  it.each([
    ['over plain http', 'http://api.example.com/v1/docs', 'insecure_transport'],
    ['to a rule without cors', 'https://api.example.com/v1/plain', 'preflight_refused'],
  ])('that is denied is refused as any request is: %s', async (_, url, code) => {
    expect(await preflight(url)).toMatchObject({ status: 403, code, allowed: null, seen: [] })
  })

  it('that is denied in shadow mode goes on, and is answered by the app', async () => {
    const answer = await preflight('http://api.example.com/v1/shadow')
    expect(answer).toMatchObject({ status: 200, seen: ['OPTIONS denied undefined'] })
  })

  it('is none without both headers', async () => {
    const authorization = `Bearer ${token}`
    for (const headers of [{}, { origin: APP }, { 'access-control-request-method': 'GET' }]) {
      const url = 'https://api.example.com/v1/docs'
      expect((await ask(url, { method: 'OPTIONS', headers })).code).toBe('credential_missing')
      const answer = await ask(url, { method: 'OPTIONS', headers: { ...headers, authorization } })
      expect(answer).toMatchObject({ status: 200, seen: ['OPTIONS passed planner'] })
      const open = await ask('https://api.example.com/open', { method: 'OPTIONS', headers })
      expect(open).toMatchObject({ status: 200, seen: ['OPTIONS ended undefined'] })
    }
  })
})

describe('a request from a page', () => {
  it.each([
    ['that is allowed', { authorization: `Bearer ${token}` }, 200, undefined],
    ['that is denied', {}, 401, 'credential_missing'],
  ])('%s can be read by it', async (_, headers, status, code) => {
    const answer = await ask('https://api.example.com/v1/docs', {
      headers: { origin: APP, ...headers },
    })
    expect(answer).toMatchObject({ status, code, allowed: APP })
  })

  it('over plain http can be read by it as well', async () => {
    const answer = await ask('http://api.example.com/v1/docs', { headers: { origin: APP } })
    expect(answer).toMatchObject({ status: 403, code: 'insecure_transport', allowed: APP })
  })
})
