import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalPath, isLoopback, percentDecode, splitUrl } from '../../../src/gate/base/url.ts'
import { anyCharacter, tries } from '../../kit/property.ts'

describe('canonicalPath', () => {
  /** Pieces out of which most known path tricks can be put together. */
  const piece = fc.oneof(
    fc.constantFrom('/', '.', '%2e', '%2F', '%25', '%5c', '%', ';', '\\', '%c3', '%a4', '%00', '|'),
    fc.constantFrom('a', 'A', '%61', '%7E', '[', ']', "'", '(', '*', ':', '@', '+', '=', '%20'),
    fc.string({ maxLength: 2 }),
  )
  const hostile = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`)

  it('is idempotent, and no URL parser changes what it accepts', () => {
    let accepted = 0
    fc.assert(
      fc.property(hostile, (raw) => {
        const path = canonicalPath(raw)
        if (!path.ok) return
        accepted++
        expect(canonicalPath(path.value)).toEqual(path)
        const parsed = new URL(`https://api.example.com${path.value}`)
        expect(parsed.pathname).toBe(path.value)
        expect(parsed.href).toBe(`https://api.example.com${path.value}`)
        expect(decodeURIComponent(path.value)).toBe(decodeURIComponent(raw))
      }),
      tries(400),
    )
    expect(accepted).toBeGreaterThan(50)
  })
})

describe('splitUrl', () => {
  const parts = (scheme: string, host: string, authority: string, path: string, query: string) => ({
    scheme,
    host,
    authority,
    path,
    query,
  })

  it.each([
    [
      'HTTPS://API.Example.com:8443/A?B',
      parts('https', 'api.example.com', 'api.example.com:8443', '/A', '?B'),
    ],
    ['https://h?x=/../y', parts('https', 'h', 'h', '/', '?x=/../y')],
    ['https://h/?', parts('https', 'h', 'h', '/', '?')],
    ['http://[::1]:80/x', parts('http', '[::1]', '[::1]:80', '/x', '')],
    ['https://h/../%2e/a//b', parts('https', 'h', 'h', '/../%2e/a//b', '')],
    ['https://h\\a', parts('https', 'h', 'h', '\\a', '')],
    ['https://h/a@b:c', parts('https', 'h', 'h', '/a@b:c', '')],
  ])('splits %s', (url, expected) => {
    expect(splitUrl(url)).toEqual(expected)
  })

  it.each([
    '',
    '//h/a',
    'https:///a',
    'https://user:pass@h/',
    'https://h@evil/',
    'https://h/a?b#c',
    'https://h#/a',
    'https://h%2fa/',
    'https://h,other/',
    'https://h:123456/',
    'https://-h/',
    'https://h./',
    'https://hä/',
    'https://[::1/',
  ])('refuses %j', (url) => {
    expect(splitUrl(url)).toBeUndefined()
  })
})

it.each([
  ['a.localhost', true],
  ['127.0.0.1', true],
  ['127.1.2.3', true],
  ['[::1]', true],
  ['localhost.example.com', false],
  ['0.0.0.0', false],
  ['evillocalhost', false],
])('isLoopback(%s) is %s', (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback)
})

it('percentDecode decodes what decodeURIComponent decodes, and nothing else', () => {
  const decoded = (text: string) => {
    try {
      return decodeURIComponent(text)
    } catch {
      return undefined
    }
  }
  // The first and last bytes of each range of RFC 3629 §4.
  const edges = ['00', '7F', '80', '8f', '90', '9F', 'a0', 'BF', 'c1', 'C2', 'df', 'E0', 'e1', 'ec']
  const leads = ['ED', 'ee', 'ef', 'F0', 'f1', 'F3', 'f4', 'F5', 'ff']
  const byte = fc.constantFrom(...[...edges, ...leads].map((hex) => `%${hex}`))
  const piece = fc.oneof(
    { weight: 9, arbitrary: byte },
    { weight: 1, arbitrary: fc.constantFrom('%', '%4', '%g0', 'a', '\ud800', '\n') },
  )
  const text = fc.oneof(
    fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join('')),
    anyCharacter.map(encodeURIComponent),
  )
  fc.assert(
    fc.property(text, (given) => {
      expect(percentDecode(given)).toBe(decoded(given))
    }),
    tries(500),
  )
})
