import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparePolicies } from '../../src/compare/compare.ts'
import { mayUse } from '../../src/gate/model/mcp-scopes.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import { tries } from '../kit/property.ts'
import { policy } from '../policy/support.ts'
import { combinations, subsets } from './brute.ts'

const MCP = { tools: { read: ['files:read'] } }
const policyOf = (mcp: object | undefined, SCOPES: object = {}) =>
  policy({ ROUTES: [{ match: 'GET,POST,DELETE /mcp', scopes: [], ...(mcp && { mcp }) }], SCOPES })

/** `wider`, `narrower`, both, or `unclear`, which counts as wider. */
const judged = async (
  before: ReturnType<typeof policyOf>,
  after: ReturnType<typeof policyOf>,
): Promise<readonly string[]> => {
  const found = await comparePolicies(before, after)
  if (!found.ok) throw new Error('not compared')
  const { widens, gains, loses, changes } = found.value
  const words = [
    ...(gains.length > 0 ? ['wider'] : []),
    ...(loses.length > 0 ? ['narrower'] : []),
    ...changes.map((one) => (one.widens ? 'unclear' : 'neutral')),
  ]
  expect(widens).toBe(words.some((word) => word === 'wider' || word === 'unclear'))
  return words
}

const tools = (names: object) => ({ tools: names })

