import { getEventListeners } from 'node:events'
import { generateKeyPair } from 'jose'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Decision, Facts } from '../../../src/gate/guard/guard.ts'
import type { SigningKey } from '../../../src/gate/model/ports.ts'
import { gateOf, ISSUER, NOW, policyOf } from '../../kit/facts.ts'
import { forwarded, type Origin } from '../../kit/forwarded.ts'
import { rule } from '../../policy/support.ts'

const ended = { outcome: 'ended', waits: {}, known: {} } as unknown as Decision

describe('where a request goes', () => {
  const at = (url: string, stripPrefix = '') => ({ url: new URL(url), stripPrefix })

  it.each([
    ['/x', at('https://o.example'), 'https://o.example/x'],
    ['/', at('https://o.example'), 'https://o.example/'],
    ['/x/?a=1&b', at('https://o.example:8443/'), 'https://o.example:8443/x/?a=1&b'],
    ['/x', at('https://o.example/base'), 'https://o.example/base/x'],
    ['/x', at('https://o.example/base/'), 'https://o.example/base/x'],
    ['/', at('https://o.example/base'), 'https://o.example/base/'],
    ['/api/x?q', at('https://o.example', '/api'), 'https://o.example/x?q'],
    ['/api', at('https://o.example', '/api'), 'https://o.example/'],
    ['/api/', at('https://o.example/base', '/api'), 'https://o.example/base/'],
    ['/a%2fb/%e2%82%ac%61', at('https://o.example'), 'https://o.example/a%2Fb/%E2%82%ACa'],
    ['/a|b[1]', at('https://o.example'), 'https://o.example/a|b[1]'],
    ['/x?a=%2e%2e/../', at('https://o.example'), 'https://o.example/x?a=%2e%2e/../'],
  ])('%s to %j', async (path, target, url) => {
    const { request } = await forwarded({ url: `https://api.example.com${path}`, target })
    expect(request.url).toBe(url)
  })

  it('goes once, and redirects are handed back', async () => {
    const redirect = new Response(null, { status: 302, headers: { location: '/y' } })
    const { result, request, sent } = await forwarded({ send: async () => redirect })
    expect([request.redirect, sent]).toEqual(['manual', 1])
    expect(result.ok && result.value).toBe(redirect)
  })

  it.each(['GET', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'])('keeps %s', async (method) => {
    const init = { method, headers: { 'x-http-method-override': 'PUT' } }
    const { request } = await forwarded({ init })
    expect(request.method).toBe(method)
    expect(request.headers.has('x-http-method-override')).toBe(false)
  })

  it.each(['GET', 'HEAD'])('%s is not answered from a cache of the platform', async (method) => {
    const { request } = await forwarded({ init: { method } })
    expect(request.cache).toBe('no-store')
  })
})

