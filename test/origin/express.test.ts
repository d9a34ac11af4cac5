import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { connect, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  agentOf,
  type ExpressAgentOptions,
  expressAgent,
  type NodeRequest,
  type NodeResponse,
} from '../../packages/origin/src/express.ts'
import { requireScope } from '../../packages/origin/src/index.ts'
import { request } from '../kit/request.ts'
import type { Members } from '../kit/signing.ts'
import { AUDIENCE, digestOf, openGate, type TestGate } from './support.ts'

let gate: TestGate
beforeAll(async () => {
  gate = await openGate()
})
afterAll(() => gate.close())

const open: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()))
})

const serve = async (listener: RequestListener): Promise<number> => {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  open.push(async () => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })
  return (server.address() as AddressInfo).port
}

type Options = Partial<ExpressAgentOptions<NodeRequest, NodeResponse>>

/** What a body parser leaves behind, as Express's own do it. */
type Parser = (req: IncomingMessage & { body?: unknown; rawBody?: unknown }) => Promise<void>

const bytesOf = async (req: IncomingMessage) => Buffer.concat(await req.toArray())
const PARSERS = {
  none: async () => {},
  /** `express.raw({ type: () => true, inflate: false })` */
  raw: async (req) => {
    req.body = await bytesOf(req)
  },
  /** `express.json({ verify: (req, res, buffer) => { req.rawBody = buffer } })` */
  json: async (req) => {
    req.rawBody = await bytesOf(req)
    req.body = JSON.parse(String(req.rawBody))
  },
  /** `express.json()` */
  plain: async (req) => {
    req.body = JSON.parse(String(await bytesOf(req)))
  },
} as const satisfies Record<string, Parser>

/** An app behind the middleware, and who reached it. */
const app = async (options: Options = {}, parser: Parser = PARSERS.none) => {
  const seen: unknown[] = []
  const agents = expressAgent({ ...gate.options, ...options })
  const port = await serve(async (req: IncomingMessage & NodeRequest, res) => {
    await parser(req)
    await agents(req, res, () => {
      seen.push([req.agent?.id, agentOf(req) === req.agent])
      res.end(JSON.stringify({ body: req.body ?? null }))
    })
  })
  return { port, seen }
}

const PATH = '/v1/documents/7'
const send = async (
  port: number,
  assertion: string | undefined,
  { path = PATH, headers = {}, ...init }: RequestInit & { readonly path?: string } = {},
) => {
  const own = assertion === undefined ? {} : { 'x-agent-assertion': assertion }
  const host = new URL(AUDIENCE).host
  const response = await request(port, path, { ...init, headers: { host, ...headers, ...own } })
  const text = await response.text()
  const body = text === '' ? undefined : (JSON.parse(text) as { readonly code?: string })
  return { status: response.status, headers: response.headers, body, code: body?.code }
}
const BODY = '{"note":"Zoë"}'
const bound = (body: string | Uint8Array = BODY, changes: Members = {}) =>
  gate.assertion({ htm: 'POST', htu: AUDIENCE + PATH, bdh: digestOf(body), ...changes })

