import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Issuer } from '../../src/gate/model/issuer.ts'
import {
  FOUND,
  issuerOf,
  MemoryKv,
  publicJwk,
  startServer,
  startWorld,
  UNAVAILABLE,
  UNKNOWN,
} from './support.ts'

const A = await publicJwk('ES256', { kid: 'a' })
const B = await publicJwk('ES256', { kid: 'b' })
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const HERE = '192.0.2.1'

let server: Awaited<ReturnType<typeof startServer>>
let kv: MemoryKv
let world: ReturnType<typeof startWorld>
let isolate: ReturnType<typeof world.isolate>
let issuer: Issuer
const asked = () => server.requests.length
const publish = (...keys: unknown[]) => server.json('/jwks', { keys })

beforeEach(async () => {
  server = await startServer()
  issuer = issuerOf({ keys: { kind: 'uri', uri: `${server.origin}/jwks` } })
  kv = new MemoryKv()
  world = startWorld({ kv })
  isolate = world.isolate()
  publish(A)
})
afterEach(() => server.close())

const find = (kid: string) => isolate.find(issuer, kid, HERE)
const read = async (kid: string, from = issuer) => {
  const result = await isolate.read(from, kid)
  await world.settle()
  return result
}

describe('a reader of keys', () => {
  it('reads inline keys', async () => {
    const inline = issuerOf({ keys: { kind: 'inline', keys: [{ ...A }] } })
    expect(await read('a', inline)).toMatchObject(FOUND)
    expect(await read('b', inline)).toEqual(UNKNOWN)
    expect([kv.gets, world.questions, asked()]).toEqual([0, [], 0])
  })

  it('has none where nobody has asked yet, and has nobody ask', async () => {
    expect(await read('a')).toEqual(UNAVAILABLE)
    expect(isolate.status(issuer)).toMatchObject({ source: undefined, keys: 0 })
    expect(asked()).toBe(0)
    // Nothing of that stands in the way of those who may ask.
    expect(await find('a')).toMatchObject(FOUND)
    expect(asked()).toBe(1)
  })

  it('takes over what the service knows', async () => {
    await world.isolate().find(issuer, 'a')
    await world.settle()
    for (let i = 0; i < 3; i++) expect(await read('a')).toMatchObject(FOUND)
    expect([kv.gets, world.questions.length, asked()]).toEqual([1, 2, 1])
  })

  it('takes over what KV holds where the service cannot be reached', async () => {
    await world.isolate().find(issuer, 'a')
    await world.settle()
    world.cut = true
    expect(await read('a')).toMatchObject(FOUND)
    expect(isolate.status(issuer)).toMatchObject({ source: 'kv', keys: 1 })
    expect(isolate.status(issuer)).not.toHaveProperty('error')
  })

  it('does not find what is not there, as often as it is asked, and spends nothing', async () => {
    await find('a')
    await world.settle()
    world.clock.advance(30_000)
    publish(A, B)
    for (let i = 0; i < 100; i++) expect(await read(i % 2 ? 'b' : 'x')).toEqual(UNKNOWN)
    expect([asked(), world.questions.length]).toEqual([1, 1])
    expect(await find('b')).toMatchObject(FOUND)
    expect(asked()).toBe(2)
    expect(await read('b')).toMatchObject(FOUND)
  })

  it('renews nothing, and reads what lives as long as it does', async () => {
    await find('a')
    await world.settle()
    for (const ms of [5 * MINUTE, 5 * MINUTE, DAY - 10 * MINUTE - 1]) {
      world.clock.advance(ms)
      expect(await read('a')).toMatchObject(FOUND)
    }
    world.clock.advance(1)
    expect(await read('a')).toEqual(UNAVAILABLE)
    expect(asked()).toBe(1)
    expect(world.questions.map(({ why }) => why)).not.toContain('unknown')
  })

  it('says what a failure says, and ends none', async () => {
    server.status('/jwks', 500)
    expect(await find('a')).toEqual(UNAVAILABLE)
    publish(A)
    world.clock.advance(4_999)
    expect(await read('a')).toEqual(UNAVAILABLE)
    expect(await find('a')).toEqual(UNAVAILABLE)
    world.clock.advance(1)
    expect(await read('a')).toEqual(UNAVAILABLE)
    expect(asked()).toBe(1)
    expect(await find('a')).toMatchObject(FOUND)
  })

  it('makes no failure of its own', async () => {
    world.cut = true
    kv.down = true
    expect(await read('a')).toEqual(UNAVAILABLE)
    expect(world.events).toMatchObject([
      { event: 'keys_ask_failed' },
      { event: 'keys_recall_failed' },
    ])
    world.cut = false
    expect(await find('a')).toMatchObject(FOUND)
  })
})