describe('what an origin is told', () => {
  const inbound = {
    authorization: 'Bearer agent-secret',
    cookie: 'a=1',
    'x-agent-id': 'root',
    x_agent_id: 'root',
    'x-agent-role': 'root',
    'x-forwarded-for': '6.6.6.6',
    'x-forwarded-user': 'root',
    'cf-connecting-ip': '6.6.6.6',
    'x-request-id': 'theirs',
    via: '1.1 evil',
  }

  it('is the verified identity, and nothing that only looks like it', async () => {
    const { request } = await forwarded({
      url: 'https://api.example.com:8443/x',
      init: { headers: inbound },
      clientIp: '192.0.2.1',
    })
    expect(Object.fromEntries(request.headers)).toEqual({
      'cache-control': 'no-cache, no-store',
      cookie: 'a=1',
      via: '1.1 edgewarden',
      'x-agent-client-id': 'app',
      'x-agent-grant': 'docs:read',
      'x-agent-id': 'planner',
      'x-agent-issuer': ISSUER,
      'x-agent-possession': 'bearer',
      'x-agent-scope': 'docs:read',
      'x-agent-subject': 'alice',
      'x-agent-token-expires': String(NOW + 600),
      'x-agent-token-id': 'token-1',
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-host': 'api.example.com:8443',
      'x-forwarded-proto': 'https',
      'x-request-id': 'request-1',
    })
  })

  it('is no identity where there is none', async () => {
    const { request } = await forwarded({ init: { headers: inbound }, decision: ended })
    const names = [...request.headers.keys()]
    expect(names.filter((name) => /agent|auth/.test(name))).toEqual([])
    expect(request.headers.has('x-forwarded-for')).toBe(false)
  })

  it('has the prefix of the policy, and the headers of the route', async () => {
    const { request } = await forwarded({
      policy: policyOf([], { gate: gateOf({ identityPrefix: 'x-acme-bot-' }) }),
      route: { inject: [['Authorization', 'Bearer key']] },
      init: { headers: { ...inbound, 'x-acme-bot-id': 'root' } },
    })
    expect(request.headers.get('authorization')).toBe('Bearer key')
    expect(request.headers.get('x-acme-bot-id')).toBe('planner')
    expect(request.headers.has('x-agent-id')).toBe(false)
  })

  it.each(['ended', 'denied'])('is no secret of the route where the line %s', async (outcome) => {
    const inject = [['Authorization', 'Bearer key']] as const
    const decision = { ...ended, outcome } as Decision
    const { request } = await forwarded({ route: { inject }, decision })
    expect([...request.headers].flat().join(' ')).not.toContain('Bearer key')
  })

  it.each([
    [['12345678'], ['identity', null, null, null, null, null, null], true],
    [[], ['gzip', 'bytes=0-1', '"1"', 'bytes=0-1', 'utf-16', 'utf-16', 'feed'], false],
  ] as const)(
    'asks for a whole answer where it searches it for %j',
    async (secrets, expected, reads) => {
      let isRead: boolean | undefined
      const { request } = await forwarded({
        route: { secrets, inject: [['authorization', 'Bearer key']] },
        init: {
          headers: {
            'accept-encoding': 'gzip',
            range: 'bytes=0-1',
            'if-range': '"1"',
            'request-range': 'bytes=0-1',
            'accept-charset': 'utf-16',
            accept_charset: 'utf-16',
            'a-im': 'feed',
          },
        },
        send: async (_target, _request, read) => {
          isRead = read
          return new Response('hello')
        },
      })
      const names = [
        'accept-encoding',
        'range',
        'if-range',
        'request-range',
        'accept-charset',
        'accept_charset',
        'a-im',
      ]
      expect(names.map((name) => request.headers.get(name))).toEqual(expected)
      expect(isRead).toBe(reads)
    },
  )

  it('is never overruled by what a route injects', async () => {
    const inject = [['x-agent-id', 'root']] as const
    const { request } = await forwarded({ route: { inject } })
    expect(request.headers.get('x-agent-id')).toBe('planner')
  })

  it.each([
    [{}, null],
    [{ service: 'API', url: new URL('https://api.example.com:8443') }, 'api.example.com:8443'],
  ])('has the Host of a service binding only (%j)', async (target, host) => {
    const { request } = await forwarded({ target, init: { headers: { host: 'evil.example' } } })
    expect(request.headers.get('host')).toBe(host)
  })

  it.each([
    ['websocket', 'websocket'],
    ['WebSocket', 'websocket'],
    ['h2c', null],
    ['websocket, h2c', null],
  ])('keeps an upgrade to %s as %s', async (upgrade, kept) => {
    const { request } = await forwarded({ init: { headers: { upgrade, connection: 'upgrade' } } })
    expect(request.headers.get('upgrade')).toBe(kept)
    expect(request.headers.has('connection')).toBe(false)
  })
})

