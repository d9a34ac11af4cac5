import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Facts } from '../../../src/gate/guard/guard.ts'
import { revocableSubjects, revocationId } from '../../../src/gate/model/revocation.ts'
import { bufferBody } from '../../../src/gate/relay/mcp/buffer-body.ts'
import { createMemoryRevocations } from '../../../src/gate/revocation/memory.ts'
import {
  accessOf,
  agentOf,
  anyRooms,
  gateOf,
  ISSUER,
  NOW,
  policyOf,
  routeOf,
} from '../../kit/facts.ts'

beforeEach(() => {
  vi.useFakeTimers({ now: NOW * 1000 })
})
afterEach(() => {
  vi.useRealTimers()
})

const clock = { now: () => Date.now() }
const part = new TextEncoder().encode('part')

/** An answer that comes part by part, one in a second, and is held for a rule of MCP. */
const begin = ({ parts = Number.POSITIVE_INFINITY, timeout = 600_000, expires = 600 } = {}) => {
  const route = routeOf('POST /mcp', {
    revocation: { consistency: 'bounded', maxStaleness: 4_000 },
  })
  const access = accessOf({ expires: NOW + expires })
  const known = {
    operation: { kind: 'http', method: 'POST' },
    policy: policyOf([], { gate: gateOf({ clockTolerance: 0 }) }),
    route: { ...route, target: { ...route.target, timeout } },
    access,
    agent: agentOf(),
    subjects: revocableSubjects(access, agentOf()),
  } as Facts
  const cancelled = vi.fn()
  let left = parts
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (left-- <= 0) return controller.close()
        await new Promise((done) => setTimeout(done, 1_000))
        controller.enqueue(part)
      },
      cancel: cancelled,
    },
    { highWaterMark: 0 },
  )
  const set = createMemoryRevocations({ clock })
  const lookup = vi.fn(set.lookup)
  const caller = new AbortController()
  const ports = { clock, revocations: { lookup }, bodies: anyRooms }
  const terms = { bytes: 1_000, ports, signal: caller.signal }
  return { body, known, terms, cancelled, set, lookup, caller }
}

const start = (setup: Parameters<typeof begin>[0] = {}) => {
  const begun = Date.now()
  const { body, known, terms, ...rest } = begin(setup)
  const holding = bufferBody(body, known, terms).then((held) => ({
    got: held.ok ? held.value.bytes.length : held.reason.code,
    ms: Date.now() - begun,
  }))
  return { holding, ...rest }
}

