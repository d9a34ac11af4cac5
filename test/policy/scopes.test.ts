import { describe, expect, it } from 'vitest'
import { mistakes, policy } from './support.ts'

const includedBy = (SCOPES: object, scope: string) => policy({ SCOPES }).includedBy(scope)

describe('SCOPES', () => {
  it.each([
    [{}, 'a', ['a']],
    [{ w: ['r'] }, 'r', ['r', 'w']],
    [{ w: ['r'] }, 'w', ['w']],
    [{ x: ['w'], w: ['r'] }, 'r', ['r', 'w', 'x']],
    [{ a: ['b'], b: ['a'] }, 'a', ['a', 'b']],
    [{ a: ['a'] }, 'a', ['a']],
    [{ w: ['r'] }, 'toString', ['toString']],
  ])('%j: %s is included by %j', (scopes, scope, expected) => {
    expect(includedBy(scopes, scope)).toEqual(expected)
  })

  it('is kept as it is declared, beside what follows from it', () => {
    const { scopes } = policy({ SCOPES: { x: ['w'], w: ['r', 's'] } })
    expect([...scopes]).toEqual([
      ['x', ['w']],
      ['w', ['r', 's']],
    ])
  })

  it.each([
    ['admin scope', { a: ['edgewarden:read'] }, /^SCOPES\.a\[0\]: .*own endpoints/],
    ['no token', { a: ['b c'] }, /^SCOPES\.a\[0\]: .*RFC 6749/],
    ['template', { a: ['b:{id}'] }, /^SCOPES\.a\[0\]: .*template/],
    ['name', { 'a b': ['c'] }, /^SCOPES\["a b"\]: .*RFC 6749/],
    ['no list', { a: 'b' }, /^SCOPES\.a: must be a list/],
    ['empty list', { a: [] }, /^SCOPES\.a: .*empty/],
    ['no table', [], /^SCOPES: must be a table/],
  ])('mistake: %s', (_, scopes, says) => {
    const lines = mistakes({ SCOPES: scopes })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(says)
  })
})
