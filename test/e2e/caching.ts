import { createHash } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import { expect } from 'vitest'
import { type Origin, startOrigin } from '../kit/origin.ts'
import { request } from '../kit/request.ts'
import { HOST, startSetting } from './setting.ts'
import { type SharedCache, startSharedCache, TARGETED } from './shared-cache.ts'

/** Clients – `front` – gate – origin, or `behind` – origin. */
export interface Caching {
  readonly behind: SharedCache
  /** Forgets what was asked and what is kept. */
  clear(): void
  /** An origin that tells everybody who they are, and every cache that it may keep that. */
  answerWith(headers: OutgoingHttpHeaders, etagOf: (by: string) => string): void
  /** Asks through the cache in front, as somebody or as nobody. */
  ask(path: string, name: string, init?: RequestInit): Promise<Told>
  close(): Promise<void>
}

/** What comes of a request. */
interface Told {
  readonly status: number
  readonly by: string | null
  readonly body: string
  readonly cache: string | null
  readonly cacheControl: string | null
}

/** Starts them. */
export async function startCaching(): Promise<Caching> {
  const hidden = await startOrigin()
  const behind = await startSharedCache(hidden.port)
  const setting = await startSetting({
    routes: [
      { match: '* /v1/*', scopes: [] },
      { match: '* /optional/*', scopes: [], access: 'optional' },
      { match: '* /public/*', access: 'public' },
      { match: '* /cached/v1/*', scopes: [], origin: behind.url },
      { match: '* /cached/optional/*', scopes: [], access: 'optional', origin: behind.url },
      { match: '* /cached/public/*', access: 'public', origin: behind.url },
    ],
  })
  const front = await startSharedCache(setting.gate.port)
  const tokens: Record<string, string> = {}
  for (const name of ['alice', 'bob']) tokens[name] = await setting.token({ client_id: name })
  return {
    behind,
    clear() {
      for (const each of [setting.origin, hidden, front, behind]) each.clear()
    },
    answerWith: (headers, etagOf) => answerAt([setting.origin, hidden], headers, etagOf),
    async ask(path, name, init = {}) {
      const token = tokens[name]
      const asked = { ...init.headers, ...(token && { authorization: `Bearer ${token}` }) }
      const headers = { host: HOST, ...asked }
      const response = await request(front.port, path, { ...init, headers })
      return {
        status: response.status,
        by: response.headers.get('x-by'),
        body: await response.text(),
        cache: response.headers.get('x-cache'),
        cacheControl: response.headers.get('cache-control'),
      }
    },
    async close() {
      await Promise.all([setting.close(), hidden.close(), front.close(), behind.close()])
    },
  }
}

const answerAt = (
  origins: readonly Origin[],
  headers: OutgoingHttpHeaders,
  etagOf: (by: string) => string,
) => {
  for (const origin of origins) {
    origin.on('*', (req, res, { header }) => {
      const by = header('x-agent-id') ?? 'nobody'
      const etag = etagOf(by)
      const is304 = req.headers['if-none-match'] === etag
      res.writeHead(is304 ? 304 : 200, { ...headers, etag, 'x-by': by })
      res.end(is304 || req.method === 'HEAD' ? undefined : by)
    })
  }
}

export const own = (by: string) => `"${createHash('sha256').update(by).digest('hex').slice(0, 8)}"`
export const shared = () => '"v1"'

/** What caches are told that they may keep. */
export const KEEPABLE: readonly (readonly [string, OutgoingHttpHeaders])[] = [
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
export const ASKS: readonly RequestInit[] = [
  {},
  { headers: { 'if-none-match': own('alice') } },
  { headers: { 'if-modified-since': new Date().toUTCString() } },
  { method: 'HEAD' },
  ...['max-age=600', 'max-stale'].map((value) => ({
    headers: { 'cache-control': value },
  })),
  { headers: { pragma: 'anything' } },
]

/** Where answers are kept, in front of the gate or behind it, and who asks. */
export const PLACES = [
  ['/v1/x', ['alice', 'bob']],
  ['/optional/x', ['alice', 'nobody', 'bob']],
  ['/cached/v1/x', ['alice', 'bob']],
  ['/cached/optional/x', ['nobody', 'bob', 'alice']],
] as const

/** Each of them gets their own answer, and none that was kept. */
export const expectOwn = async (
  { ask }: Caching,
  path: string,
  names: readonly string[],
  init: RequestInit,
) => {
  for (const name of names) {
    const { method } = init
    const tag = new Headers(init.headers).get('if-none-match')
    const isSame = tag === own(name)
    const { status, by, body, cache } = await ask(path, name, init)
    expect({ init, status, by, body, cache }).toEqual({
      init,
      status: isSame ? 304 : 200,
      by: name,
      body: isSame || method === 'HEAD' ? '' : name,
      cache: 'miss',
    })
  }
}
