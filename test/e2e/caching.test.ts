import { createHash } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { request } from '../kit/request.ts'
import { HOST, type Setting, startSetting } from './setting.ts'
import { type SharedCache, startSharedCache, TARGETED } from './shared-cache.ts'

/** Clients – `front` – gate – origin, or `behind` – origin. */
let setting: Setting
let front: SharedCache
let behind: SharedCache
let hidden: Origin
const tokens: Record<string, string> = {}

beforeAll(async () => {
  hidden = await startOrigin()
  behind = await startSharedCache(hidden.port)
  setting = await startSetting({
    routes: [
      { match: '* /v1/*', scopes: [] },
      { match: '* /optional/*', scopes: [], access: 'optional' },
      { match: '* /public/*', access: 'public' },
      { match: '* /cached/v1/*', scopes: [], origin: behind.url },
      { match: '* /cached/optional/*', scopes: [], access: 'optional', origin: behind.url },
      { match: '* /cached/public/*', access: 'public', origin: behind.url },
    ],
  })
  front = await startSharedCache(setting.gate.port)
  for (const name of ['alice', 'bob']) tokens[name] = await setting.token({ client_id: name })
})
beforeEach(() => {
  for (const each of [setting.origin, hidden, front, behind]) each.clear()
})
afterAll(async () => {
  await Promise.all([setting.close(), hidden.close(), front.close(), behind.close()])
})

/** An origin that tells everybody who they are, and every cache that it may keep that. */
const answerWith = (headers: OutgoingHttpHeaders, etagOf: (by: string) => string) => {
  for (const origin of [setting.origin, hidden]) {
    origin.on('*', (req, res, { header }) => {
      const by = header('x-agent-id') ?? 'nobody'
      const etag = etagOf(by)
      const is304 = req.headers['if-none-match'] === etag
      res.writeHead(is304 ? 304 : 200, { ...headers, etag, 'x-by': by })
      res.end(is304 || req.method === 'HEAD' ? undefined : by)
    })
  }
}
const own = (by: string) => `"${createHash('sha256').update(by).digest('hex').slice(0, 8)}"`
const shared = () => '"v1"'

/** Asks through the cache in front, as somebody or as nobody. */
const ask = async (path: string, name: string, init: RequestInit = {}) => {
  const token = tokens[name]
  const headers = { ...init.headers, ...(token && { authorization: `Bearer ${token}` }) }
  const response = await request(front.port, path, { ...init, headers: { host: HOST, ...headers } })
  return {
    status: response.status,
    by: response.headers.get('x-by'),
    body: await response.text(),
    cache: response.headers.get('x-cache'),
    cacheControl: response.headers.get('cache-control'),
  }
}

const KEEPABLE: readonly (readonly [string, OutgoingHttpHeaders])[] = [
  ['public, s-maxage=600', { 'cache-control': 'public, s-maxage=600' }],
  ['PUBLIC,max-age=600,immutable', { 'cache-control': 'PUBLIC,max-age=600,immutable' }],
  ['max-age=600', { 'cache-control': 'max-age=600' }],
  ['must-revalidate', { 'cache-control': 'max-age=600, must-revalidate' }],
  ['private of one field only', { 'cache-control': 'public, private="x-other", max-age=600' }],
  ['to be validated each time', { 'cache-control': 'public, no-cache' }],
  ['stale at once', { 'cache-control': 'public, s-maxage=0, stale-while-revalidate=600' }],
  ['Expires', { expires: new Date(Date.now() + 6e5).toUTCString() }],
  ['nothing at all', { 'last-modified': new Date(0).toUTCString() }],
  ['Vary: Accept', { 'cache-control': 'public, s-maxage=600', vary: 'Accept' }],
  ['Vary: X-Agent-Id', { 'cache-control': 'public, s-maxage=600', vary: 'X-Agent-Id' }],
  ...TARGETED.map((name) => {
    const value = name === 'X-Accel-Expires' ? '600' : 'public, max-age=600'
    return [name, { 'cache-control': 'private', [name]: value }] as const
  }),
]

