import type { ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Facts } from '../../../src/gate/guard/guard.ts'
import type { OnRevocation } from '../../../src/gate/model/route.ts'
import { limitedToToken, type StreamContext } from '../../../src/gate/relay/streams/streams.ts'
import {
  createGuard,
  createMemoryRevocations,
  forward,
  parsePolicy,
  revocationId,
  type Send,
} from '../../../src/index.ts'
import { eventually } from '../../kit/eventually.ts'
import { accessOf, NOW, policyOf, routeOf, targetOf } from '../../kit/facts.ts'
import { passed } from '../../kit/forwarded.ts'
import { createIssuer, type Issuer } from '../../kit/issuer.ts'
import { type Handler, type Origin, startOrigin } from '../../kit/origin.ts'
import { PATIENCE } from '../../kit/wait.ts'

const RESOURCE = 'https://api.example.com'
const SSE = { 'content-type': 'Text/Event-Stream;charset=utf-8' }

let issuer: Issuer
let origin: Origin
let agents = 0

beforeAll(async () => {
  ;[issuer, origin] = await Promise.all([createIssuer(), startOrigin()])
})
beforeEach(() => origin.clear())
afterAll(() => Promise.all([issuer.close(), origin.close()]))

const start = (on_revocation: OnRevocation = 'end-streams') => {
  const parsed = parsePolicy({
    GATE: {
      resource: RESOURCE,
      origin: origin.url,
      clock_tolerance: '0s',
      on_expiry: 'cut',
      revocation: { consistency: 'bounded', max_staleness: '1s' },
    },
    ISSUERS: { acme: { issuer: issuer.issuer, allow_insecure_http: true } },
    ROUTES: [{ match: '* /v1/*', scopes: [], on_revocation }],
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  const revocations = createMemoryRevocations({ clock: { now: () => Date.now() } })
  const guard = createGuard(parsed.value.policy, { revocations })
  return {
    async ask(agent: string, { exp, send, method = 'GET' }: Asked = {}) {
      const claims = { client_id: agent, ...(exp !== undefined && { exp }) }
      const headers = { authorization: `Bearer ${await issuer.mint(claims)}` }
      const request = new Request(`${RESOURCE}/v1/stream`, { method, headers })
      return forward(request, await guard(request), send ? { send } : {})
    },
    async revoke(agent: string) {
      const subject = { kind: 'agent', issuer: issuer.issuer, value: agent } as const
      const id = await revocationId(subject, 'block')
      const created = Date.now() / 1000
      await revocations.add([{ ...subject, id, mode: 'block', created, createdBy: 'test' }])
    },
  }
}

interface Asked {
  readonly exp?: number
  readonly method?: string
  readonly send?: Send
}

const hanging =
  (headers: Record<string, string | number>, begin: string | Uint8Array = ''): Handler =>
  (_req, res) => {
    res.writeHead(200, headers).flushHeaders()
    if (begin.length > 0) res.write(begin)
  }

const newAgent = () => `agent-of-streams-${++agents}`

describe('in a process of its own, a stream', () => {
  it.each([
    ['revoked', 'token_revoked'],
    ['expired', 'token_expired'],
  ])('of events ends with the reason when its token is %s', async (how, code) => {
    const { ask, revoke } = start()
    const agent = newAgent()
    origin.on('/v1/stream', hanging(SSE, 'data: one\n\n'))
    const exp = how === 'expired' ? { exp: Math.floor(Date.now() / 1000) + 4 } : {}
    const response = await ask(agent, exp)
    if (how === 'revoked') await revoke(agent)
    expect(await response.text()).toBe(
      `data: one\n\n\n\nevent: edgewarden.closed\ndata: {"code":"${code}"}\n\n`,
    )
    expect(await origin.requests[0]?.answered()).toBe('cut')
  })

  it.each<[string, Record<string, string | number>, string | Uint8Array]>([
    ['in chunks', {}, 'part'],
    ['with a length', { 'content-length': 100_000 }, 'part'],
    ['of what else there is', { 'content-type': 'text/event-stream-like' }, 'part'],
  ])('is broken off and not ended, %s', async (_name, headers, begin) => {
    const { ask, revoke } = start('end-all')
    const agent = newAgent()
    origin.on('/v1/stream', hanging(headers, begin))
    const response = await ask(agent)
    await revoke(agent)
    await expect(response.text()).rejects.toThrow()
    expect(await origin.requests[0]?.answered()).toBe('cut')
  })

  it('that fetch has decoded ends with the reason, too', async () => {
    const { ask, revoke } = start()
    const agent = newAgent()
    const gzipped = gzipSync('data: one\n\n')
    origin.on('/v1/stream', hanging({ ...SSE, 'content-encoding': 'gzip' }, gzipped))
    const response = await ask(agent)
    await revoke(agent)
    expect(await response.text()).toMatch(/^data: one\n\n\n\nevent: edgewarden\.closed\n/)
  })
})

describe('an answer that has not begun', () => {
  const pending = async (on_revocation: OnRevocation) => {
    const { ask, revoke } = start(on_revocation)
    const agent = newAgent()
    const held = Promise.withResolvers<ServerResponse>()
    origin.on('/v1/stream', (_req, res) => held.resolve(res))
    const answer = ask(agent)
    const res = await held.promise
    await revoke(agent)
    return { answer, res }
  }

  it('is the denial when its token is revoked, and over for the origin', async () => {
    const { answer } = await pending('end-all')
    expect(await (await answer).json()).toMatchObject({ code: 'token_revoked' })
    expect(await origin.requests[0]?.answered()).toBe('cut')
  })
})

describe('what ends with its token', () => {
  const LONG = { 'content-length': '20000' }
  const SMALL = { 'content-length': '16384' }

  /** Whether an answer is watched, or is the very one that it was. */
  const isWatched = async (
    onRevocation: OnRevocation,
    headers: Record<string, string>,
    target = {},
  ): Promise<boolean> => {
    const given = new Response(new ReadableStream(), { headers })
    const route = routeOf('GET /x', { onRevocation, target: targetOf(target) })
    const decision = passed({ route })
    const answer = await limitedToToken(given, new Request(RESOURCE), { decision, isFetched: true })
    await answer.body?.cancel()
    return answer !== given
  }

  it.each([
    'text/event-stream',
    ' Text/Event-Stream ; charset=utf-8',
    'application/x-ndjson',
    'application/grpc',
    'application/connect+json',
    'multipart/x-mixed-replace; boundary=x',
    'audio/mpeg',
    // Of two lines.
    'text/event-stream, text/event-stream; charset=utf-8',
    'text/html, application/grpc',
  ])('is a stream: %j', async (type) => {
    const typed = { 'content-type': type }
    expect(await isWatched('end-streams', typed)).toBe(true)
    expect(await isWatched('end-streams', { ...typed, ...LONG })).toBe(true)
    expect(await isWatched('end-streams', { ...typed, ...SMALL })).toBe(false)
    expect(await isWatched('ignore', typed)).toBe(false)
  })

  it.each([
    'application/octet-stream',
    'text/plain; charset=utf-8',
    'text/plain, text/plain',
    undefined,
  ])('is a stream where nothing says how long it is: %j', async (type) => {
    const typed = type === undefined ? {} : { 'content-type': type }
    expect(await isWatched('end-streams', typed)).toBe(true)
    expect(await isWatched('end-streams', { ...typed, ...LONG })).toBe(false)
    // Over a service binding the header is only what a Worker wrote.
    expect(await isWatched('end-streams', { ...typed, ...LONG }, { service: 'API' })).toBe(true)
    expect(await isWatched('end-all', { ...typed, ...LONG })).toBe(true)
  })

  it.each([
    'application/json',
    'text/html',
    'text/event-stream-like',
    'text/plainer',
    'image/png',
    'multipart/mixed',
  ])('is none: %j', async (type) => {
    const typed = { 'content-type': type }
    expect(await isWatched('end-streams', typed)).toBe(false)
    expect(await isWatched('end-all', typed)).toBe(true)
    expect(await isWatched('end-all', { ...typed, ...SMALL })).toBe(false)
    expect(await isWatched('ignore', typed)).toBe(false)
  })
})

describe('an open stream of events', () => {
  /** Opens a stream with these facts; the rule has ten minutes to finish. */
  const open = async (known: Partial<Facts>, more: Partial<StreamContext> = {}) => {
    let events: ReadableStreamDefaultController<Uint8Array> | undefined
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        events = controller
      },
    })
    const route = routeOf('POST /mcp', { onRevocation: 'end-streams', finishWithin: 600 })
    const leave = vi.fn()
    const decision = Object.assign(passed({ route, ...known }), { leave })
    const given = new Response(body, { headers: SSE })
    const request = new Request(RESOURCE)
    const answer = await limitedToToken(given, request, { decision, isFetched: true, ...more })
    return { text: answer.text(), leave, end: () => events?.close() }
  }

  it('counts as in progress until it ends', async () => {
    const { text, leave, end } = await open({})
    await wait(20)
    expect(leave).not.toHaveBeenCalled()
    end()
    await text
    await eventually(() => expect(leave).toHaveBeenCalledOnce())
  })

  it('of an MCP client that waits for nothing goes on for half of the time to finish', async () => {
    const idle = { openRequests: () => [] }
    const { clockTolerance } = policyOf().gate
    const expiredFor = (seconds: number) =>
      open({ access: accessOf({ expires: NOW - clockTolerance - seconds }) }, idle)
    const [late, early] = await Promise.all([expiredFor(301), expiredFor(299)])
    expect(await Promise.race([late.text, wait(PATIENCE, 'goes on')])).toBe('')
    expect(await Promise.race([early.text, wait(50, 'goes on')])).toBe('goes on')
    early.end()
    expect(await early.text).toBe('')
  })
})
