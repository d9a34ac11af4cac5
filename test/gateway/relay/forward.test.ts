import { generateKeyPair } from 'jose'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Decision, Facts } from '../../../src/gate/guard/guard.ts'
import type { SigningKey } from '../../../src/gate/model/ports.ts'
import { gateOf, policyOf } from '../../kit/facts.ts'
import { forwarded, type Origin } from '../../kit/forwarded.ts'
import { rule } from '../../policy/support.ts'

const ended = { outcome: 'ended', waits: {}, known: {} } as unknown as Decision

describe('where a request goes', () => {
  const at = (url: string, stripPrefix = '') => ({ url: new URL(url), stripPrefix })

  it.each([
    ['/', at('https://o.example'), 'https://o.example/'],
    ['/x', at('https://o.example/base'), 'https://o.example/base/x'],
    ['/', at('https://o.example/base'), 'https://o.example/base/'],
    ['/api/x?q', at('https://o.example', '/api'), 'https://o.example/x?q'],
    ['/api', at('https://o.example', '/api'), 'https://o.example/'],
    ['/a%2fb/%e2%82%ac%61', at('https://o.example'), 'https://o.example/a%2Fb/%E2%82%ACa'],
    ['/a|b[1]', at('https://o.example'), 'https://o.example/a|b[1]'],
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

  it.each(['GET', 'HEAD'])('%s is not answered from a cache of the platform', async (method) => {
    const { request } = await forwarded({ init: { method } })
    expect(request.cache).toBe('no-store')
  })
})

describe('what an origin is told', () => {
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
    [undefined, SERVICE],
  ])('is its sender’s doing (%s of %j)', async (length, target) => {
    const { breakOff, init } = flowing(length)
    const running = forwarded({ target, init, send: taking })
    await new Promise((done) => setTimeout(done, 10))
    breakOff()
    expect(await running).toMatchObject({
      result: { reason: { denial: { code: 'body_incomplete', answer: 'badRequest' } } },
    })
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

  it.each(['GET', 'DELETE'])('ends what was asked for it (%s)', async (method) => {
    const caller = new AbortController()
    const running = forwarded({ init: { method, signal: caller.signal }, send: waiting })
    setTimeout(() => caller.abort(), 10)
    const { request } = await running
    expect(request.signal.aborted).toBe(true)
  })
})

describe('a body that was read before', () => {
  const posted = () =>
    new Request('https://api.example.com/x', { method: 'POST', body: 'transfer 5' })
  const readings: readonly [string, (request: Request) => Promise<unknown>][] = [
    ['as text', (request) => request.text()],
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
})
