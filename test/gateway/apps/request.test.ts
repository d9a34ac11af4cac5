import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { readJsonBody } from '../../../src/gate/app/request.ts'
import { anyRoom } from '../../kit/facts.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A request whose body comes a byte a second, for this many seconds. */
const trickled = (seconds: number) => {
  let sent = 0
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await new Promise((done) => setTimeout(done, 1_000))
        controller.enqueue(new TextEncoder().encode(' '))
        if (++sent === seconds) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  const headers = { 'content-type': 'application/json' }
  const init = { method: 'POST', body, duplex: 'half', headers } as RequestInit
  return { request: new Request('https://gate.example/', init), sent: () => sent }
}

it('gives a body ten seconds', async () => {
  const { request, sent } = trickled(60)
  const read = readJsonBody(request, anyRoom)
  const done = vi.fn()
  void read.then(done)
  await vi.advanceTimersByTimeAsync(9_999)
  expect(done).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(done).toHaveBeenCalledOnce()
  expect(await read).toMatchObject({
    ok: false,
    reason: { code: 'body_timeout', answer: 'tooSlow' },
  })
  const until = sent()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(sent() - until).toBeLessThanOrEqual(1)
})

it('takes one that is whole by then', async () => {
  const read = readJsonBody(trickled(9).request, anyRoom)
  await vi.advanceTimersByTimeAsync(9_000)
  expect(await read).toEqual({ ok: true, value: new Uint8Array(9).fill(0x20) })
  expect(vi.getTimerCount()).toBe(0)
})

it('says of one that breaks off what it says to whoever still listens', async () => {
  const body = new ReadableStream({ start: (controller) => controller.error(new Error('gone')) })
  const headers = { 'content-type': 'application/json' }
  const init = { method: 'POST', body, duplex: 'half', headers } as RequestInit
  expect(await readJsonBody(new Request('https://gate.example/', init), anyRoom)).toMatchObject({
    ok: false,
    reason: { code: 'body_incomplete', answer: 'badRequest' },
  })
})
