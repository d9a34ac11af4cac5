import { afterEach, beforeEach, expect, it } from 'vitest'
import { createMemoryKeyServices } from '../../../src/gate/keys/key-service-client.ts'
import type { Issuer } from '../../../src/gate/model/issuer.ts'
import { issuerOf, publicJwk, startClock, startServer } from './support.ts'

const A = await publicJwk('ES256', { kid: 'a' })
const B = await publicJwk('ES256', { kid: 'b' })
const COOLDOWN = 30_000

let server: Awaited<ReturnType<typeof startServer>>
let clock: ReturnType<typeof startClock>
let issuer: Issuer
let service: ReturnType<typeof createMemoryKeyServices>

const publish = (...keys: unknown[]) =>
  server.json('/jwks', { keys }, { 'cache-control': 'max-age=3600' })
const asked = () => server.requests.length
const stranger = (i: number) => ({ network: `192.0.2.${i}`, isKnown: false })
const known = (i: number) => ({ network: `198.51.100.${i}`, isKnown: true })

const ask = (caller: ReturnType<typeof known>, kid = 'b') =>
  service.ask({ place: issuer, times: issuer.keyTimes, why: 'unknown', kid, caller })

beforeEach(async () => {
  server = await startServer()
  clock = startClock()
  issuer = issuerOf({ keys: { kind: 'uri', uri: `${server.origin}/jwks` } })
  publish(A)
  service = createMemoryKeyServices({
    fetch: (url, init) => fetch(url, init),
    clock,
    random: () => 1,
    waitUntil: () => {},
    log: () => {},
  })
  await service.ask({ place: issuer, times: issuer.keyTimes, why: 'newer' })
  clock.advance(COOLDOWN)
})
afterEach(() => server.close())

it('is one question per cooldown, whoever asks for whatever', async () => {
  for (let i = 0; i < 100; i++) await ask(i % 2 ? known(i) : stranger(i), `x${i}`)
  expect(asked()).toBe(2)
  clock.advance(COOLDOWN - 1)
  await ask(known(1))
  expect(asked()).toBe(2)
  clock.advance(1)
  await ask(known(1))
  expect(asked()).toBe(3)
})

it('is none for a key that is there, or came meanwhile', async () => {
  expect((await ask(stranger(1), 'a')).record?.keys).toEqual([A])
  expect(asked()).toBe(1)
  publish(A, B)
  await ask(stranger(1))
  clock.advance(COOLDOWN)
  expect((await ask(stranger(1))).record?.keys).toEqual([A, B])
  expect(asked()).toBe(2)
})

it('is one for two hundred who ask at once, and all have the key', async () => {
  publish(A, B)
  const all = await Promise.all(Array.from({ length: 200 }, (_, i) => ask(stranger(i))))
  for (const { record } of all) expect(record?.keys).toEqual([A, B])
  expect(asked()).toBe(2)
})

it('is two from one stranger, then one in five minutes', async () => {
  const turn = async () => {
    await ask(stranger(1), `x${clock.at}`)
    clock.advance(COOLDOWN)
  }
  for (let i = 0; i < 10; i++) await turn()
  expect(asked()).toBe(3)
  for (let i = 0; i < 10; i++) await turn()
  expect(asked()).toBe(4)
})

it('is left to known callers when strangers have spent what is for all', async () => {
  // Each from an address of its own, as often as the cooldown lets anybody ask.
  let strangers = 0
  for (let asks = 0; asks < asked() && strangers < 100; strangers++) {
    asks = asked()
    if (strangers > 0) clock.advance(COOLDOWN)
    await ask(stranger(strangers), `x${strangers}`)
  }
  expect(strangers).toBeLessThan(100)
  let before = asked()
  publish(A, B)
  for (let i = 100; i < 200; i++) await ask(stranger(i))
  expect(asked()).toBe(before)
  expect((await ask(known(1))).record?.keys).toEqual([A, B])
  expect(asked()).toBe(before + 1)
  // Of that too there is only so much, so that nobody is a danger to the issuer.
  before = asked()
  for (let i = 0; i < 100; i++) {
    clock.advance(10_000)
    await ask(known(1), `x${i}`)
  }
  expect(asked()).toBeLessThanOrEqual(before + 100 / 3)
})
