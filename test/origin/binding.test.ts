import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type AgentErrorCode,
  type AgentRequest,
  createProcessReplays,
  type RequestExtras,
  type VerifyOptions,
  verifyAgent,
} from '../../src/origin/index.ts'
import type { Members } from '../kit/signing.ts'
import {
  AUDIENCE,
  codeOf,
  digestOf,
  openGate,
  requestWith,
  type TestGate,
  URL_,
} from './support.ts'

let gate: TestGate
beforeAll(async () => {
  gate = await openGate()
})
afterAll(() => gate.close())

const verify = (request: AgentRequest, changes: Partial<VerifyOptions> & RequestExtras = {}) =>
  verifyAgent(request, { ...gate.options, ...changes })

const REQUEST = { htm: 'POST', htu: URL_ }
const TEXT = 'a note: Zoë'
const BODY = { ...REQUEST, bdh: digestOf(TEXT) }
const posted = async (claims: Members, body: string | null = TEXT, url = URL_) =>
  requestWith(await gate.assertion(claims), { method: 'POST', body, url })

describe('a request', () => {
  it.each<[string, Members, AgentErrorCode | undefined]>([
    ['that it names', {}, undefined],
    ['by another method', { htm: 'GET' }, 'method_mismatch'],
    ['by its method in lower case', { htm: 'post' }, 'method_mismatch'],
    ['to another path', { htu: `${AUDIENCE}/v1/documents/8` }, 'url_mismatch'],
    ['to its path and more', { htu: `${URL_}/` }, 'url_mismatch'],
    ['to another host', { htu: 'https://other.example/v1/documents/7' }, 'url_mismatch'],
    ['over plain http', { htu: 'http://origin.example.com/v1/documents/7' }, 'url_mismatch'],
    ['at another port', { htu: 'https://origin.example.com:8443/v1/documents/7' }, 'url_mismatch'],
    ['at its own port', { htu: 'https://origin.example.com:443/v1/documents/7' }, undefined],
    ['with a query', { htu: `${URL_}?a=1` }, 'url_mismatch'],
    ['with an empty query', { htu: `${URL_}?` }, 'url_mismatch'],
    ['with a fragment', { htu: `${URL_}#a` }, 'url_mismatch'],
    ['to a path alone', { htu: '/v1/documents/7' }, 'url_mismatch'],
    [
      'to no port there is',
      { htu: 'https://origin.example.com:99999/v1/documents/7' },
      'url_mismatch',
    ],
  ])('is bound to the one %s', async (_, changes, code) => {
    const request = await posted({ ...REQUEST, ...changes })
    expect(await codeOf(verify(request))).toBe(code)
  })

  it('may show another host than the gate sent it to, and any query', async () => {
    const request = await posted(REQUEST, TEXT, 'http://10.0.0.7:8080/v1/documents/7?a=1')
    expect((await verify(request)).binding).toBe('request')
  })

  it('over a service binding has the host of the gate', async () => {
    const aud = 'service:DOCS'
    const htu = `${gate.issuer.issuer}/v1/documents/7`
    const request = await posted({ ...REQUEST, aud, htu })
    expect((await verify(request, { audience: aud })).binding).toBe('request')
    const elsewhere = await posted({ ...REQUEST, aud, htu: `${htu}/8` })
    expect(await codeOf(verify(elsewhere, { audience: aud }))).toBe('url_mismatch')
  })

  it('is bound below the path of its origin', async () => {
    const aud = `${AUDIENCE}/base`
    const url = `${AUDIENCE}/base/v1/7`
    const request = await posted(
      { ...REQUEST, aud, htu: url, route: 'POST /base/v1/{id}' },
      '',
      url,
    )
    expect((await verify(request, { audience: aud })).route).toBe('POST /base/v1/{id}')
  })

  it.each<[VerifyOptions['requireBinding'], readonly (AgentErrorCode | undefined)[]]>([
    [undefined, [undefined, undefined, undefined]],
    ['identity', [undefined, undefined, undefined]],
    ['request', ['binding_missing', undefined, undefined]],
    ['body', ['binding_missing', 'binding_missing', undefined]],
  ])('must be bound as the origin demands: %s', async (requireBinding, codes) => {
    const options = requireBinding === undefined ? {} : { requireBinding }
    const found = [{}, REQUEST, BODY].map(async (claims) =>
      codeOf(verify(await posted(claims), options)),
    )
    expect(await Promise.all(found)).toEqual(codes)
  })
})

