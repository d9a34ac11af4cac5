import { describe, expect, it } from 'vitest'
import { mcpAccess } from '../../../src/gate/guard/stages/mcp-access.ts'
import { useScope } from '../../../src/gate/guard/stages/scope.ts'
import type { McpNamed } from '../../../src/gate/model/mcp.ts'
import { mayUse } from '../../../src/gate/model/mcp-scopes.ts'
import { typesOf } from '../../../src/gate/model/token.ts'
import { accessOf, agentOf, codeOf } from '../../kit/facts.ts'
import { callOf, mcpFacts, operationOf } from '../../kit/mcp-facts.ts'

const SCOPES = {
  'files:admin': ['files:read:*', 'files:docs:write'],
  'files:root': ['files:admin'],
  'docs:editor': ['files:read:docs/*', 'item:7', 'a'],
  'loop:1': ['loop:2'],
  'loop:2': ['b'],
}

const { policy, route } = mcpFacts(
  {
    tools: {
      free: [],
      one: ['a'],
      both: ['a', 'b'],
      either: { any: ['a', 'b'] },
      typed: { scopes: ['a'], agent_types: ['writer', 'orchestrator'] },
      read: ['files:read:{arguments.path}'],
      mixed: ['a', 'files:read:{arguments.path}'],
      item: ['item:{arguments.id}'],
      tenant: ['t:{tenant}:{arguments.path}'],
      own: ['t:{tenant}'],
      last: ['read:{arguments.path}:x'],
      any_read: { any: ['b', 'files:read:{arguments.path}'] },
      guarded: { scopes: ['a'], when: 'arguments.amount < 1.0' },
    },
  },
  { match: 'POST /t/{tenant}/mcp', scopes: [] },
  { SCOPES },
)

const all = route.mcp.names.tools.all
const useOf = (name: string) => {
  const use = route.mcp.names.tools.find(name)
  if (!use) throw new Error(`${name} is not named`)
  return use
}

describe('what a token could use', () => {
  it('is nothing where a part of the path cannot stand in its scope', () => {
    const caller = { scopes: ['t:a%2Fb:x', 't:a%2Fb'], types: [], policy }
    const params = new Map([['tenant', 'a%2Fb']])
    expect(mayUse(useOf('tenant'), { ...caller, params })).toBe(false)
    expect(mayUse(useOf('own'), { ...caller, params })).toBe(false)
    expect(mayUse(useOf('own'), { ...caller, params: new Map() })).toBe(false)
  })
})

/** Numbers that look random and are the same each time (mulberry32). */
const randomOf = (seed: number) => {
  let state = seed
  return () => {
    state += 0x6d2b79f5
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

describe('held against the line', () => {
  const POOL = [
    'a',
    'b',
    'files:read:x',
    'files:read:docs/7',
    'files:read:',
    'files:admin',
    'files:root',
    'docs:editor',
    'item:7',
    't:blue',
    't:blue:x',
    't:red:x',
    'read:x:x',
    'loop:1',
  ]
  const PATHS: readonly unknown[] = ['x', 'docs/7', 'docs/../x', '', 7, undefined, '/x', 'x:read']
  const TYPES = ['writer', 'orchestrator', 'tool-use']

  it('hides nothing that some call is let pass for, and shows nothing whose plain scopes are missing', async () => {
    const random = randomOf(8)
    const some = <One>(pool: readonly One[], share: number) => pool.filter(() => random() < share)
    let passed = 0
    let hidden = 0
    for (let round = 0; round < 60; round += 1) {
      const scopes = some(POOL, 0.25)
      const types = some(TYPES, 0.3)
      const agent = agentOf(types.length > 0 ? { type: types.join(' '), types } : {})
      const params = new Map([['tenant', random() < 0.8 ? 'blue' : 'a%2Fb']])
      const access = accessOf({ scopes })
      for (const use of all) {
        const isShown = mayUse(use, { scopes, types: typesOf(agent), policy, params })
        if (!isShown) hidden += 1
        for (const path of PATHS) {
          const given = { path, id: path }
          const operation = operationOf([callOf(use.pattern, given)])
          const used = await mcpAccess.run({ route, operation, agent }, undefined)
          if (!used.ok) continue
          const named: McpNamed = { kind: 'tools', name: use.pattern, arguments: given }
          const uses = [{ use, named, message: { id: 1, method: 'tools/call', use: named } }]
          const outcome = await useScope.run(
            { policy, route, params, access, uses, routeGrant: [] },
            undefined,
          )
          if (codeOf(outcome) !== 'ok') continue
          passed += 1
          expect([use.pattern, scopes, types, isShown]).toEqual([use.pattern, scopes, types, true])
        }
        const plain = use.scopes.scopes.filter(({ parts }) => parts.length === 1)
        const isMissing = plain.some(
          ({ source }) => !policy.includedBy(source).some((one) => scopes.includes(one)),
        )
        if (use.scopes.mode === 'all' && isMissing) expect(isShown).toBe(false)
      }
    }
    expect(passed).toBeGreaterThan(100)
    expect(hidden).toBeGreaterThan(100)
  })
})
