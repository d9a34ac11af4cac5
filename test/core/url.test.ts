import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../src/gate/base/limits.ts'
import {
  canonicalPath,
  hostOf,
  isLoopback,
  isPlainHost,
  percentDecode,
  splitUrl,
} from '../../src/gate/base/url.ts'
import { tries } from '../kit/property.ts'

describe('canonicalPath', () => {
  it.each([
    ['/', '/'],
    ['/v1/documents', '/v1/documents'],
    ['/v1/documents/', '/v1/documents/'],
    ['/V1', '/V1'],
    ['/%61', '/a'],
    ['/%41%7a%30%2d%5f%7E', '/Az0-_~'],
    ['/a%2eb', '/a.b'],
    ['/%2e%2e%2e', '/...'],
    ['/..a/a../a..b', '/..a/a../a..b'],
    ['/.well-known/x', '/.well-known/x'],
    ['/a%20b', '/a%20b'],
    ['/%e2%82%ac', '/%E2%82%AC'],
    ['/%f0%9f%98%80', '/%F0%9F%98%80'],
    ['/%ef%bb%bf', '/%EF%BB%BF'],
    ['/a%2fb', '/a%2Fb'],
    ['/a%2Fb', '/a%2Fb'],
    ['/%3f%23%3a', '/%3F%23%3A'],
    ['/100%25', '/100%25'],
    ['/%25zz', '/%25zz'],
    ['/%25/61', '/%25/61'],
    ["/a:b@c=d,e+f!$&'()*", "/a:b@c=d,e+f!$&'()*"],
    ['/m/x:generate|[1]', '/m/x:generate|[1]'],
    ['/__proto__/constructor', '/__proto__/constructor'],
    [`/${'a'.repeat(LIMITS.pathLength - 1)}`, `/${'a'.repeat(LIMITS.pathLength - 1)}`],
  ])('reads %.40s as %.40s', (raw, path) => {
    expect(canonicalPath(raw)).toEqual({ ok: true, value: path })
  })

  it.each([
    ['too long', `/${'a'.repeat(LIMITS.pathLength)}`],
    ['too long', `/${'a/'.repeat(4_608)}`],
    ['character', ''],
    ['character', '*'],
    ['character', 'a'],
    ['character', 'https://other.example/'],
    ['character', '/a;b'],
    ['character', '/a;/../b'],
    ['character', '/..;/b'],
    ['character', '/a\\b'],
    ['character', '\\a'],
    ['character', '/a b'],
    ['character', '/a\tb'],
    ['character', '/a\r\nb'],
    ['character', '/a\n'],
    ['character', '/\0'],
    ['character', '/\x7f'],
    ['character', '/\x85'],
    ['character', '/ä'],
    ['character', '/\u2024\u2024/a'],
    ['character', '/\uff0e\uff0e/a'],
    ['character', '/a\u2215b'],
    ['character', '/\ud800'],
    ['character', '/a?b'],
    ['character', '/a#b'],
    ['character', '/"'],
    ['character', '/{a}'],
    ['character', '/^'],
    ['character', '/`'],
    ['escape', '/%'],
    ['escape', '/a%'],
    ['escape', '/a%2'],
    ['escape', '/a%/2e'],
    ['escape', '/%zz'],
    ['escape', '/%u002e'],
    ['escape', '/%%36%31'],
    ['escape', '/%5c'],
    ['escape', '/a%5C..%5Cb'],
    ['escape', '/%2561'],
    ['escape', '/%252e%252e'],
    ['escape', '/%252F'],
    ['escape', '/%255c'],
    ['escape', '/%25%36%31'],
    ['escape', '/%2536%31'],
    ['escape', '/%256%31'],
    ['utf-8', '/%c0%ae'],
    ['utf-8', '/%c0%af'],
    ['utf-8', '/%e0%80%ae'],
    ['utf-8', '/%f0%80%80%ae'],
    ['utf-8', '/%ff'],
    ['utf-8', '/%fe%ff'],
    ['utf-8', '/%c3'],
    ['utf-8', '/%e2%82'],
    ['utf-8', '/%e2%82/%ac'],
    ['utf-8', '/%80'],
    ['utf-8', '/%ed%a0%80'],
    ['utf-8', '/%f4%90%80%80'],
    ['control character', '/%00'],
    ['control character', '/a%00.json'],
    ['control character', '/%09'],
    ['control character', '/%0a'],
    ['control character', '/a%0D%0Ax:y'],
    ['control character', '/%1f'],
    ['control character', '/%7f'],
    ['control character', '/%c2%80'],
    ['control character', '/%C2%85'],
    ['control character', '/%c2%9f'],
    ['empty segment', '//'],
    ['empty segment', '//a'],
    ['empty segment', '/a//b'],
    ['empty segment', '/a//'],
    ['dot segment', '/.'],
    ['dot segment', '/..'],
    ['dot segment', '/./a'],
    ['dot segment', '/a/.'],
    ['dot segment', '/a/..'],
    ['dot segment', '/a/../b'],
    ['dot segment', '/%2e'],
    ['dot segment', '/%2e%2E/a'],
    ['dot segment', '/.%2e/a'],
    ['dot segment', '/a/%2e.'],
    ['dot segment', '/a%2f..'],
    ['dot segment', '/a%2F%2e%2e%2Fb'],
    ['dot segment', '/..%2fa'],
    ['dot segment', '/a/.%2Fb'],
  ])('refuses (%s) %.40j', (reason, raw) => {
    expect(canonicalPath(raw)).toEqual({ ok: false, reason })
  })

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
    ['https://h', parts('https', 'h', 'h', '/', '')],
    [
      'HTTPS://API.Example.com:8443/A?B',
      parts('https', 'api.example.com', 'api.example.com:8443', '/A', '?B'),
    ],
    ['https://h?x=/../y', parts('https', 'h', 'h', '/', '?x=/../y')],
    ['https://h/?', parts('https', 'h', 'h', '/', '?')],
    ['https://h/a?b?c', parts('https', 'h', 'h', '/a', '?b?c')],
    ['http://127.0.0.1:80/', parts('http', '127.0.0.1', '127.0.0.1:80', '/', '')],
    ['http://[::1]:80/x', parts('http', '[::1]', '[::1]:80', '/x', '')],
    ['https://h/../%2e/a//b', parts('https', 'h', 'h', '/../%2e/a//b', '')],
    ['https://h\\a', parts('https', 'h', 'h', '\\a', '')],
    ['https://h/a@b:c', parts('https', 'h', 'h', '/a@b:c', '')],
  ])('splits %s', (url, expected) => {
    expect(splitUrl(url)).toEqual(expected)
  })

  it.each([
    '',
    '/a',
    '//h/a',
    'h/a',
    'https:/h/a',
    'https:///a',
    'https://user@h/',
    'https://user:pass@h/',
    'https://h@evil/',
    'https://h/a#b',
    'https://h/#',
    'https://h/a?b#c',
    'https://h#/a',
    'https://h /a',
    'https://h\t/a',
    'https://h%2fa/',
    'https://h,other/',
    'https://h:/',
    'https://h:x/',
    'https://h:123456/',
    'https://h:80:80/',
    'https://-h/',
    'https://h./',
    'https://hä/',
    'https://::1/',
    'https://[::1/',
  ])('refuses %j', (url) => {
    expect(splitUrl(url)).toBeUndefined()
  })
})

