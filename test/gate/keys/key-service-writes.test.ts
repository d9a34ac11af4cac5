import { describe, expect, it } from 'vitest'
import { recordName } from '../../../src/gate/keys/store.ts'
import { A, B, HOUR, issuer, kv, MINUTE, publish, server, useWorld, world } from './world.ts'

useWorld()

const ask = async (why: 'newer' | 'ahead' = 'ahead', fetchedAt = world.clock.now()) => {
  await world.service.ask({ place: issuer, times: issuer.keyTimes, why, fetchedAt })
  await world.settle()
}
/** The cron trigger, for so long; when KV was written. */
const run = async (ms: number) => {
  const written: number[] = []
  for (const until = world.clock.at + ms; world.clock.at < until; world.clock.advance(5 * MINUTE)) {
    const before = kv.puts.length
    await ask('ahead')
    for (let i = before; i < kv.puts.length; i++) written.push(world.clock.at)
  }
  return written
}
const stored = async () => JSON.parse(kv.values.get(await recordName(issuer)) ?? 'null')

describe('what a service writes to KV', () => {
  it.each([
    ['nothing', undefined],
    ['a day', 86_400],
  ])('is little in a third of a day where the issuer says %s, and never old', async (_, maxAge) => {
    const headers = { etag: '"1"', ...(maxAge && { 'cache-control': `max-age=${maxAge}` }) }
    server.json('/jwks', { keys: [A] }, headers)
    const written = await run(8 * HOUR)
    expect(written.length).toBeLessThanOrEqual(17)
    expect(written.length).toBeGreaterThanOrEqual(8)
    const gaps = written.slice(1).map((at, i) => at - (written[i] ?? 0))
    expect(Math.max(...gaps)).toBeLessThanOrEqual(HOUR)
  })

  it('is a rotation at once, and once', async () => {
    await run(HOUR)
    const before = kv.puts.length
    publish(A, B)
    await run(5 * MINUTE)
    expect(kv.puts.length).toBe(before + 1)
    expect((await stored()).jwks.keys).toEqual([A, B])
    await run(25 * MINUTE)
    expect(kv.puts.length).toBe(before + 1)
  })

  it('is never two records within a second, nor is a rotation forgotten for that', async () => {
    await ask()
    world.clock.advance(999)
    publish(A, B)
    await ask()
    expect(kv.puts).toHaveLength(1)
    world.clock.advance(1)
    await ask()
    expect(kv.puts).toHaveLength(2)
    expect((await stored()).jwks.keys).toEqual([A, B])
  })

  it('is tried again by the next answer where KV has failed', async () => {
    kv.down = true
    await ask()
    expect(world.events).toEqual([
      { event: 'keys_store_failed', issuer: 'acme', error: 'Error: KV PUT failed: 429' },
    ])
    await ask()
    expect(kv.puts).toHaveLength(1)
    kv.down = false
    world.clock.advance(1_000)
    await ask()
    expect((await stored()).jwks.keys).toEqual([A])
    world.clock.advance(1_000)
    await ask()
    expect(kv.puts).toHaveLength(2)
  })
})