describe('the assertion', () => {
  const signs = (binding: 'identity' | 'body', prefix = 'x-agent-') =>
    policyOf([], {
      gate: gateOf({
        identityPrefix: prefix,
        assertion: { binding, algorithm: 'ES256', maxBody: 1, operatorKeys: [], withdrawn: [] },
      }),
    })
  const key = async (): Promise<SigningKey> => {
    const { privateKey } = await generateKeyPair('ES256')
    return { kid: 'key-1', algorithm: 'ES256', key: privateKey }
  }
  const forged = { 'x-agent-assertion': 'forged', x_agent_assertion: 'forged' }

  it.each(['x-agent-', 'x-acme-bot-'])('stands beside the others, after %s', async (prefix) => {
    const { request } = await forwarded({
      policy: signs('identity', prefix),
      known: { signing: await key() },
      init: { headers: forged },
    })
    expect(request.headers.get(`${prefix}assertion`)).toMatch(/^ey[\w-]+\.ey[\w-]+\.[\w-]{86}$/)
    expect([...request.headers].flat().join()).not.toContain('forged')
  })

  it('is none where the line found no identity, and none where nothing is signed', async () => {
    for (const given of [{ policy: signs('identity'), decision: ended }, {}]) {
      const { request } = await forwarded({ ...given, init: { headers: forged } })
      expect([...request.headers.keys()].filter((name) => /assertion/.test(name))).toEqual([])
    }
  })

  it('is none without a key, and then nothing is sent', async () => {
    await expect(forwarded({ policy: signs('identity') })).rejects.toThrow('nothing was sent')
  })

  it.each([
    ['hello', 'hello'],
    ['', ''],
  ])('goes with the body that was held: %j', async (text, arrived) => {
    const bytes = new TextEncoder().encode(text)
    const { request } = await forwarded({
      policy: signs('body'),
      known: { signing: await key(), held: { bytes, digest: 'digest' } },
      init: { method: 'POST', body: text },
    })
    expect(await request.text()).toBe(arrived)
  })

  it.each(['identity', 'body', undefined] as const)(
    'to an MCP server goes with what was read, and with nothing else (%s)',
    async (binding) => {
      const { mcp } = rule(
        { ROUTES: [{ match: 'POST /x', scopes: [], mcp: { tools: { a: [] } } }] },
        '/x',
      )
      const sentBy = async (held: Facts['held']) => {
        const { request } = await forwarded({
          ...(binding && { policy: signs(binding) }),
          route: { ...(mcp && { mcp }) },
          known: {
            signing: await key(),
            held,
            operation: { kind: 'mcp', method: 'POST', messages: [] },
          },
          init: { method: 'POST', body: 'as it came' },
        })
        return request.text()
      }
      expect(mcp).toBeDefined()
      expect(await sentBy({ bytes: new TextEncoder().encode('as it was read') })).toBe(
        'as it was read',
      )
      expect(await sentBy(undefined)).toBe('')
    },
  )
})

describe('what comes back', () => {
  const denied = { ok: false } as const

  it.each([
    ['origin_unreachable', 'badOrigin', () => Promise.reject(new Error('refused by 10.0.0.7'))],
    [
      'origin_unreachable',
      'badOrigin',
      () => {
        throw new Error('no such binding')
      },
    ],
  ] as const)('is %s', async (code, answer, send) => {
    const { result } = await forwarded({ send })
    expect(result).toMatchObject({ ...denied, reason: { denial: { code, answer } } })
  })

  it.each([
    [401, [['Authorization', 'Bearer key']], 'origin_credential_refused'],
    [403, [['Authorization', 'Bearer key']], undefined],
    [401, [], undefined],
  ] as const)('with %i and inject %j: %s', async (status, inject, code) => {
    let cancelled = false
    const body = new ReadableStream({
      cancel() {
        cancelled = true
      },
    })
    const response = new Response(body, { status })
    const { result } = await forwarded({ route: { inject }, send: async () => response })
    if (code === undefined) expect(result).toEqual({ ok: true, value: response })
    else
      expect(result).toMatchObject({ ...denied, reason: { denial: { code, answer: 'badOrigin' } } })
    expect(cancelled).toBe(code !== undefined)
  })
})