describe('mcp of two policies', () => {
  it.each([
    ['the same', MCP, MCP, []],
    ['a tool more', MCP, tools({ read: ['files:read'], write: ['w'] }), ['wider']],
    ['a tool less', tools({ read: ['files:read'], write: ['w'] }), MCP, ['narrower']],
    ['a tool in place of another', MCP, tools({ write: ['w'] }), ['wider', 'narrower']],
    ['another case', MCP, tools({ Read: ['files:read'] }), ['wider', 'narrower']],
    ['a scope less', MCP, tools({ read: [] }), ['wider']],
    ['a scope more', MCP, tools({ read: ['files:read', 'x'] }), ['narrower']],
    ['another scope', MCP, tools({ read: ['x'] }), ['wider', 'narrower']],
    [
      'another alternative',
      tools({ a: { any: ['x'] } }),
      tools({ a: { any: ['x', 'y'] } }),
      ['wider'],
    ],
    ['one of them', tools({ a: ['x', 'y'] }), tools({ a: { any: ['x', 'y'] } }), ['unclear']],
    ['a condition', MCP, tools({ read: { scopes: ['files:read'], when: 'true' } }), ['narrower']],
    [
      'no condition any more',
      tools({ read: { scopes: ['files:read'], when: 'true' } }),
      MCP,
      ['wider'],
    ],
    [
      'another condition',
      tools({ a: { scopes: [], when: 'true' } }),
      tools({ a: { scopes: [], when: 'arguments.n == 1' } }),
      ['unclear'],
    ],
    ['types', MCP, tools({ read: { scopes: ['files:read'], agent_types: ['s'] } }), ['narrower']],
    [
      'no types any more',
      tools({ a: { scopes: ['x'], agent_types: ['s'] } }),
      tools({ a: ['x'] }),
      ['wider'],
    ],
    [
      'a type less',
      tools({ a: { scopes: [], agent_types: ['s', 'o'] } }),
      tools({ a: { scopes: [], agent_types: ['s'] } }),
      ['narrower'],
    ],
    [
      'a type in place of another',
      tools({ a: { scopes: [], agent_types: ['o'] } }),
      tools({ a: { scopes: [], agent_types: ['s'] } }),
      ['wider', 'narrower'],
    ],
    [
      'a scope more, beside types and a condition',
      tools({ a: { scopes: ['x'], agent_types: ['s'], when: 'true' } }),
      tools({ a: { scopes: ['x', 'y'], agent_types: ['s'], when: 'true' } }),
      ['narrower'],
    ],
    [
      'a scope less, and a condition',
      tools({ a: ['x', 'y'] }),
      tools({ a: { scopes: ['x'], when: 'true' } }),
      ['wider', 'narrower'],
    ],
    ['an alternative of its own', tools({ a: ['x'] }), tools({ a: { any: ['x'] } }), []],
    ['alternatives to one', tools({ a: ['x'] }), tools({ a: { any: ['x', 'y'] } }), ['wider']],
    ['alternatives no more', tools({ a: { any: ['x', 'y'] } }), tools({ a: ['x'] }), ['narrower']],
    ['a pattern', MCP, tools({ read: ['files:read'], 'x_*': [] }), ['wider']],
    [
      'a name under a pattern',
      tools({ '*': [] }),
      tools({ '*': [], drop: ['admin'] }),
      ['unclear'],
    ],
    ['no name under a pattern', tools({ '*': [], drop: ['x'] }), tools({ '*': [] }), ['unclear']],
    ['a kind more', MCP, { ...MCP, prompts: { a: [] } }, ['wider']],
    ['a method more', MCP, { ...MCP, methods: ['logging/setLevel'] }, ['wider']],
    ['a revision less', MCP, { ...MCP, revisions: ['2026-07-28'] }, ['narrower']],
    ['an origin more', MCP, { ...MCP, origins: ['https://a.example'] }, ['wider']],
    ['other refusals', MCP, { ...MCP, refusals: 'http' }, ['neutral']],
    ['names that objects have', MCP, tools({ read: ['files:read'], constructor: [] }), ['wider']],
    ['mcp where there was none', undefined, MCP, ['narrower']],
    ['no mcp any more', MCP, undefined, ['wider']],
  ])('%s', async (_, before, after, words) => {
    expect(await judged(policyOf(before), policyOf(after))).toEqual(words)
  })

  it.each([
    ['more includes what a tool needs', {}, { admin: ['files:read'] }, ['wider']],
    ['less does', { admin: ['files:read'] }, {}, ['narrower']],
    ['something else', {}, { admin: ['other'] }, []],
  ])('SCOPES: %s', async (_, before, after, words) => {
    expect(await judged(policyOf(MCP, before), policyOf(MCP, after))).toEqual(words)
  })

  it.each([
    ['all that it stands for', {}, { admin: ['files:*'] }, ['wider']],
    ['one that it may stand for', {}, { admin: ['files:a'] }, ['unclear']],
    ['one beside another', { admin: ['files:a'] }, { admin: ['files:b', 'files:a'] }, ['unclear']],
    ['one less', { admin: ['files:a', 'files:b'] }, { admin: ['files:b'] }, ['narrower']],
    ['none', { admin: ['files:*'], ops: ['files:a'] }, {}, ['narrower']],
    ['one for another', { w: ['files:a'] }, { w: ['files:b'] }, ['unclear', 'narrower']],
    [
      'the same in another order',
      { w: ['files:a', 'files:b'], v: ['files:c'] },
      { v: ['files:c'], w: ['files:b', 'files:a'] },
      [],
    ],
  ])('SCOPES count where a tool has a template: %s', async (_, before, after, words) => {
    const mcp = tools({ read: ['files:{arguments.path}'] })
    const found = await judged(policyOf(mcp, before), policyOf(mcp, after))
    expect([...found].sort()).toEqual([...words].sort())
  })

  it('has the same SCOPES in another order where something else changes', async () => {
    const read = ['files:{arguments.path}']
    const before = policyOf(tools({ read, write: ['w'] }), { w: ['r'], v: ['w'] })
    const after = policyOf(tools({ read }), { v: ['w'], w: ['r'] })
    expect(await judged(before, after)).toEqual(['narrower'])
  })

  it.each<[string, object, object]>([
    ['scopes', tools({ a: ['x', 'y'] }), tools({ a: ['y', 'x'] })],
    ['alternatives', tools({ a: { any: ['x', 'y'] } }), tools({ a: { any: ['y', 'x'] } })],
    ['a table', MCP, tools({ read: { scopes: ['files:read'] } })],
    [
      'types',
      tools({ a: { scopes: [], agent_types: ['s', 'o'] } }),
      tools({ a: { scopes: [], agent_types: ['o', 's'] } }),
    ],
    [
      'methods',
      { ...MCP, methods: ['logging/setLevel', 'x/y'] },
      { ...MCP, methods: ['x/y', 'logging/setLevel'] },
    ],
    [
      'origins',
      { ...MCP, origins: ['https://a.example', 'https://b.example'] },
      { ...MCP, origins: ['https://b.example', 'https://a.example'] },
    ],
  ])('is the same, written in another way: %s', async (_, before, after) => {
    expect(await judged(policyOf(before), policyOf(after))).toEqual([])
  })
})

