import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { dropBody, readBody } from '../../../src/gate/base/body.ts'
import { createRooms } from '../../../src/gate/base/room.ts'

const text = (value: string) => new TextEncoder().encode(value)

/** A body that is sent by hand, and what became of it. */
const byHand = () => {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const cancelled = vi.fn(() => new Promise<void>(() => {}))
  const body = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given
    },
    cancel: cancelled,
  })
  return {
    body,
    cancelled,
    send: (value: string) => controller?.enqueue(text(value)),
    end: () => controller?.close(),
    breakOff: () => controller?.error(new Error('gone')),
  }
}

const of = (...parts: readonly Uint8Array[]) => ReadableStream.from(parts)

/** Of every body here. */
const MS = 97

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(globalThis, 'setTimeout')
  vi.spyOn(globalThis, 'clearTimeout')
})
afterEach(() => {
  // Others in this process may have timers of their own.
  const { calls, results } = vi.mocked(setTimeout).mock
  const own = results.filter((_, i) => calls[i]?.[1] === MS).map(({ value }) => value)
  const cleared = vi.mocked(clearTimeout).mock.calls.map(([timer]) => timer)
  expect(cleared).toEqual(expect.arrayContaining(own))
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('the bytes of a body', () => {
  const bounds = { bytes: 100_000, ms: MS }
  const random = crypto.getRandomValues(new Uint8Array(50_000))
  const pieces = (size: number) =>
    Array.from({ length: Math.ceil(random.length / size) }, (_, i) =>
      random.subarray(i * size, (i + 1) * size),
    )

  it.each([1, 4_097, 30_000])('are whole in parts of %i', async (size) => {
    expect(await readBody(of(...pieces(size)), bounds)).toEqual({ ok: true, value: random })
  })

  it.each([0, 10])('may be %i, where that is the limit, and not one more', async (bytes) => {
    const whole = new Uint8Array(bytes).fill(7)
    const limit = { ...bounds, bytes }
    expect(await readBody(of(whole), limit)).toEqual({ ok: true, value: whole })
    const over = { ok: false, reason: 'too_large' }
    expect(await readBody(of(whole, text('x')), limit)).toEqual(over)
    expect(await readBody(of(new Uint8Array(bytes + 1)), limit)).toEqual(over)
  })

  it('that are too many are not read further, nor waited for', async () => {
    const { body, send, cancelled } = byHand()
    const read = readBody(body, { ...bounds, bytes: 3 })
    send('abcd')
    expect(await read).toEqual({ ok: false, reason: 'too_large' })
    expect(cancelled).toHaveBeenCalledOnce()
  })
})

describe('the time for a body', () => {
  const bounds = { bytes: 1_000, ms: MS }

  /** Whether it was read by now, and how. */
  const reading = (body: ReadableStream<Uint8Array>) => {
    const seen: unknown[] = []
    void readBody(body, bounds).then((read) => seen.push(read))
    return seen
  }

  it('is counted in all, however steadily the bytes come', async () => {
    const { body, send, cancelled } = byHand()
    const seen = reading(body)
    for (let ms = 0; ms < MS - 1; ms++) {
      send('x')
      await vi.advanceTimersByTimeAsync(1)
    }
    expect(seen).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(seen).toEqual([{ ok: false, reason: 'too_slow' }])
    expect(cancelled).toHaveBeenCalledOnce()
  })
})

describe('a signal', () => {
  it.each([
    ['before', 0],
    ['while nothing comes', 1],
    ['right behind a part', 2],
  ])('that aborts %s breaks the body off', async (_name, when) => {
    const controller = new AbortController()
    const { body, cancelled, send } = byHand()
    if (when === 0) controller.abort()
    const reading = readBody(body, { bytes: 100, ms: MS, signal: controller.signal })
    await Promise.resolve()
    if (when === 2) send('part')
    if (when > 0) controller.abort()
    expect(await reading).toEqual({ ok: false, reason: 'broken' })
    expect(cancelled).toHaveBeenCalledOnce()
  })
})

describe('a body that is dropped', () => {
  const BLOCK = 16 * 1024
  const clock = { now: () => 0 }
  const begin = (sizes: { bytes?: number; length?: number; places?: number } = {}) => {
    const { bytes = 100, length, places = 1 } = sizes
    const rooms = createRooms(clock, { bytes: places * BLOCK, ofOne: places * BLOCK })
    const one = byHand()
    const room = rooms.open('agent', 1_000)
    return { ...one, rooms, dropped: dropBody(one.body, { bytes, ms: MS, room, length }) }
  }

  it('is read to its end', async () => {
    const { send, end, dropped, cancelled, rooms } = begin()
    send('x'.repeat(60))
    await vi.advanceTimersByTimeAsync(MS - 1)
    expect(rooms.taken).toBe(BLOCK)
    send('x'.repeat(40))
    end()
    await dropped
    expect([rooms.taken, cancelled.mock.calls.length]).toEqual([0, 0])
  })

  it.each([
    ['so many bytes', 'x'.repeat(100), 0],
    ['so long', 'x'.repeat(99), MS],
  ])('is read for %s, and let go then', async (_, sent, ms) => {
    const { send, dropped, cancelled, rooms } = begin()
    send(sent)
    await vi.advanceTimersByTimeAsync(ms)
    await dropped
    expect([rooms.taken, cancelled.mock.calls.length]).toEqual([0, 1])
  })

  it('may break off', async () => {
    const { breakOff, dropped, rooms } = begin()
    breakOff()
    await dropped
    expect(rooms.taken).toBe(0)
  })

  it.each([
    ['is longer', { length: 101 }],
    ['may have no bytes', { bytes: 0 }],
    ['has no room', { places: 0 }],
  ])('is not read where it %s', async (_, sizes) => {
    const { body, dropped } = begin(sizes)
    await dropped
    expect(body.locked).toBe(false)
  })
})

it.each(['too_large', 'no_room'] as const)('a body that is %s can be read on', async (reason) => {
  const bytes = reason === 'too_large' ? 3 : 100_000
  const rooms = createRooms({ now: () => 0 }, { bytes: 1_024, ofOne: 1_024 })
  const body = of(text('a'.repeat(1_100)), text('the rest'))
  const bounds = { bytes, ms: MS, room: rooms.open('agent', 1_000), leavesRest: true }
  expect(await readBody(body, bounds)).toEqual({ ok: false, reason })
  expect(await body.getReader().read()).toMatchObject({ value: text('the rest') })
})
