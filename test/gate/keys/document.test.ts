import type { ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fetchDocument } from '../../../src/gate/keys/document.ts'
import type { DocumentInit } from '../../../src/gate/platform/system.ts'
import { PATIENCE } from '../../kit/wait.ts'
import { startServer } from './support.ts'

/** One space at a time, for as long as somebody listens. */
const dribble = async (response: ServerResponse) => {
  response.writeHead(200, JSON_TYPE)
  while (!response.destroyed) {
    response.write(' ')
    await wait(20)
  }
}

let server: Awaited<ReturnType<typeof startServer>>
let elsewhere: Awaited<ReturnType<typeof startServer>>

beforeAll(async () => {
  server = await startServer()
  elsewhere = await startServer()
  elsewhere.json('/keys', { keys: [] })
})
afterAll(async () => {
  await server.close()
  await elsewhere.close()
})

const rules = {
  fetch: (url: string, init: DocumentInit) => fetch(url, init),
  allowInsecureHttp: true,
}
const load = (path: string, timeoutMs = PATIENCE) =>
  fetchDocument(server.origin + path, { ...rules, timeoutMs })

const JSON_TYPE = { 'content-type': 'application/json' }
const serve = (path: string, body: string | Buffer, headers: Record<string, string> = JSON_TYPE) =>
  server.paths.set(path, (_, response) => response.writeHead(200, headers).end(body))

const document = (value: object, freshness: object = {}) => ({
  ok: true,
  value: { kind: 'document', document: value, ...freshness },
})

describe('fetchDocument', () => {
  it.each<[string | undefined, boolean]>([
    ['Application/JSON ;charset=UTF-8', true],
    ['application/jwk-set+json', true],
    ['application/vnd.acme.keys.v1+json; profile="x"', true],
    [undefined, false],
    ['text/plain; charset=utf-8', false],
    ['text/html, application/json', false],
  ])('judges what is served as %s by that alone: %s', async (type, isJson) => {
    serve('/type', '{"keys":[]}', type === undefined ? {} : { 'content-type': type })
    const refused = { ok: false, reason: 'not served as JSON' }
    expect(await load('/type')).toEqual(isJson ? document({ keys: [] }) : refused)
  })

  it('does not wait for the body of what is not JSON', async () => {
    server.paths.set('/page', (_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).write('<html>')
    })
    expect(await load('/page')).toEqual({ ok: false, reason: 'not served as JSON' })
  })

  it('reads what is compressed', async () => {
    serve('/gzip', gzipSync('{"keys":[1]}'), { ...JSON_TYPE, 'content-encoding': 'gzip' })
    expect(await load('/gzip')).toStrictEqual(document({ keys: [1] }))
  })

  it.each([
    ['an array', '[]'],
    ['null', 'null'],
    ['no JSON', '<html>'],
    ['nothing', ''],
    ['two members of one name', '{"keys":[],"keys":[]}'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ])('refuses %s', async (_, body) => {
    serve('/bad', body)
    expect(await load('/bad')).toEqual({ ok: false, reason: 'not a JSON object' })
  })

  it.each([201, 204, 404, 500, 503])('refuses status %i', async (status) => {
    server.status('/status', status)
    expect(await load('/status')).toEqual({ ok: false, reason: `status ${status}` })
  })

  it('takes 64 KiB and not a byte more', async () => {
    const sized = (bytes: number) => {
      const text = JSON.stringify({ x: '' })
      return JSON.stringify({ x: 'a'.repeat(bytes - text.length) })
    }
    serve('/full', sized(65_536))
    serve('/over', sized(65_537))
    serve('/bomb', gzipSync(sized(10_000_000)), { ...JSON_TYPE, 'content-encoding': 'gzip' })
    expect((await load('/full')).ok).toBe(true)
    expect(await load('/over')).toEqual({ ok: false, reason: 'too large' })
    expect(await load('/bomb')).toEqual({ ok: false, reason: 'too large' })
  })

  const WHOLE = '{"keys":[]}'
  it.each([
    ['before its last byte', 'content-length', WHOLE.length, WHOLE.slice(0, -1)],
    ['after an object, before what was promised', 'content-length', 500, WHOLE],
    ['in a chunk', 'transfer-encoding', 'chunked', `20\r\n${WHOLE}`],
    ['between chunks', 'transfer-encoding', 'chunked', `b\r\n${WHOLE}\r\n`],
    ['at a chunk without a size', 'transfer-encoding', 'chunked', `b\r\n${WHOLE}\r\nz\r\n`],
  ])('refuses a body that breaks off %s', async (_, header, value, body) => {
    server.paths.set('/cut', (request) => {
      request.socket.end(
        `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${header}: ${value}\r\n\r\n${body}`,
      )
    })
    expect(await load('/cut')).toEqual({ ok: false, reason: 'truncated' })
  })

  it.each([
    ['headers', () => {}],
    [
      'the body',
      (response: ServerResponse) => response.writeHead(200, JSON_TYPE).write('{"keys":[]}'),
    ],
    ['a body that dribbles', (response: ServerResponse) => void dribble(response)],
  ])('gives up waiting for %s', async (_, begin) => {
    server.paths.set('/slow', (_request, response) => begin(response))
    expect(await load('/slow', 100)).toEqual({ ok: false, reason: 'timeout' })
  })

  it('has one time for all redirects together', async () => {
    server.paths.set('/late', async (_, response) => {
      await wait(100)
      response.writeHead(302, { location: '/late' }).end()
    })
    expect(await load('/late', 150)).toEqual({ ok: false, reason: 'timeout' })
  })

  it('says that nobody answers', async () => {
    const gone = await startServer()
    await gone.close()
    const answer = await fetchDocument(`${gone.origin}/`, rules)
    expect(answer).toEqual({ ok: false, reason: 'unreachable' })
  })

  it('follows two redirects of the same server, not three', async () => {
    server.json('/r0', { keys: [] })
    server.status('/r1', 302, { location: '/r0' })
    server.status('/r2', 308, { location: `${server.origin}/r1` })
    server.status('/r3', 301, { location: 'r2' })
    expect((await load('/r2')).ok).toBe(true)
    expect(await load('/r3')).toEqual({ ok: false, reason: 'too many redirects' })
  })

  it.each([
    ['another port', () => `${elsewhere.origin}/keys`],
    ['another name', () => `${elsewhere.origin.replace('127.0.0.1', 'localhost')}/keys`],
    ['another scheme', () => `${server.origin.replace('http', 'https')}/keys`],
    ['a credential', () => `${server.origin.replace('//', '//user:pass@')}/ok`],
    ['nowhere', () => 'http://['],
    ['data', () => 'data:application/json,{}'],
  ])('does not follow a redirect to %s', async (_, location) => {
    server.status('/away', 302, { location: location() })
    expect(await load('/away')).toEqual({ ok: false, reason: 'redirected elsewhere' })
    expect(elsewhere.requests).toEqual([])
  })

  const answering = (body = '{}') => {
    const asked: { url: string; init: DocumentInit }[] = []
    const fetch = async (url: string, init: DocumentInit) => {
      asked.push({ url, init })
      return new Response(body, { headers: JSON_TYPE })
    }
    return { asked, fetch }
  }

  it.each([
    ['http to a public name', 'http://auth.acme.example/jwks', true],
    ['http where it is not allowed', 'http://127.0.0.1:1/jwks', false],
    ['a credential', 'https://user:pass@auth.acme.example/jwks', true],
    ['another scheme', 'file:///etc/passwd', true],
    ['no URL', '/jwks', true],
    ['a private address', 'https://0x7f.1:8443/jwks', false],
    ['http to a private address', 'http://10.0.0.1/jwks', true],
  ])('does not ask %s', async (_, url, allowInsecureHttp) => {
    const { asked, fetch } = answering()
    const answer = await fetchDocument(url, { fetch, allowInsecureHttp })
    expect(answer).toEqual({ ok: false, reason: 'address not allowed' })
    expect(asked).toEqual([])
  })

  it.each([
    'https://api.acme.example:443/',
    'https://API.acme.example./jwks',
    'https://dev.acme.example.:8443/jwks',
    'https://dev.acme.example/jwks',
    'http://127.0.0.1:8787/jwks',
  ])('does not ask %s, which no document may come from', async (url) => {
    const { asked, fetch } = answering()
    const never = [
      'https://api.acme.example',
      'https://dev.acme.example:8443',
      'http://127.0.0.1:8787',
    ]
    const answer = await fetchDocument(url, { fetch, allowInsecureHttp: true, never })
    expect(answer).toEqual({ ok: false, reason: 'address not allowed' })
    expect(asked).toEqual([])
    const other = 'http://127.0.0.1:9443/jwks'
    expect((await fetchDocument(other, { fetch, allowInsecureHttp: true, never })).ok).toBe(true)
  })

  it('asks https whatever is allowed, without cookie, credential or cache', async () => {
    const { asked, fetch } = answering()
    const answer = await fetchDocument('https://a.example/', { fetch, allowInsecureHttp: false })
    expect(answer.ok).toBe(true)
    expect(asked[0]?.init).toMatchObject({ redirect: 'manual', cache: 'no-store' })
    expect(asked[0]?.init.headers).toStrictEqual({ accept: 'application/json' })
    await load('/ok')
    const sent = server.heard.at(-1) ?? {}
    expect(sent).not.toHaveProperty('cookie')
    expect(sent).not.toHaveProperty('authorization')
    expect(sent).not.toHaveProperty('if-none-match')
  })
})