describe('a handler', () => {
  it('knows who calls', async () => {
    const { port, seen } = await app()
    expect((await send(port, await gate.assertion({ sub: 'Zoë' }))).status).toBe(200)
    expect(seen).toEqual([['Zoë', true]])
  })

  it.each<[string, () => Promise<string | undefined>, string | undefined, number, string]>([
    ['no assertion', async () => undefined, PATH, 401, 'assertion_missing'],
    ['one for another origin', () => gate.assertion({ aud: 'x' }), PATH, 401, 'audience_mismatch'],
    ['another path', () => gate.assertion(), '/v1/admin', 401, 'route_mismatch'],
    ['dots', () => gate.assertion(), '/v1/documents/../documents', 401, 'route_mismatch'],
  ])('is not reached with %s', async (_, assertion, path = PATH, status, code) => {
    const { port, seen } = await app()
    const answer = await send(port, await assertion(), { path })
    expect(answer).toMatchObject({ status, code })
    expect(answer.body).toEqual({
      type: `https://edgewarden.dev/origin/verify#${code}`,
      title: expect.any(String),
      status,
      code,
    })
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(seen).toEqual([])
  })

  it('that is asked behind a router is held against the whole path', async () => {
    const agents = expressAgent(gate.options)
    const port = await serve((incoming, res) => {
      const req = incoming as IncomingMessage & NodeRequest
      // As a router of Express does for whatever is mounted on it.
      Object.assign(req, { originalUrl: req.url, url: req.url?.replace(/^\/inner/, '') })
      return agents(req, res, () => res.end('{}'))
    })
    expect((await send(port, await gate.assertion())).status).toBe(200)
    const inner = await send(port, await gate.assertion(), { path: `/inner${PATH}` })
    expect(inner).toMatchObject({ status: 401, code: 'route_mismatch' })
  })

  it('may be given another answer to refuse with', async () => {
    const refused: string[] = []
    const { port, seen } = await app({
      refuse(error, req, res) {
        refused.push(`${error.code} ${req.method}`)
        res.statusCode = 404
        res.end('')
      },
    })
    expect((await send(port, undefined)).status).toBe(404)
    expect([refused, seen]).toEqual([['assertion_missing GET'], []])
  })

  it('is not reached by a request that nobody has verified', () => {
    expect(() => agentOf({ agent: { id: 'root' } })).toThrow('could not be checked')
  })
})

describe('a body that is bound', () => {
  it.each<[keyof typeof PARSERS, number, string | undefined]>([
    ['raw', 200, undefined],
    ['json', 200, undefined],
    ['plain', 500, 'body_unavailable'],
    ['none', 500, 'body_unavailable'],
  ])('needs its bytes: parser %s', async (name, status, code) => {
    const { port, seen } = await app({}, PARSERS[name])
    const answer = await send(port, await bound(), { method: 'POST', body: BODY })
    expect(answer).toMatchObject({ status, code })
    expect(seen).toHaveLength(status === 200 ? 1 : 0)
    const other = await send(port, await bound(), { method: 'POST', body: '{"note":"Zoe"}' })
    expect(other.status).not.toBe(200)
    if (status === 200) expect(other.code).toBe('body_mismatch')
  })

  it('may be none, without a parser', async () => {
    const { port } = await app({ requireBinding: 'body' })
    const assertion = () => bound('', { htm: 'GET' })
    expect((await send(port, await assertion())).status).toBe(200)
    const chunked = { headers: { 'transfer-encoding': 'chunked' } }
    expect((await send(port, await assertion(), chunked)).code).toBe('body_unavailable')
  })

  it('over HTTP/2 may come without a word about its length', async () => {
    const agents = expressAgent(gate.options)
    const server = createHttp2Server((req, res) => agents(req, res, () => res.end('{}')))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const assertion = await bound('')
    const stream = client.request({
      ':method': 'POST',
      ':path': PATH,
      ':authority': new URL(AUDIENCE).host,
      'x-agent-assertion': assertion,
    })
    stream.end(BODY)
    const [headers] = await once(stream, 'response')
    expect(headers[':status']).toBe(500)
    const answer = JSON.parse(String(Buffer.concat(await stream.toArray())))
    expect(answer.code).toBe('body_unavailable')
    await new Promise<void>((done) => client.close(done))
    await new Promise((done) => server.close(done))
  })

  it('is the one that was sent, not the one that was unpacked', async () => {
    const packed = gzipSync(BODY)
    const init = { method: 'POST', body: packed, headers: { 'content-encoding': 'gzip' } }
    const { port } = await app({}, PARSERS.raw)
    expect((await send(port, await bound(packed), init)).status).toBe(200)
    expect((await send(port, await bound(BODY), init)).code).toBe('body_mismatch')
  })
})

it('a scope is an error with a status, as Express answers it', async () => {
  const agents = expressAgent(gate.options)
  const port = await serve((req, res) =>
    agents(req, res, () => {
      try {
        requireScope(agentOf(req), 'docs:write')
        res.end('{}')
      } catch (error) {
        res.statusCode = (error as { status: number }).status
        res.end('{}')
      }
    }),
  )
  expect((await send(port, await gate.assertion({ scope: 'docs:write' }))).status).toBe(200)
  expect((await send(port, await gate.assertion())).status).toBe(403)
})