describe('the path', () => {
  const at = async (request: Omit<AgentRequest, 'headers'>) => {
    const headers = { 'X-Agent-Assertion': await gate.assertion() }
    return codeOf(verify({ method: 'GET', ...request, headers }))
  }

  it.each<[string, Omit<AgentRequest, 'headers'>, AgentErrorCode | undefined]>([
    ['of a target', { url: '/v1/documents/7?a=/b' }, undefined],
    ['of a whole URL', { url: URL_ }, undefined],
    ['before a router', { url: '/7', originalUrl: '/v1/documents/7' }, undefined],
    [
      'left by a router',
      { url: '/v1/documents/7', originalUrl: '/x/v1/documents/7' },
      'route_mismatch',
    ],
    ['of two slashes', { url: '//v1/documents/7' }, 'route_mismatch'],
    ['behind a host of its own', { url: '//origin.example.com/v1/documents/7' }, 'route_mismatch'],
    ['with dots', { url: '/v1/documents/7/../8' }, 'route_mismatch'],
    ['with a fragment', { url: '/v1/documents/7#a' }, 'route_mismatch'],
    ['of all', { url: '*' }, 'route_mismatch'],
    ['of nothing', {}, 'route_mismatch'],
    ['without a method', { url: '/v1/documents/7', method: undefined }, 'route_mismatch'],
  ])('%s', async (_, request, code) => {
    expect(await at(request)).toBe(code)
  })

  it('of all is not that of the root', async () => {
    const headers = { 'x-agent-assertion': await gate.assertion({ route: 'OPTIONS /' }) }
    const at = (url: string) => codeOf(verify({ method: 'OPTIONS', url, headers }))
    expect([await at('/'), await at('*'), await at('')]).toEqual([
      undefined,
      'route_mismatch',
      'route_mismatch',
    ])
  })
})

it('headers by name are read in any case, and two of them are refused', async () => {
  const one = await gate.assertion()
  const at = (headers: Record<string, string | string[] | undefined>) =>
    codeOf(verify({ method: 'GET', url: '/v1/documents/7', headers }))
  expect(await at({ 'X-Agent-Assertion': one })).toBeUndefined()
  expect(await at({ 'x-agent-assertion': [one] })).toBeUndefined()
  expect(await at({ 'x-agent-assertion': [one, one] })).toBe('assertion_repeated')
  expect(await at({ 'x-agent-assertion': one, 'X-Agent-Assertion': one })).toBe(
    'assertion_repeated',
  )
  expect(await at({ 'x-agent-assertion': one, 'X-AGENT-ID': 'root' })).toBe('identity_mismatch')
  expect(await at({ 'x-agent-assertion': undefined })).toBe('assertion_missing')
})

describe('a body', () => {
  it('is checked, and can be read after', async () => {
    const request = await posted(BODY)
    expect((await verify(request)).binding).toBe('body')
    expect(await request.text()).toBe(TEXT)
  })

  it.each<[string, string | null]>([
    ['another', 'a note: Zoe'],
    ['none', null],
    ['one with more', `${TEXT} `],
  ])('is refused where it is %s', async (_, body) => {
    expect(await codeOf(verify(await posted(BODY, body)))).toBe('body_mismatch')
  })

  it('that is none has the digest of nothing', async () => {
    const claims = { htm: 'GET', htu: URL_, bdh: digestOf('') }
    expect((await verify(requestWith(await gate.assertion(claims)))).binding).toBe('body')
  })

  it('may come in many parts, up to the limit and not beyond', async () => {
    const part = new Uint8Array(64 * 1024).fill(7)
    const streamed = async (parts: number, maxBodyBytes?: number) => {
      let left = parts
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => (left-- > 0 ? controller.enqueue(part) : controller.close()),
      })
      const bdh = digestOf(Buffer.concat(Array(parts).fill(part)))
      const init = { method: 'POST', body, duplex: 'half' } as RequestInit
      const request = requestWith(await gate.assertion({ ...BODY, bdh }), init)
      const code = await codeOf(verify(request, maxBodyBytes === undefined ? {} : { maxBodyBytes }))
      return [code, code ? undefined : (await request.bytes()).length]
    }
    expect(await streamed(16)).toEqual([undefined, 2 ** 20])
    expect(await streamed(17)).toEqual(['body_too_large', undefined])
    expect(await streamed(2, part.length)).toEqual(['body_too_large', undefined])
  })

  it('that its sender breaks off is refused', async () => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) })
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit
    const request = requestWith(await gate.assertion(BODY), init)
    expect(await codeOf(verify(request))).toBe('body_broken')
  })

  it('that was read already must be given', async () => {
    const request = await posted(BODY)
    await request.text()
    expect(await codeOf(verify(request))).toBe('body_unavailable')
    const rawBody = new TextEncoder().encode(TEXT)
    expect((await verify(request, { rawBody })).binding).toBe('body')
    expect(await codeOf(verify(request, { rawBody: rawBody.slice(1) }))).toBe('body_mismatch')
  })

  it('is not touched where nothing is bound to it', async () => {
    const request = await posted(REQUEST)
    await request.text()
    expect((await verify(request)).binding).toBe('request')
  })
})

