import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isExactText, jsonText, parseJson, parseJsonObject } from '../../../src/gate/base/json.ts'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { tries } from '../../kit/property.ts'

/** An object whose innermost value is `levels` deep, the object itself counted. */
const nested = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`

/** Blanks that are more than any token has. */
const LONG = ' '.repeat(LIMITS.tokenLength)

describe('parseJsonObject', () => {
  it.each([
    '{"a":"a","b":"a","c":["a","a"]}',
    '{"a":1,"A":2,"á":3,"a\\u0301":4}',
    '{"constructor":2,"toString":3,"a":"__proto__","b":["__proto__"]}',
    nested(LIMITS.jsonDepth),
  ])('takes %.60s', (text) => {
    expect(parseJsonObject(text)).toEqual(JSON.parse(text))
    expect(parseJsonObject(LONG + text)).toEqual(JSON.parse(text))
  })

  it.each([
    '[]',
    '{}{}',
    '{"a":"\n"}',
    '\ufeff{}',
    '{"a":1,"\\u0061":2}',
    '{"\\"":1,"\\u0022":2}',
    '{"a":[{"b":{"c":1,"c":2}}]}',
    '{"a":"}","a":2}',
    '{"":1,"":2}',
    '{"a":"b":1}',
    '{"a":[{"__proto__":{"b":1}}]}',
    '{"\\u005f_proto__":null}',
    nested(LIMITS.jsonDepth + 1),
    nested(5_000),
  ])('refuses %.60s', (text) => {
    expect(parseJsonObject(text)).toBeUndefined()
    expect(parseJsonObject(LONG + text)).toBeUndefined()
  })

  it('gives back any object, and refuses it with its last member doubled', () => {
    const value = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { minKeys: 1 })
    fc.assert(
      fc.property(value, (object) => {
        const text = JSON.stringify(object)
        fc.pre(!text.includes('"__proto__":'))
        const name = Object.keys(object).at(-1) ?? ''
        const doubled = `${text.slice(0, -1)},${JSON.stringify(name)}:0}`
        for (const blank of ['', LONG]) {
          expect(parseJsonObject(blank + text)).toEqual(JSON.parse(text))
          expect(parseJsonObject(blank + doubled)).toBeUndefined()
        }
      }),
      tries(60),
    )
  })
})

describe('parseJson', () => {
  it.each(['', '[', '[{"a":1,"a":2}]', '[[{"__proto__":1}]]'])('refuses %s', (text) => {
    expect(parseJson(text)).toBeUndefined()
  })

  it.each([2, 64])('goes %i levels deep', (depth) => {
    for (const text of [nested(depth), `${'['.repeat(depth)}${']'.repeat(depth)}`]) {
      expect(parseJson(text, depth)).toEqual(JSON.parse(text))
      expect(parseJson(` ${text}`, depth)).toEqual(JSON.parse(text))
      expect(parseJson(text, depth - 1)).toBeUndefined()
      expect(parseJson(` ${text}`, depth - 1)).toBeUndefined()
    }
  })
})

const INEXACT = [
  ...['9007199254740993', '-9007199254740993', '1234567890123456784', '9007199254740993.0'],
  ...['0.10000000000000001', '1.00000000000000000001', '100.000000000000001', '1e400', '1e-400'],
  ...['9007199254740991.4', '1234567890123456.78', `1${'0'.repeat(70)}`, `0.${'1'.repeat(70)}`],
]
const EXACT = [
  ...['0', '-0', '0.0', '0e9', '1', '1.0', '1e0', '10E-1', '0.1e+1', '-1.50', '1e22', '5e-324'],
  ...['9007199254740991', '9007199254740992', '1234567890123456800', '1.7976931348623157e308'],
  ...['0.1', '0.30000000000000004', '100.00000000000001', '1.00000000000000000000'],
]

describe('a number', () => {
  it.each(INEXACT)('%s that no double is, is infinite', (number) => {
    expect(isExactText(number)).toBe(false)
    const sign = number.startsWith('-') ? -1 : 1
    for (const blank of ['', ' ', LONG]) {
      const text = `${blank}{"a":[1.25,${number}],"${number}":"${number}","b":${number}}`
      const one = sign * Number.POSITIVE_INFINITY
      expect(parseJson(text)).toEqual({ a: [1.25, one], [number]: number, b: one })
    }
  })

  it.each(EXACT)('%s that a double is, is that', (number) => {
    expect(isExactText(number)).toBe(true)
    for (const blank of ['', ' ', LONG])
      expect(parseJson(`${blank}[${number},"${number}"]`)).toEqual([Number(number), number])
  })

  it('that is infinite is read back as one that is not exact', () => {
    expect(JSON.parse(jsonText({ a: [parseJson('1e400'), parseJson('-1e400'), 1.5] }))).toEqual({
      a: [Number.MAX_VALUE, Number.MAX_VALUE, 1.5],
    })
  })
})
