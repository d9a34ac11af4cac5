import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { createGuard } from '../src/gate/guard/guard.ts'
import { createMemoryRevocations } from '../src/gate/revocation/memory.ts'
import { type AgentVariables, agentGuard, resourceMetadata } from '../src/hono.ts'
import { policy } from './gate/policy/support.ts'
import {
  anyRooms,
  clock,
  noLimits,
  noReplays,
  noSessions,
  noSigning,
  noTokens,
} from './kit/facts.ts'
import { keys, minted } from './line-cases.ts'

const APP = 'https://app.example'
const PREFLIGHT = { origin: APP, 'access-control-request-method': 'GET' }
const cors = { origins: [APP], max_age: '10m' }

const guard = createGuard(
  policy({
    ISSUERS: { acme: { issuer: 'https://auth.example.com' } },
    ROUTES: [
      { match: 'GET,OPTIONS /v1/docs', scopes: ['docs:read'], cors },
      { match: 'GET /v1/plain', scopes: ['docs:read'] },
      { match: 'GET /v1/bare', scopes: ['docs:read'], cors: { ...cors, headers: [] } },
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
    replays: noReplays,
    signingKeys: noSigning,
    sessions: noSessions,
    bodies: anyRooms,
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

  it('to a rule without request headers allows none, whichever it asks for', async () => {
    const headers = { ...PREFLIGHT, 'access-control-request-headers': 'x-own, authorization' }
    const answer = await ask('https://api.example.com/v1/bare', { method: 'OPTIONS', headers })
    expect(answer).toMatchObject({ status: 204, allowed: APP })
    expect(answer.cors).not.toContain('access-control-allow-headers')
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

describe('the metadata of the resource', () => {
  const PATH = '/.well-known/oauth-protected-resource'
  const URL = `https://api.example.com${PATH}`
  const newApp = () => new Hono<{ Variables: AgentVariables }>()
  const own = (c: { text(text: string): Response }) => c.text('the app')

  const whole = newApp().use(agentGuard(guard)).use(`${PATH}/*`, resourceMetadata).all('*', own)
  const perRoute = newApp()
    .use(`${PATH}/*`, resourceMetadata(guard))
    .all('/v1/docs', agentGuard(guard), own)

  it.each([
    ['behind a guard for the whole app', whole],
    ['beside guards of routes', perRoute],
  ])('is served %s', async (_, app) => {
    const response = await app.request(URL)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ resource: 'https://api.example.com' })
    const preflight = await app.request(URL, {
      method: 'OPTIONS',
      headers: { ...PREFLIGHT, 'access-control-request-headers': 'mcp-protocol-version' },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toBe('*')
    const http = await app.request(URL.replace('https', 'http'))
    expect([http.status, await http.json()]).toMatchObject([403, { code: 'insecure_transport' }])
    const refused = await app.request('https://api.example.com/v1/docs')
    expect(refused.status).toBe(401)
    const headers = { authorization: `Bearer ${token}` }
    const allowed = await app.request('https://api.example.com/v1/docs', { headers })
    expect(await allowed.text()).toBe('the app')
  })

  it('beside guards of routes is refused in the words of the app', async () => {
    const refuse = () => new Response(null, { status: 418 })
    const app = newApp().use(`${PATH}/*`, resourceMetadata(guard, { refuse }))
    expect((await app.request(`${URL}/unknown`)).status).toBe(418)
  })

  it('goes on where no guard has judged the request', async () => {
    const app = newApp().use(`${PATH}/*`, resourceMetadata).all('*', own)
    expect(await (await app.request(URL)).text()).toBe('the app')
  })
})
