import { describe, expect, it } from 'vitest'
import { isUsable, reachable } from '../../../src/compare/reach/reachable.ts'
import type { Described } from '../../../src/compare/reach/ways.ts'
import { usesOf } from '../../../src/compare/scopes.ts'
import { policy } from '../../gate/policy/support.ts'

const ISSUERS = {
  acme: { issuer: 'https://auth.acme.example', agent_prefix: 'acme/', admin: 'own' },
  beta: { issuer: 'https://auth.beta.example', agent_prefix: 'beta/', entity_profiles: true },
}
const many = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${name}:${i}`)

const POLICY = policy({
  ISSUERS,
  ROUTES: [
    {
      match: 'POST /mcp/{run}',
      scopes: { any: ['runs', 'runs:{run}'] },
      mcp: {
        tools: {
          free: [],
          plain: ['plain'],
          one: ['a:{run}'],
          both: ['a:{run}', 'b:{run}'],
          either: { scopes: { any: ['a:{run}', 'c'] } },
          pair: ['p:{run}:{arguments.x}', 'q:{arguments.x}'],
          file: ['f:{arguments.path}'],
          locked: ['f:{arguments.path}', 'l:{arguments.path}'],
          typed: { scopes: [], agent_types: ['ai_agent'] },
          whole: { scopes: [], agent_types: ['service ai_agent'] },
          kept: ['kept'],
        },
      },
    },
  ],
  SCOPES: {
    vip: ['a:7'],
    'all-a': ['a:*'],
    docs: ['f:docs/*'],
    'edgewarden:read': ['kept'],
  },
})

const names = async (described: Described, of = POLICY): Promise<readonly string[]> => {
  const found: string[] = []
  for (const reach of await reachable(of, described)) {
    for (const { use } of usesOf(reach.route)) {
      if (await isUsable(use, { ...described, ...reach }, of)) found.push(use.pattern)
    }
  }
  return found
}
const ALWAYS = ['free', 'typed', 'whole']

describe('isUsable', () => {
  it.each<[readonly string[], readonly string[]]>([
    [[], []],
    [['plain'], ['plain']],
    [['c'], ['either']],
    [['a:1'], ['one', 'either']],
    [['vip'], ['one', 'either']],
    [['all-a'], ['one', 'either']],
    // Of a token a `*` is a character like any other.
    [['a:*'], []],
    [
      ['a:1', 'b:1'],
      ['one', 'both', 'either'],
    ],
    [
      ['a:1', 'b:2'],
      ['one', 'either'],
    ],
    [
      ['all-a', 'b:2'],
      ['one', 'both', 'either'],
    ],
    [['p:1:x', 'q:x'], ['pair']],
    [['p:1:x', 'q:y'], []],
    [['f:docs/a'], ['file']],
    [['docs'], ['file']],
    [['f:../a'], []],
    [
      ['docs', 'l:docs/a'],
      ['file', 'locked'],
    ],
    [['f:docs/a', 'l:docs/b'], ['file']],
    // Too many to be told from each other.
    [
      [...many('a', 101), ...many('b', 101)],
      ['one', 'both', 'either'],
    ],
  ])('with %j: %j', async (scopes, expected) => {
    const found = await names({ scopes: ['runs', ...scopes] })
    expect(found.filter((name) => !ALWAYS.includes(name))).toEqual(expected)
  })

  it('only on paths on which the agent reaches the rule', async () => {
    const used = async (...scopes: string[]) =>
      (await names({ scopes })).filter((name) => !ALWAYS.includes(name))
    expect(await used('runs:1', 'a:1')).toEqual(['one', 'either'])
    expect(await used('runs:1', 'a:2')).toEqual([])
    expect(await used('runs:1', 'runs:2', 'a:2', 'b:1')).toEqual(['one', 'either'])
    expect(await used('runs:1', 'all-a')).toEqual(['one', 'either'])
  })

  it('by a scope of the gate only of an issuer that may have it', async () => {
    const scopes = ['runs', 'edgewarden:read']
    expect(await names({ scopes })).toContain('kept')
    expect(await names({ scopes, issuer: ISSUERS.beta.issuer })).not.toContain('kept')
  })
})
