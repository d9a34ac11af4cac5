import { describe, expect, it } from 'vitest'
import { type Pattern, parsePattern, parseSearch } from '../../src/gate/base/pattern.ts'

const raw = String.raw

const accepted = (source: string): Pattern => {
  const result = parsePattern(source)
  if (!result.ok) throw new Error(`${source} was refused: ${result.reason}`)
  return result.value
}

const reference = (source: string): RegExp => new RegExp(`^(?:${source})$`, 'u')

describe('a pattern matches the whole value', () => {
  const cases: readonly (readonly [
    source: string,
    yes: readonly string[],
    no: readonly string[],
  ])[] = [
    ['', [''], ['a']],
    ['^$', [''], ['a']],
    ['abc', ['abc'], ['', 'ab', 'abcd', 'xabc', 'ABC', 'abc\n']],
    ['^abc$', ['abc'], ['abcd', 'xabc']],
    ['^a|b$', ['a', 'b'], ['ax', 'xb', 'ab']],
    ['a|', ['a', ''], ['b']],
    ['a.c', ['abc', 'a😀c', 'a\uD83Dc'], ['ac', 'a\nc', 'a\rc', 'a\u2028c', 'a\u2029c']],
    ['(ab|c)d', ['abd', 'cd'], ['ad', 'abcd']],
    ['(?:ab|c){2}', ['abab', 'abc', 'cc'], ['c', 'ccc']],
    ['(|a)*', ['', 'aaa'], ['b']],
    ['ab?', ['a', 'ab'], ['abb', 'b']],
    ['a{3}', ['aaa'], ['aa', 'aaaa']],
    ['a{2,}', ['aa', 'aaaaa'], ['a']],
    ['a{1,3}b{0}', ['a', 'aaa'], ['', 'aaaa', 'ab']],
    ['[a-cx-]+', ['abcx-'], ['', 'd']],
    ['[^a-c]', ['d', '😀', '\n'], ['b', 'dd', '']],
    ['[a-b-c]', ['a', 'b', '-', 'c'], ['d']],
    ['[a-a]', ['a'], ['b', '-']],
    [raw`[\d\-.^[(]+`, ['4-2.^[('], ['a', ']']],
    [raw`\d\D\w\W\s\S`, ['1x_- z'], ['x1_- z', '1xé- ', '1xé-az']],
    [raw`[^\W\d]`, ['a', '_'], ['1', '-']],
    [raw`\^\$\\\.\*\+\?\(\)\[\]\{\}\|\/`, [raw`^$\.*+?()[]{}|/`], ['']],
    [raw`a\$`, ['a$'], ['a']],
    [raw`\t\n\u0041\u{1F600}\u{000042}`, ['\t\nA😀B'], ['tnAB']],
    ['😀{2}', ['😀😀'], ['😀', '😀\uDE00']],
    ['[😀-😂]', ['😁'], ['\uD83D', '\uDE01', '😃']],
  ]
  for (const [source, yes, no] of cases) {
    it(JSON.stringify(source), () => {
      const pattern = accepted(source)
      expect(pattern.source).toBe(source)
      for (const value of yes) expect([value, pattern.matches(value)]).toEqual([value, true])
      for (const value of no) expect([value, pattern.matches(value)]).toEqual([value, false])
      for (const value of [...yes, ...no])
        expect([value, reference(source).test(value)]).toEqual([value, pattern.matches(value)])
    })
  }

  it('answers the same when asked again', () => {
    const pattern = accepted('[a-c]{2}')
    expect(['ab', 'ax', 'ab', 'xa', 'bb', ''].map(pattern.matches)).toEqual([
      true,
      false,
      true,
      false,
      true,
      false,
    ])
  })
})

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
    [raw`\k<a>`, 1, 'back-reference'],
    [raw`[\1]`, 2, 'back-reference'],
    ['a(?=b)', 2, 'look-around'],
    ['a(?!b)', 2, 'look-around'],
    ['(?<=a)b', 1, 'look-around'],
    ['(?<!a)b', 1, 'look-around'],
    ['(?<name>a)', 1, 'names a group'],
    ['(?P<name>a)', 1, 'names a group'],
    ['(?i)a', 1, 'flags'],
    ['(?i:a)', 1, 'flags'],
    ['(?i-s:a)', 1, 'flags'],
    ['(?-i:a)', 1, 'flags'],
    ['(?>a)', 1, 'opens no group'],
    ['(?', 1, 'opens no group'],
    ['(a+)+', 5, 'repeats a group'],
    ['(?:a|(b{2}))*', 13, 'repeats a group'],
    ['((a?)){2}', 7, 'repeats a group'],
    ['a**', 3, 'already repeated'],
    ['a{2}{3}', 5, 'already repeated'],
    ['a*+', 3, 'already repeated'],
    ['a+?', 3, 'lazy'],
    ['a??', 3, 'lazy'],
    ['a{2}?', 5, 'lazy'],
    ['*a', 1, 'repeats nothing'],
    ['a|+', 3, 'repeats nothing'],
    ['(?:?)', 4, 'repeats nothing'],
    ['^*', 2, 'repeats nothing'],
    ['{2}', 1, 'repeats nothing'],
    ['a{', 2, 'no repeat count'],
    ['a{x}', 2, 'no repeat count'],
    ['a{,3}', 2, 'no repeat count'],
    ['a{1, 3}', 2, 'no repeat count'],
    ['a{3,2}', 2, 'counts backwards'],
    ['a{257}', 2, 'counts over 256'],
    ['a{257,}', 2, 'counts over 256'],
    ['a{1,257}', 2, 'counts over 256'],
    [`a{1,${'9'.repeat(400)}}`, 2, 'counts over 256'],
    ['a^', 2, 'can only come first'],
    ['^^a', 2, 'can only come first'],
    ['(^a)', 2, 'can only come first'],
    ['a|^b', 3, 'can only come first'],
    ['a$b', 2, 'can only come last'],
    ['a$$', 2, 'can only come last'],
    ['(a$)', 3, 'can only come last'],
    ['a$|b', 2, 'can only come last'],
    ['(a', 1, 'never closed'],
    ['b(?:a', 2, 'never closed'],
    ['(a$', 1, 'never closed'],
    ['a)', 2, 'closes nothing'],
    ['a]', 2, 'closes nothing'],
    ['a}', 2, 'closes nothing'],
    ['b[a', 2, 'never closed'],
    ['[a-', 1, 'never closed'],
    ['[', 1, 'never closed'],
    [raw`[\]`, 1, 'never closed'],
    ['[]', 1, 'empty class'],
    ['[]a]', 1, 'empty class'],
    ['[^]', 1, 'empty class'],
    ['[z-a]', 2, 'runs backwards'],
    [raw`[a\d-z]`, 3, 'set at an end'],
    [raw`[a-\w]`, 2, 'set at an end'],
    [raw`\b`, 1, 'is not among'],
    [raw`\p{L}`, 1, 'is not among'],
    [raw`\cA`, 1, 'is not among'],
    [raw`\x41`, 1, 'is not among'],
    [raw`\0`, 1, 'is not among'],
    [raw`[a\b]`, 3, 'is not among'],
    [raw`\-`, 1, 'needs none here'],
    [raw`\@`, 1, 'needs none here'],
    [raw`[\@]`, 2, 'needs none here'],
    [raw`😀\é`, 2, 'needs none here'],
    ['a\\', 2, 'not followed by what it escapes'],
    [raw`\u12`, 1, 'not followed by a code point'],
    [raw`\u{110000}`, 1, 'not followed by a code point'],
    [raw`\u{}`, 1, 'not followed by a code point'],
    [raw`\uD83D\uDE00`, 1, 'not followed by a code point'],
    [raw`\uD83D\n`, 1, 'not followed by a code point'],
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

  it('takes patterns that unfold to up to 2000 states', () => {
    expect(parsePattern('[ab]{250}'.repeat(8)).ok).toBe(true)
    for (const source of [
      `${'[ab]{250}'.repeat(8)}c`,
      '(?:abcdefgh){251}',
      `(?:${'|'.repeat(500)}){256}`,
      'a{0,256}'.repeat(4),
    ])
      expect(parsePattern(source)).toEqual({
        ok: false,
        reason: expect.stringContaining('unfolds to over 2000'),
      })
  })

  it('matches values of up to 256 UTF-16 units', () => {
    const any = accepted('(?:.|\n)*')
    expect(any.matches('a'.repeat(256))).toBe(true)
    expect(any.matches('a'.repeat(257))).toBe(false)
    expect(any.matches('😀'.repeat(128))).toBe(true)
    expect(any.matches(`${'😀'.repeat(128)}a`)).toBe(false)
    expect(accepted('a{256}').matches('a'.repeat(256))).toBe(true)
  })

  it('reads groups as deep as a source can nest them', () => {
    expect(accepted(`${'('.repeat(255)}a${')'.repeat(255)}`).matches('a')).toBe(true)
    expect(parsePattern('('.repeat(512)).ok).toBe(false)
  })
})