/** What agents ask with; their own directives are to talk no cache into anything. */
const ASKS: readonly RequestInit[] = [
  {},
  { headers: { 'if-none-match': own('alice') } },
  { headers: { 'if-modified-since': new Date().toUTCString() } },
  { method: 'HEAD' },
  ...['max-age=600', 'max-stale'].map((value) => ({
    headers: { 'cache-control': value },
  })),
  { headers: { pragma: 'anything' } },
]

const places = [
  ['/v1/x', ['alice', 'bob']],
  ['/optional/x', ['alice', 'nobody', 'bob']],
  ['/cached/v1/x', ['alice', 'bob']],
  ['/cached/optional/x', ['nobody', 'bob', 'alice']],
] as const

describe.each(places)('of %s, asked by %j', (path, names) => {
  it.each(KEEPABLE)('everybody gets their own answer: %s', async (_, headers) => {
    answerWith(headers, own)
    for (const init of ASKS) {
      for (const name of names) {
        const { method } = init
        const tag = new Headers(init.headers).get('if-none-match')
        const isSame = tag === own(name)
        expect({ init, ...(await ask(path, name, init)) }).toEqual({
          init,
          status: isSame ? 304 : 200,
          by: name,
          body: isSame || method === 'HEAD' ? '' : name,
          cache: 'miss',
          cacheControl: expect.stringMatching(/^private\b/),
        })
      }
    }
  })

  it('so it is where their answers have one ETag', async () => {
    answerWith({ 'cache-control': 'public, no-cache, s-maxage=600' }, shared)
    for (const name of [...names, ...names]) {
      expect(await ask(path, name)).toMatchObject({ status: 200, by: name, body: name })
    }
  })
})

it.each(['/v1/x', '/cached/v1/x'])('a denial of %s is kept for nobody', async (path) => {
  answerWith({ 'cache-control': 'public, s-maxage=600' }, own)
  for (const name of ['nobody', 'alice', 'nobody', 'bob']) {
    const { status, by, cache, cacheControl } = await ask(path, name)
    expect({ status, by, cache }).toEqual(
      name === 'nobody'
        ? { status: 401, by: null, cache: 'miss' }
        : { status: 200, by: name, cache: 'miss' },
    )
    expect(cacheControl).toBe(name === 'nobody' ? 'no-store' : 'private')
  }
})

it('nothing can be had from a cache behind the gate alone', async () => {
  answerWith({ 'cache-control': 'public, s-maxage=600' }, own)
  await ask('/cached/v1/x', 'alice')
  const { status, body } = await ask('/cached/v1/x', 'bob', {
    headers: { 'cache-control': 'no-cache, only-if-cached' },
  })
  expect([status, body]).not.toContain('alice')
})

describe('the same caches', () => {
  it.each(KEEPABLE)('would give one agent’s answer to another without a gate: %s', async (_, h) => {
    answerWith(h, shared)
    const say = (name: string) =>
      request(behind.port, '/x', { headers: { 'x-agent-id': name } }).then((one) => one.text())
    const isKept = !String(h.vary).includes('Agent')
    expect([await say('alice'), await say('bob')]).toEqual(['alice', isKept ? 'alice' : 'bob'])
  })

  it.each(['/public/x', '/cached/public/x'])('serve %s, which is nobody’s', async (path) => {
    answerWith({ 'cache-control': 'public, s-maxage=600' }, own)
    const found = []
    for (const name of ['alice', 'bob', 'nobody']) found.push(await ask(path, name))
    expect(found).toMatchObject([
      { cache: 'miss', by: 'nobody' },
      { cache: 'hit', by: 'nobody' },
      { cache: 'hit', by: 'nobody' },
    ])
  })
})
