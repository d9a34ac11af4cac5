import { describe, expect, it } from 'vitest'
import type { Method } from '../../src/gate/model/route.ts'
import { CHAT, GATE, ITEM, policy } from './support.ts'

const MCP = { match: 'POST /mcp', scopes: ['mcp:call'], resource: 'https://api.example.com/mcp' }
const OTHER = { ...MCP, match: 'POST /mcp2', resource: 'https://b.example.net/mcp' }
const made = policy({ ROUTES: [{ ...CHAT, match: '* /*' }, MCP, OTHER].toReversed() })
const WELL_KNOWN = '/.well-known/oauth-protected-resource'

const ROWS: readonly (readonly [Method, host: string, path: string, object])[] = [
  [
    'GET',
    'api.example.com',
    '/.edgewarden/ready',
    { endpoint: 'ready', access: 'optional', scopes: { mode: 'all', scopes: [] } },
  ],
  [
    'POST',
    'api.example.com',
    '/.edgewarden/revocations',
    {
      endpoint: 'revocations',
      access: 'required',
      resource: GATE.resource,
      scopes: { scopes: [{ source: 'edgewarden:revoke' }] },
    },
  ],
  ['GET', 'api.example.com', '/.edgewarden/revocations', { endpoint: 'revocations' }],
  [
    'DELETE',
    'api.example.com',
    '/.edgewarden/revocations/abc',
    { endpoint: 'revocations', access: 'required' },
  ],
  [
    'POST',
    'api.example.com',
    '/.edgewarden/explain',
    {
      endpoint: 'explain',
      access: 'required',
      mode: 'enforce',
      scopes: { mode: 'all', scopes: [{ source: 'edgewarden:read' }] },
    },
  ],
  ['GET', 'api.example.com', '/.edgewarden/explain', { endpoint: 'none' }],
  [
    'GET',
    'api.example.com',
    '/.edgewarden/policy',
    {
      endpoint: 'policy',
      access: 'required',
      mode: 'enforce',
      scopes: { mode: 'all', scopes: [{ source: 'edgewarden:read' }] },
    },
  ],
  ['POST', 'api.example.com', '/.edgewarden/policy', { endpoint: 'none' }],
  ['POST', 'api.example.com', '/.edgewarden/ready', { endpoint: 'none', access: 'public' }],
  ['GET', 'api.example.com', '/.edgewarden', { endpoint: 'none' }],
  ['PATCH', 'api.example.com', '/.edgewarden/a/b', { endpoint: 'none' }],
  [
    'GET',
    'api.example.com',
    WELL_KNOWN,
    { endpoint: 'metadata', access: 'public', resource: GATE.resource, cors: { origins: ['*'] } },
  ],
  ['OPTIONS', 'api.example.com', WELL_KNOWN, { endpoint: 'metadata' }],
  ['GET', 'api.example.com', `${WELL_KNOWN}/mcp`, { endpoint: 'metadata', resource: MCP.resource }],
  ['GET', 'b.example.net', `${WELL_KNOWN}/mcp`, { endpoint: 'metadata', resource: OTHER.resource }],
]

describe("the gate's own rules", () => {
  it.each(ROWS)('%s %s%s', (method, host, path, expected) => {
    expect(made.router.find(method, host, path).match?.route).toMatchObject(expected)
  })

  it('stand under the configured prefix', () => {
    const { router } = policy({
      GATE: { ...GATE, prefix: '/ops/gate' },
      ROUTES: [{ ...CHAT, match: '* /*' }],
    })
    const endpoint = (path: string) =>
      router.find('GET', 'api.example.com', path).match?.route.endpoint
    expect(['/ops/gate/ready', '/ops/gate/x', '/.edgewarden/ready'].map(endpoint)).toEqual([
      'ready',
      'none',
      undefined,
    ])
  })

  it('wait for nobody: each asks the revocation set itself, whatever the rules say', () => {
    const { router } = policy({
      GATE: { ...GATE, revocation: { consistency: 'bounded', max_staleness: '5m' } },
    })
    const asked = ROWS.filter(([, host]) => host === 'api.example.com').flatMap(
      ([method, host, path]) => router.find(method, host, path).match?.route ?? [],
    )
    expect(asked.length).toBeGreaterThan(10)
    for (const { revocation } of asked) expect(revocation.consistency).toBe('strict')
  })

  it('document each resource', () => {
    expect([...made.resources.keys()]).toEqual([GATE.resource, OTHER.resource, MCP.resource])
    const { resources } = policy({
      ROUTES: [
        { ...ITEM, scopes: { any: ['a', 'b:{id}', 'a'] } },
        { match: 'GET /p', access: 'public' },
      ],
    })
    expect(resources.get(GATE.resource)?.scopes).toEqual(['a'])
  })
})
