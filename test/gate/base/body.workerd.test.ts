import { describe, expect, it } from 'vitest'
import { dropBody, readBody } from '../../../src/gate/base/body.ts'
import { createRooms } from '../../../src/gate/base/room.ts'

const BOUNDS = { bytes: 100_000, ms: 60_000 }
const KINDS = { native: IdentityTransformStream, script: TransformStream<Uint8Array, Uint8Array> }

describe.each(['native', 'script'] as const)('a %s body whose length is told', (kind) => {
  /** A body that is sent in these parts, and then ends. */
  const of = (...parts: readonly number[]) => {
    const { readable, writable } = new KINDS[kind]()
    const send = async () => {
      const writer = writable.getWriter()
      for (const size of parts) await writer.write(new Uint8Array(size).fill(7))
      await writer.close()
    }
    return { body: readable, sent: send() }
  }

  it.each([
    [5, [5]],
    [5, [2, 3]],
    [70_000, [30_000, 40_000]],
    [0, []],
    // Over a binding it is only what a Worker wrote.
    [5, [3]],
    [0, [1]],
    [5, [6]],
    [5, [5, 40_000, 1_000]],
  ])('is whole: %i told, sent %j', async (length, parts) => {
    const whole = new Uint8Array(parts.reduce((sum, size) => sum + size, 0)).fill(7)
    const { body, sent } = of(...parts)
    expect(await readBody(body, { ...BOUNDS, length })).toEqual({ ok: true, value: whole })
    await sent
  })

  it('is not read beyond its limit, whatever it says', async () => {
    const { body, sent } = of(3, 60_000, 60_000, 60_000)
    const room = createRooms({ now: Date.now }).open('agent', 60_000)
    const read = await readBody(body, { ...BOUNDS, room, length: 5 })
    expect(read).toEqual({ ok: false, reason: 'too_large' })
    await expect(sent).rejects.toThrow()
  })

  it.each([
    [100_000, [70_000, 30_000]],
    [undefined, [70_000, 30_000]],
    [5, [3]],
    [0, []],
  ])('is dropped: %s told, sent %j', async (length, parts) => {
    const rooms = createRooms({ now: Date.now })
    const { body, sent } = of(...parts)
    const room = rooms.open('agent', 60_000)
    await dropBody(body, { ...BOUNDS, bytes: 100_001, room, length })
    await sent
    expect(rooms.taken).toBe(0)
  })

  it('is dropped no further than its limit', async () => {
    const { body, sent } = of(40_000, 40_000, 40_000, 40_000)
    const room = createRooms({ now: Date.now }).open('agent', 60_000)
    await dropBody(body, { ...BOUNDS, room })
    await expect(sent).rejects.toThrow()
  })

  it('finds no room', async () => {
    const room = createRooms({ now: Date.now }, { bytes: 10, ofOne: 10 }).open('agent', 60_000)
    const { body, sent } = of(20)
    const read = await readBody(body, { ...BOUNDS, room, length: 20 })
    expect(read).toEqual({ ok: false, reason: 'no_room' })
    await expect(sent).rejects.toThrow()
  })

  it.each(['too_slow', 'broken'])('is let go when it does not come: %s', async (reason) => {
    const { readable, writable } = new KINDS[kind]()
    const writer = writable.getWriter()
    const signal = reason === 'broken' ? AbortSignal.timeout(1) : undefined
    const ms = reason === 'too_slow' ? 1 : 60_000
    const bounds = { ...BOUNDS, length: 5, ms, ...(signal && { signal }) }
    expect(await readBody(readable, bounds)).toEqual({ ok: false, reason })
    await expect(writer.write(new Uint8Array(1))).rejects.toThrow()
  })
})
