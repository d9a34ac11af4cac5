import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { own, parseJson, parseJsonObject } from '../../src/base/json.ts'
import { LIMITS } from '../../src/base/limits.ts'
import { tries } from '../kit/property.ts'

/** An object whose innermost value is `levels` deep, the object itself counted. */
const nested = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`

/** Blanks that are more than any token has. */
const LONG = ' '.repeat(LIMITS.tokenLength)

describe('parseJsonObject', () => {
  it.each([
    '{}',
    '{"a":1}',
    ' {\n"a" : [1, {"a": 2}, {"a": 3}] } ',
    '{"a":{"b":1},"b":{"a":2}}',
    '{"a":"a","b":"a","c":["a","a"]}',
    '{"a":"{\\"a\\":1,","b":"\\\\","c":"]}"}',
    '{"a":1,"A":2,"á":3,"a\\u0301":4}',
    '{"":1," ":2}',
    '{"a":1e300,"b":-0.5,"c":null,"d":true}',
    '{"constructor":2,"toString":3,"a":"__proto__","b":["__proto__"]}',
    nested(LIMITS.jsonDepth),
  ])('takes %.60s', (text) => {
    expect(parseJsonObject(text)).toEqual(JSON.parse(text))
    expect(parseJsonObject(LONG + text)).toEqual(JSON.parse(text))
  })

  it.each([
    '',
    'null',
    '[]',
    '[{}]',
    '"{}"',
    '1',
    '{',
    '{}{}',
    '{"a":1,}',
    "{'a':1}",
    '{a:1}',
    '{"a":NaN}',
    '{"a":01}',
    '{"a":"\n"}',
    '\ufeff{}',
    '{} // x',
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"a":3}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0061":1,"\\u0061":2}',
    '{"\\"":1,"\\u0022":2}',
    '{"a":{"b":1,"b":2}}',
    '{"a":[{"b":{"c":1,"c":2}}]}',
    '{"a":"}","a":2}',
    '{"a":[],"a":[]}',
    '{"a":{},"a":{}}',
    '{"":1,"":2}',
    '{"__proto__":1}',
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
  it.each(['[]', '[{"a":1},{"a":2}]', '1', '"a"', 'null', '{"a":{"b":1}}'])('takes %s', (text) => {
    expect(parseJson(text)).toEqual(JSON.parse(text))
  })

  it.each(['', '[', '[{"a":1,"a":2}]', '[[{"__proto__":1}]]'])('refuses %s', (text) => {
    expect(parseJson(text)).toBeUndefined()
  })

  it.each([2, 3, 64, 100])('goes %i levels deep', (depth) => {
    for (const text of [nested(depth), `${'['.repeat(depth)}${']'.repeat(depth)}`]) {
      expect(parseJson(text, depth)).toEqual(JSON.parse(text))
      expect(parseJson(` ${text}`, depth)).toEqual(JSON.parse(text))
      expect(parseJson(text, depth - 1)).toBeUndefined()
      expect(parseJson(` ${text}`, depth - 1)).toBeUndefined()
    }
  })
})

it.each([
  ['{}', '__proto__', undefined],
  ['{}', 'constructor', undefined],
  ['{}', 'hasOwnProperty', undefined],
  ['{"__proto__":{"x":1}}', 'x', undefined],
  ['{"__proto__":2}', '__proto__', 2],
  ['{"hasOwnProperty":1,"x":2}', 'x', 2],
])('own(%s, %s)', (text, name, value) => {
  expect(own(JSON.parse(text), name)).toBe(value)
})