describe('what a name needs, made of parts of the path', () => {
  const of = (mcp: object, ...paths: readonly string[]) =>
    policy({ ROUTES: paths.map((path) => ({ match: `GET,POST,DELETE ${path}`, scopes: [], mcp })) })
  const [AB, BA] = ['/mcp/{a}/{b}', '/mcp/{b}/{a}']
  const own = tools({ t: ['x:{a}'] })

  it.each<[string, object, readonly string[]]>([
    ['a scope', own, ['wider', 'narrower']],
    ['of a prompt', { prompts: { t: ['x:{a}'] } }, ['wider', 'narrower']],
    ['of a resource', { resources: { 'file:///*': ['x:{b}'] } }, ['wider', 'narrower']],
    ['one of several', tools({ t: { any: ['y', 'x:{a}'] } }), ['wider', 'narrower']],
    ['beside arguments', tools({ t: ['x:{a}:{arguments.b}'] }), ['wider', 'narrower']],
    [
      'beside types',
      tools({ t: { scopes: ['x:{a}'], agent_types: ['s'] } }),
      ['wider', 'narrower'],
    ],
    [
      'a condition',
      tools({ t: { scopes: [], when: 'request.params.a == token.run' } }),
      ['unclear'],
    ],
    ['a scope of an argument', tools({ t: ['x:{arguments.a}'] }), []],
    ['a condition on an argument', tools({ t: { scopes: [], when: 'arguments.a == "1"' } }), []],
  ])('is another where those are: %s', async (_, mcp, words) => {
    expect(await judged(of(mcp, AB), of(mcp, BA))).toEqual(words)
    expect(await judged(of(mcp, BA), of(mcp, AB))).toEqual(words)
    expect(await judged(of(mcp, AB), of(mcp, AB))).toEqual([])
  })

  it('is said to be another', async () => {
    const found = await comparePolicies(of(own, AB), of(own, BA))
    const text = expect.stringMatching(/`mcp` is now .*, of other parts of the path/)
    expect(found).toMatchObject({ ok: true, value: { gains: [{ text }], loses: [{ text }] } })
  })

  it.each([
    ['the same part', '/mcp/{a}/one', false],
    ['another part', '/mcp/one/{a}', true],
  ])('is compared in a rule for some of the paths: %s', async (_, path, widens) => {
    expect((await judged(of(own, AB), of(own, path, AB))).includes('wider')).toBe(widens)
  })

  it('is the same by another name', async () => {
    const renamed = of(tools({ t: ['x:{id}'] }), '/mcp/{id}/{b}')
    expect(await judged(of(own, AB), renamed)).toEqual([])
  })

  it('is the same for one value that the rule is for', async () => {
    const rules = (scope: string) =>
      policy({
        ROUTES: [
          { match: 'POST /mcp/one', scopes: [], mcp: tools({ t: [scope] }) },
          { match: 'POST /mcp/{a}', scopes: [], mcp: own },
        ],
      })
    expect(await judged(of(own, '/mcp/{a}'), rules('x:one'))).not.toContain('wider')
    expect(await judged(of(own, '/mcp/{a}'), rules('x:two'))).toContain('wider')
  })

  it('is covered by the same scopes for the one value that is left of a rule', async () => {
    const only = (SCOPES: object) => {
      const mcp = tools({ t: ['x:one'] })
      return policy({ ROUTES: [{ match: 'GET,POST,DELETE /mcp/one', scopes: [], mcp }], SCOPES })
    }
    const before = of(own, '/mcp/{a}')
    expect(await judged(before, only({}))).toEqual(['narrower'])
    expect(await judged(before, only({ w: ['x:two'] }))).toEqual(['narrower'])
    expect(await judged(before, only({ w: ['x:one'] }))).toEqual(['wider', 'narrower'])
  })
})

