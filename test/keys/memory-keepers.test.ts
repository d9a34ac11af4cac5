import { afterEach, beforeEach, expect, it } from 'vitest'
import { createMemoryKeyServices } from '../../src/gate/keys/key-service-client.ts'
import type { Issuer } from '../../src/gate/model/issuer.ts'
import { issuerOf, MemoryKv, publicJwk, startClock, startServer } from './support.ts'

const A = await publicJwk('ES256', { kid: 'a' })
const B = await publicJwk('ES256', { kid: 'b' })

let server: Awaited<ReturnType<typeof startServer>>
beforeEach(async () => {
  server = await startServer()
  server.json('/a', { keys: [A] })
  server.json('/b', { keys: [B] })
})
afterEach(() => server.close())

const start = (kv?: MemoryKv) => {
  const keepers = createMemoryKeyServices({
    fetch: (url, init) => fetch(url, init),
    clock: startClock(),
    random: Math.random,
    ...(kv && { kv }),
    waitUntil: () => {},
    log: () => {},
  })
  return async (place: Issuer) => {
    const { record } = await keepers.ask({ place, times: place.keyTimes, why: 'newer' })
    return record?.keys
  }
}
const at = (path: string, over: Partial<Issuer> = {}) =>
  issuerOf({ keys: { kind: 'uri', uri: server.origin + path }, ...over })

it('keep what they know for whoever names the same place', async () => {
  const ask = start()
  const all = [at('/a'), at('/a', { name: 'other' }), at('/a', { algorithms: ['ES256'] })]
  expect(await Promise.all(all.map(ask))).toEqual([[A], [A], [A]])
  expect(await ask(at('/a'))).toEqual([A])
  expect(server.requests).toEqual(['/a'])
})

it('never take one place or issuer for another', async () => {
  const ask = start()
  const elsewhere = { issuer: 'https://other.example' }
  const all = [at('/a'), at('/b'), at('/b', elsewhere), at('/a', { allowInsecureHttp: false })]
  expect(await Promise.all(all.map(ask))).toEqual([[A], [B], [B], undefined])
  expect(server.requests.sort()).toEqual(['/a', '/b', '/b'])
})

it('share no record in KV between places, nor between http and https', async () => {
  const kv = new MemoryKv()
  const ask = start(kv)
  await Promise.all([at('/a'), at('/b'), at('/a', { allowInsecureHttp: false })].map(ask))
  await expect.poll(() => kv.values.size).toBe(2)
  expect(new Set(kv.puts.map(({ key }) => key)).size).toBe(2)
})
