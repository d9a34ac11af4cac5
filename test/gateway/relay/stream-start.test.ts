import { describe, expect, it } from 'vitest'
import { start } from '../../../src/gate/relay/streams/stream-pipe.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)

/** A body of which a test says what comes when. */
const body = () => {
  let its: ReadableStreamDefaultController<Uint8Array> | undefined
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      its = controller
    },
  })
  return {
    stream,
    push: (chunk: Uint8Array) => its?.enqueue(chunk),
    close: () => its?.close(),
    error: (error: Error) => its?.error(error),
  }
}

describe('the start of a body', () => {
  it.each([
    ['nothing', []],
    ['several', [bytes(1), bytes(2, 3), bytes()]],
  ])('is all of it where it is there at once: %s', async (_, chunks) => {
    const { stream, push, close } = body()
    for (const chunk of chunks) push(chunk)
    close()
    expect(await start(stream)).toEqual({ chunks })
  })

  it('is what there is when more takes time, and the rest goes on where it stopped', async () => {
    const { stream, push, close } = body()
    push(bytes(1))
    const { chunks, rest } = await start(stream)
    expect(chunks).toEqual([bytes(1)])
    push(bytes(2))
    expect(await rest?.reading).toEqual({ done: false, value: bytes(2) })
    close()
    expect(await rest?.reader.read()).toMatchObject({ done: true })
  })

  it('holds no more than 64 KiB and a chunk', async () => {
    const { stream, push } = body()
    for (let i = 0; i < 10; i++) push(new Uint8Array(16 * 1024))
    const { chunks, rest } = await start(stream)
    expect(chunks).toHaveLength(5)
    expect((await rest?.reading)?.value).toHaveLength(16 * 1024)
  })

  it.each([0, 1])(
    'of one that breaks off after %s chunks leaves the error to the rest',
    async (n) => {
      const { stream, push, error } = body()
      for (let i = 0; i < n; i++) push(bytes(i))
      const starting = start(stream)
      await new Promise((done) => setImmediate(done))
      error(new Error('broken'))
      const { chunks, rest } = await starting
      expect(chunks).toHaveLength(n)
      await expect(rest?.reading).rejects.toThrow('broken')
    },
  )
})