describe('against every request and caller of a small world', () => {
  const paths = ['/{a}/{b}', '/{b}/{a}', '/{a}/one', '/one/{b}', '/{b}/one', '/{a}/{b}:go']
  const SEGMENTS = ['one', 'two', 'two:go']
  const asked = combinations([SEGMENTS, SEGMENTS]).map((two) => `/${two.join('/')}`)
  const held = ['x:one', 'x:two', 'y:one:two', 'z', 'w']
  const scopes = fc.constantFrom<readonly string[] | object>(
    ['x:{a}'],
    ['x:{b}'],
    ['x:two'],
    ['x:{a}', 'z'],
    { any: ['x:{a}', 'z'] },
    { any: ['x:{b}', 'x:two'] },
    ['y:{a}:{b}'],
  )
  const types = fc.constantFrom(undefined, undefined, ['s'], ['o'], ['o', 's'])
  const needs = fc
    .tuple(scopes, types)
    .map(([one, agent_types]) => (agent_types ? { scopes: one, agent_types } : one))
  const rules = fc.uniqueArray(fc.record({ path: fc.constantFrom(...paths), needs }), {
    minLength: 1,
    maxLength: 3,
    selector: ({ path }) => path,
  })
  const SCOPES = fc.constantFrom<Readonly<Record<string, readonly string[]>>>(
    {},
    {},
    { w: ['x:*'] },
    { w: ['x:two'] },
    { w: ['z'], z: ['x:one'] },
    { z: ['x:one'] },
  )
  /** Two that are often alike but for one thing. */
  const pair = fc
    .record({ one: rules, other: rules, at: fc.nat(2), again: needs, isAlike: fc.boolean() })
    .map(({ one, other, at, again, isAlike }) => {
      const changed = one.map((rule, i) =>
        i === at % one.length ? { ...rule, needs: again } : rule,
      )
      return [one, isAlike ? changed : other] as const
    })

  const parsed = (list: readonly { path: string; needs: unknown }[], SCOPES: object) => {
    try {
      const ROUTES = list.map(({ path, needs }) => ({
        ...{ match: `POST ${path}`, scopes: [], mcp: tools({ t: needs }) },
      }))
      return policy({ ROUTES, SCOPES })
    } catch {
      return undefined
    }
  }
  /** What tokens may use it with, of every set of scopes. */
  const openTo = (one: Policy, path: string): readonly string[] => {
    const { match } = one.router.find('POST', 'api.example.com', path)
    const use = match?.route.mcp?.names.tools.find('t')
    if (!match || !use) return []
    const { params } = match
    return combinations<readonly string[]>([subsets(held, 2), [[], ['s'], ['o']]])
      .filter(([scopes = [], types = []]) => mayUse(use, { scopes, types, params, policy: one }))
      .map((caller) => JSON.stringify(caller))
  }

  it('finds every widening', async () => {
    const seen = { wider: 0, not: 0 }
    await fc.assert(
      fc.asyncProperty(pair, SCOPES, SCOPES, async ([one, other], some, others) => {
        const [before, after] = [parsed(one, some), parsed(other, others)]
        fc.pre(before !== undefined && after !== undefined)
        if (!before || !after) return
        const real = asked.find((path) => {
          const known = new Set(openTo(before, path))
          return openTo(after, path).some((scopes) => !known.has(scopes))
        })
        const found = await comparePolicies(before, after)
        if (real)
          expect({ widens: found.ok && found.value.widens, real }).toEqual({ widens: true, real })
        seen[real ? 'wider' : 'not']++
      }),
      tries(8, 25),
    )
    expect(seen.wider).toBeGreaterThan(5)
    expect(seen.not).toBeGreaterThan(0)
  })
})
