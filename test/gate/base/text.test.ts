import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  connectionOptions,
  foldedName,
  headerText,
  isIdentityText,
} from '../../../src/gate/base/text.ts'
import { anyCharacter, tries } from '../../kit/property.ts'

it.each([
  ['agent 1/€ 😀', true],
  ['', false],
  ['a\r\nX-Agent-Id: root', false],
  ['a\x7f', false],
  ['a\x9f', false],
  ['\ud800', false],
  ['\udc00\ud800', false],
  ['a'.repeat(2_048), true],
  ['a'.repeat(2_049), false],
  [undefined, false],
  [['a'], false],
])('isIdentityText(%j) is %s', (value, holds) => {
  expect(isIdentityText(value)).toBe(holds)
})

describe('headerText', () => {
  it.each([
    ['https://auth.example.com', 'https://auth.example.com'],
    ['a,b', 'a%2Cb'],
    ['"\\"', '%22%5C%22'],
    ['\x80', '%C2%80'],
  ])('%j is %s', (text, value) => {
    expect(headerText(text)).toBe(value)
  })

  const text = fc.oneof(
    fc.string({ unit: anyCharacter }),
    fc.string({ unit: fc.constantFrom('%', '2', 'C', ',', ' ', '"', '\\', 'ä', '\n', '😀') }),
  )

  it('is visible ASCII without separators, and decodes to the text', () => {
    fc.assert(
      fc.property(text, (one) => {
        const value = headerText(one)
        expect(value).toMatch(/^[\x21-\x7e]*$/)
        expect(value).not.toMatch(/[,"\\]|%(?![0-9A-F]{2})/)
        expect(decodeURIComponent(value)).toBe(one)
      }),
      tries(100),
    )
  })
})

describe('foldedName', () => {
  it.each([
    ["X_A.b~C!1'", 'x-a-b-c-1-'],
    ['x-agent-id', 'x-agent-id'],
    ['X-Agent-Id', 'x-agent-id'],
  ])('reads %s as the laxest server does', (name, folded) => {
    expect(foldedName(name)).toBe(folded)
  })
})

it.each([
  [null, []],
  ['keep-alive', []],
  ['close, X_Hop ,x-hop,x.hop', ['close', 'x-hop']],
  ['a,,', ['a', '']],
  [`${'a,'.repeat(30_000)}z`, ['a', 'z']],
])('connectionOptions(%.20s) are each there once, found at once', (value, names) => {
  expect(connectionOptions(value)).toEqual(new Set(names))
})
