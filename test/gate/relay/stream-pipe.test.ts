import { describe, expect, it } from 'vitest'
import { piped as pipe } from '../../../src/gate/relay/streams/stream-pipe.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

/** A body that is fed by the test and tells when it is cancelled. */
const source = () => {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const cancelled = Promise.withResolvers<unknown>()
  const body = new ReadableStream<Uint8Array>({
    start(its) {
      controller = its
    },
    cancel: (reason) => cancelled.resolve(reason),
  })
  return {
    body,
    cancelled: cancelled.promise,
    push: (text: string) => controller?.enqueue(bytes(text)),
    end: () => controller?.close(),
    fail: () => controller?.error(new Error('lost')),
  }
}

describe('a body that is piped', () => {
  it('is asked for no more than is read', async () => {
    let made = 0
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          made++
          controller.enqueue(bytes('x'))
        },
      },
      { highWaterMark: 0 },
    )
    const { readable } = pipe(body)
    const reader = readable.getReader()
    for (let i = 0; i < 5; i++) await reader.read()
    await new Promise((done) => setImmediate(done))
    expect(made).toBeLessThan(9)
    await reader.cancel()
  })
})

describe('a cut', () => {
  it('is an error for the reader, and the source is cancelled', async () => {
    const { body, push, cancelled } = source()
    const { readable, over, cut } = pipe(body)
    const reader = readable.getReader()
    push('one')
    expect((await reader.read()).value).toEqual(bytes('one'))
    const next = reader.read()
    cut()
    await expect(next).rejects.toThrow('cut')
    await cancelled
    await over
  })

  it('with last words ends after them', async () => {
    const { body, push, cancelled } = source()
    const { readable, over, cut } = pipe(body)
    const reader = readable.getReader()
    push('one')
    expect((await reader.read()).value).toEqual(bytes('one'))
    cut({ bytes: bytes('last') })
    expect((await reader.read()).value).toEqual(bytes('last'))
    expect((await reader.read()).done).toBe(true)
    await cancelled
    await over
  })

  it('with last words that break ends with an error after them', async () => {
    const { body, push, cancelled } = source()
    const { readable, over, cut } = pipe(body)
    const reader = readable.getReader()
    push('one')
    expect((await reader.read()).value).toEqual(bytes('one'))
    cut({ bytes: bytes('last'), breaks: true })
    expect((await reader.read()).value).toEqual(bytes('last'))
    await expect(reader.read()).rejects.toThrow('cut')
    await cancelled
    await over
  })

  it.each([
    ['with last words', { bytes: bytes('last') }],
    ['without', undefined],
  ])('waits for no reader, %s', async (_name, last) => {
    const { body, push, cancelled } = source()
    const { over, cut } = pipe(body)
    for (let i = 0; i < 10; i++) push('unread')
    await new Promise((done) => setImmediate(done))
    cut(last)
    await cancelled
    await over
  })
})
