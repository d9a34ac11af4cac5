import { describe, expect, it } from 'vitest'
import type { CorsRule, Route } from '../../../src/gate/model/route.ts'
import { type ToAgent, toAgent } from '../../../src/gate/relay/response.ts'
import { addressOf, routeOf, targetOf } from '../../kit/facts.ts'

type Inbound = NonNullable<RequestInit['headers']>

const aboutOf = (route: Partial<Route> = {}, more: Partial<ToAgent> = {}): ToAgent => ({
  route: routeOf('GET /api/*', route),
  address: addressOf('https://api.example.com:8443/api/x'),
  requestId: 'request-1',
  method: 'GET',
  ...more,
})

const answerTo = (
  headers: Inbound,
  route: Partial<Route> = {},
  init: ResponseInit = {},
  more: Partial<ToAgent> = {},
) => toAgent(new Response('body', { ...init, headers }), aboutOf(route, more))

const target = (url: string, stripPrefix = '') => ({
  target: targetOf({ url: new URL(url), stripPrefix }),
})

const cors: CorsRule = { origins: ['*'], methods: [], headers: [], expose: [], credentials: false }

describe('where a location points', () => {
  const plain = target('https://origin.example.net')
  const based = target('https://origin.example.net/base/')
  const stripped = target('https://origin.example.net', '/api')
  const both = target('https://origin.example.net/base', '/api')
  const gate = 'https://api.example.com:8443'

  it.each<[Partial<Route>, string, string]>([
    [plain, '/x', '/x'],
    [plain, 'https://origin.example.net/x?y#z', `${gate}/x?y#z`],
    [plain, 'https://origin.example.net', `${gate}/`],
    [plain, '//origin.example.net/x', `${gate}/x`],
    [plain, 'https://origin.example.net:8443/x', 'https://origin.example.net:8443/x'],
    [plain, 'https://origin.example.net.evil.example/', 'https://origin.example.net.evil.example/'],
    [based, '/base/x?y', '/x?y'],
    [based, '/base?y', '/?y'],
    [based, 'https://origin.example.net/base/x', `${gate}/x`],
    [based, 'https://origin.example.net/other', 'https://origin.example.net/other'],
    [based, '/\\evil.example/x', '/\\evil.example/x'],
    [stripped, '/x', '/api/x'],
    [stripped, '/', '/api/'],
    [stripped, '../y?z', '/api/y?z'],
    [both, '../y', '../y'],
    [both, '/base', '/api'],
    [both, '/base/../x', '/base/../x'],
    [both, 'https://origin.example.net/base/x', `${gate}/api/x`],
  ])('%j: %s becomes %s', (route, location, expected) => {
    const answer = answerTo({ location, 'content-location': location }, route, { status: 302 })
    expect(answer.headers.get('location')).toBe(expected)
    expect(answer.headers.get('content-location')).toBe(expected)
    expect(answer.status).toBe(302)
  })
})

describe('an answer in which nothing has to change', () => {
  it.each<[Inbound, Partial<Route>]>([
    [{}, {}],
    [{ 'cache-control': 'no-store', 'x-request-id': 'origin-1', vary: '*' }, {}],
    [{ 'cache-control': 'public', 'www-authenticate': 'Basic' }, { access: 'public' }],
    [{ server: 'x' }, { removedFromAnswers: ['x-powered-by'] }],
  ])('is handed back itself: %j', (headers, route) => {
    const given = new Response('body', { headers })
    expect(toAgent(given, aboutOf(route))).toBe(given)
  })
})

