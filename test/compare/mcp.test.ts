import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparePolicies } from '../../src/compare/compare.ts'
import { mayUse } from '../../src/gate/model/mcp-scopes.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import { ACME, policy } from '../gate/policy/support.ts'
import { tries } from '../kit/property.ts'
import { combinations, explore, policyOrNone, subsets } from './brute.ts'

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

/** A tool with these needs, beside others. */
const tool = (a: unknown, others: object = {}) => tools({ a, ...others })
const needing = (keys: object) => tool({ scopes: ['x'], ...keys })
const [ANY, ALL] = [tool({ any: ['x', 'y'] }), tool(['x', 'y'])]

describe('mcp of two policies', () => {
  it.each<[what: string, before: object | undefined, after: object | undefined, word: string]>([
    ['a tool in place of another', tool(['x']), tools({ b: ['x'] }), 'wider narrower'],
    ['another case', tool(['x']), tools({ A: ['x'] }), 'wider narrower'],
    ['a scope less', tool(['x']), tool([]), 'wider'],
    ['a scope more', tool(['x']), ALL, 'narrower'],
    ['an alternative less', ANY, tool(['x']), 'narrower'],
    ['one of them', ALL, ANY, 'unclear'],
    ['an alternative of its own', tool(['x']), tool({ any: ['x'] }), ''],
    ['no condition any more', needing({ when: 'true' }), tool(['x']), 'wider'],
    [
      'another condition',
      needing({ when: 'true' }),
      needing({ when: 'arguments.n == 1' }),
      'unclear',
    ],
    ['no types any more', needing({ agent_types: ['s'] }), tool(['x']), 'wider'],
    [
      'a type less',
      needing({ agent_types: ['s', 'o'] }),
      needing({ agent_types: ['s'] }),
      'narrower',
    ],
    [
      'a type in place of another',
      needing({ agent_types: ['o'] }),
      needing({ agent_types: ['s'] }),
      'wider narrower',
    ],
    ['a scope less, and a condition', ALL, needing({ when: 'true' }), 'wider narrower'],
    ['a pattern', tool(['x']), tool(['x'], { 'x_*': [] }), 'wider'],
    ['a name under a pattern', tools({ '*': [] }), tool(['x'], { '*': [] }), 'unclear'],
    ['no name under a pattern', tool(['x'], { '*': [] }), tools({ '*': [] }), 'unclear'],
    ['names that objects have', tool(['x']), tool(['x'], { constructor: [] }), 'wider'],
    ['no mcp any more', MCP, undefined, 'wider'],
    ['scopes in another order', ALL, tool(['y', 'x']), ''],
    ['alternatives in another order', ANY, tool({ any: ['y', 'x'] }), ''],
    ['a table', tool(['x']), needing({}), ''],
    [
      'types in another order',
      needing({ agent_types: ['s', 'o'] }),
      needing({ agent_types: ['o', 's'] }),
      '',
    ],
    [
      'methods in another order',
      { ...MCP, methods: ['logging/setLevel', 'x/y'] },
      { ...MCP, methods: ['x/y', 'logging/setLevel'] },
      '',
    ],
    [
      'origins in another order',
      { ...MCP, origins: ['https://a.example', 'https://b.example'] },
      { ...MCP, origins: ['https://b.example', 'https://a.example'] },
      '',
    ],
  ])('with %s', async (_, before, after, word) => {
    expect((await judged(policyOf(before), policyOf(after))).join(' ')).toBe(word)
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

  const written = (rules: readonly { path: string; needs: unknown }[], SCOPES: object) => ({
    SCOPES,
    ROUTES: rules.map(({ path, needs: t }) => ({
      ...{ match: `POST ${path}`, scopes: [], mcp: tools({ t }) },
    })),
  })
  const pairs = fc
    .tuple(pair, SCOPES, SCOPES)
    .map(([[one, other], some, others]) => [written(one, some), written(other, others)] as const)

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

  const isWider = async (before: Policy, after: Policy) =>
    asked.some((path) => {
      const known = new Set(openTo(before, path))
      return openTo(after, path).some((caller) => !known.has(caller))
    })

  it('finds every widening', async () => {
    await explore(
      {
        pair: pairs,
        policyOf: (one) => policyOrNone({ ISSUERS: { acme: ACME }, ...one }),
        isWider,
      },
      tries(8, 25),
    )
  })
})
