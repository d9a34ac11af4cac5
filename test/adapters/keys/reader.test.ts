import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keyStatus } from '../../../src/adapters/keys/cache.ts'
import { createKeyReader } from '../../../src/adapters/keys/source.ts'
import { KEY_TIMES } from '../../../src/adapters/keys/times.ts'
import type { Issuer } from '../../../src/model/issuer.ts'
import { issuerOf, MemoryKv, publicJwk, startIsolate, startServer } from './support.ts'

const { freshMs, staleMs, cooldownMs, failureMs } = KEY_TIMES
const A = await publicJwk('ES256', { kid: 'a' })
const B = await publicJwk('ES256', { kid: 'b' })

const header = (kid: string) => ({ algorithm: 'ES256', kid }) as const
const found = { ok: true }
const unknown = { ok: false, reason: 'unknown' }
const unavailable = { ok: false, reason: 'unavailable' }

let server: Awaited<ReturnType<typeof startServer>>
let issuer: Issuer
let kv: MemoryKv
const asked = () => server.requests.length
const publish = (...keys: unknown[]) => server.json('/jwks', { keys })

beforeEach(async () => {
  server = await startServer()
  kv = new MemoryKv()
  issuer = issuerOf({ keys: { kind: 'uri', uri: `${server.origin}/jwks` } })
  publish(A)
})
afterEach(() => server.close())

type Isolate = ReturnType<typeof startIsolate>

/** Reads by the isolate's memory and the same KV; whatever it left to be done is over then. */
const read = async (isolate: Isolate, kid: string, from: Issuer = issuer) => {
  const left: Promise<unknown>[] = []
  const reader = createKeyReader({
    cache: isolate.cache,
    kv,
    clock: isolate.clock,
    fetch: (url, init) => fetch(url, init),
    waitUntil: (promise) => void left.push(promise),
    log: (event) => void isolate.events.push(event),
  })
  const result = await reader.find(from, header(kid))
  await Promise.all(left)
  return result
}

describe('a reader of keys', () => {
  it('reads inline keys', async () => {
    const inline = issuerOf({ keys: { kind: 'inline', keys: [{ ...A }] } })
    const isolate = startIsolate(kv)
    expect(await read(isolate, 'a', inline)).toMatchObject(found)
    expect(await read(isolate, 'b', inline)).toEqual(unknown)
    expect([kv.gets, asked()]).toEqual([0, 0])
  })

  it('has none where nobody has asked yet, and asks nobody', async () => {
    const isolate = startIsolate(kv)
    expect(await read(isolate, 'a')).toEqual(unavailable)
    expect(keyStatus(isolate.cache, issuer, isolate.clock.now())).toEqual({
      age: undefined,
      source: undefined,
      keys: 0,
    })
    // Nothing of that stands in the way of those who may ask.
    expect(await isolate.request().find(issuer, header('a'))).toMatchObject(found)
    expect(asked()).toBe(1)
  })

  it('takes over what another isolate has put into KV', async () => {
    const other = startIsolate(kv)
    await other.request().find(issuer, header('a'))
    await other.settle()
    const isolate = startIsolate(kv)
    expect(await read(isolate, 'a')).toMatchObject(found)
    expect(await read(isolate, 'a')).toMatchObject(found)
    expect([kv.gets, kv.puts.length, asked()]).toEqual([2, 1, 1])
  })

  it('does not find what is not there, as often as it is asked, and spends nothing', async () => {
    const isolate = startIsolate(kv)
    await isolate.request().find(issuer, header('a'))
    await isolate.settle()
    isolate.clock.advance(cooldownMs)
    publish(A, B)
    for (let i = 0; i < 100; i++) expect(await read(isolate, i % 2 ? 'b' : 'x')).toEqual(unknown)
    expect(asked()).toBe(1)
    expect(await isolate.request().find(issuer, header('b'))).toMatchObject(found)
    expect(asked()).toBe(2)
    expect(await read(isolate, 'b')).toMatchObject(found)
  })

  it('renews nothing', async () => {
    const isolate = startIsolate(kv)
    await isolate.request().find(issuer, header('a'))
    await isolate.settle()
    isolate.clock.advance(freshMs + 1)
    expect(await read(isolate, 'a')).toMatchObject(found)
    expect(asked()).toBe(1)
    isolate.clock.advance(staleMs)
    expect(await read(isolate, 'a')).toEqual(unavailable)
    expect(asked()).toBe(1)
  })

  it('says what a failure says, and neither makes nor clears one', async () => {
    const isolate = startIsolate(kv)
    server.status('/jwks', 500)
    expect(await isolate.request().find(issuer, header('a'))).toEqual(unavailable)
    publish(A)
    isolate.clock.advance(failureMs - 1)
    expect(await read(isolate, 'a')).toEqual(unavailable)
    expect(await isolate.request().find(issuer, header('a'))).toEqual(unavailable)
    isolate.clock.advance(1)
    expect(await read(isolate, 'a')).toEqual(unavailable)
    expect(asked()).toBe(1)
    expect(await isolate.request().find(issuer, header('a'))).toMatchObject(found)
  })

  it('does without KV where KV is down', async () => {
    kv.down = true
    const isolate = startIsolate(kv)
    expect(await read(isolate, 'a')).toEqual(unavailable)
    expect(isolate.events).toMatchObject([{ event: 'keys_recall_failed' }])
    expect(asked()).toBe(0)
  })
})