describe('what a shared cache may not keep', () => {
  it.each([
    ['public', 'private'],
    ['public,s-maxage=60,max-age=5', 'private, max-age=5'],
    ['private="a, b", max-age=5', 'private, max-age=5'],
    ['no-cache="a, public", max-age=5', 'private, no-cache="a, public", max-age=5'],
    // As caches read it that look for words.
    ['x-max-age=60', 'private, x-max-age=60'],
  ])('Cache-Control %j becomes %s', (value, expected) => {
    for (const method of ['GET', 'HEAD']) {
      const { headers } = answerTo({ 'cache-control': value }, {}, {}, { method })
      expect([headers.get('cache-control'), headers.get('vary')]).toEqual([
        expected,
        'Authorization',
      ])
    }
    // Nobody keeps those, and so they are let be.
    const { headers } = answerTo({ 'cache-control': value }, {}, {}, { method: 'POST' })
    expect([headers.get('cache-control'), headers.get('vary')]).toEqual([value, null])
  })

  it('of what has a header for shared caches alone, to any method', () => {
    for (const method of ['GET', 'POST']) {
      const inbound = { 'cache-control': 'public, max-age=5', 'cdn-cache-control': 'max-age=60' }
      const { headers } = answerTo(inbound, {}, {}, { method })
      expect(headers.get('cache-control')).toBe('private, max-age=5')
      expect(headers.get('vary')).toBe('Authorization')
    }
  })

  it('of what expires', () => {
    const { headers } = answerTo({ expires: 'Sat, 28 Nov 2026 06:04:26 GMT' })
    expect([headers.get('cache-control'), headers.get('vary')]).toEqual([
      'private',
      'Authorization',
    ])
  })

  it.each([null, '', 'no-store', 'public'])(
    'of anything on an optional route, Cache-Control %j',
    (value) => {
      for (const method of ['GET', 'POST']) {
        const inbound = value === null ? {} : { 'cache-control': value }
        const { headers } = answerTo(inbound, { access: 'optional' }, {}, { method })
        expect(headers.get('cache-control')).toMatch(/^private\b/)
        expect(headers.get('vary')).toBe('Authorization')
      }
    },
  )

  it.each([
    [null, 'Authorization'],
    ['Accept', 'Accept, Authorization'],
    ['authorization', 'authorization'],
    ['*', '*'],
    ['X-Authorization', 'X-Authorization, Authorization'],
  ])('Vary %j becomes %s', (value, expected) => {
    const answer = answerTo({ 'cache-control': 'max-age=60', ...(value && { vary: value }) })
    expect(answer.headers.get('vary')).toBe(expected)
  })

  const told = {
    'cdn-cache-control': 'max-age=60',
    'cloudflare-cdn-cache-control': 'max-age=60',
    'vendor-cache-control': 'max-age=60',
    'surrogate-control': 'max-age=60',
    'edge-control': 'max-age=60',
    'x-accel-expires': '60',
    'www-authenticate': 'Bearer',
    'proxy-authenticate': 'Basic',
    'dpop-nonce': 'n',
    'cache-control': 'public',
  }

  it.each(['required', 'optional'] as const)(
    "nor what is the gate's to say, on a %s route",
    (access) => {
      const left = [...answerTo(told, { access }).headers.keys()]
      expect(left).toEqual(['cache-control', 'content-type', 'vary'])
    },
  )

  it("but the gate's own nonce, which nobody stores", () => {
    const { headers } = answerTo(told, {}, {}, { nonce: 'next' })
    expect(headers.get('dpop-nonce')).toBe('next')
    expect(headers.get('cache-control')).toBe('no-store')
  })
})

describe('the rest', () => {
  it('passes, but its CORS rules', async () => {
    const inbound = new Headers([
      ['x-request-id', 'origin-1'],
      ['access-control-allow-origin', '*'],
      ['access-control-anything', '*'],
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
      ['x-own', '1'],
    ])
    const answer = answerTo(inbound, { cors }, { status: 418, statusText: 'Teapot' })
    expect(answer.headers.get('x-request-id')).toBe('origin-1')
    expect([...answer.headers.keys()].filter((one) => one.startsWith('access-'))).toEqual([])
    expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(answer.headers.get('x-own')).toBe('1')
    expect([answer.status, answer.statusText, await answer.text()]).toEqual([418, 'Teapot', 'body'])
  })

  const endsHere = {
    connection: 'close, X-Hop, x_other, content-language',
    'keep-alive': 'timeout=5',
    'proxy-connection': 'keep-alive',
    te: 'trailers',
    trailer: 'x-sum',
    'transfer-encoding': 'chunked',
    upgrade: 'h2c',
    'x-hop': '1',
    x_other: '1',
    'content-language': 'en',
  }

  it.each(['public', 'required'] as const)('without what ends at this hop, %s', (access) => {
    const answer = answerTo({ ...endsHere, 'x-own': '1' }, { access })
    expect([...answer.headers.keys()].filter((name) => name in endsHere)).toEqual([])
    expect(answer.headers.get('x-own')).toBe('1')
  })

  it("never without what is the gate's, though Connection names it", () => {
    const named = 'x-request-id, x-origin-request-id, cache-control, vary, ratelimit'
    const inbound = { 'x-request-id': 'origin-1', 'cache-control': 'public', vary: 'Accept' }
    const { headers } = answerTo({ ...inbound, connection: named }, {}, {}, { tellsId: true })
    expect(headers.get('x-request-id')).toBe('request-1')
    expect(headers.get('cache-control')).toBe('private')
    expect(headers.get('vary')).toBe('Authorization')
  })

  it("has the gate's request id beside the origin's where GATE says so", () => {
    const { headers } = answerTo({ 'x-request-id': 'origin-1' }, {}, {}, { tellsId: true })
    expect(headers.get('x-request-id')).toBe('request-1')
    expect(headers.get('x-origin-request-id')).toBe('origin-1')
    const without = answerTo({}, {}, {}, { tellsId: true }).headers
    expect(without.get('x-request-id')).toBe('request-1')
    expect(without.has('x-origin-request-id')).toBe(false)
  })
})
