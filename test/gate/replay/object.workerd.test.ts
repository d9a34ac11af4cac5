import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createReplays } from '../../../src/gate/replay/client.ts'
import type { ReplayShard } from '../../../src/gate/replay/object.ts'

const { REPLAYS } = env as unknown as {
  readonly REPLAYS: DurableObjectNamespace<ReplayShard>
}

/** Keeps an object from the others of this file. */
const shardOf = (name: string) => REPLAYS.getByName(name)

/** Seconds: a whole minute of tomorrow, so that no alarm is due. */
const T = Math.ceil(Date.now() / 60_000) * 60 + 86_400
const at = (seconds: number) => void vi.spyOn(Date, 'now').mockReturnValue((T + seconds) * 1000)
afterEach(() => void vi.restoreAllMocks())

const stored = (name: string) =>
  runInDurableObject(shardOf(name), async (_, { storage }) => ({
    names: storage.sql
      .exec<{ name: string }>('SELECT name FROM claims ORDER BY name')
      .toArray()
      .map((row) => row.name),
    alarm: await storage.getAlarm(),
  }))

const alarmIn = (seconds: number) => (T + seconds) * 1000

describe('the object that remembers', () => {
  it('has exactly one first of hundreds at once', async () => {
    at(0)
    const claims = await Promise.all(
      Array.from({ length: 300 }, (_, i) => shardOf('crowd').claim('a', T + 600, `${i}`)),
    )
    expect(claims.filter((first) => first)).toHaveLength(1)
    expect((await stored('crowd')).names).toEqual(['a'])
  })

  it('tells names apart, and who is the first again from who is another', async () => {
    at(0)
    const shard = shardOf('names')
    expect(await shard.isClaimed('a')).toBe(false)
    expect(await shard.claim('a', T + 600, 'one')).toBe(true)
    expect(await shard.claim('a', T + 600, 'one')).toBe(true)
    expect(await shard.claim('a', T + 600, 'two')).toBe(false)
    expect(await shard.claim('b', T + 600, 'two')).toBe(true)
    expect([await shard.isClaimed('a'), await shard.isClaimed('c')]).toEqual([true, false])
  })

  it('forgets nothing when it is evicted', async () => {
    at(0)
    expect(await shardOf('evicted').claim('a', T + 600, 'one')).toBe(true)
    await abortAllDurableObjects()
    expect(await shardOf('evicted').claim('a', T + 600, 'two')).toBe(false)
    expect((await stored('evicted')).alarm).toBe(alarmIn(600))
  })

  it('writes nothing for who only looks, or comes second', async () => {
    at(0)
    await shardOf('looked-at').isClaimed('a')
    expect(await stored('looked-at')).toEqual({ names: [], alarm: null })
    await shardOf('looked-at').claim('a', T + 600, 'one')
    const before = await stored('looked-at')
    await shardOf('looked-at').claim('a', T + 599, 'two')
    expect(await stored('looked-at')).toEqual(before)
  })

  it('counts a claim until it expires, dropped or not, and nobody is the first from then on', async () => {
    at(0)
    const shard = shardOf('expiring')
    expect(await shard.claim('a', T + 30, 'one')).toBe(true)
    at(29.999)
    expect(await shard.claim('a', T + 30, 'two')).toBe(false)
    expect(await shard.isClaimed('a')).toBe(true)
    at(30)
    expect(await shard.isClaimed('a')).toBe(false)
    expect(await shard.claim('a', T + 30, 'two')).toBe(false)
    expect(await shard.claim('a', T + 30, 'one')).toBe(false)
    expect(await shard.claim('a', T + 60, 'two')).toBe(true)
    expect(await shard.claim('a', T + 60, 'three')).toBe(false)
    expect((await stored('expiring')).names).toEqual(['a'])
  })

  it('knows how the request of a claim has failed, as long as the claim counts', async () => {
    at(0)
    const shard = shardOf('failing')
    const [one, two] = [503, 502].map((status) => ({ status, requestId: `request-${status}` }))
    if (!one || !two) throw new Error('no failures')
    expect(await shard.note('a', T + 60, one)).toBe(false)
    await shard.claim('a', T + 60, 'one')
    expect(await shard.failureOf('a')).toBeNull()
    expect(await shard.note('a', T + 60, one)).toBe(true)
    expect(await shard.note('a', T + 60, two)).toBe(false)
    expect([await shard.failureOf('a'), await shard.failureOf('b')]).toEqual([one, null])
    at(60)
    expect(await shard.failureOf('a')).toBeNull()
    await runDurableObjectAlarm(shard)
    await runInDurableObject(shard, (_, { storage }) => {
      expect(storage.sql.exec('SELECT * FROM failures').toArray()).toEqual([])
    })
  })

  it('takes over what a version stored that recorded no failures', async () => {
    at(0)
    await shardOf('older').claim('a', T + 60, 'one')
    await runInDurableObject(shardOf('older'), (_, { storage }) => {
      storage.sql.exec('DROP TABLE failures')
    })
    await abortAllDurableObjects()
    const failure = { status: 503, requestId: 'request-1' }
    expect(await shardOf('older').claim('a', T + 60, 'two')).toBe(false)
    expect(await shardOf('older').failureOf('a')).toBeNull()
    expect(await shardOf('older').note('a', T + 60, failure)).toBe(true)
    expect(await shardOf('older').failureOf('a')).toEqual(failure)
  })

  it('drops what has expired, in the minute after, and wakes for the rest', async () => {
    at(0)
    const shard = shardOf('dropping')
    await shard.claim('long', T + 900, 'one')
    expect((await stored('dropping')).alarm).toBe(alarmIn(900))
    await shard.claim('short', T + 61, 'one')
    expect((await stored('dropping')).alarm).toBe(alarmIn(120))
    await shard.claim('soon', T + 119, 'one')
    await shard.claim('later', T + 121, 'one')
    expect((await stored('dropping')).alarm).toBe(alarmIn(120))
    at(120)
    expect(await runDurableObjectAlarm(shard)).toBe(true)
    expect(await stored('dropping')).toEqual({ names: ['later', 'long'], alarm: alarmIn(180) })
    at(180)
    await runDurableObjectAlarm(shard)
    expect(await stored('dropping')).toEqual({ names: ['long'], alarm: alarmIn(900) })
    at(900)
    await runDurableObjectAlarm(shard)
    expect(await stored('dropping')).toEqual({ names: [], alarm: null })
  })

  it('drops very many in parts', async () => {
    at(0)
    const shard = shardOf('many')
    await shard.claim('a', T + 30, 'one')
    await runInDurableObject(shard, (_, { storage }) => {
      storage.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000)
         INSERT INTO claims SELECT 'name ' || i, ?, 'one' FROM n`,
        T + 30,
      )
    })
    at(60)
    const left = []
    for (let i = 0; i < 3; i++) {
      await runDurableObjectAlarm(shard)
      left.push((await stored('many')).names.length)
    }
    expect(left).toEqual([15_001, 5_001, 0])
    expect((await stored('many')).alarm).toBeNull()
  })
})

describe('uses behind the namespace', () => {
  const replays = createReplays({ objects: REPLAYS as never })

  it('are of as many objects as names begin with characters', async () => {
    at(0)
    expect(await replays.claim('Xone', T + 600)).toBe(true)
    expect(await replays.claim('Xone', T + 600)).toBe(false)
    expect(await replays.isClaimed('Xone')).toBe(true)
    expect(await replays.claim('xone', T + 600)).toBe(true)
    expect([(await stored('X')).names, (await stored('x')).names]).toEqual([['Xone'], ['xone']])
  })
})
