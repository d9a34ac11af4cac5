import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { perObject } from '../src/gate/base/memo.ts'
import { filterEvents } from '../src/gate/relay/mcp/sse.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

it('what is made of an object goes with the object, even where it holds the object', async () => {
  const of = perObject((key: object) => ({ key }))
  const held = { name: 'held' }
  of(held)
  const left = (() => {
    const key = {}
    return [new WeakRef(key), new WeakRef(of(key))]
  })()
  // What was looked at in one turn lives until its end.
  await new Promise((done) => setImmediate(done))
  gc()
  expect(left.map((one) => one.deref())).toEqual([undefined, undefined])
  expect(of(held).key).toBe(held)
})

it('a filter holds an event in as many bytes as it has, however small its parts are', async () => {
  const parts = 400_000
  let left = parts
  let begun = 0
  let held = 0
  const inUse = () => {
    gc()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const slow = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (left === parts) begun = inUse()
        controller.enqueue(new Uint8Array([120]))
        if (--left > 0) return
        held = inUse() - begun
        controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  const terms = {
    filter: () => ({ outcome: 'same' }) as const,
    most: 4 * 1024 * 1024,
    isListless: false,
  }
  const all = await new Response(slow.pipeThrough(filterEvents(terms))).arrayBuffer()
  expect(all.byteLength).toBe(parts)
  expect(held).toBeLessThan(10 * parts)
})
