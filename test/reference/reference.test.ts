/** Examples of the documentation, each with the section that it comes from: requests, tokens, headers. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { API, codeOf, DOCUMENTS, gateOf, ISSUER, tokenOf, worldOf } from './sampleGate.ts'
import { makeRequest, NOW } from './samples.ts'
import type { Request } from './types.ts'

describe('docs/origin.md', () => {
  it('sends the origin who is calling', () => {
    const request = makeRequest('GET https://api.example.com/v1/documents/42', {
      token: tokenOf({ scope: 'documents:read documents:write' }),
      headers: [
        ['X_Agent_Id', 'root'],
        ['X-Agent-Grant', 'all'],
        ['Accept', '*/*'],
      ],
    })
    const { headers, target } = gateOf(DOCUMENTS).decide(request, worldOf())
    expect(target).toBe('/v1/documents/42')
    expect(Object.fromEntries(headers ?? [])).toEqual({
      accept: '*/*',
      'cache-control': 'no-cache, no-store',
      'x-agent-id': 'acme/agent-42',
      'x-agent-issuer': ISSUER,
      'x-agent-subject': 'agent-42',
      'x-agent-client-id': 'agent-42',
      'x-agent-scope': 'documents:read documents:write',
      'x-agent-grant': 'documents:read',
      'x-agent-token-id': 'j1',
      'x-agent-token-expires': String(NOW + 240),
      'x-agent-possession': 'bearer',
      'x-agent-assertion': '*',
      'x-request-id': '*',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'api.example.com',
      via: '1.1 edgewarden',
    })
  })

  it.each([
    ['agent-42', 'agent-42'],
    ['Zoë, Ltd', 'Zo%C3%AB%2C%20Ltd'],
    ['100%', '100%25'],
  ])('encodes %s as %s', (sub, encoded) => {
    const request = makeRequest('GET https://api.example.com/v1/documents/42', {
      token: tokenOf({ sub }),
    })
    const { headers } = gateOf(DOCUMENTS).decide(request, worldOf())
    expect(Object.fromEntries(headers ?? [])['x-agent-subject']).toBe(encoded)
  })
})

describe('docs/origin/verify.md', () => {
  it('The query and Bodies: the assertion is bound to method, URL, query and body', () => {
    const origin = 'https://origin.example.com/base'
    const GATE = { assertion: 'body', origin }
    const routes = [{ match: 'POST /v1/x', scopes: [], strip_prefix: '/v1' }]
    const request = makeRequest(`POST ${API}/v1/x?page=2`, { token: tokenOf(), body: '{}' })
    expect(gateOf(routes, { GATE }).decide(request, worldOf()).assertion).toEqual({
      iss: API,
      aud: origin,
      agent_iss: ISSUER,
      possession: 'bearer',
      htm: 'POST',
      htu: 'https://origin.example.com/base/x',
      htq: createHash('sha256').update('page=2').digest('base64url'),
      bdh: createHash('sha256').update('{}').digest('base64url'),
    })
  })
})