describe('a body that breaks off on its way', () => {
  /** One that comes until it is failed, of a caller that may leave. */
  const flowing = (length?: string) => {
    let sender: ReadableStreamDefaultController<Uint8Array> | undefined
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        sender = controller
        controller.enqueue(new Uint8Array([1]))
      },
    })
    const caller = new AbortController()
    const headers = length === undefined ? {} : { 'content-length': length }
    return {
      breakOff: () => sender?.error(new Error('gone')),
      finish: () => sender?.close(),
      leave: () => caller.abort(),
      init: { method: 'POST', body, duplex: 'half', headers, signal: caller.signal } as const,
    }
  }
  /** An origin that takes what comes until the request is broken off. */
  const taking: Origin = async (_, request) => {
    request.text().catch(() => {})
    return new Promise((_, reject) => {
      request.signal.addEventListener('abort', () => reject(new Error('aborted')))
    })
  }
  const codeOf = ({ result }: Awaited<ReturnType<typeof forwarded>>) =>
    result.ok ? 'ok' : result.reason.denial.code
  const SERVICE = { service: 'API' }

  it.each([
    [undefined, {}],
    ['1000', {}],
    ['1000000', {}],
    [undefined, SERVICE],
    ['1000', SERVICE],
  ])('is its sender’s doing (%s of %j)', async (length, target) => {
    const { breakOff, init } = flowing(length)
    const running = forwarded({ target, init, send: taking })
    await new Promise((done) => setTimeout(done, 10))
    breakOff()
    expect(await running).toMatchObject({
      result: { reason: { denial: { code: 'body_incomplete', answer: 'badRequest' } } },
    })
  })

  it('is so, too, where the caller has left', async () => {
    const { leave, init } = flowing()
    const running = forwarded({ init, send: taking })
    await new Promise((done) => setTimeout(done, 10))
    leave()
    expect(codeOf(await running)).toBe('body_incomplete')
  })

  it.each([[{}], [SERVICE]])('is not where the origin failed before (%j)', async (target) => {
    const { breakOff, init } = flowing()
    const send: Origin = async (_, request) => {
      await request.body?.getReader().read()
      throw new Error('Network connection lost.')
    }
    const running = forwarded({ target, init, send })
    void running.then(breakOff)
    expect(codeOf(await running)).toBe('origin_unreachable')
  })

  it('is not where the origin takes no more, nor once the body was whole', async () => {
    const refusing: Origin = async (_, request) => {
      await request.body?.cancel()
      throw new Error('Network connection lost.')
    }
    expect(codeOf(await forwarded({ init: flowing().init, send: refusing }))).toBe(
      'origin_unreachable',
    )
    const { finish, leave, init } = flowing()
    const send: Origin = async (_, request) => {
      finish()
      await request.text()
      leave()
      throw new Error('Network connection lost.')
    }
    expect(codeOf(await forwarded({ init, send }))).toBe('origin_unreachable')
  })

  it('does not take an answer away that the origin has given', async () => {
    const { breakOff, init } = flowing()
    const send: Origin = async () => {
      breakOff()
      return new Response('too much', { status: 413 })
    }
    const { result } = await forwarded({ init, send })
    expect(result.ok && result.value.status).toBe(413)
  })
})

