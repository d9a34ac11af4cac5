import { describe, expect, it } from 'vitest'
import { useScope } from '../../../../src/gate/guard/stages/scope.ts'
import type { McpNamed } from '../../../../src/gate/model/mcp.ts'
import { accessOf } from '../../../kit/facts.ts'
import { mcpFacts } from '../../../kit/mcp-facts.ts'
import type { Members } from '../../../kit/signing.ts'

const MCP = {
  tools: {
    weather: ['weather:read'],
    both: ['a', 'b'],
    either: { any: ['a', 'b'] },
    free: [],
    read: ['files:read:{arguments.path}'],
    deep: ['item:{arguments.item.id}'],
    two: ['move:{arguments.from}:{arguments.to}'],
    tenant: ['files:{tenant}:{arguments.path}'],
    any_read: { any: ['files:all', 'files:read:{arguments.path}'] },
  },
  resources: { 'docs://*': ['docs:read'] },
}

const { policy, route } = mcpFacts(
  MCP,
  { match: 'POST /t/{tenant}/mcp' },
  { SCOPES: { 'weather:all': ['weather:read'], 'files:docs': ['files:read:docs:*', 'files:all'] } },
)

const named = (name: string, given: Members = {}): McpNamed =>
  name.includes(':')
    ? { kind: 'resources', name, arguments: {} }
    : { kind: 'tools', name, arguments: given }

const usesOf = (all: readonly McpNamed[]) =>
  all.map((one) => {
    const use = route.mcp.names[one.kind].find(one.name)
    if (!use) throw new Error(`${one.name} is not named`)
    return { use, named: one, message: { id: 1, method: 'tools/call', use: one } }
  })

const run = async (held: string, all: readonly McpNamed[], tenant = 'blue') =>
  useScope.run(
    {
      routeGrant: ['mcp:connect'],
      policy,
      route,
      params: new Map([['tenant', tenant]]),
      access: accessOf({ scopes: held.split(' ').filter((one) => one !== '') }),
      uses: usesOf(all),
    },
    undefined,
  )

describe('the scopes of what is used', () => {
  it('is met by a token with just what a denial names', async () => {
    const cases = [
      [named('either'), named('both'), named('docs://1')],
      [named('read', { path: 'a/b' }), named('either'), named('any_read', { path: 'c' })],
    ]
    for (const uses of cases) {
      for (const held of ['', 'mcp:connect', 'b', 'mcp:connect b', 'files:read:c']) {
        const denied = await run(held, uses)
        if (denied.ok) throw new Error('let pass')
        const { requiredScopes = [] } = denied.reason.params ?? {}
        expect(await run(requiredScopes.join(' '), uses)).toMatchObject({ ok: true })
      }
    }
  })
})
