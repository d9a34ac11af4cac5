import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DocumentInit, fetchDocument } from '../../../src/adapters/keys/document.ts'
import { startServer } from './support.ts'

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
const load = (path: string, timeoutMs = 5_000) =>
  fetchDocument(server.origin + path, { ...rules, timeoutMs })

describe('fetchDocument', () => {
  it('brings a JSON object', async () => {
    server.json('/ok', { keys: [1] })
    expect(await load('/ok')).toEqual({ ok: true, value: { keys: [1] } })
  })

  it.each([
    ['an array', '[]'],
    ['null', 'null'],
    ['no JSON', '<html>'],
    ['nothing', ''],
    ['two members of one name', '{"keys":[],"keys":[]}'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ])('refuses %s', async (_, body) => {
    server.paths.set('/bad', (_request, response) => response.end(body))
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
    server.paths.set('/full', (_, response) => response.end(sized(65_536)))
    server.paths.set('/over', (_, response) => response.end(sized(65_537)))
    expect((await load('/full')).ok).toBe(true)
    expect(await load('/over')).toEqual({ ok: false, reason: 'too large' })
  })

  it('stops reading an endless body', async () => {
    let closed: () => void = () => {}
    const gone = new Promise<void>((done) => {
      closed = done
    })
    server.paths.set('/endless', (_, response) => {
      const more = () => {
        while (response.write('x'.repeat(16_384)));
      }
      response.on('drain', more).on('close', closed)
      more()
    })
    expect(await load('/endless')).toEqual({ ok: false, reason: 'too large' })
    await gone
  })

  it.each([
    ['headers', () => {}],
    ['the body', (response: { write(text: string): unknown }) => response.write('{"keys":')],
  ])('gives up waiting for %s', async (_, begin) => {
    server.paths.set('/slow', (_request, response) => begin(response))
    expect(await load('/slow', 150)).toEqual({ ok: false, reason: 'timeout' })
  })

  it('gives up after five seconds where nothing else is said', async () => {
    server.paths.set('/silent', () => {})
    const began = performance.now()
    const silent = await fetchDocument(`${server.origin}/silent`, rules)
    expect(silent).toEqual({ ok: false, reason: 'timeout' })
    expect(performance.now() - began).toBeGreaterThan(4_900)
    expect(performance.now() - began).toBeLessThan(8_000)
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

  it.each([
    ['http to a public name', 'http://auth.acme.example/jwks', true],
    ['http where it is not allowed', 'http://127.0.0.1:1/jwks', false],
    ['a credential', 'https://user:pass@auth.acme.example/jwks', true],
    ['another scheme', 'file:///etc/passwd', true],
    ['no URL', '/jwks', true],
  ])('does not ask %s', async (_, url, allowInsecureHttp) => {
    let asked = 0
    const fetch = () => {
      asked++
      return Promise.resolve(new Response('{}'))
    }
    const answer = await fetchDocument(url, { fetch, allowInsecureHttp })
    expect(answer).toEqual({ ok: false, reason: 'address not allowed' })
    expect(asked).toBe(0)
  })

  it('asks https whatever is allowed, without cookie, credential or cache', async () => {
    const inits: DocumentInit[] = []
    const fetch = (_: string, init: DocumentInit) => {
      inits.push(init)
      return Promise.resolve(new Response('{}'))
    }
    const answer = await fetchDocument('https://a.example/', { fetch, allowInsecureHttp: false })
    expect(answer.ok).toBe(true)
    expect(inits).toMatchObject([
      { headers: { accept: 'application/json' }, redirect: 'manual', cache: 'no-store' },
    ])
    await load('/ok')
    const sent = server.heard.at(-1) ?? {}
    expect(sent).not.toHaveProperty('cookie')
    expect(sent).not.toHaveProperty('authorization')
  })
})
