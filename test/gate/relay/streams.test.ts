import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import type { Facts } from '../../../src/gate/guard/guard.ts'
import type { OnRevocation } from '../../../src/gate/model/route.ts'
import { limitedToToken, type StreamContext } from '../../../src/gate/relay/streams/streams.ts'
import { eventually } from '../../kit/eventually.ts'
import { accessOf, NOW, policyOf, routeOf, targetOf } from '../../kit/facts.ts'
import { passed } from '../../kit/forwarded.ts'
import { PATIENCE } from '../../kit/wait.ts'

const RESOURCE = 'https://api.example.com'
const SSE = { 'content-type': 'Text/Event-Stream;charset=utf-8' }

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
    'multipart/mixed;boundary="-"',
    'Multipart/Mixed',
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
    'multipart/mixed-like',
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