const over = async (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('an answer that is held', () => {
  it('is had whole, and not watched any more', async () => {
    const { holding, cancelled } = start({ parts: 3 })
    await over(10_000)
    expect(await holding).toEqual({ got: 12, ms: 3_000 })
    expect(cancelled).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('that is there at once is not watched at all', async () => {
    const { holding, lookup } = start({ parts: 0 })
    await over(0)
    expect(await holding).toEqual({ got: 0, ms: 0 })
    expect([lookup.mock.calls, vi.getTimerCount()]).toEqual([[], 0])
  })

  it.each([
    ['takes too long', {}, { got: 'origin_timeout', ms: 30_000 }],
    ['takes longer than its rule has', { timeout: 2_500 }, { got: 'origin_timeout', ms: 2_500 }],
    ['outlives its token', { expires: 7 }, { got: 'token_expired_during_request', ms: 7_000 }],
  ])('is denied and cancelled where it %s', async (_name, setup, expected) => {
    const { holding, cancelled } = start(setup)
    await over(40_000)
    expect(await holding).toEqual(expected)
    expect(cancelled).toHaveBeenCalledOnce()
    await over(1_000)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is denied and cancelled when its agent is revoked', async () => {
    const { holding, cancelled, set } = start()
    await over(500)
    const subject = { kind: 'agent', issuer: ISSUER, value: agentOf().id } as const
    const id = await revocationId(subject, 'block')
    await set.add([{ ...subject, id, mode: 'block', created: NOW, createdBy: 'op' }])
    await over(4_000)
    const { got, ms } = await holding
    expect(got).toBe('token_revoked')
    expect(ms).toBeLessThanOrEqual(4_500)
    expect(cancelled).toHaveBeenCalledOnce()
  })

  it('is cancelled when nobody waits for it any more', async () => {
    const { holding, cancelled, caller } = start()
    await over(500)
    caller.abort()
    await over(0)
    expect((await holding).ms).toBe(500)
    expect(cancelled).toHaveBeenCalledOnce()
    await over(1_000)
    expect(vi.getTimerCount()).toBe(0)
  })
})

/** When a caller leaves, and when that is noticed: nothing is watched in the first 5 ms. */
const LEAVING = [
  [500, 500],
  [0, 5],
] as const

describe('the beginning of an answer that is held', () => {
  const startBeginning = (
    setup: Parameters<typeof begin>[0] = {},
    bytes = 1_000,
    length?: number,
  ) => {
    const begun = Date.now()
    const { body, known, terms, ...rest } = begin(setup)
    let whole: ReadableStream<Uint8Array> | undefined
    const wanted = { ...terms, bytes, length }
    const holding = bufferBody(body, known, wanted).then((held) => {
      const ms = Date.now() - begun
      if (!held.ok) return { got: held.reason.code, ms }
      whole = held.value.whole
      return { got: new TextDecoder().decode(held.value.bytes), isAll: !whole, ms }
    })
    const all = async () => new Response(whole).text()
    return { holding, all, ...rest }
  }

  it('is all of it where that comes in time', async () => {
    const { holding, cancelled } = startBeginning({ parts: 3 })
    await over(10_000)
    expect(await holding).toEqual({ got: 'partpartpart', isAll: true, ms: 3_000 })
    expect([cancelled.mock.calls, vi.getTimerCount()]).toEqual([[], 0])
  })

  it.each([
    ['exactly so long', 12, { got: 'partpartpart', isAll: true, ms: 3_000 }],
    ['longer', 10, { got: 'partpartpa', isAll: false, ms: 3_000 }],
    ['longer by a part', 8, { got: 'partpart', isAll: false, ms: 3_000 }],
  ])('of one that is %s', async (_name, bytes, expected) => {
    const { holding } = startBeginning({ parts: 3 }, bytes)
    await over(10_000)
    expect(await holding).toEqual(expected)
  })

  it('leaves the whole of one that is longer to go on', async () => {
    const { holding, all, cancelled } = startBeginning({ parts: 40 }, 6)
    await over(2_000)
    expect(await holding).toMatchObject({ isAll: false, ms: 2_000 })
    const read = all()
    await over(60_000)
    expect(await read).toBe('part'.repeat(40))
    expect([cancelled.mock.calls, vi.getTimerCount()]).toEqual([[], 0])
  })

  it.each([
    ['takes too long', {}, 30_000],
    ['takes longer than its rule has', { timeout: 2_500 }, 2_500],
  ])('is denied and cancelled where it %s', async (_name, setup, ms) => {
    const { holding, cancelled } = startBeginning({ parts: 40, ...setup })
    await over(40_000)
    expect(await holding).toEqual({ got: 'origin_timeout', ms })
    expect(cancelled).toHaveBeenCalledOnce()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('of one that breaks off before anybody reads on ends nothing', async () => {
    const rejected = vi.fn()
    process.on('unhandledRejection', rejected)
    const { known, terms } = begin()
    let given = 0
    const body = new ReadableStream<Uint8Array>(
      {
        pull: (controller) =>
          given++ === 0 ? controller.enqueue(part) : controller.error(new Error('reset')),
      },
      { highWaterMark: 0 },
    )
    const held = await bufferBody(body, known, { ...terms, bytes: 2 })
    vi.useRealTimers()
    await new Promise((done) => setTimeout(done, 0))
    process.off('unhandledRejection', rejected)
    expect(rejected).not.toHaveBeenCalled()
    if (!held.ok) throw new Error(held.reason.code)
    await expect(new Response(held.value.whole).text()).rejects.toThrow('reset')
  })

  it('is denied and cancelled where it outlives its token', async () => {
    const { holding, cancelled } = startBeginning({ expires: 7 })
    await over(8_000)
    expect(await holding).toEqual({ got: 'token_expired_during_request', ms: 7_000 })
    await over(1_000)
    expect(cancelled).toHaveBeenCalledOnce()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is cancelled when nobody waits for it, also from the beginning', async () => {
    for (const [left, ms] of LEAVING) {
      const { holding, cancelled, caller } = startBeginning()
      await over(left)
      caller.abort()
      await over(ms - left)
      expect(await holding).toEqual({ got: 'origin_unreachable', ms })
      await over(1_000)
      expect(cancelled).toHaveBeenCalledOnce()
      expect(vi.getTimerCount()).toBe(0)
    }
  })

  it.each([
    ['comes in time', { parts: 3 }, { got: 'partpartpart', isAll: true, ms: 3_000 }],
    ['takes too long', { parts: 35 }, { got: 'origin_timeout', ms: 30_000 }],
    [
      'outlives its token',
      { parts: 35, expires: 7 },
      { got: 'token_expired_during_request', ms: 7_000 },
    ],
  ])('is all of one that is small and %s', async (_name, setup, expected) => {
    const { holding } = startBeginning(setup, 1_000, 12)
    await over(40_000)
    expect(await holding).toEqual(expected)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is of one that is small but more than is held', async () => {
    const { holding } = startBeginning({ parts: 3 }, 8, 12)
    await over(10_000)
    expect(await holding).toEqual({ got: 'partpart', isAll: false, ms: 3_000 })
  })

  it('of one that is small is not waited for when nobody wants it', async () => {
    for (const [left, ms] of LEAVING) {
      const { holding, caller } = startBeginning({}, 1_000, 12)
      await over(left)
      caller.abort()
      await over(ms - left)
      expect(await holding).toEqual({ got: 'origin_unreachable', ms })
    }
  })
})
