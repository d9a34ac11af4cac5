import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  bitLength,
  isCanonicalBase64Url,
  sha256Name,
  utf8Decode,
  utf8Encode,
} from '../../../src/gate/base/bytes.ts'
import { tries } from '../../kit/property.ts'

it('takes exactly the texts that encoding gives', () => {
  const text = fc.string({ unit: fc.constantFrom(...'AQgwEB9-_=+/ .'), maxLength: 9 })
  fc.assert(
    fc.property(text, (one) => {
      const again = Buffer.from(one, 'base64url').toString('base64url')
      expect(isCanonicalBase64Url(one)).toBe(again === one)
    }),
    tries(200),
  )
})

it.each([
  [[0xc0, 0xae], undefined],
  [[0xff], undefined],
  [[0xed, 0xa0, 0x80], undefined],
  [[0xe2, 0x82], undefined],
  [[0xe2, 0x82, 0xac], '€'],
  [[0xef, 0xbb, 0xbf, 0x61], '\ufeffa'],
  [[0x00], '\0'],
  [[], ''],
])('utf8Decode(%j)', (bytes, text) => {
  expect(utf8Decode(Uint8Array.from(bytes))).toBe(text)
})

it('names a text by its SHA-256 (FIPS 180-4, "abc")', async () => {
  expect(await sha256Name('abc')).toBe('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0')
  expect(utf8Encode('€')).toEqual(Uint8Array.from([0xe2, 0x82, 0xac]))
})

it.each([
  [[], 0],
  [[0, 0], 0],
  [[1], 1],
  [[0x80], 8],
  [[1, 0], 9],
  [[0, 0x7f, 0xff], 15],
  [[0, 0, 1, 0, 1], 17],
])('counts the bits of the number %j: %d', (bytes, bits) => {
  expect(bitLength(Uint8Array.from(bytes))).toBe(bits)
})
