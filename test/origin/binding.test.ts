import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type AgentErrorCode,
  type AgentRequest,
  createProcessReplays,
  type RequestExtras,
  type VerifyOptions,
  verifyAgent,
} from '../../packages/origin/src/index.ts'
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

const { host: HOST } = new URL(AUDIENCE)
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
    ['to another host', { htu: 'https://other.example/v1/documents/7' }, 'host_mismatch'],
    ['over plain http', { htu: 'http://origin.example.com/v1/documents/7' }, 'url_mismatch'],
    ['at another port', { htu: 'https://origin.example.com:8443/v1/documents/7' }, 'host_mismatch'],
    ['at its own port', { htu: 'https://origin.example.com:443/v1/documents/7' }, undefined],
    ['with a query in its URL', { htu: `${URL_}?a=1` }, 'url_mismatch'],
    ['with an empty query in its URL', { htu: `${URL_}?` }, 'url_mismatch'],
    ['with a fragment', { htu: `${URL_}#a` }, 'url_mismatch'],
    ['to a path alone', { htu: '/v1/documents/7' }, 'host_mismatch'],
    ['with a query', { htq: digestOf('a=1') }, 'query_mismatch'],
    ['with no query, digested', { htq: digestOf('') }, 'query_mismatch'],
    [
      'to no port there is',
      { htu: 'https://origin.example.com:99999/v1/documents/7' },
      'host_mismatch',
    ],
  ])('is bound to the one %s', async (_, changes, code) => {
    const request = await posted({ ...REQUEST, ...changes })
    expect(await codeOf(verify(request))).toBe(code)
  })

  it.each<[string, string, Members, AgentErrorCode | undefined]>([
    ['one', '?a=1&b=%20+', { htq: digestOf('a=1&b=%20+') }, undefined],
    ['one with question marks', '??a?', { htq: digestOf('?a?') }, undefined],
    ['an empty one', '?', {}, undefined],
    ['one that was added', '?a=1', {}, 'query_mismatch'],
    ['another', '?a=2', { htq: digestOf('a=1') }, 'query_mismatch'],
    ['one in another order', '?b&a', { htq: digestOf('a&b') }, 'query_mismatch'],
    ['one that is spelled otherwise', '?a=%31', { htq: digestOf('a=1') }, 'query_mismatch'],
    ['one that was taken away', '', { htq: digestOf('a=1') }, 'query_mismatch'],
  ])('has the query that it is bound to: %s', async (_, query, claims, code) => {
    for (const bound of [REQUEST, BODY]) {
      const request = await posted({ ...bound, ...claims }, TEXT, URL_ + query)
      expect(await codeOf(verify(request))).toBe(code)
      const { method, headers } = request
      const bytes = { rawBody: new TextEncoder().encode(TEXT) }
      const node = { method, url: `/7${query}`, originalUrl: `/v1/documents/7${query}` }
      const own = { host: HOST, ...Object.fromEntries(headers) }
      expect(await codeOf(verify({ ...node, headers: own }, bytes))).toBe(code)
    }
    const free = await posted(claims.htq ? { ...REQUEST, ...claims } : {}, TEXT, URL_ + query)
    if (!claims.htq) expect(await codeOf(verify(free))).toBeUndefined()
  })

  it('has no digest of a query without a method', async () => {
    const request = await posted({ htq: digestOf('a') }, TEXT, `${URL_}?a`)
    expect(await codeOf(verify(request))).toBe('claims_invalid')
  })

  it('over a service binding has the host of the gate', async () => {
    const aud = 'service:DOCS'
    const htu = `${gate.issuer.issuer}/v1/documents/7`
    const request = await posted({ ...REQUEST, aud, htu }, TEXT, htu)
    expect((await verify(request, { audience: aud })).binding).toBe('request')
    const elsewhere = await posted({ ...REQUEST, aud, htu: `${htu}/8` }, TEXT, htu)
    expect(await codeOf(verify(elsewhere, { audience: aud }))).toBe('url_mismatch')
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

describe('the host', () => {
  const OTHER = 'https://other.example'
  const at = async (
    claims: Members,
    headers: Readonly<Record<string, string | string[]>>,
    {
      url = '/v1/documents/7',
      ...changes
    }: Partial<VerifyOptions> & { readonly url?: string } = {},
  ) => {
    const own = { 'x-agent-assertion': await gate.assertion({ ...claims }), ...headers }
    return codeOf(verify({ method: 'POST', url, headers: own }, changes))
  }

  it.each<[Readonly<Record<string, string | string[]>>, AgentErrorCode | undefined]>([
    [{ host: HOST }, undefined],
    [{ Host: `${HOST.toUpperCase()}:443` }, undefined],
    [{ ':authority': HOST }, undefined],
    [{ ':authority': HOST, host: HOST }, undefined],
    [{ ':authority': HOST, host: 'other.example' }, 'host_mismatch'],
    [{ ':authority': 'other.example', host: HOST }, 'host_mismatch'],
    [{ host: 'other.example' }, 'host_mismatch'],
    [{ host: `${HOST}:80` }, 'host_mismatch'],
    [{ host: `${HOST}.` }, 'host_mismatch'],
    [{ host: `${HOST}@other.example` }, 'host_mismatch'],
    [{ host: `${HOST}, other.example` }, 'host_mismatch'],
    [{ host: [HOST, 'other.example'] }, 'host_mismatch'],
    [{ host: `${HOST}:99999` }, 'host_mismatch'],
    [{ host: '' }, 'host_mismatch'],
    [{}, 'host_mismatch'],
  ])('that is asked for must be the one that is named: %j', async (headers, code) => {
    for (const claims of [{}, REQUEST]) expect(await at(claims, headers)).toBe(code)
  })

  it('is that of a whole URL, whatever Host says', async () => {
    expect(await at(REQUEST, { host: 'other.example' }, { url: URL_ })).toBeUndefined()
    const plain = URL_.replace('https', 'http')
    expect(await at(REQUEST, {}, { url: plain })).toBeUndefined()
    const url = `${OTHER}/v1/documents/7`
    expect(await at(REQUEST, { host: HOST }, { url })).toBe('host_mismatch')
  })

  it('tells two names of one origin apart', async () => {
    const audience = [AUDIENCE, OTHER, 'service:DOCS']
    const headers = { host: 'other.example' }
    for (const claims of [{}, REQUEST]) {
      expect(await at({ ...claims }, headers, { audience })).toBe('host_mismatch')
      expect(await at({ ...claims, aud: 'service:DOCS' }, headers, { audience })).toBe(
        'host_mismatch',
      )
    }
    expect(await at({ aud: OTHER }, headers, { audience })).toBeUndefined()
    const inner = { aud: 'service:DOCS' }
    expect(await at(inner, { host: 'api.example.com' }, { audience })).toBeUndefined()
  })

  it('may be told by a header of a proxy, or by nothing', async () => {
    const proxied = { hostHeader: 'X-Asked-Host' }
    expect(await at(REQUEST, { host: 'a', 'x-asked-host': HOST }, proxied)).toBeUndefined()
    expect(await at(REQUEST, { host: HOST }, proxied)).toBe('host_mismatch')
    const two = { host: HOST, 'x-asked-host': `${HOST}, ${HOST}` }
    expect(await at(REQUEST, two, proxied)).toBe('host_mismatch')
    expect(await at(REQUEST, { host: 'a' }, { hostHeader: false })).toBeUndefined()
  })

  it.each<[Partial<VerifyOptions>, boolean]>([
    [{ hostHeader: '' }, true],
    [{ hostHeader: false, audience: [AUDIENCE, OTHER] }, true],
    [{ hostHeader: false, audience: [AUDIENCE, 'service:DOCS'] }, true],
    [{ hostHeader: false, audience: [AUDIENCE, `${AUDIENCE}/base`] }, false],
    [{ audience: [AUDIENCE, OTHER] }, false],
  ])('%j makes sense: no, if %s', async (changes, fails) => {
    const request = requestWith(await gate.assertion())
    const verified = verify(request, changes)
    if (fails) await expect(verified).rejects.toThrow(TypeError)
    else expect((await verified).id).toBe('agent-1')
  })
})

describe('the path', () => {
  const at = async (request: Omit<AgentRequest, 'headers'>) => {
    const headers = { host: HOST, 'X-Agent-Assertion': await gate.assertion() }
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
})

it('headers by name are read in any case, and two of them are refused', async () => {
  const one = await gate.assertion()
  const at = (headers: Record<string, string | string[] | undefined>) =>
    codeOf(verify({ method: 'GET', url: '/v1/documents/7', headers: { host: HOST, ...headers } }))
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
