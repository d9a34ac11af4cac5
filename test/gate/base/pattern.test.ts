import { describe, expect, it } from 'vitest'
import { type Pattern, parsePattern, parseSearch } from '../../../src/gate/base/pattern.ts'

const raw = String.raw

const accepted = (source: string): Pattern => {
  const result = parsePattern(source)
  if (!result.ok) throw new Error(`${source} was refused: ${result.reason}`)
  return result.value
}

const reference = (source: string): RegExp => new RegExp(`^(?:${source})$`, 'u')

describe('every code point is in the same sets as in ECMA-262', () => {
  for (const source of ['.', raw`\d`, raw`\D`, raw`\w`, raw`\W`, raw`\s`, raw`\S`, raw`[^\s\d]`]) {
    it(source, () => {
      const pattern = accepted(source)
      const expected = reference(source)
      const differing: number[] = []
      // Above the Basic Multilingual Plane no set has an edge: a sample is enough.
      for (let codePoint = 0; codePoint <= 0x10ffff; codePoint += codePoint < 0xffff ? 1 : 0x400) {
        const value = String.fromCodePoint(codePoint)
        if (pattern.matches(value) !== expected.test(value)) differing.push(codePoint)
      }
      expect(differing).toEqual([])
    })
  }
})

describe('a pattern outside of the subset is refused with a reason', () => {
  const cases: readonly (readonly [source: string, position: number, why: string])[] = [
    [raw`(a)\1`, 4, 'back-reference'],
    ['a(?=b)', 2, 'look-around'],
    ['(?<name>a)', 1, 'names a group'],
    ['(?i)a', 1, 'flags'],
    ['(?>a)', 1, 'opens no group'],
    ['(a+)+', 5, 'repeats a group'],
    ['a+?', 3, 'lazy'],
    ['(?:?)', 4, 'repeats nothing'],
    ['a{1, 3}', 2, 'no repeat count'],
    ['a{3,2}', 2, 'counts backwards'],
    [`a{1,${'9'.repeat(400)}}`, 2, 'counts over 256'],
    ['a|^b', 3, 'can only come first'],
    ['a$$', 2, 'can only come last'],
    ['(a', 1, 'never closed'],
    ['a)', 2, 'closes nothing'],
    [raw`[\]`, 1, 'never closed'],
    ['[z-a]', 2, 'runs backwards'],
    [raw`\b`, 1, 'is not among'],
    [raw`[\@]`, 2, 'needs none here'],
    [raw`\u{110000}`, 1, 'not followed by a code point'],
    [raw`[\u{DC00}]`, 2, 'not followed by a code point'],
  ]
  for (const [source, position, why] of cases) {
    it(source.slice(0, 20), () => {
      expect(parsePattern(source)).toEqual({ ok: false, reason: expect.stringContaining(why) })
      expect(parsePattern(source)).toEqual({
        ok: false,
        reason: expect.stringContaining(`at character ${position} `),
      })
    })
  }

  it('shows characters that a terminal would act on as code points', () => {
    expect(parsePattern('[b-\u001b]')).toEqual({
      ok: false,
      reason: expect.stringMatching(/^"b-\\u\{1b\}" at character 2 /),
    })
  })
})

describe('bounds', () => {
  it('takes sources of up to 512 UTF-16 units', () => {
    expect(parsePattern('a'.repeat(512)).ok).toBe(true)
    expect(parsePattern('a'.repeat(513))).toEqual({
      ok: false,
      reason: expect.stringContaining('has 513 characters, over 512'),
    })
    expect(parsePattern('😀'.repeat(257)).ok).toBe(false)
  })

  it('matches values of up to 256 UTF-16 units', () => {
    const any = accepted('(?:.|\n)*')
    expect(any.matches('a'.repeat(256))).toBe(true)
    expect(any.matches('a'.repeat(257))).toBe(false)
    expect(any.matches('😀'.repeat(128))).toBe(true)
    expect(any.matches(`${'😀'.repeat(128)}a`)).toBe(false)
    expect(accepted('a{256}').matches('a'.repeat(256))).toBe(true)
  })
})

describe('hostile patterns', () => {
  // A backtracking matcher tries up to 2^256 ways here: these tests would never end.
  const cases: readonly (readonly [source: string, matchesWithB: boolean])[] = [
    ['(a|a)*b', true],
    [`${'a*'.repeat(200)}b`, true],
    ['(?:.|a|[a-z]|\\w)*b', true],
  ]
  for (const [source, matchesWithB] of cases) {
    it(source.slice(0, 24), () => {
      const pattern = accepted(source)
      expect(pattern.matches('a'.repeat(256))).toBe(false)
      expect(pattern.matches(`${'a'.repeat(250)}b`)).toBe(matchesWithB)
    })
  }
})

describe('a pattern that is looked for', () => {
  it.each([
    ['^a|b', /group around the choices/],
    ['a|b$', /group around the choices/],
    ['(a+)+', /at character 5 repeats a group/],
    ['(?i)a', /sets flags/],
    ['a{256}'.repeat(9), /steps/],
  ])('%s is refused', (source, reason) => {
    const found = parseSearch(source)
    expect(found.ok ? '' : found.reason).toMatch(reason)
  })
})
