import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mayUse } from '../../../src/model/mcp-access.ts'
import type { Policy } from '../../../src/model/policy.ts'
import { comparePolicies } from '../../../src/policy/compare/compare.ts'
import { policy } from '../support.ts'
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
    ['a condition', MCP, tools({ read: { scopes: ['files:read'], when: 'true' } }), ['unclear']],
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

  it('SCOPES count where a tool has a template', async () => {
    const mcp = tools({ read: ['files:{arguments.path}'] })
    const found = await judged(policyOf(mcp), policyOf(mcp, { admin: ['files:*'] }))
    expect(found).toEqual(['unclear'])
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
    ['beside types', tools({ t: { scopes: ['x:{a}'], agent_types: ['s'] } }), ['unclear']],
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
})

describe('against every request and caller of a small world', () => {
  const paths = ['/{a}/{b}', '/{b}/{a}', '/{a}/one', '/one/{b}', '/{b}/one', '/{a}/{b}:go']
  const SEGMENTS = ['one', 'two', 'two:go']
  const asked = combinations([SEGMENTS, SEGMENTS]).map((two) => `/${two.join('/')}`)
  const held = ['x:one', 'x:two', 'y:one:two', 'z', 'w']
  const scopes = fc.constantFrom<unknown>(
    ['x:{a}'],
    ['x:{b}'],
    ['x:two'],
    ['x:{a}', 'z'],
    { any: ['x:{a}', 'z'] },
    { any: ['x:{b}', 'x:two'] },
    ['y:{a}:{b}'],
  )
  const rules = fc.uniqueArray(fc.record({ path: fc.constantFrom(...paths), needs: scopes }), {
    minLength: 1,
    maxLength: 3,
    selector: ({ path }) => path,
  })
  const SCOPES = fc.constantFrom({}, {}, {}, { w: ['x:*'] }, { w: ['x:two'] })

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
    return subsets(held, 2)
      .filter((scopes) => mayUse(use, { scopes, types: [], params, policy: one }))
      .map((scopes) => scopes.join(' '))
  }

  it('finds every widening', async () => {
    const seen = { wider: 0, not: 0 }
    await fc.assert(
      fc.asyncProperty(rules, rules, SCOPES, SCOPES, async (one, other, some, others) => {
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
      { seed: Number(process.env.SEED ?? 20_274), numRuns: Number(process.env.RUNS ?? 60) },
    )
    expect(seen.wider).toBeGreaterThan(9)
    expect(seen.not).toBeGreaterThan(2)
  }, 60_000)
})
