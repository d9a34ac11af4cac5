import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { claimHeaderValue } from '../../../src/gate/model/claims.ts'
import { anyCharacter, tries } from '../../kit/property.ts'

const value = (claims: object, ...path: readonly string[]) =>
  claimHeaderValue(claims as Parameters<typeof claimHeaderValue>[0], { header: 'X-User', path })
const of = (claim: unknown) => value({ a: claim }, 'a')

describe('the value of a claim in a header', () => {
  it.each<[unknown, string | undefined | null]>([
    ['Zoë, Ltd', 'Zo%C3%AB%2C%20Ltd'],
    ['a"b\\c', 'a%22b%5Cc'],
    [7, '7'],
    [-1.5, '-1.5'],
    [true, 'true'],
    [['a', 'b c', 7, true], 'a,b%20c,7,true'],
    [['a,b'], 'a%2Cb'],
    [[], undefined],
    // What a header cannot tell.
    ['', null],
    [2 ** 53, null],
    [JSON.parse('1e400'), null],
    [{}, null],
    [{ toString: 'x' }, null],
    [['a', {}], null],
    [['a', ''], null],
    ['a\u0000', null],
  ])('%j is %j', (claim, expected) => {
    expect(of(claim)).toBe(expected)
  })

  it('is no longer than 4,096 characters, as encoded', () => {
    expect(of('x'.repeat(2_048))).toHaveLength(2_048)
    expect(of('x'.repeat(2_049))).toBeNull()
    expect(of(' '.repeat(1_365))).toHaveLength(4_095)
    expect(of(' '.repeat(1_366))).toBeNull()
    expect(of(Array(2_048).fill('x'))).toHaveLength(4_095)
    expect(of(Array(2_049).fill('x'))).toBeNull()
  })

  it('is another for another claim, and visible ASCII', () => {
    const list = fc.array(fc.string({ unit: anyCharacter, maxLength: 4 }), {
      minLength: 1,
      maxLength: 3,
    })
    fc.assert(
      fc.property(list, list, (one, other) => {
        const [first, second] = [of(one), of(other)]
        if (typeof first === 'string') {
          expect(first).toMatch(/^[\x21-\x7e]+$/)
          expect(first.split(',').map(decodeURIComponent)).toEqual(one)
        }
        if (typeof first === 'string' && first === second) expect(one).toEqual(other)
      }),
      tries(100),
    )
  })
})
