import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hangUp, rawReply, reply } from '../kit/answers.ts'
import { type Header, rawRequest } from '../kit/raw.ts'
import { type Answers, answersOf } from './answers-setting.ts'
import { outcome } from './setting.ts'

let setting: Answers
let token: string

beforeAll(async () => {
  setting = await answersOf('forwarding')
  token = await setting.token()
})
beforeEach(() => setting.origin.clear())

const HANDSHAKE: readonly Header[] = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
]

const ask = (path: string, init: RequestInit = {}) => setting.ask(path, { token, ...init })

describe('methods', () => {
  it('keeps Content-Length of HEAD and gives no body', async () => {
    setting.origin.on('/v1/file', (req, res) => {
      res.writeHead(200, { 'content-length': '12345', 'content-type': 'text/plain' })
      res.end(req.method === 'HEAD' ? undefined : 'x'.repeat(12345))
    })
    const response = await ask('/v1/file', { method: 'HEAD' })
    expect(response.headers.get('content-length')).toBe('12345')
    expect(await response.text()).toBe('')
    expect(setting.origin.requests[0]?.method).toBe('HEAD')
  })

  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'hands on %s with its query and body',
    async (method) => {
      const body = method === 'GET' ? {} : { body: `body of ${method}` }
      const response = await ask('/v1/thing?a=1&b=%20x', { method, ...body })
      expect(response.status).toBe(200)
      expect(setting.origin.requests[0]).toMatchObject({
        method,
        url: '/v1/thing?a=1&b=%20x',
        body: body.body ?? '',
      })
    },
  )

  it.each(['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'stays %s where the caller asks for a WebSocket, which only a GET opens',
    async (method) => {
      const authorization: Header = ['Authorization', `Bearer ${token}`]
      for (const target of ['/v1/thing', '/v1/thing', '/v1/thing', '/public/thing']) {
        const shake = async (method: string) => {
          const headers = [['Host', setting.host], ...HANDSHAKE, authorization] as const
          const { status } = await setting.gate.raw(rawRequest({ method, target, headers }))
          const told = setting.origin.requests.at(-1)
          return [status, told?.method, told?.header('upgrade')]
        }
        expect(await shake('GET')).toEqual([101, 'GET', 'websocket'])
        expect(await shake(method)).toEqual([200, method, undefined])
      }
    },
  )
})

describe('broken origins', () => {
  it('is 502 where a service binding leads nowhere', async () => {
    const answer = await outcome(await ask('/v1/bound'))
    expect(answer).toEqual({ status: 502, code: 'origin_unreachable' })
  })

  it.each([
    ['hangs up', hangUp],
    ['sends no HTTP', rawReply('nonsense\r\n\r\n')],
  ])('is 502 where the origin %s', async (_name, handler) => {
    setting.origin.on('/v1/broken', handler)
    const answer = await outcome(await ask('/v1/broken'))
    expect(answer).toEqual({ status: 502, code: 'origin_unreachable' })
    const post = await outcome(await ask('/v1/broken', { method: 'POST', body: 'x' }))
    expect(post).toEqual({ status: 502, code: 'origin_unreachable' })
  })

  it.each([
    ['with a length', 'Content-Length: 100\r\n\r\npart of it'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\na\r\npart of it\r\n'],
  ])('never ends a body as whole that the origin cut, %s', async (_name, rest) => {
    setting.origin.on('/v1/cut', rawReply(`HTTP/1.1 200 OK\r\n${rest}`))
    const head = `GET /v1/cut HTTP/1.1\r\nHost: ${setting.host}\r\nAuthorization: Bearer ${token}\r\n\r\n`
    const answer = await setting.gate.raw(head)
    expect(answer.status).toBe(200)
    expect(answer.complete).toBe(false)
  })
})

describe('answers', () => {
  it.each(['/v1/hop', '/public/hop'])('ends what is for this hop only, %s', async (path) => {
    const lines = [
      'HTTP/1.1 200 OK',
      'Connection: x-hop, close, x-request-id, cache-control',
      'Cache-Control: public',
      'X-Hop: 1',
      'X-Request-Id: inner',
      'Proxy-Connection: x',
      'Trailer: x-sum',
      'X-Own: 1',
      'Content-Length: 2',
    ]
    setting.origin.on(path, rawReply(`${lines.join('\r\n')}\r\n\r\nok`))
    const { headers } = await ask(path)
    for (const name of ['x-hop', 'x-request-id', 'proxy-connection', 'trailer'])
      expect(headers.get(name)).toBeNull()
    expect(headers.get('x-own')).toBe('1')
    expect(headers.get('cache-control')).toBe(path === '/v1/hop' ? 'private' : null)
  })

  const IDS: readonly (readonly [string, string | undefined, RegExp])[] = [
    ['a good one', 'request-0001', /^request-0001$/],
    ['a short one', 'short', /^[0-9a-f-]{36}$/],
    ['a wrong one', 'has spaces in it', /^[0-9a-f-]{36}$/],
    ['none', undefined, /^[0-9a-f-]{36}$/],
  ]
  const idOf = (response: Response) => response.headers.get('x-request-id')

  it.each(IDS)(
    'have the origin’s request id; the origin has the gate’s, for %s',
    async (_name, given, expected) => {
      setting.origin.on('/v1/id', reply(200, { 'x-request-id': 'of-the-origin' }))
      const headers: Record<string, string> = given === undefined ? {} : { 'x-request-id': given }
      const response = await ask('/v1/id', { headers })
      expect(idOf(response)).toBe('of-the-origin')
      expect(response.headers.get('x-origin-request-id')).toBeNull()
      const id = setting.origin.requests[0]?.header('x-request-id')
      expect(id).toMatch(expected)
      const line = await setting.gate.journalLine(({ request_id }) => request_id === id)
      expect(line.origin_request_id).toBe('of-the-origin')
      expect(idOf(await ask('/v1/without', { headers }))).toBeNull()
      const denied = await setting.ask('/v1/id', { headers })
      expect(idOf(denied)).toMatch(expected)
      expect(((await denied.json()) as { request_id: string }).request_id).toBe(idOf(denied))
    },
  )

  it('drops challenges of the origin where a token is read', async () => {
    const headers = {
      'www-authenticate': 'Basic',
      'proxy-authenticate': 'Basic',
      'dpop-nonce': 'n',
    }
    setting.origin.on('*', reply(401, headers))
    const response = await ask('/v1/refused')
    expect(response.status).toBe(401)
    for (const name of Object.keys(headers)) expect(response.headers.get(name)).toBeNull()
    const open = await setting.ask('/public/refused')
    expect(open.headers.get('www-authenticate')).toBe('Basic')
  })
})
