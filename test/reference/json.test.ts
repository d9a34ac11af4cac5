import { expect, test } from 'vitest'
import { inexactMembers, isExactNumber, readJson, readJsonBytes } from './json.ts'

test.each(['{"a":1,"b":[true,false,null,"x"],"c":{"d":-1.5e3}}', ' [ ] ', '"\\u0041\\n"', '0'])(
  'reads %s as JSON.parse does',
  (text) => {
    expect(readJson(text)).toEqual({ ok: true, value: JSON.parse(text) })
  },
)

test.each([
  '',
  '{',
  '{"a":1,}',
  '[1,]',
  '01',
  '+1',
  '.5',
  '1.',
  'NaN',
  '{a:1}',
  "{'a':1}",
  '"\\x41"',
  '"\\u12"',
  '"a\nb"',
  '1 2',
  '{"a":1,"a":1}',
  '{"a":1,"\\u0061":2}',
  '{"__proto__":1}',
  '\uFEFF{}',
  '// x\n1',
])('refuses %s', (text) => {
  expect(readJson(text).ok).toBe(false)
})

test('32 levels are read, and 33 are not', () => {
  expect(readJson('['.repeat(32) + ']'.repeat(32)).ok).toBe(true)
  expect(readJson('['.repeat(33) + ']'.repeat(33)).ok).toBe(false)
})

test('bytes are UTF-8 without a byte order mark', () => {
  expect(readJsonBytes(new TextEncoder().encode('"é"'))).toEqual({ ok: true, value: 'é' })
  expect(readJsonBytes(new Uint8Array([0xef, 0xbb, 0xbf, 0x31])).ok).toBe(false)
  expect(readJsonBytes(new Uint8Array([0x22, 0xff, 0x22])).ok).toBe(false)
})

test.each([
  '0.1',
  '1.50',
  '2.5e-3',
  '1',
  '1.0',
  '1e0',
  '-0',
  '9007199254740991',
  '-9007199254740991',
])('%s is exact', (text) => {
  expect(isExactNumber(text)).toBe(true)
})

test.each(['0.10000000000000001', '1e22', '1e400', '1e-400', '9007199254740992', '1e999999999'])(
  '%s is not exact',
  (text) => {
    expect(isExactNumber(text)).toBe(false)
  },
)

test('inexact numbers are named at their object', () => {
  const read = readJson('{"a":1e22,"b":1,"c":[1,0.10000000000000001]}')
  if (!read.ok) throw new Error('not read')
  const value = read.value as { c: number[] }
  expect([...inexactMembers(value)]).toEqual(['a'])
  expect([...inexactMembers(value.c)]).toEqual(['1'])
})