describe('an assertion that was used', () => {
  it('is refused where it is bound to a request, and good again where it is not', async () => {
    const replays = createProcessReplays()
    const twice = async (claims: Members) => {
      const assertion = await gate.assertion(claims)
      const once = () => requestWith(assertion, { method: 'POST', body: TEXT })
      return [
        await codeOf(verify(once(), { replays })),
        await codeOf(verify(once(), { replays })),
        await codeOf(verify(once())),
      ]
    }
    expect(await twice({})).toEqual([undefined, undefined, undefined])
    expect(await twice(REQUEST)).toEqual([undefined, 'assertion_replayed', undefined])
    expect(await twice(BODY)).toEqual([undefined, 'assertion_replayed', undefined])
  })

  it('is used by one of those who come at once', async () => {
    const replays = createProcessReplays()
    const assertion = await gate.assertion(BODY)
    const codes = await Promise.all(
      Array.from({ length: 8 }, () =>
        codeOf(verify(requestWith(assertion, { method: 'POST', body: TEXT }), { replays })),
      ),
    )
    expect(codes.filter((code) => code === undefined)).toHaveLength(1)
    expect(codes.filter((code) => code === 'assertion_replayed')).toHaveLength(7)
  })

  it('is not used up by a request that is refused', async () => {
    const replays = createProcessReplays()
    const assertion = await gate.assertion(BODY)
    const refused = [
      requestWith(assertion, { method: 'POST', body: 'another' }),
      requestWith(assertion, { method: 'GET' }),
      requestWith(assertion, { method: 'POST', url: `${AUDIENCE}/v1/other` }),
    ]
    for (const request of refused) expect(await codeOf(verify(request, { replays }))).toBeDefined()
    const good = requestWith(assertion, { method: 'POST', body: TEXT })
    expect(await codeOf(verify(good, { replays }))).toBeUndefined()
  })

  it('is noted by gate and jti until it cannot pass any more', async () => {
    const claimed: unknown[] = []
    const replays = { claim: async (...args: unknown[]) => claimed.push(args) === 1 }
    const claims = gate.claims({ ...REQUEST, jti: 'j-1' })
    await verify(await posted(claims), { replays, clockTolerance: 7 })
    expect(claimed).toEqual([[`${gate.issuer.issuer} j-1`, Number(claims.exp) + 7]])
  })

  it.each<[string, () => unknown, AgentErrorCode]>([
    ['breaks', () => Promise.reject(new Error('no store')), 'replays_unavailable'],
    [
      'throws',
      () => {
        throw new Error('no store')
      },
      'replays_unavailable',
    ],
    ['is full', createProcessReplays({ max: 0 }).claim as () => unknown, 'replays_unavailable'],
    ['says nothing', () => undefined, 'assertion_replayed'],
    ['says something else', () => 'yes', 'assertion_replayed'],
  ])('is refused where the store %s', async (_, claim, code) => {
    const replays = { claim: claim as () => boolean }
    expect(await codeOf(verify(await posted(REQUEST), { replays }))).toBe(code)
  })
})

it('what nobody expected is refused as well', async () => {
  const request = {
    method: 'GET',
    url: '/v1/documents/7',
    headers: {
      get() {
        throw new Error('a bug')
      },
    },
  }
  await expect(verify(request)).rejects.toMatchObject({
    code: 'verification_failed',
    status: 500,
    cause: { message: 'a bug' },
  })
})