describe('a document that is held', () => {
  const again = (path: string, etag: string) =>
    fetchDocument(server.origin + path, { ...rules, etag })

  /** Answers as RFC 9110 §13.1.2 has it, if the request does not say it wants all anew. */
  const serveTagged = (path: string, tag: string, headers: Record<string, string> = {}) =>
    server.paths.set(path, (request, response) => {
      const reload = request.headers['cache-control']?.includes('no-cache')
      const same = request.headers['if-none-match'] === tag && !reload
      response.writeHead(same ? 304 : 200, { ...JSON_TYPE, etag: tag, ...headers })
      response.end(same ? undefined : '{"keys":[2]}')
    })

  it('says how long it holds, and by what tag it is known', async () => {
    serveTagged('/held', 'W/"1"', { 'cache-control': 'public, max-age=300', age: '100' })
    const fresh = { etag: 'W/"1"', maxAge: 200 }
    expect(await load('/held')).toStrictEqual(document({ keys: [2] }, fresh))
  })

  it('is unchanged where the server says so', async () => {
    serveTagged('/held', '"1"', { 'cache-control': 'max-age=60' })
    const unchanged = { kind: 'unchanged', etag: '"1"', maxAge: 60 }
    expect(await again('/held', '"1"')).toStrictEqual({ ok: true, value: unchanged })
  })

  it.each(['', 'x', '"a"\r\nx-evil: 1', '"a", "b"', '*', `"${'x'.repeat(255)}"`])(
    'is asked for whole where what is held has no tag but %.20j',
    async (etag) => {
      serveTagged('/held', '"1"')
      expect(await again('/held', etag)).toStrictEqual(document({ keys: [2] }, { etag: '"1"' }))
      expect(server.heard.at(-1)).not.toHaveProperty('if-none-match')
    },
  )
})
