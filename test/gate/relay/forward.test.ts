import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Decision } from '../../../src/gate/guard/guard.ts'
import { gateOf, policyOf } from '../../kit/facts.ts'
import { forwarded, type Origin } from '../../kit/forwarded.ts'

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
})

it('nothing is sent without the assertion that the policy promises', async () => {
  const assertion = { binding: 'identity', algorithm: 'ES256', maxBody: 1 } as const
  const gate = gateOf({ assertion: { ...assertion, operatorKeys: [], withdrawn: [] } })
  const sending = forwarded({ policy: policyOf([], { gate }) })
  await expect(sending).rejects.toThrow('nothing was sent')
})

/** A request that nothing holds is collected with its signal, which then never aborts. */
const ASKED: Request[] = []

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
    ASKED.push(request)
    request.text().catch(() => {})
    return new Promise((_, reject) => {
      request.signal.addEventListener('abort', () => reject(new Error('aborted')))
    })
  }
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
    ASKED.push(request)
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
})
