import { expect, it } from 'vitest'
import { createHold, readBody } from '../../../src/gate/base/body.ts'
import { createRooms } from '../../../src/gate/base/room.ts'

const now = 0
const clock = { now: () => now }

it('has so many bytes for all, and fewer for one', () => {
  const rooms = createRooms(clock, { bytes: 10, ofOne: 4 })
  const [a, a2, b, c] = ['a', 'a', 'b', 'c'].map((one) => rooms.open(one, 1_000))
  expect([a?.take(3), a2?.take(2), a2?.take(1), b?.take(4), c?.take(3)]).toEqual([
    true,
    false,
    true,
    true,
    false,
  ])
  expect(rooms.taken).toBe(8)
  a?.leave()
  a?.leave()
  expect(rooms.taken).toBe(5)
  // What is over takes nothing any more, so that nothing is left behind.
  expect([a?.take(1), a2?.take(3), c?.take(2)]).toEqual([false, true, true])
  for (const one of [a2, b, c]) one?.leave()
  expect(rooms.taken).toBe(0)
})

it.each([1, 1_000, 1_024, 100_000, 300_000])(
  'a body of %i bytes takes at most as much again, and never more than it may',
  async (size) => {
    const whole = crypto.getRandomValues(new Uint8Array(Math.min(size, 65_536)))
    const parts = Array.from({ length: Math.ceil(size / 65_536) }, () => whole)
    for (const most of [size * 2, parts.length * whole.length]) {
      const rooms = createRooms(clock, { bytes: 10 * size + 2_048, ofOne: 10 * size + 2_048 })
      const held = createHold(most, rooms.open('a', 1_000))
      for (const part of parts) expect(held.add(part)).toBe(true)
      expect(rooms.taken).toBeLessThanOrEqual(Math.min(most, Math.max(1_024, 2 * held.length)))
      expect(Buffer.concat(parts).equals(held.joined())).toBe(true)
    }
  },
)

it('a body for which there is none is not read further, nor waited for', async () => {
  for (const bytes of [0, 1_024, 4_096]) {
    const rooms = createRooms(clock, { bytes, ofOne: bytes })
    let isCancelled = false
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(100)),
      cancel: () => {
        isCancelled = true
      },
    })
    const room = rooms.open('a', 1_000)
    const read = await readBody(body, { bytes: 1_000_000, ms: 1_000, room })
    expect([read, isCancelled, rooms.taken <= bytes]).toEqual([
      { ok: false, reason: 'no_room' },
      true,
      true,
    ])
    room.leave()
    expect(rooms.taken).toBe(0)
  }
})
