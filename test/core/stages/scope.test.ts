import { describe, expect, it } from 'vitest'
import { scope } from '../../../src/gate/guard/stages/scope.ts'
import { accessOf, codeOf, policyOf, routeOf, scopesOf } from '../../kit/facts.ts'

/** `docs:write` includes `docs:read`, and so does `docs:all`, through it. */
const INCLUDED_BY: Readonly<Record<string, readonly string[]>> = {
  'docs:read': ['docs:read', 'docs:write', 'docs:all'],
  'docs:write': ['docs:write', 'docs:all'],
}

const run = async (
  needed: ReturnType<typeof scopesOf>,
  held: readonly string[],
  params: Readonly<Record<string, string>> = {},
) =>
  scope.run(
    {
      policy: { ...policyOf(), includedBy: (one) => INCLUDED_BY[one] ?? [one] },
      route: routeOf('GET /x', { scopes: needed }),
      deciding: new Map(Object.entries(params)),
      access: accessOf({ scopes: held }),
    },
    undefined,
  )

const all = (...sources: string[]) => scopesOf('all', ...sources)
const any = (...sources: string[]) => scopesOf('any', ...sources)

describe('scope', () => {
  it.each<[ReturnType<typeof scopesOf>, string[], string[], Record<string, string>?]>([
    [all(), [], []],
    [all(), ['x'], []],
    [all('a'), ['b', 'a'], ['a']],
    [all('a', 'b'), ['b', 'a', 'c'], ['a', 'b']],
    [all('docs:read'), ['docs:write'], ['docs:write']],
    [all('docs:read'), ['docs:all'], ['docs:all']],
    [all('docs:read', 'docs:write'), ['docs:all'], ['docs:all']],
    [all('docs:read'), ['docs:write', 'docs:read'], ['docs:read']],
    [any('a', 'b'), ['b'], ['b']],
    [any('a', 'b'), ['b', 'a'], ['a']],
    [any('docs:read', 'x'), ['docs:all'], ['docs:all']],
    [all('d:{id}'), ['d:7'], ['d:7'], { id: '7' }],
    [all('d:{a}:{b}'), ['d:x:y'], ['d:x:y'], { a: 'x', b: 'y' }],
    [all('{id}'), ['x'], ['x'], { id: 'x' }],
    [any('d:{id}', 'd'), ['d'], ['d'], { id: '%2F' }],
  ])('%j is covered by %j: %j', async (needed, held, grant, params) => {
    expect(await run(needed, held, params)).toEqual({ ok: true, value: { routeGrant: grant } })
  })

  it.each<[ReturnType<typeof scopesOf>, string[], object, Record<string, string>?]>([
    [all('a'), [], { requiredScopes: ['a'] }],
    [all('a', 'b'), ['a'], { requiredScopes: ['a', 'b'], missingScopes: ['b'] }],
    [all('a'), ['A'], { requiredScopes: ['a'] }],
    [all('read'), ['readonly', 'rea', 'read:all'], { requiredScopes: ['read'] }],
    [all('a'), ['*'], { requiredScopes: ['a'] }],
    [all('docs:write'), ['docs:read'], { requiredScopes: ['docs:write'] }],
    [all('docs:all'), ['docs:write'], { requiredScopes: ['docs:all'] }],
    [any('a', 'b'), ['c'], { anyOf: ['a', 'b'] }],
    [any(), ['c'], { anyOf: [] }],
    [all('d:{id}'), ['d:7', 'd:{id}'], { requiredScopes: ['d:8'] }, { id: '8' }],
    [any('d:{id}', 'd'), ['x'], { anyOf: ['d'] }, { id: '%2F' }],
  ])('%j is not covered by %j', async (needed, held, params, values) => {
    const outcome = await run(needed, held, values)
    if (needed.scopes.length > 0) {
      expect(outcome).toMatchObject({ reason: { code: 'scope_missing', params } })
    } else expect(outcome.ok).toBe(false)
  })

  it.each(['', '%2F', 'a%20b', 'a:b', 'a*', 'a"', 'ä', 'a b', 'a/b', 'a'.repeat(129)])(
    'refuses %.20j as a part of a scope, also where the token has just that scope',
    async (id) => {
      const outcome = await run(all('d:{id}'), [`d:${id}`, 'd:'], { id })
      expect(codeOf(outcome)).toBe('scope_value_invalid')
    },
  )

  it('refuses a template whose parameter the path does not have', async () => {
    expect(codeOf(await run(all('d:{id}'), ['d:undefined', 'd:']))).toBe('scope_value_invalid')
    expect(codeOf(await run(any('d:{id}'), ['d:undefined', 'd:']))).toBe('scope_value_invalid')
  })
})