describe('hostile patterns', () => {
  // A backtracking matcher tries up to 2^256 ways here: these tests would never end.
  const cases: readonly (readonly [source: string, matchesWithB: boolean])[] = [
    ['(a|a)*b', true],
    ['(?:a|aa|aaa)*b', true],
    ['(a|a|a|a){256}b', false],
    [`${'a*'.repeat(200)}b`, true],
    [`${'a?'.repeat(250)}b`, true],
    ['(?:.|a|[a-z]|\\w)*b', true],
    ['(|a|)*b', true],
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
    'b',
    '^b',
    '^a',
    'c$',
    'b$',
    '^abc$',
    'a.c',
    'a|x',
    'x|c',
    '^(?:a|b)',
    '(?:b|c)$',
    raw`\$`,
    raw`b\\`,
    raw`\\$`,
    raw`\\\$`,
    '[$|]',
    '[$|]$',
    '',
  ])('%s is found as RegExp finds it', (source) => {
    const found = parseSearch(source)
    if (!found.ok) throw new Error(found.reason)
    expect(found.value.source).toBe(source)
    for (const value of ['', 'a', 'abc', 'xabcx', 'a\nbc', 'b$', 'ab\\', 'a|', 'c\\$']) {
      expect(found.value.matches(value), value).toBe(new RegExp(source, 'u').test(value))
    }
  })

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

  it('says how many states it unfolds to', () => {
    const found = parseSearch('^a{10}$')
    expect(found.ok && found.value.states).toBe(10)
  })
})
