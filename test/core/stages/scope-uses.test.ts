import { describe, expect, it } from 'vitest'
import { useScope } from '../../../src/gate/guard/stages/scope.ts'
import type { McpNamed } from '../../../src/gate/model/mcp.ts'
import { accessOf, codeOf } from '../../kit/facts.ts'
import { mcpFacts } from '../../kit/mcp-facts.ts'
import type { Members } from '../../kit/signing.ts'

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
  it.each<[string, readonly McpNamed[], readonly string[]]>([
    ['mcp:connect', [], ['mcp:connect']],
    ['mcp:connect x', [named('free')], ['mcp:connect']],
    ['weather:read mcp:connect', [named('weather')], ['mcp:connect', 'weather:read']],
    ['weather:all mcp:connect', [named('weather')], ['mcp:connect', 'weather:all']],
    ['mcp:connect a b', [named('both')], ['mcp:connect', 'a', 'b']],
    ['mcp:connect b', [named('either')], ['mcp:connect', 'b']],
    [
      'mcp:connect files:read:a/b.txt',
      [named('read', { path: 'a/b.txt' })],
      ['mcp:connect', 'files:read:a/b.txt'],
    ],
    [
      'mcp:connect files:read:/a',
      [named('read', { path: '/a' })],
      ['mcp:connect', 'files:read:/a'],
    ],
    ['mcp:connect item:7', [named('deep', { item: { id: 7 } })], ['mcp:connect', 'item:7']],
    [
      'mcp:connect move:a/b:c',
      [named('two', { from: 'a/b', to: 'c' })],
      ['mcp:connect', 'move:a/b:c'],
    ],
    ['mcp:connect files:blue:x', [named('tenant', { path: 'x' })], ['mcp:connect', 'files:blue:x']],
    ['mcp:connect files:all', [named('any_read', { path: '../x' })], ['mcp:connect', 'files:all']],
    ['mcp:connect files:docs', [named('any_read')], ['mcp:connect', 'files:docs']],
    [
      'mcp:connect docs:read weather:read',
      [named('docs://7'), named('weather'), named('weather')],
      ['mcp:connect', 'docs:read', 'weather:read'],
    ],
  ])('%j let %j pass: %j', async (held, uses, grant) => {
    expect(await run(held, uses)).toEqual({ ok: true, value: { grant } })
  })

  it.each<[string, readonly McpNamed[], { readonly requiredScopes: string[] }, boolean]>([
    ['', [named('weather')], { requiredScopes: ['mcp:connect', 'weather:read'] }, false],
    [
      'weather:read',
      [named('weather')],
      { requiredScopes: ['mcp:connect', 'weather:read'] },
      false,
    ],
    ['mcp:connect', [named('weather')], { requiredScopes: ['mcp:connect', 'weather:read'] }, true],
    ['mcp:connect a', [named('both')], { requiredScopes: ['mcp:connect', 'a', 'b'] }, true],
    ['mcp:connect', [named('either')], { requiredScopes: ['mcp:connect', 'a'] }, true],
    // Of a rule that is met already, what it is met by.
    [
      'mcp:connect b',
      [named('either'), named('weather')],
      { requiredScopes: ['mcp:connect', 'b', 'weather:read'] },
      true,
    ],
    [
      'mcp:connect weather:read',
      [named('weather'), named('docs://7')],
      { requiredScopes: ['mcp:connect', 'weather:read', 'docs:read'] },
      true,
    ],
    [
      'mcp:connect files:read:a',
      [named('read', { path: 'b' })],
      { requiredScopes: ['mcp:connect', 'files:read:b'] },
      true,
    ],
    [
      'mcp:connect',
      [named('any_read', { path: 'b' })],
      { requiredScopes: ['mcp:connect', 'files:all'] },
      true,
    ],
    // Compared whole: no beginning of one will do.
    [
      'mcp:connect files:read: files:read files:read:a',
      [named('read', { path: 'a/b' })],
      { requiredScopes: ['mcp:connect', 'files:read:a/b'] },
      true,
    ],
    [
      'mcp:connect files:red:x',
      [named('tenant', { path: 'x' })],
      { requiredScopes: ['mcp:connect', 'files:blue:x'] },
      true,
    ],
  ])('%j do not let %j pass: %j', async (held, uses, required, ofCall) => {
    const outcome = await run(held, uses)
    expect(codeOf(outcome)).toBe('scope_missing')
    if (outcome.ok) return
    const missingScopes = required.requiredScopes.filter((one) => !held.split(' ').includes(one))
    const { heldScopes: _, ...params } = outcome.reason.params ?? {}
    expect(params).toEqual({ ...required, missingScopes, ...(ofCall && { ofCall: true }) })
  })

  it('tell of the scopes that are offered and held, so that no wider token loses them', async () => {
    const outcome = await run('docs:read other mcp:connect', [named('weather')])
    expect(outcome).toMatchObject({
      reason: { params: { heldScopes: ['docs:read', 'mcp:connect'] } },
    })
  })

  it('names alternatives as such where nothing else is needed', async () => {
    const open = mcpFacts(MCP, { match: 'POST /t/{tenant}/mcp', scopes: [] })
    const uses = usesOf([named('either')])
    const access = accessOf({ scopes: [] })
    const outcome = await useScope.run(
      {
        routeGrant: [],
        ...open,
        params: new Map([['tenant', 'blue']]),
        access,
        uses,
      },
      undefined,
    )
    expect(outcome).toMatchObject({ reason: { params: { anyOf: ['a', 'b'], ofCall: true } } })
  })

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

  it.each<unknown>([
    '..',
    '../x',
    'a/../b',
    'a/..',
    './a',
    'a/./b',
    'a//b',
    '//a',
    'a/',
    '',
    '/',
    'a b',
    'a:b',
    'a%2Fb',
    '%2e%2e',
    'a\\b',
    'a\u0000',
    'ä',
    '․․/x',
    'a*',
    'x'.repeat(257),
    1.5,
    2 ** 60,
    Number.NaN,
    true,
    null,
    ['a'],
    { a: 'a' },
    undefined,
  ])(
    'refuses %j as an argument in a scope, also where the token has just that scope',
    async (path) => {
      const held = `mcp:connect files:read:${path} files:read:a/b files:read:x files:read:`
      const outcome = await run(held, [named('read', { path })])
      expect(codeOf(outcome)).toBe('scope_value_invalid')
      if (outcome.ok) return
      expect(outcome.reason).toMatchObject({ detail: { tool: 'read' }, params: { ofCall: true } })
    },
  )

  it('reads own members of arguments only', async () => {
    for (const given of [{}, Object.create({ path: 'a' }), { item: 'x' }]) {
      const outcome = await run('mcp:connect files:read:a', [named('read', given)])
      expect(codeOf(outcome)).toBe('scope_value_invalid')
    }
  })

  it('refuses a part of the path that cannot stand in one', async () => {
    const uses = [named('tenant', { path: 'x' })]
    const outcome = await run('mcp:connect files:a%2Fb:x', uses, 'a%2Fb')
    expect(codeOf(outcome)).toBe('scope_value_invalid')
    const own = mcpFacts(MCP, { match: 'POST /t/{tenant}/mcp', scopes: ['t:{tenant}'] })
    const facts = { params: new Map([['tenant', 'a%2Fb']]), access: accessOf({ scopes: [] }) }
    const refused = await useScope.run(
      { routeGrant: [], ...own, ...facts, uses: usesOf([named('free')]) },
      undefined,
    )
    expect(codeOf(refused)).toBe('scope_value_invalid')
    // It is that of the route, and no matter of one call.
    expect(refused).toMatchObject({ reason: { params: {} } })
    expect(JSON.stringify(refused)).not.toContain('ofCall')
  })
})
