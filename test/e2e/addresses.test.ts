import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { answers } from './answers-setting.ts'
import {
  type AskInit,
  askGate,
  HOST,
  outcome,
  RESOURCE,
  type Setting,
  withGate,
} from './setting.ts'

const METADATA = '/.well-known/oauth-protected-resource'

let setting: Setting
let token: string

beforeAll(async () => {
  setting = await answers()
  token = await setting.token()
})
beforeEach(() => setting.origin.clear())

/** Where the caller's address may be told. */
const ADDRESSES = {
  'cf-connecting-ip': '192.0.2.1',
  'x-client': '192.0.2.2',
  'x-forwarded-for': '192.0.2.3',
  'x-real-ip': '192.0.2.4',
}

/** What the origin is told of the caller's address. */
const addressAt = async (gate: Gate, path: string, init: AskInit = {}) => {
  setting.origin.clear()
  const response = await askGate(gate, path, { token, ...init, headers: ADDRESSES })
  expect(response.status).toBe(200)
  const [seen] = setting.origin.requests
  expect(seen?.header('x-real-ip')).toBeUndefined()
  return seen?.header('x-forwarded-for')
}

describe('hosts', () => {
  it('are those of resources and rules, ports ignored; the caller’s address is Cloudflare’s', async () => {
    const routes = [
      { match: 'GET /v1/*', scopes: [], host: 'second.example.com' },
      { match: 'GET /mcp', scopes: ['mcp:use'], resource: 'https://third.example.com/mcp' },
      { match: 'GET /v1/*', scopes: ['chat:write'] },
    ]
    await withGate(
      setting,
      { gate: { hosts: undefined, client_ip: undefined }, routes },
      async (gate) => {
        const ask = async (host: string, path = '/v1/x') =>
          outcome(await askGate(gate, path, { token, headers: { host } }))
        expect(await ask('second.example.com:8443')).toEqual({ status: 200, code: undefined })
        expect(await ask(`${HOST.toUpperCase()}:1`)).toEqual({ status: 200, code: undefined })
        expect(await ask('third.example.com', '/mcp')).toMatchObject({ status: 401 })
        for (const host of ['127.0.0.1', 'example.com', `x.${HOST}`, `${HOST}.example.net`]) {
          expect(await ask(host)).toEqual({ status: 421, code: 'host_unknown' })
          expect((await ask(host, '/.edgewarden/health')).status).toBe(200)
          expect((await ask(host, '/.edgewarden/ready')).status).toBe(421)
        }
        expect(await addressAt(gate, '/v1/x')).toBe('192.0.2.1')
      },
    )
  })
})

describe('names that may be chosen', () => {
  let gate: Gate
  beforeAll(async () => {
    gate = await setting.another({
      gate: {
        prefix: '/ops/gate',
        identity_prefix: 'x-caller-is-',
        strip_headers: ['X-Internal'],
        client_ip: 'x-client',
      },
      routes: [{ match: '* /*', scopes: [] }],
    })
  })
  afterAll(() => gate?.stop())

  it('are the prefix of the gate’s paths', async () => {
    const at = async (path: string, method = 'GET') =>
      outcome(await askGate(gate, path, { token, method }))
    expect((await at('/ops/gate/health')).status).toBe(200)
    expect((await at('/ops/gate/ready')).status).toBe(200)
    for (const path of ['/ops/gate', '/ops/gate/', '/ops/gate/x', '/ops/gate/health/x']) {
      expect(await at(path)).toEqual({ status: 404, code: 'route_unknown' })
    }
    expect((await at('/ops/gate/health', 'POST')).status).toBe(404)
    expect(setting.origin.requests).toHaveLength(0)
    expect((await at('/.edgewarden/health')).status).toBe(200)
    expect(setting.origin.requests.map(({ url }) => url)).toEqual(['/.edgewarden/health'])
  })

  it('are the prefix of identity headers, and headers to remove', async () => {
    const lies = ['x-caller-is-id', 'x_caller_is_id', 'x-agent-id', 'X.Internal', 'x-internal']
    const headers = Object.fromEntries(lies.map((name) => [name, 'lie']))
    await askGate(gate, '/v1/x', { token, headers })
    const [seen] = setting.origin.requests
    expect(seen?.header('x-caller-is-id')).toBe('agent-1')
    expect(seen?.rawHeaders.filter(([, value]) => value === 'lie')).toEqual([])
    expect(seen?.rawHeaders.filter(([name]) => /^x-agent-/i.test(name))).toEqual([])
  })

  it('are where the caller’s address is', async () => {
    expect(await addressAt(gate, '/v1/x')).toBe('192.0.2.2')
  })
})

describe('the gate’s own documents', () => {
  it('are one metadata document per resource, from the rules; no address is told', async () => {
    const routes = [
      { match: 'GET /mcp', scopes: ['mcp:use'], resource: `${RESOURCE}/mcp` },
      { match: 'GET /v1/x', scopes: ['b:read'] },
      {
        match: 'GET /v1/{id}',
        scopes: { any: ['a:read', 'a:read:{id}'] },
        authorization_details: [{ type: 'document', identifier: '{id}' }],
      },
    ]
    await withGate(setting, { gate: { client_ip: 'none' }, routes }, async (gate) => {
      const document = async (path: string) => (await askGate(gate, path)).json()
      expect(await document(METADATA)).toEqual({
        resource: RESOURCE,
        authorization_servers: [setting.issuer.issuer],
        scopes_supported: expect.arrayContaining(['a:read', 'b:read']),
        authorization_details_types_supported: ['document'],
        bearer_methods_supported: ['header'],
        edgewarden_revocation_endpoint: `${RESOURCE}/.edgewarden/revoke`,
        dpop_signing_alg_values_supported: expect.arrayContaining(['ES256', 'Ed25519']),
        tls_client_certificate_bound_access_tokens: true,
      })
      expect(await document(`${METADATA}/mcp`)).toMatchObject({
        resource: `${RESOURCE}/mcp`,
        scopes_supported: ['mcp:use'],
      })
      const refused = await askGate(gate, '/mcp')
      expect(refused.headers.get('www-authenticate')).toContain(
        `resource_metadata="${RESOURCE}${METADATA}/mcp"`,
      )
      const wrong = await askGate(gate, '/mcp', { token })
      expect(wrong.status).toBe(401)
      const aud = `${RESOURCE}/mcp`
      const scope = 'mcp:use'
      const right = await askGate(gate, '/mcp', { token: await setting.token({ aud, scope }) })
      expect(right.status).toBe(200)
      const allowed = await setting.token({ scope: 'b:read' })
      expect(await addressAt(gate, '/v1/x', { token: allowed })).toBeUndefined()
      expect((await askGate(gate, `${METADATA}/unknown`)).status).toBe(404)
      expect((await askGate(gate, METADATA, { method: 'POST' })).status).toBe(404)
    })
  })
})