it.each([
  ['h', true],
  ['api.example.com:443', true],
  ['a_b-c.d', true],
  ['[2001:db8::1]:8', true],
  ['', false],
  ['h/a', false],
  ['h/../x', false],
  ['h#x', false],
  ['u@h', false],
  ['h, h', false],
  ['h h', false],
  ['h\\x', false],
  ['.h', false],
  ['h:', false],
  ['h\n', false],
])('isPlainHost(%j) is %s', (host, plain) => {
  expect(isPlainHost(host)).toBe(plain)
})

it.each([
  ['localhost', true],
  ['a.localhost', true],
  ['127.0.0.1', true],
  ['127.1.2.3', true],
  ['[::1]', true],
  ['localhost.example.com', false],
  ['127.0.0.1.example.com', false],
  ['0.0.0.0', false],
  ['10.0.0.1', false],
  ['evillocalhost', false],
])('isLoopback(%s) is %s', (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback)
})

it('takes ports off authorities, also of IPv6 addresses', () => {
  expect(['H:1', '[::1]:2', '[::1]', 'h'].map(hostOf)).toEqual(['h', '[::1]', '[::1]', 'h'])
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
  const character = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })
  const text = fc.oneof(
    fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join('')),
    character.map((one) => encodeURIComponent(one.toWellFormed())),
  )
  fc.assert(
    fc.property(text, (given) => {
      expect(percentDecode(given)).toBe(decoded(given))
    }),
    tries(500),
  )
})
