import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Facts } from '../../../../src/gate/guard/guard.ts'
import { revocableSubjects, revocationId } from '../../../../src/gate/model/revocation.ts'
import { bufferBody } from '../../../../src/gate/relay/mcp/buffer-body.ts'
import { createMemoryRevocations } from '../../../../src/gate/revocation/memory.ts'
import {
  accessOf,
  agentOf,
  anyRooms,
  gateOf,
  ISSUER,
  NOW,
  policyOf,
  routeOf,
} from '../../../kit/facts.ts'

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
  const terms = { ports, signal: caller.signal }
  return { body, known, terms, cancelled, set, lookup, caller }
}

type Setup = Parameters<typeof begin>[0]

const over = async (ms: number) => vi.advanceTimersByTimeAsync(ms)

/** Holds the answer, or its beginning of so many bytes; `length` is what its headers say. */
const start = (setup: Setup = {}, bytes = 1_000, length?: number) => {
  const begun = Date.now()
  const { body, known, terms, ...rest } = begin(setup)
  let whole: ReadableStream<Uint8Array> | undefined
  const holding = bufferBody(body, known, { ...terms, bytes, length }).then((held) => {
    const ms = Date.now() - begun
    if (!held.ok) return { got: held.reason.code, ms }
    whole = held.value.whole
    return { got: new TextDecoder().decode(held.value.bytes), isAll: !whole, ms }
  })
  return { holding, all: async () => new Response(whole).text(), ...rest }
}

const late = (ms: number) => ({ got: 'origin_timeout', ms })
const expired = { got: 'token_expired_during_request', ms: 7_000 }
const all = (ms: number) => ({ got: 'part'.repeat(ms / 1_000), isAll: true, ms })
const beginning = (got: string, ms: number) => ({ got, isAll: false, ms })

it.each([
  ['comes in time', { parts: 3 }, all(3_000)],
  ['is there at once', { parts: 0 }, all(0)],
  ['takes too long', {}, late(30_000)],
  ['takes longer than its rule has', { timeout: 2_500 }, late(2_500)],
  ['outlives its token', { expires: 7 }, expired],
])('holds an answer, or denies and cancels it, where it %s', async (_name, setup, expected) => {
  const { holding, cancelled, lookup } = start(setup)
  await over(40_000)
  expect(await holding).toEqual(expected)
  expect(cancelled).toHaveBeenCalledTimes('isAll' in expected ? 0 : 1)
  if (expected.ms === 0) expect(lookup).not.toHaveBeenCalled()
  await over(1_000)
  expect(vi.getTimerCount()).toBe(0)
})

// Nothing is watched in the first 5 ms. An answer of 12 bytes is small.
it.each([
  [500, 500, undefined],
  [0, 5, undefined],
  [500, 500, 12],
  [0, 5, 12],
])('cancels an answer when its caller leaves after %i ms', async (left, ms, length) => {
  const { holding, cancelled, caller } = start({}, 1_000, length)
  await over(left)
  caller.abort()
  await over(ms - left)
  expect(await holding).toEqual({ got: 'origin_unreachable', ms })
  await over(1_000)
  expect(cancelled).toHaveBeenCalledOnce()
  expect(vi.getTimerCount()).toBe(0)
})

it('denies and cancels an answer when its agent is revoked', async () => {
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

it.each<[string, Setup, number, number | undefined, object]>([
  ['is exactly so long', { parts: 3 }, 12, undefined, all(3_000)],
  ['is longer', { parts: 3 }, 10, undefined, beginning('partpartpa', 3_000)],
  ['is longer by a part', { parts: 3 }, 8, undefined, beginning('partpart', 3_000)],
  ['says that it is small', { parts: 3 }, 1_000, 12, all(3_000)],
  [
    'says that it is small, but more than is held',
    { parts: 3 },
    8,
    12,
    beginning('partpart', 3_000),
  ],
  ['says that it is small, and takes too long', { parts: 35 }, 1_000, 12, late(30_000)],
  ['says that it is small, and outlives its token', { parts: 35, expires: 7 }, 1_000, 12, expired],
])('holds the beginning of an answer that %s', async (_name, setup, bytes, length, expected) => {
  const { holding } = start(setup, bytes, length)
  await over(40_000)
  expect(await holding).toEqual(expected)
  expect(vi.getTimerCount()).toBe(0)
})

it('lets the whole of a longer answer go on behind its beginning', async () => {
  const { holding, all, cancelled } = start({ parts: 40 }, 6)
  await over(2_000)
  expect(await holding).toMatchObject({ isAll: false, ms: 2_000 })
  const read = all()
  await over(60_000)
  expect(await read).toBe('part'.repeat(40))
  expect([cancelled.mock.calls, vi.getTimerCount()]).toEqual([[], 0])
})

it('ends nothing where an answer breaks off before anybody reads on', async () => {
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
