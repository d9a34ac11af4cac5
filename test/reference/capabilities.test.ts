/** Examples of the documentation about proofs, encrypted tokens, conditions, MCP and the gate's own endpoints. */
import {
  constants,
  createCipheriv,
  createHash,
  generateKeyPairSync,
  generateKeyPairSync as makePair,
  publicEncrypt,
  randomBytes,
  sign,
} from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { thumbprint } from './jose.ts'
import { API, codeOf, DOCUMENTS, gateOf, tokenOf, worldOf } from './sampleGate.ts'
import { makeRequest, NOW } from './samples.ts'
import type { JsonObject } from './types.ts'

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('docs/possession.md', () => {
  const { publicKey, privateKey } = makePair('ec', { namedCurve: 'P-256' })
  const jwk = publicKey.export({ format: 'jwk' }) as JsonObject
  const token = tokenOf({ cnf: { jkt: thumbprint(jwk) } })
  const proof = () => {
    const claims = {
      jti: 'p1',
      htm: 'GET',
      htu: `${API}/v1/documents/7`,
      iat: NOW,
      ath: createHash('sha256').update(token).digest('base64url'),
    }
    const signed = `${part({ typ: 'dpop+jwt', alg: 'ES256', jwk })}.${part(claims)}`
    const options = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
    return `${signed}.${sign('sha256', Buffer.from(signed), options).toString('base64url')}`
  }
  const line = `GET ${API}/v1/documents/7`
  it('Which tokens need what', () => {
    const gate = gateOf(DOCUMENTS)
    const world = worldOf()
    const request = makeRequest(line, {
      headers: [
        ['Authorization', `DPoP ${token}`],
        ['DPoP', proof()],
      ],
    })
    const verdict = gate.decide(request, world)
    expect(Object.fromEntries(verdict.headers ?? [])).toMatchObject({
      'x-agent-possession': 'dpop',
    })
    expect(gate.decide(request, world).code).toBe('proof_replayed')
    expect(codeOf(DOCUMENTS, line, { token })).toBe('token_bound')
    const required = DOCUMENTS.map((rule) => ({ ...rule, possession: 'required' }))
    expect(codeOf(required, line, { token: tokenOf() })).toBe('possession_required')
  })
})

describe('docs/configuration/issuers.md, Encrypted tokens', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const secret = JSON.stringify({ keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'e1' }] })
  const encrypt = (text: string, header: JsonObject = {}) => {
    const additional = part({
      alg: 'RSA-OAEP-256',
      enc: 'A256GCM',
      cty: 'JWT',
      kid: 'e1',
      ...header,
    })
    const [key, iv] = [randomBytes(32), randomBytes(12)]
    const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(additional))
    const body = Buffer.concat([cipher.update(text), cipher.final()])
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    const sealed = publicEncrypt({ key: publicKey, padding, oaepHash: 'sha256' }, key)
    const parts = [sealed, iv, body, cipher.getAuthTag()].map((each) => each.toString('base64url'))
    return [additional, ...parts].join('.')
  }
  const acme = { decrypt: { secret: 'ACME_DECRYPT' } }
  it.each<[string, JsonObject, string]>([
    ['a signed JWT', {}, 'allowed'],
    ['no content type', { cty: 'x' }, 'encryption_not_accepted'],
    ['another key', { kid: 'e2' }, 'decryption_failed'],
    ['compression', { zip: 'DEF' }, 'encryption_not_accepted'],
  ])('%s is %s', (_, header, code) => {
    const world = worldOf({ secrets: { ACME_DECRYPT: secret } })
    const asked = { token: encrypt(tokenOf(), header) }
    expect(codeOf(DOCUMENTS, `GET ${API}/v1/documents/7`, asked, { acme }, world)).toBe(code)
  })
})