describe('a caller that leaves', () => {
  const waiting: Origin = (_, request) =>
    new Promise((_, reject) => {
      const leave = () => reject(new Error('aborted'))
      if (request.signal.aborted) leave()
      request.signal.addEventListener('abort', leave)
    })

  it.each(['GET', 'DELETE', 'HEAD'])('ends what was asked for it (%s)', async (method) => {
    const caller = new AbortController()
    const running = forwarded({ init: { method, signal: caller.signal }, send: waiting })
    setTimeout(() => caller.abort(), 10)
    const { request } = await running
    expect(request.signal.aborted).toBe(true)
  })

  it('may have left before', async () => {
    const { request } = await forwarded({ init: { signal: AbortSignal.abort() }, send: waiting })
    expect(request.signal.aborted).toBe(true)
  })

  it('leaves an answer that is there to whoever hands it on', async () => {
    const caller = new AbortController()
    const { signal } = caller
    const inbound = new Request('https://api.example.com/x', { signal })
    const { request } = await forwarded({ inbound })
    expect(getEventListeners(inbound.signal, 'abort')).toEqual([])
    caller.abort()
    expect(request.signal.aborted).toBe(false)
  })
})

describe('a body that was read before', () => {
  const posted = () =>
    new Request('https://api.example.com/x', { method: 'POST', body: 'transfer 5' })
  const readings: readonly [string, (request: Request) => Promise<unknown>][] = [
    ['as text', (request) => request.text()],
    [
      'chunk by chunk',
      async ({ body }) => {
        for await (const _ of body ?? []);
      },
    ],
    [
      'in part',
      async ({ body }) => {
        const reader = body?.getReader()
        await reader?.read()
        reader?.releaseLock()
      },
    ],
    ['by somebody who still holds it', async ({ body }) => void body?.getReader()],
  ]

  it.each(readings)('is not sent as an empty one (%s)', async (_, read) => {
    const inbound = posted()
    await read(inbound)
    const result = forwarded({ inbound })
    await expect(result).rejects.toThrow('nothing was sent')
  })

  it('is sent where it was held', async () => {
    const inbound = posted()
    const held = { bytes: new Uint8Array(await inbound.arrayBuffer()) }
    const { request } = await forwarded({ inbound, known: { held } })
    expect(await request.text()).toBe('transfer 5')
  })
})

describe('time', () => {
  afterEach(() => void vi.useRealTimers())

  /** An origin that takes the whole body and then says nothing. */
  const silent: Origin = async (_, request) => {
    const gone = new Promise<never>((_, reject) => {
      request.signal.addEventListener('abort', () => reject(new Error('aborted')))
    })
    await request.text()
    return gone
  }

  it('is up when an origin does not answer', async () => {
    const { result } = await forwarded({ target: { timeout: 20 }, send: silent })
    expect(result).toMatchObject({
      reason: { denial: { code: 'origin_timeout', answer: 'originTimeout' } },
    })
  })

  it('begins with the last byte of the request', async () => {
    vi.useFakeTimers()
    let sender: ReadableStreamDefaultController | undefined
    const body = new ReadableStream({
      start(controller) {
        sender = controller
      },
    })
    const running = forwarded({
      target: { timeout: 1_000 },
      send: silent,
      init: { method: 'POST', body, duplex: 'half' },
    })
    let done = false
    running.then(() => {
      done = true
    })
    await vi.advanceTimersByTimeAsync(30_000)
    sender?.enqueue(new Uint8Array(1))
    await vi.advanceTimersByTimeAsync(30_000)
    expect(done).toBe(false)
    sender?.close()
    await vi.advanceTimersByTimeAsync(999)
    expect(done).toBe(false)
    await vi.advanceTimersByTimeAsync(2)
    expect(await running).toMatchObject({
      result: { reason: { denial: { code: 'origin_timeout' } } },
    })
  })

  it('does not run on once the origin has answered', async () => {
    vi.useFakeTimers()
    const { result, request } = await forwarded({ target: { timeout: 1_000 } })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(request.signal.aborted).toBe(false)
    expect(result.ok && (await result.value.text())).toBe('hello')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('lets a body stream through as it came', async () => {
    const { request, result } = await forwarded({
      init: { method: 'POST', body: 'one two', headers: { 'content-type': 'text/x' } },
      send: async (_, request) => new Response(await request.text()),
    })
    expect(request.headers.get('content-type')).toBe('text/x')
    expect(result.ok && (await result.value.text())).toBe('one two')
  })
})