describe('docs/configuration/routes.md', () => {
  const document = (token: string) => ({ token })
  it.each([
    ['documents:read', 'allowed'],
    ['documents:read:7', 'allowed'],
    ['documents:read:8', 'scope_missing'],
  ])('Keys of scopes: %s is %s', (scope, code) => {
    const line = 'GET https://api.example.com/v1/documents/7'
    expect(codeOf(DOCUMENTS, line, document(tokenOf({ scope })))).toBe(code)
  })

  const rule = {
    match: 'PUT /v1/documents/{id}',
    scopes: [],
    authorization_details: [{ type: 'document', actions: ['write'], identifier: 'documents/{id}' }],
  }
  it.each([
    ['documents/7', ['write', 'read'], 'allowed'],
    ['documents/8', ['write'], 'authorization_details_missing'],
    ['documents/7', ['read'], 'authorization_details_missing'],
    ['documents/7', 'write', 'authorization_details_malformed'],
  ])('Authorization details: %s with %s is %s', (identifier, actions, code) => {
    const token = tokenOf({
      authorization_details: [{ type: 'document', actions, identifier }],
    })
    expect(codeOf([rule], 'PUT https://api.example.com/v1/documents/7', { token })).toBe(code)
  })

  const payments = {
    match: 'POST /v1/payments',
    scopes: [],
    acr_values: ['urn:example:mfa'],
    max_age: '5m',
  }
  it.each([
    [{ sub: 'alice', acr: 'urn:example:mfa', auth_time: NOW - 300 }, 'allowed'],
    [{ sub: 'alice', acr: 'urn:example:mfa', auth_time: NOW - 306 }, 'authentication_insufficient'],
    [{ sub: 'alice', acr: 'pwd', auth_time: NOW }, 'authentication_insufficient'],
    [{ sub: 'alice' }, 'authentication_insufficient'],
    [{ sub: 'agent-42' }, 'user_missing'],
    [{ sub: 'alice', acr: 1, auth_time: NOW }, 'authentication_malformed'],
  ])('Step-up: %o is %s', (claims, code) => {
    const asked = { token: tokenOf(claims) }
    expect(codeOf([payments], 'POST https://api.example.com/v1/payments', asked)).toBe(code)
  })

  it('Tokens from a browser: the token is a subprotocol, and does not reach the origin', () => {
    const routes = [
      { match: 'GET /v1/realtime', scopes: [], token_subprotocols: ['openai-insecure-api-key.'] },
    ]
    const offered = `realtime, openai-insecure-api-key.${tokenOf()}`
    const headers: [string, string][] = [
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Protocol', offered],
    ]
    const request = makeRequest('GET https://api.example.com/v1/realtime', { headers })
    const verdict = gateOf(routes).decide(request, worldOf())
    expect(verdict.allowed).toBe(true)
    expect(Object.fromEntries(verdict.headers ?? [])['sec-websocket-protocol']).toBe('realtime')
    const twice = {
      ...request,
      headers: [...headers, ['Authorization', 'Bearer x'] as [string, string]],
    }
    expect(gateOf(routes).decide(twice, worldOf()).code).toBe('subprotocols_malformed')
  })
})

describe('docs/configuration/paths.md', () => {
  const routes = [
    { match: 'GET /v1/admin', scopes: ['admin'] },
    { match: 'GET /v1/*', access: 'public' },
  ]
  it.each([
    ...['/v1/%EF%BD%81dmin', '/v1/admin%E2%80%8B', '/v1/admin%3Fx', '/v1/admin%23x'],
    ...['/v1/admin%3Bx', '/v1/admin.', '/v1/admin%20', '/v1/admin+', '/v1/(S(x))/admin'],
    ...['/v1/%20/admin', '/v1/%20/admin%3Fx', '/v1/x%EF%BC%8F..%EF%BC%8Fadmin'],
    ...['/v1/admin::$DATA', '/v1/admin:$I30:$INDEX_ALLOCATION', '/v1/admin.json'],
    ...['/v1/ADMIN', '/v1/admin/', '/v1//x', '/v1/./x', '/v1/%2e%2e/x', '/v1/a;b', '/v1/a%2Fb'],
    ...['/v1/a%5Cb', '/v1/a%00', '/v1/a%2541', '/v1/a%FF', '/v1/..%20/x'],
  ])('Ambiguous paths: %s is refused', (path) => {
    expect(codeOf(routes, `GET ${API}${path}`)).toBe('path_ambiguous')
  })

  it.each(['/v1/other', '/v1/admin:verb', '/v1/administrator', '/v1/x%3Ay', '/v1/'])(
    'Ambiguous paths: %s is forwarded',
    (path) => {
      expect(codeOf(routes, `GET ${API}${path}`)).toBe('allowed')
    },
  )

  it('Readings of other servers: a segment in `match` is read as written', () => {
    const reports = ['/v1/report', '/v1/report.json'].map((path) => ({
      match: `GET ${path}`,
      access: 'public',
    }))
    expect(codeOf(reports, `GET ${API}/v1/report.json`)).toBe('allowed')
    const plus = [
      routes[0],
      { match: 'GET /c++/admin', scopes: [] },
      { match: 'GET /c++/*', access: 'public' },
    ]
    expect(codeOf(plus as object[], `GET ${API}/c++/admin+`)).toBe('path_ambiguous')
  })

  it.each([
    ['?_method=DELETE', 'method_ambiguous'],
    ['?X-HTTP-Method-Override=DELETE', 'method_ambiguous'],
    ['?_method=GET', 'allowed'],
    ['?access_token=x', 'credential_in_query'],
  ])('Methods and the query: %s is %s', (query, code) => {
    expect(codeOf(routes, `GET ${API}/v1/other${query}`)).toBe(code)
  })

  const byRun = [{ match: 'GET /v1/run', scopes: [], workflow: 'query:run' }]
  it.each(
    [
      ['?run=7', 'allowed'],
      ['', 'parameter_ambiguous'],
      ...['?run=7&run=7', '?run=7&RUN=8', '?run=7&%20run=8', '?run=7&r_un=8', '?run=7&run[]=8'],
      ...[
        '?run=7&run[x]=8',
        '?run=7&run.x=8',
        '?run=7;a',
        '?run=%4',
        '?run=7&a=b]=c',
        '?run=7&[a=b',
      ],
    ].map((each) => (typeof each === 'string' ? [each, 'parameter_ambiguous'] : each)),
  )('The query: %s is %s', (query = '', code = '') => {
    const token = tokenOf({ workflow_id: '7' })
    expect(codeOf(byRun, `GET ${API}/v1/run${query}`, { token })).toBe(code)
  })
})

