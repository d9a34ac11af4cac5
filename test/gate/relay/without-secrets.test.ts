import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createGuard, forward, parsePolicy, type Send } from '../../../src/index.ts'
import { createIssuer, type Issuer } from '../../kit/issuer.ts'
import { type Origin, startOrigin } from '../../kit/origin.ts'

const RESOURCE = 'https://api.example.com'
const KEY = 'sk-live-93b1f07d'
const MASKED = '*'.repeat(KEY.length)

let issuer: Issuer
let origin: Origin

beforeAll(async () => {
  ;[issuer, origin] = await Promise.all([createIssuer(), startOrigin()])
})
beforeEach(() => origin.clear())
afterAll(() => Promise.all([issuer.close(), origin.close()]))

/** Asks an origin behind a rule that injects, as a library. */
const ask = async (send?: Send) => {
  const parsed = parsePolicy(
    {
      GATE: { resource: RESOURCE, origin: origin.url },
      ISSUERS: { acme: { issuer: issuer.issuer, allow_insecure_http: true } },
      ROUTES: [{ match: 'GET /v1/*', scopes: [], inject: { 'x-api-key': `\${KEY}` } }],
    },
    { secrets: { KEY } },
  )
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  const headers = { authorization: `Bearer ${await issuer.mint()}` }
  const request = new Request(`${RESOURCE}/v1/x`, { headers })
  return forward(request, await createGuard(parsed.value.policy)(request), send ? { send } : {})
}

describe('in a process of its own, an answer', () => {
  it.each([
    ['plain', undefined],
    ['in a coding that fetch decodes', 'gzip'],
  ])('%s holds no secret', async (_name, coding) => {
    origin.on('*', (req, res) => {
      const text = `you sent ${req.headers['x-api-key']}`
      const body = coding === undefined ? text : gzipSync(text)
      const headers = coding === undefined ? {} : { 'content-encoding': coding }
      res.writeHead(200, { ...headers, 'content-length': body.length, 'x-echo': KEY }).end(body)
    })
    const response = await ask()
    expect(origin.requests[0]?.header('accept-encoding')).toBe('identity')
    expect(await response.text()).toBe(`you sent ${MASKED}`)
    expect(response.headers.get('x-echo')).toBe(MASKED)
  })

  it('that `send` left in a coding is not handed back', async () => {
    const reads: boolean[] = []
    const response = await ask(async (_target, _url, { headers }, isRead) => {
      reads.push(isRead)
      const key = headers.get('x-api-key') ?? ''
      return new Response(gzipSync(key), { headers: { 'content-encoding': 'gzip' } })
    })
    expect(reads).toEqual([true])
    expect(response.status).toBe(502)
    expect(await response.json()).toMatchObject({ code: 'origin_encoding_unsupported' })
  })

  it.each([
    [304, { 'content-encoding': 'zstd' }, 502],
    [200, { 'content-encoding': '' }, 502],
    [200, { 'transfer-encoding': '' }, 502],
    [200, { 'content-type': "text/plain; charset*=utf-8''utf-16" }, 502],
    [206, {}, 502],
    [226, {}, 502],
    [200, { 'content-range': 'bytes 0-9/10' }, 502],
    [200, { 'content-type': 'text/plain; name="; charset=utf-8"; charset=utf-16le' }, 502],
    [200, { 'content-type': 'text/plain; charset=utf-16le; name="; charset=utf-8"' }, 502],
    [200, { 'content-type': 'text/plain; charset="UTF-8"; name="a"' }, 200],
  ])('without a body is a %i, %j', async (status, headers, expected) => {
    const response = await ask(async () => new Response(null, { status, headers }))
    expect(response.status).toBe(expected)
  })
})
