import { describe, expect, it } from 'vitest'
import { toAgent } from '../../src/answer/response.ts'
import type { CorsRule, Route } from '../../src/model/route.ts'
import { addressOf, routeOf, targetOf } from '../kit/facts.ts'

type Inbound = NonNullable<RequestInit['headers']>

const answerTo = (headers: Inbound, route: Partial<Route> = {}, init: ResponseInit = {}) =>
  toAgent(new Response('body', { ...init, headers }), {
    route: routeOf('GET /api/*', route),
    address: addressOf('https://api.example.com:8443/api/x'),
    requestId: 'request-1',
  })

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
    [plain, '//evil.example/x', '//evil.example/x'],
    [plain, 'x', 'x'],
    [plain, '?x', '?x'],
    [plain, 'https://origin.example.net/x?y#z', `${gate}/x?y#z`],
    [plain, 'https://origin.example.net', `${gate}/`],
    [plain, 'HTTPS://ORIGIN.example.net:443/x', `${gate}/x`],
    [plain, '//origin.example.net/x', `${gate}/x`],
    [plain, 'https://origin.example.net:8443/x', 'https://origin.example.net:8443/x'],
    [plain, 'http://origin.example.net/x', 'http://origin.example.net/x'],
    [plain, 'https://origin.example.net.evil.example/', 'https://origin.example.net.evil.example/'],
    [plain, 'https://login.example.org/x', 'https://login.example.org/x'],
    [plain, 'mailto:a@example.com', 'mailto:a@example.com'],
    [plain, 'https://', 'https://'],
    [based, '/base/x?y', '/x?y'],
    [based, '/base', '/'],
    [based, '/base?y', '/?y'],
    [based, '/based/x', '/based/x'],
    [based, '/other', '/other'],
    [based, 'https://origin.example.net/base/x', `${gate}/x`],
    [based, 'https://origin.example.net/base', `${gate}/`],
    [based, 'https://origin.example.net/other', 'https://origin.example.net/other'],
    // A path that would become another host once the base is gone.
    [based, '/base//evil.example/x', `${gate}//evil.example/x`],
    [based, '/\\evil.example/x', '/\\evil.example/x'],
    [stripped, '/x', '/api/x'],
    [stripped, '/', '/api/'],
    [stripped, 'https://origin.example.net/x', `${gate}/api/x`],
    [plain, '../y', '../y'],
    [stripped, 'y', 'y'],
    [stripped, '../y?z', '/api/y?z'],
    [stripped, '..', '/api/'],
    [stripped, '?to=../y', '?to=../y'],
    [based, '../y', '/y'],
    [both, '../y', '../y'],
    [both, '/base/x', '/api/x'],
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

describe('where a relative location points, on a rule whose whole path is taken away', () => {
  const whole = target('https://origin.example.net', '/api')
  const based = target('https://origin.example.net/base', '/api')

  it.each<[Partial<Route>, string, string]>([
    [whole, 'y', '/api/y'],
    [whole, './y?z#a', '/api/y?z#a'],
    [whole, '../y', '/api/y'],
    [whole, '/y', '/api/y'],
    [whole, '.', '/api/'],
    [whole, '?z', '?z'],
    [whole, '#z', '#z'],
    [whole, '', ''],
    [based, 'y', '/api/y'],
    [based, '..', '..'],
    [based, '?z', '?z'],
  ])('%j: %s becomes %s', (route, location, expected) => {
    const answer = toAgent(new Response(null, { headers: { location } }), {
      route: routeOf('GET /api', route),
      address: addressOf('https://api.example.com/api'),
      requestId: 'request-1',
    })
    expect(answer.headers.get('location')).toBe(expected)
  })
})

describe('what a shared cache may not keep', () => {
  it.each([
    [null, 'private'],
    ['', 'private'],
    ['public', 'private'],
    ['Public, max-age=60', 'private, max-age=60'],
    ['public,s-maxage=60,max-age=5', 'private, max-age=5'],
    ['private="a, b", max-age=5', 'private, max-age=5'],
    ['no-cache="a, public", max-age=5', 'private, no-cache="a, public", max-age=5'],
    ['S-MaxAge = 60', 'private'],
    ['no-store', 'private, no-store'],
    ['private, max-age=1', 'private, max-age=1'],
    ['private="set-cookie"', 'private'],
    ['max-age=1, publicity', 'private, max-age=1, publicity'],
  ])('Cache-Control %j becomes %s', (value, expected) => {
    const answer = answerTo(value === null ? {} : { 'cache-control': value })
    expect(answer.headers.get('cache-control')).toBe(expected)
  })

  it.each([
    [null, 'Authorization'],
    ['Accept', 'Accept, Authorization'],
    ['authorization', 'authorization'],
    ['Accept, AUTHORIZATION , Cookie', 'Accept, AUTHORIZATION , Cookie'],
    ['*', '*'],
    ['X-Authorization', 'X-Authorization, Authorization'],
  ])('Vary %j becomes %s', (value, expected) => {
    const answer = answerTo(value === null ? {} : { vary: value })
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
      expect(left).toEqual(['cache-control', 'content-type', 'vary', 'x-request-id'])
    },
  )

  it('a public route passes it all', () => {
    const answer = answerTo(told, { access: 'public' })
    expect(Object.fromEntries(answer.headers)).toMatchObject(told)
    expect(answer.headers.has('vary')).toBe(false)
  })
})

describe('the rest', () => {
  it("passes, but the origin's request id and its CORS rules", async () => {
    const inbound = new Headers([
      ['x-request-id', 'origin-1'],
      ['access-control-allow-origin', '*'],
      ['access-control-anything', '*'],
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
      ['x-own', '1'],
    ])
    const answer = answerTo(inbound, { cors }, { status: 418, statusText: 'Teapot' })
    expect(answer.headers.get('x-request-id')).toBe('request-1')
    expect(answer.headers.get('x-origin-request-id')).toBe('origin-1')
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
    const { headers } = answerTo({ ...inbound, connection: named })
    expect(headers.get('x-request-id')).toBe('request-1')
    expect(headers.get('cache-control')).toBe('private')
    expect(headers.get('vary')).toBe('Authorization')
  })

  it("keeps the origin's CORS headers on a route without a rule", () => {
    const answer = answerTo({ 'access-control-allow-origin': '*' })
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    expect(answer.headers.has('x-origin-request-id')).toBe(false)
  })

  it('loses what its rule removes, and nothing else', () => {
    const inbound = { server: 'secret/1.0', 'x-powered-by': 'x', 'x-own': '1' }
    const answer = answerTo(inbound, { removedFromAnswers: ['server', 'x-powered-by', 'x-none'] })
    expect([...answer.headers.keys()].filter((one) => /server|power|own/.test(one))).toEqual([
      'x-own',
    ])
    expect(answerTo(inbound).headers.get('server')).toBe('secret/1.0')
  })

  it("loses the origin's request id whole where its rule removes it", () => {
    const inbound = { 'x-origin-request-id': 'origin-1', 'x-runtime': '7' }
    const answer = answerTo(inbound, { removedFromAnswers: ['x-origin-request-id', 'x-runtime'] })
    expect(answer.headers.has('x-origin-request-id')).toBe(false)
    expect(answer.headers.get('x-request-id')).toBe('request-1')
  })

  it.each([204, 304])('has no body where the origin had none (%i)', (status) => {
    const answer = toAgent(new Response(null, { status }), {
      route: routeOf('GET /x'),
      address: addressOf('https://api.example.com/x'),
      requestId: 'r',
    })
    expect([answer.status, answer.body]).toEqual([status, null])
  })
})
