import type { OutgoingHttpHeader, OutgoingHttpHeaders } from 'node:http'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HAS_NGINX, type Nginx, startNginx } from '../kit/nginx.ts'
import { tries } from '../kit/property.ts'
import { request } from '../kit/request.ts'
import { KEEPABLE } from './caching.ts'
import { HOST, type Setting, startSetting } from './setting.ts'
import { TARGETED } from './shared-cache.ts'

/** Where nginx stands in front of the gate, and who asks one after the other. */
const PLACES = [
  ['/v1', ['alice', 'bob', 'alice']],
  ['/optional', ['alice', 'nobody', 'bob', 'nobody']],
] as const

const soon = () => new Date(Date.now() + 6e5).toUTCString()

/** Headers of an answer; of several values each is a line of its own. */
type Said = Readonly<Record<string, OutgoingHttpHeader | readonly string[] | undefined>>

/** What an origin may say of caching, as a cache may read it: by words, wherever they stand, and line by line. */
const SAID: readonly (readonly [string, Said])[] = [
  ...KEEPABLE,
  ['two lines', { 'cache-control': ['no-transform', 'max-age=600'] }],
  ['a quoted number', { 'cache-control': 'max-age="600"' }],
  ['a quoted word', { 'cache-control': 'x="a, max-age=600"' }],
  ['a word of two lines', { 'cache-control': ['x="', 'max-age=600, y="'] }],
  ['a longer word', { 'cache-control': 'x-max-age=600' }],
  ['a longer shared word', { 'cache-control': 'xs-maxage=600' }],
  ['stale-while-revalidate', { 'cache-control': 'stale-while-revalidate=600' }],
  ['X-Accel-Expires, a time', { 'x-accel-expires': `@${Math.floor(Date.now() / 1000) + 600}` }],
  ['Pragma and Expires', { pragma: 'public', expires: soon() }],
  ['Expires and Age', { expires: soon(), age: '1', date: new Date().toUTCString() }],
  ['nothing private', { 'cache-control': 'max-age=600, x="private"' }],
]

const CONTROL = fc
  .array(
    fc.tuple(
      fc.constantFrom('', '', 'x-', 'x="', ' ', '"', ','),
      fc.constantFrom(
        ...['public', 'private', 'no-cache', 'no-store', 'max-age', 's-maxage', 'must-revalidate'],
        ...['immutable', 'stale-if-error', 'MAX-AGE', 'S-MaxAge', 'no-transform'],
      ),
      fc.constantFrom('', '=600', '=600', '="600"', ' = 600', '="x"', '=0', '=', '"'),
    ),
    { maxLength: 4 },
  )
  .map((parts) => parts.map((part) => part.join('')).join(', '))

const HEADERS = fc.record({
  'cache-control': fc.array(CONTROL, { maxLength: 2 }),
  expires: fc.constantFrom([], [], [soon()]),
  vary: fc.constantFrom([], ['Accept'], ['X-Agent-Id']),
  [TARGETED[0]]: fc.constantFrom([], [], ['max-age=600']),
  'x-accel-expires': fc.constantFrom([], [], ['600']),
})

describe.skipIf(!HAS_NGINX)('nginx with a cache in front of the gate', () => {
  let setting: Setting
  let nginx: Nginx
  const tokens: Record<string, string> = {}

  beforeAll(async () => {
    setting = await startSetting({
      routes: [
        { match: 'GET,HEAD /v1/*', scopes: [] },
        { match: 'GET,HEAD /optional/*', scopes: [], access: 'optional' },
        { match: 'GET,HEAD /public/*', access: 'public' },
      ],
    })
    nginx = await startNginx(setting.gate.port)
    for (const name of ['alice', 'bob']) tokens[name] = await setting.token({ client_id: name })
  })
  afterAll(async () => {
    await nginx?.stop()
    await setting?.close()
  })

  const answerWith = (headers: Said) =>
    setting.origin.on('*', (req, res, { header }) => {
      res
        .writeHead(200, headers as OutgoingHttpHeaders)
        .end(req.method === 'HEAD' ? undefined : header('x-agent-id'))
    })

  const ask = async (path: string, name: string) => {
    const token = tokens[name]
    const headers = { host: HOST, ...(token && { authorization: `Bearer ${token}` }) }
    const response = await request(nginx.port, path, { headers })
    expect(response.status).toBe(200)
    return { by: (await response.text()) || 'nobody', cache: response.headers.get('x-cache') }
  }

  const expectOwn = async (prefix: string, names: readonly string[]) => {
    const path = `${prefix}/${crypto.randomUUID()}`
    for (const name of names) expect(await ask(path, name)).toEqual({ by: name, cache: 'MISS' })
  }

  it.each(
    PLACES.flatMap(([prefix, names]) =>
      SAID.map((said) => [prefix, said[0], names, said[1]] as const),
    ),
  )('keeps no answer of %s for anybody else: %s', async (prefix, _said, names, headers) => {
    answerWith(headers)
    await expectOwn(prefix, names)
  })

  it('keeps none, whatever words they are made of', async () => {
    await fc.assert(
      fc.asyncProperty(HEADERS, async (headers) => {
        answerWith(headers)
        for (const [prefix, names] of PLACES) await expectOwn(prefix, names.slice(0, 2))
      }),
      tries(12, 100),
    )
  })

  // What it would keep without the gate, so that the tests above are about something.
  it.each(SAID.filter(([name]) => /^(?:public|max-age|Expires|two|a longer|X-Accel)/.test(name)))(
    'keeps what is nobody’s: %s',
    async (_said, headers) => {
      answerWith(headers)
      const path = `/public/${crypto.randomUUID()}`
      const found = [await ask(path, 'nobody'), await ask(path, 'nobody')]
      expect(found.map(({ cache }) => cache)).toEqual(['MISS', 'HIT'])
    },
  )
})
