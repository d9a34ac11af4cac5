import { describe, expect, it } from 'vitest'
import type { Method } from '../../../src/gate/model/route.ts'
import { CHAT, GATE, policy } from './support.ts'

const MCP = { match: 'POST /mcp', scopes: ['mcp:call'], resource: 'https://api.example.com/mcp' }
const OTHER = { ...MCP, match: 'POST /mcp2', resource: 'https://b.example.net/mcp' }
const REST = { ...CHAT, match: '* /*' }
const made = policy({ ROUTES: [OTHER, MCP, REST] })
const METADATA = '/.well-known/oauth-protected-resource'
const admin = (endpoint: string, scope: string) => ({
  endpoint,
  ...{ access: 'required', mode: 'enforce', resource: GATE.resource },
  scopes: { mode: 'all', scopes: [{ source: `edgewarden:${scope}` }] },
})

const ROWS: readonly (readonly [Method, path: string, expected: object])[] = [
  ['GET', '/.edgewarden/ready', { endpoint: 'ready', access: 'optional' }],
  ['POST', '/.edgewarden/revocations', admin('revocations', 'revoke')],
  ['GET', '/.edgewarden/revocations', { endpoint: 'revocations', access: 'required' }],
  ['DELETE', '/.edgewarden/revocations/a', { endpoint: 'revocations', access: 'required' }],
  ['POST', '/.edgewarden/revoke', { endpoint: 'revoke', access: 'required' }],
  ['GET', '/.edgewarden/revoke', { endpoint: 'none' }],
  ['POST', '/.edgewarden/events', { endpoint: 'none' }],
  ['POST', '/.edgewarden/explain', admin('explain', 'read')],
  ['GET', '/.edgewarden/policy', admin('policy', 'read')],
  ['GET', '/.edgewarden/explain', { endpoint: 'none' }],
  ['POST', '/.edgewarden/ready', { endpoint: 'none', access: 'public' }],
  ['PATCH', '/.edgewarden/a/b', { endpoint: 'none' }],
  ['GET', METADATA, { endpoint: 'metadata', access: 'public', cors: { origins: ['*'] } }],
  ['OPTIONS', METADATA, { endpoint: 'metadata', resource: GATE.resource }],
  ['GET', `${METADATA}/mcp`, { endpoint: 'metadata', resource: MCP.resource }],
]

describe("the gate's own rules", () => {
  it.each(ROWS)('take %s %s before any rule', (method, path, expected) => {
    const found = made.router.find(method, 'api.example.com', path).match?.route
    expect(found).toMatchObject(expected)
  })

  it('document the resource of each host', () => {
    const { match } = made.router.find('GET', 'b.example.net', `${METADATA}/mcp`)
    expect(match?.route).toMatchObject({ endpoint: 'metadata', resource: OTHER.resource })
    expect([...made.resources.keys()]).toEqual([GATE.resource, OTHER.resource, MCP.resource])
  })

  it('stand under the configured prefix', () => {
    const { router } = policy({ GATE: { ...GATE, prefix: '/ops/gate' }, ROUTES: [REST] })
    const endpoints = ['/ops/gate/ready', '/ops/gate/x', '/.edgewarden/ready'].map(
      (path) => router.find('GET', 'api.example.com', path).match?.route.endpoint,
    )
    expect(endpoints).toEqual(['ready', 'none', undefined])
  })

  it('ask the revocation set themselves on each request, whatever the rules say', () => {
    const { router } = policy({ GATE: { ...GATE, revocation: { max_staleness: '5m' } } })
    const asked = ROWS.flatMap(
      ([method, path]) => router.find(method, 'api.example.com', path).match?.route ?? [],
    )
    expect(asked.length).toBeGreaterThan(10)
    for (const { revocation } of asked) expect(revocation.consistency).toBe('strict')
  })
})
