import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { rawReply } from '../kit/answers.ts'
import type { Gate } from '../kit/gate.ts'
import { rawRequest } from '../kit/raw.ts'
import { HOST, type Setting, startSetting } from './setting.ts'

let setting: Setting
let token: string
/** A Worker in the gate's place that only calls `fetch`. */
let passing: Gate

beforeAll(async () => {
  setting = await startSetting({
    routes: [
      { match: '* /v1/*', scopes: [] },
      { match: '* /timed/*', scopes: [], timeout: '30s' },
      { match: '* /public/*', access: 'public' },
    ],
    beside: [{ bundle: fileURLToPath(new URL('../kit/passing-worker.js', import.meta.url)) }],
  })
  passing = setting.gate.beside[0] as Gate
  token = await setting.token()
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting?.close())

/** Lines in which nothing has to change, some in a casing and with values that are seldom seen. */
const LINES = [
  'dAtE: Sat, 28 Nov 2026 06:04:26 GMT',
  'SERVER: origin/1.0 (odd)',
  'x-request-ID: req_0123456789abcdef',
  'OpenAI-Processing-Ms: 17',
  'X-RateLimit-Remaining-Tokens: 149984',
  'Set-Cookie: a=1; Path=/; HttpOnly',
  'set-cookie: b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT',
  'Set-Cookie: a=3',
  'vary: Accept-Encoding,   Origin',
  'Vary: Accept',
  'X-Twice: one, two',
  'x-twice:three',
  'X-Empty: ',
  'X-Latin: caf\xe9 \xfc',
  'ETag: W/"odd"',
  'Cache-Control: no-cache,no-transform',
  'Link: <https://elsewhere.example/>; rel="next"',
  'Location: https://elsewhere.example/there?a=%7e',
  'Access-Control-Allow-Origin: *',
  'Strict-Transport-Security: max-age=1',
]
const JSON_BODY = '{"b":1,\r\n "a": "\xc3\xa9"}'
const TYPE = 'Content-Type: Application/JSON; Charset="utf-8"'
const CHUNKS = 'Transfer-Encoding: chunked'
const GZIPPED = gzipSync('Hello, hello', { level: 0 }).toString('latin1')
const inChunks = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
const withLength = (body: string) => `Content-Length: ${body.length}`

const ANSWERS: readonly (readonly [string, string, readonly string[], string])[] = [
  ['GET', '200 OK', [TYPE, withLength(JSON_BODY)], JSON_BODY],
  ['GET', '299 Odd Words Here', [TYPE, CHUNKS], inChunks(JSON_BODY)],
  ['GET', '200 OK', ['Content-Type: text/event-stream', CHUNKS], inChunks('data: one\n\n')],
  ['GET', '200 OK', ['Content-Encoding: gzip', withLength(GZIPPED)], GZIPPED],
  ['GET', '200 OK', ['Content-Encoding: zstd', CHUNKS], inChunks('anything')],
  ['GET', '206 Partial Content', ['Content-Range: bytes 0-1/9', 'Content-Length: 2'], 'ab'],
  ['GET', '204 No Content', [], ''],
  ['GET', '304 Not Modified', [], ''],
  ['GET', '307 Temporary Redirect', ['Content-Length: 0'], ''],
  ['HEAD', '200 OK', [TYPE, 'Content-Length: 12345'], ''],
  ['POST', '201 Created', [TYPE, withLength(JSON_BODY)], JSON_BODY],
  ['DELETE', '404 Gone Astray', [TYPE, withLength('{}')], '{}'],
  ['POST', '503 Later', ['Retry-After: 7', withLength('{}')], '{}'],
]

describe.each(['/v1/x', '/timed/x', '/public/x'])('an answer of %s', (target) => {
  it.each(ANSWERS)(
    'is byte for byte what a Worker gets that only asks: %s, %s, %j',
    async (method, status, framing, body) => {
      const reply = [`HTTP/1.1 ${status}`, ...LINES, ...framing, '', body]
      setting.origin.on(target, rawReply(reply.join('\r\n')))
      const asked = rawRequest({
        method,
        target,
        headers: [
          ['Host', HOST],
          ['Authorization', `Bearer ${token}`],
          ...(method === 'POST' ? [['Content-Length', '0'] as const] : []),
        ],
      })
      const [answer, other] = [await setting.gate.raw(asked), await passing.raw(asked)]
      expect(answer.complete).toBe(true)
      expect(answer.raw.toString('latin1')).toBe(other.raw.toString('latin1'))
      // What workerd itself lets be: cookies line by line, values, and names that are its own.
      const lines = answer.raw.toString('latin1').split('\r\n')
      for (const line of LINES.filter((one) => /^(?:Set-|OpenAI|X-Latin|x-request)/.test(one))) {
        expect(lines).toContain(line)
      }
    },
  )
})
