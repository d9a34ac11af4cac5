import { describe, expect, it } from 'vitest'
import { comparePolicies } from '../../../src/policy/compare/compare.ts'
import { policy } from '../support.ts'

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