describe('docs/denials.md', () => {
  const line = `GET ${API}/v1/documents/7`
  const header = (value: string): { headers: [string, string][] } => ({
    headers: [['Authorization', value]],
  })
  it.each<[string, string, Partial<Request> & { token?: string }, string]>([
    ['a host that is a list', line, { host: 'api.example.com, evil.example' }, 'host_malformed'],
    ['another host', line, { host: 'evil.example' }, 'host_unknown'],
    ['a method that the gate does not know', line, { method: 'PROPFIND' }, 'method_unknown'],
    ['a path without a rule', `GET ${API}/nowhere`, {}, 'route_unknown'],
    ['plain http', line, { scheme: 'http' }, 'insecure_transport'],
    ['no token', line, {}, 'credential_missing'],
    ['another scheme', line, header('Token x'), 'scheme_unsupported'],
    ['two tokens', line, header('Bearer x, Bearer y'), 'credential_malformed'],
    ['a token that is none', line, header('Bearer x'), 'token_malformed'],
    ['a long token', line, header(`Bearer ${'x'.repeat(16_385)}`), 'token_too_long'],
    ['an encrypted token', line, header('Bearer a.b.c.d.e'), 'token_encrypted'],
    ['the address of a key', line, { token: tokenOf({}, { jku: 'x' }) }, 'header_forbidden'],
    ['no algorithm', line, { token: tokenOf({}, { alg: 'none' }) }, 'algorithm_forbidden'],
    ['a proof as token', line, { token: tokenOf({}, { typ: 'dpop+jwt' }) }, 'type_forbidden'],
    ['another issuer', line, { token: tokenOf({ iss: 'https://x.example' }) }, 'issuer_unknown'],
    ['another type', line, { token: tokenOf({}, { typ: 'JWT' }) }, 'type_not_accepted'],
    ['an unknown key', line, { token: tokenOf({}, { kid: 'x' }) }, 'key_unknown'],
    ['an expired token', line, { token: tokenOf({ exp: NOW - 5 }) }, 'token_expired'],
    ['a token in its last seconds', line, { token: tokenOf({ exp: NOW - 4 }) }, 'allowed'],
    ['a token of another audience', line, { token: tokenOf({ aud: 'x' }) }, 'audience_mismatch'],
    ['a token without jti', line, { token: tokenOf({ jti: undefined }) }, 'claim_missing'],
    ['a token that lives long', line, { token: tokenOf({ exp: NOW + 900 }) }, 'token_lifetime'],
    ['an actor that is a list', line, { token: tokenOf({ act: [] }) }, 'delegation_malformed'],
    [
      'an unknown member of cnf',
      line,
      { token: tokenOf({ cnf: { kid: 'x' } }) },
      'confirmation_unsupported',
    ],
    [
      'a preflight',
      line,
      {
        method: 'OPTIONS',
        headers: [
          ['Origin', 'https://a.example'],
          ['Access-Control-Request-Method', 'GET'],
        ],
      },
      'preflight_refused',
    ],
    ['a GET with a body', line, { token: tokenOf(), body: 'x' }, 'body_unexpected'],
  ])('%s', (_, request, asked, code) => {
    expect(codeOf(DOCUMENTS, request, asked)).toBe(code)
  })
})