describe('docs/configuration/conditions.md', () => {
  const payroll = [
    {
      match: 'GET /v1/payroll/{id}',
      scopes: [],
      when: 'inNetwork(request.ip, ["192.0.2.0/24", "2001:db8::/32"]) && request.params.id == "7"',
    },
  ]
  it.each([
    ['192.0.2.7', '7', 'allowed'],
    ['192.0.2.7', '8', 'condition_failed'],
    ['198.51.100.1', '7', 'condition_failed'],
    ['nowhere', '7', 'condition_error'],
  ])('Networks: from %s for %s is %s', (ip, id, code) => {
    const headers: [string, string][] = [['CF-Connecting-IP', ip]]
    const asked = { token: tokenOf(), headers }
    expect(codeOf(payroll, `GET ${API}/v1/payroll/${id}`, asked)).toBe(code)
  })

  const search = [
    {
      match: 'POST /v1/search',
      scopes: [],
      when: {
        condition: 'request.headers["x-data-class"] in token.data_classes',
        headers: ['x-data-class'],
      },
    },
  ]
  it.each<[[string, string][], string]>([
    [[['X-Data-Class', 'public']], 'allowed'],
    [[['X-Data-Class', 'secret']], 'condition_failed'],
    [[], 'condition_error'],
    [
      [
        ['X-Data-Class', 'public'],
        ['X-Data-Class', 'secret'],
      ],
      'parameter_ambiguous',
    ],
    [[['X-Data-Class', 'public,secret']], 'parameter_ambiguous'],
    [
      [
        ['X-Data-Class', 'public'],
        ['X_Data_Class', 'secret'],
      ],
      'parameter_ambiguous',
    ],
    [
      [
        ['X-Data-Class', 'public'],
        ['Connection', 'x-data-class'],
      ],
      'parameter_ambiguous',
    ],
    [[['X-Data-Class', 'é']], 'parameter_ambiguous'],
  ])('Headers and query: %o is %s', (headers, code) => {
    const token = tokenOf({ data_classes: ['public'] })
    expect(codeOf(search, `POST ${API}/v1/search`, { token, headers })).toBe(code)
  })
})

describe('docs/mcp.md and docs/mcp/names.md', () => {
  const routes = [
    {
      match: 'GET,POST,DELETE /mcp',
      scopes: ['mcp:connect'],
      mcp: {
        tools: {
          get_weather: [],
          'files_*': ['files:read'],
          files_write: ['files:read:{arguments.path}', 'files:write'],
          transfer: { scopes: ['pay'], when: 'arguments.amount > 0 && arguments.amount <= 100' },
        },
      },
    },
  ]
  const call = (name: string, args: JsonObject) =>
    JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name, arguments: args },
    })
  it.each<[string, JsonObject, string, string]>([
    ['get_weather', {}, '', 'allowed'],
    ['files_list', {}, '', 'scope_missing'],
    ['files_list', {}, 'files:read', 'allowed'],
    ['files_write', { path: 'a/b' }, 'files:read:a/b files:write', 'allowed'],
    ['files_write', { path: 'a/../b' }, 'files:write', 'scope_value_invalid'],
    ['transfer', { amount: 100 }, 'pay', 'allowed'],
    ['transfer', { amount: 101 }, 'pay', 'condition_failed'],
    ['transfer', {}, 'pay', 'condition_error'],
    ['shell', {}, '', 'tool_not_allowed'],
  ])('%s with %o and %s is %s', (name, args, scope, code) => {
    const token = tokenOf({ scope: `mcp:connect ${scope}`.trim() })
    const headers: [string, string][] = [
      ['Content-Type', 'application/json'],
      ['MCP-Protocol-Version', '2025-11-25'],
    ]
    const asked = { token, headers, body: call(name, args) }
    expect(codeOf(routes, `POST ${API}/mcp`, asked)).toBe(code)
  })
})

describe("docs/configuration/gate.md, The gate's own endpoints", () => {
  const line = (path: string) => `GET ${API}/.edgewarden${path}`
  it.each([
    ['/health', '', false, 'allowed'],
    ['/jwks.json', '', false, 'allowed'],
    ['/nothing', 'edgewarden:read', 'all', 'route_unknown'],
    ['/policy', 'edgewarden:read', 'own', 'allowed'],
    ['/policy', 'edgewarden:read', false, 'admin_not_allowed'],
    ['/policy', 'edgewarden:revoke', 'own', 'scope_missing'],
    ['/revocations', 'edgewarden:revoke', 'all', 'allowed'],
    ['/metrics', 'edgewarden:metrics', 'own', 'decision_reach'],
  ])('%s with %s and admin %s is %s', (path, scope, admin, code) => {
    const asked = scope === '' ? {} : { token: tokenOf({ scope }) }
    expect(codeOf(DOCUMENTS, line(path), asked, { acme: { admin } })).toBe(code)
  })
})
