import { expect, it } from 'vitest'
import { decodeJwsPart, splitJws } from '../../src/gate/base/jws.ts'

const part = (content: string | Uint8Array) => Buffer.from(content).toString('base64url')

it.each([
  ['e30.e30.AA', { header: 'e30', payload: 'e30', signature: 'AA' }],
  ['e30.e30.', { header: 'e30', payload: 'e30', signature: '' }],
  ['e30..AA', { header: 'e30', payload: '', signature: 'AA' }],
  ['', undefined],
  ['.e30.AA', undefined],
  ['e30.e30', undefined],
  ['e30.e30.AA.AA', undefined],
  ['.'.repeat(10_000), undefined],
  ['e30.e30.AB', undefined],
  ['e30.e30.A+', undefined],
  ['e30.e30.AA\n', undefined],
  ['e30.e30.ää', undefined],
])('splitJws(%.40j)', (token, parts) => {
  expect(splitJws(token)).toEqual(parts)
})

it.each([
  [part('{"a":"€"}'), { a: '€' }],
  [part('[]'), undefined],
  [part('{"a":1,"a":2}'), undefined],
  [part('\ufeff{}'), undefined],
  [part(Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), undefined],
  ['e31', undefined],
])('decodeJwsPart(%j)', (text, object) => {
  expect(decodeJwsPart(text)).toEqual(object)
})
