import { createHash } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { request } from '../kit/request.ts'
import { KEEPABLE } from './caching.ts'
import { HOST, type Setting, startSetting } from './setting.ts'
import { type SharedCache, startSharedCache } from './shared-cache.ts'

/** Clients – `front` – gate – origin, or `behind` – `hidden`. */
let setting: Setting
let hidden: Origin
let front: SharedCache
let behind: SharedCache
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
afterAll(() => Promise.all([setting.close(), hidden.close(), front.close(), behind.close()]))

/** An origin that tells everybody who they are, and every cache that it may keep that. */
const answerWith = (headers: OutgoingHttpHeaders, etagOf = own) => {
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
const SHARED = { 'cache-control': 'public, s-maxage=600' }

/** Asks through the cache in front, as somebody or as nobody. */
const ask = async (path: string, name: string, init: RequestInit = {}) => {
  const token = tokens[name]
  const asked = { ...init.headers, ...(token && { authorization: `Bearer ${token}` }) }
  const response = await request(front.port, path, { ...init, headers: { host: HOST, ...asked } })
  const header = (of: string) => response.headers.get(of)
  const [by, cache, cacheControl] = [header('x-by'), header('x-cache'), header('cache-control')]
  return { status: response.status, by, body: await response.text(), cache, cacheControl }
}

/** What agents ask with; their own directives are to talk no cache into anything. */
const ASKS: readonly RequestInit[] = [
  {},
  { headers: { 'if-none-match': own('alice') } },
  { headers: { 'if-modified-since': new Date().toUTCString() } },
  { method: 'HEAD' },
  { headers: { 'cache-control': 'max-stale' } },
]

/** Each of them gets their own answer, and none that was kept. */
const expectOwn = async (path: string, names: readonly string[], init: RequestInit = {}) => {
  for (const name of names) {
    const isSame = new Headers(init.headers).get('if-none-match') === own(name)
    const { cacheControl: _, ...told } = await ask(path, name, init)
    expect({ init, ...told }).toEqual({
      init,
      status: isSame ? 304 : 200,
      by: name,
      body: isSame || init.method === 'HEAD' ? '' : name,
      cache: 'miss',
    })
  }
}

describe.each([
  ['/v1/x', ['alice', 'bob']],
  ['/optional/x', ['alice', 'nobody', 'bob']],
  ['/cached/v1/x', ['alice', 'bob']],
  ['/cached/optional/x', ['nobody', 'bob', 'alice']],
])('of %s, asked by %j', (path, names) => {
  // The gate's requests keep the caches behind it from keeping anything, whatever they are told.
  const told = path.startsWith('/cached/') ? KEEPABLE.slice(0, 1) : KEEPABLE
  it.each(told)('everybody gets their own answer: %s', async (_, headers) => {
    answerWith(headers)
    await expectOwn(path, names)
  })

  it('everybody gets their own answer however they ask, and where all have one ETag', async () => {
    answerWith(SHARED)
    for (const init of ASKS) await expectOwn(path, names, init)
    answerWith({ 'cache-control': 'public, no-cache, s-maxage=600' }, () => '"v1"')
    for (const name of [...names, ...names]) {
      expect(await ask(path, name)).toMatchObject({ status: 200, by: name, body: name })
    }
  })
})

it.each(['/v1/x', '/cached/v1/x'])('a denial of %s is kept for nobody', async (path) => {
  answerWith(SHARED)
  for (const name of ['nobody', 'alice', 'nobody', 'bob']) {
    expect(await ask(path, name)).toMatchObject(
      name === 'nobody'
        ? { status: 401, by: null, cache: 'miss', cacheControl: 'no-store' }
        : { status: 200, by: name, cache: 'miss', cacheControl: 'private' },
    )
  }
})

it.each(['/public/x', '/cached/public/x'])(
  'the same caches serve %s, which is nobody’s',
  async (path) => {
    answerWith(SHARED)
    const found = []
    for (const name of ['alice', 'bob', 'nobody']) found.push(await ask(path, name))
    expect(found).toMatchObject([
      { cache: 'miss', by: 'nobody' },
      { cache: 'hit', by: 'nobody' },
      { cache: 'hit', by: 'nobody' },
    ])
  },
)
