import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import { type Answers, APP, answersOf } from './answers-setting.ts'
import { outcome } from './setting.ts'

const STRANGER = 'https://stranger.example.com'
const METADATA = '/.well-known/oauth-protected-resource'
/** What every cross-origin caller may read, on a denial too. */
const EXPOSED = ['www-authenticate', 'dpop-nonce', 'retry-after', 'x-request-id']

let setting: Answers
let token: string

beforeAll(async () => {
  setting = await answersOf('cors')
  token = await setting.token()
})
beforeEach(() => setting.origin.clear())

const preflight = (path: string, method: string, { origin = APP, headers = '' } = {}) =>
  setting.ask(path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': method,
      ...(headers && { 'access-control-request-headers': headers }),
    },
  })

const corsHeaders = ({ headers }: Response) =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')))

const listOf = (response: Response, name: string) =>
  (response.headers.get(name) ?? '').toLowerCase().split(/\s*,\s*/)

describe('a preflight', () => {
  it('is answered by the gate alone', async () => {
    const response = await preflight('/v1/thing', 'GET', { headers: 'authorization' })
    expect(response.status).toBe(204)
    expect(corsHeaders(response)).toMatchObject({
      'access-control-allow-origin': APP,
      'access-control-allow-methods': 'GET,HEAD',
      'access-control-max-age': '600',
    })
    expect(listOf(response, 'access-control-allow-headers')).toEqual([
      'authorization',
      'content-type',
    ])
    expect(listOf(response, 'vary')).toContain('origin')
    expect(response.headers.get('x-request-id')).toMatch(/^\S{8,}$/)
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('is judged by the rule for its method', async () => {
    const put = await preflight('/v1/thing', 'PUT')
    expect(corsHeaders(put)).toMatchObject({
      'access-control-allow-origin': APP,
      'access-control-allow-methods': 'PUT,DELETE',
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'x-special',
    })
    const post = await preflight('/v1/thing', 'POST')
    expect(corsHeaders(post)).toEqual({})
    expect(await outcome(post)).toEqual({ status: 403, code: 'preflight_refused' })
  })

  it.each([
    ['/v1/plain', 'GET', 403, 'preflight_refused'],
    ['/v1/any', 'TRACE', 403, 'preflight_refused'],
    ['/v1/unknown', 'GET', 404, 'route_unknown'],
    ['/.edgewarden/revocations', 'POST', 403, 'preflight_refused'],
  ])('to %s for %s is refused without CORS headers', async (path, method, status, code) => {
    const response = await preflight(path, method)
    expect(corsHeaders(response)).toEqual({})
    expect(await outcome(response)).toEqual({ status, code })
  })

  it('needs both headers: an ordinary OPTIONS is a request like any other', async () => {
    const announces = { 'access-control-request-method': 'GET' }
    for (const headers of [{}, { origin: APP }, announces]) {
      const refused = await setting.ask('/v1/thing', { method: 'OPTIONS', headers })
      expect(refused.status).toBe(401)
      const allowed = await setting.ask('/v1/thing', { method: 'OPTIONS', headers, token })
      expect(allowed.status).toBe(200)
    }
    expect(setting.origin.requests.map(({ method }) => method)).toEqual(Array(3).fill('OPTIONS'))
    const unruled = await setting.ask('/v1/any', { method: 'OPTIONS', token })
    expect(await outcome(unruled)).toEqual({ status: 404, code: 'route_unknown' })
  })
})

describe('an answer', () => {
  const get = (path: string, origin: string, init = {}) =>
    setting.ask(path, { token, headers: { origin }, ...init })

  it.each([
    ['of the caller’s own', APP, APP],
    ['of a stranger', STRANGER, null],
  ])(
    'has the gate’s CORS headers in place of the origin’s, for an Origin %s',
    async (_name, origin, allowed) => {
      setting.origin.on(
        '/v1/thing',
        reply(200, {
          'access-control-allow-origin': STRANGER,
          'access-control-allow-credentials': 'true',
          'access-control-expose-headers': 'x-secret',
          'cache-control': 'max-age=60',
          vary: 'Accept',
          etag: '"1"',
        }),
      )
      const response = await get('/v1/thing', origin)
      expect(response.status).toBe(200)
      expect(response.headers.get('access-control-allow-origin')).toBe(allowed)
      expect(response.headers.get('access-control-allow-credentials')).toBeNull()
      expect(listOf(response, 'access-control-expose-headers')).toEqual(
        allowed === null ? expect.not.arrayContaining(['x-secret']) : EXPOSED,
      )
      expect(listOf(response, 'vary')).toEqual(
        expect.arrayContaining(['accept', 'authorization', 'origin']),
      )
      expect(response.headers.get('etag')).toBe('"1"')
    },
  )

  it.each([
    ['without a token', 401, 'credential_missing', () => ({})],
    [
      'with two tokens',
      400,
      'credential_malformed',
      () => ({ authorization: 'Bearer x, Bearer y' }),
    ],
  ])('%s can be read by the page', async (_name, status, code, headers) => {
    const response = await setting.ask('/v1/thing', { headers: { origin: APP, ...headers() } })
    expect(response.headers.get('access-control-allow-origin')).toBe(APP)
    expect(listOf(response, 'access-control-expose-headers')).toEqual(EXPOSED)
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer /)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(listOf(response, 'vary')).toContain('origin')
    expect(await outcome(response)).toEqual({ status, code })
  })
})

describe('metadata', () => {
  it('can be read by any page', async () => {
    for (const headers of [{ origin: STRANGER }, {}]) {
      const response = await setting.ask(METADATA, { headers })
      expect(response.status).toBe(200)
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
      expect(await response.json()).toMatchObject({ resource: 'https://api.example.com' })
    }
  })

  it('answers preflights, for headers that clients of it send', async () => {
    const response = await preflight(METADATA, 'GET', { headers: 'mcp-protocol-version' })
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('access-control-allow-headers')).toMatch(/\*|mcp-protocol-version/)
  })
})
