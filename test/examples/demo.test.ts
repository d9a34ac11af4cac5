import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type AuthorizationServer,
  type ExchangeRequest,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import type { Loopback } from '../../examples/demo/loopback.ts'
import { startOrigin } from '../../examples/demo/origin.ts'

const resource = 'http://127.0.0.1:8787'
// What form encoding has to carry through an Authorization header.
const secret = 'p+ss/w%rd: "#&='
const summarizer = {
  clientId: 'summarizer',
  clientSecret: secret,
  scopes: ['chat:write', 'documents:read'],
  agentType: 'assistant',
  workflowId: 'run-7',
}
const auditor = {
  clientId: 'auditor',
  clientSecret: 'another secret',
  scopes: ['audit:read'],
  tokenLifetime: 120,
}

const auditorAsks = { clientId: auditor.clientId, clientSecret: auditor.clientSecret }

describe('the authorization server', () => {
  let server: AuthorizationServer
  const request = { clientId: 'summarizer', clientSecret: secret, scope: 'chat:write', resource }

  beforeAll(async () => {
    server = await startAuthorizationServer({
      resource,
      furtherResources: [`${resource}/mcp`],
      clients: [summarizer, auditor],
    })
  })
  afterAll(() => server.close())

  it('issues RFC 9068 access tokens that verify against its key set', async () => {
    const token = await server.token({ ...request, scope: 'chat:write documents:read' })
    const { payload, protectedHeader } = await jwtVerify(
      token,
      createRemoteJWKSet(new URL(server.jwksUri)),
      { issuer: server.issuer, audience: resource, typ: 'at+jwt', algorithms: ['ES256'] },
    )
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) })
    expect(payload).toEqual({
      iss: server.issuer,
      sub: 'summarizer',
      client_id: 'summarizer',
      aud: resource,
      iat: expect.any(Number),
      exp: Number(payload.iat) + 300,
      jti: expect.any(String),
      scope: 'chat:write documents:read',
      agent_type: 'assistant',
      workflow_id: 'run-7',
    })
  })

  it.each([
    ['a wrong secret', { clientSecret: 'wrong secret' }, 'invalid_client'],
    ['a client that is not registered', { clientId: 'nobody' }, 'invalid_client'],
    ["another client's scope", { scope: 'audit:read' }, 'invalid_scope'],
    ['a scope that nobody has', { scope: 'chat:write admin' }, 'invalid_scope'],
    ['a malformed scope', { scope: 'chat:write  documents:read' }, 'invalid_scope'],
    ['another resource', { resource: `${resource}/` }, 'invalid_target'],
  ])('refuses %s', async (_name, change, code) => {
    const attempt = { ...request, ...change }
    const error: unknown = await server.token(attempt).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code, message: `no token: ${code}` })
    expect(error).not.toHaveProperty('cause')
  })

  describe('exchanges a token (RFC 8693)', () => {
    const exchange = async (change: Partial<ExchangeRequest> = {}) =>
      server.exchange({
        ...request,
        scope: 'chat:write',
        subjectToken: await server.token({ ...request, scope: 'chat:write documents:read' }),
        actorToken: await server.token({ ...auditor, scope: 'audit:read' }),
        ...change,
      })

    it('for a narrower one by which another agent acts, in the same workflow', async () => {
      const subjectToken = await server.token({ ...request, scope: 'chat:write documents:read' })
      const claims = decodeJwt(await exchange({ subjectToken }))
      expect(claims).toMatchObject({
        sub: 'summarizer',
        client_id: 'summarizer',
        act: { sub: 'auditor' },
        scope: 'chat:write',
        workflow_id: 'run-7',
      })
      expect(claims).not.toHaveProperty('agent_type')
      expect(claims.exp).toBeLessThanOrEqual(Number(decodeJwt(subjectToken).exp))
    })

    it.each([
      ['a scope the token does not have', { scope: 'audit:read' }, 'invalid_scope'],
      ['no scope', { scope: '' }, 'invalid_scope'],
      ['another resource', { resource: `${resource}/` }, 'invalid_target'],
      ["another client's token", auditorAsks, 'invalid_request'],
      ['a token that is none', { subjectToken: 'a.b.c' }, 'invalid_request'],
      ['an actor token that is none', { actorToken: 'a.b.c' }, 'invalid_request'],
    ])('but not for %s', async (_name, change, code) => {
      await expect(exchange(change)).rejects.toMatchObject({ code })
    })
  })

  it.each(['openid-configuration', 'oauth-authorization-server'])(
    'describes itself in %s',
    async (document) => {
      const response = await fetch(`${server.issuer}/.well-known/${document}`)
      expect(response.status).toBe(200)
      expect(await response.json()).toMatchObject({
        issuer: server.issuer,
        jwks_uri: server.jwksUri,
        token_endpoint: server.tokenEndpoint,
        scopes_supported: expect.arrayContaining([...summarizer.scopes, ...auditor.scopes]),
      })
    },
  )

  it('publishes only the public half of the key it signs with', async () => {
    const { keys } = (await (await fetch(server.jwksUri)).json()) as {
      keys: Record<string, string>[]
    }
    const { kid } = decodeProtectedHeader(await server.token(request))
    expect(keys).toEqual([
      {
        kty: 'EC',
        crv: 'P-256',
        alg: 'ES256',
        use: 'sig',
        kid,
        x: expect.any(String),
        y: expect.any(String),
      },
    ])
  })
})

describe('the origin', () => {
  let origin: Loopback
  const headers = { 'x-agent-id': 'summarizer', 'x-agent-scope': 'chat:write' }

  beforeAll(async () => {
    origin = await startOrigin()
  })
  afterAll(() => origin.close())

  it.each([
    ['GET', '/v1/models?limit=1', 200, { object: 'list', data: [{ id: 'demo-small' }] }],
    ['GET', '/v1/documents/annual-report.2', 200, { id: 'annual-report.2', read_by: 'summarizer' }],
    ['GET', '/', 404, { error: { code: 'not_found' } }],
    ['GET', '/v1/documents/', 404, { error: { code: 'not_found' } }],
    ['GET', '/v1/documents/a/b', 404, { error: { code: 'not_found' } }],
    ['GET', '/v1/chat/completions', 404, { error: { code: 'not_found' } }],
    ['POST', '/v1/models', 404, { error: { code: 'not_found' } }],
    ['GET', '/v1/runs/run-7/notes', 200, { run: 'run-7', agent: 'summarizer' }],
    ['POST', '/v1/runs/run-7/archive', 404, { error: { code: 'not_found' } }],
    ['GET', '/mcp', 405, { error: { code: 'method_not_allowed' } }],
    ['DELETE', '/mcp', 405, { error: { code: 'method_not_allowed' } }],
  ])('answers %s %s with %i', async (method, path, status, body) => {
    const response = await fetch(origin.url + path, { method, headers })
    expect(response.status).toBe(status)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toMatchObject(body)
  })

  it('answers HEAD like GET, without a body', async () => {
    const response = await fetch(`${origin.url}/v1/models`, { method: 'HEAD' })
    expect([response.status, await response.text()]).toEqual([200, ''])
  })
})
