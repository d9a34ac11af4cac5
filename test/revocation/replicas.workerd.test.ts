import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import type { Revocation } from '../../src/gate/model/revocation.ts'
import { entryOf } from '../kit/revocation-store.ts'
import { alarm, eachAnew, enrolled, found, leader, shard, wipe } from '../kit/shards.workerd.ts'

eachAnew()

describe('a replica', () => {
  it('answers nothing before it has the whole set', async () => {
    const entry = await entryOf({ value: 'one' })
    await leader().add([entry])
    expect(await shard('1').lookup([])).toBeUndefined()
    await enrolled('1')
    expect(await found('1', entry)).toEqual(['one'])
  })

  it('is handed what comes later before it is acknowledged', async () => {
    await enrolled('1', '2')
    const entry = await entryOf({ value: 'one' })
    expect(await leader().add([entry])).toMatchObject({
      shards: { total: 3, acknowledged: 3, pending: [] },
    })
    for (const name of ['1', '2']) expect(await found(name, entry)).toEqual(['one'])
    await leader().remove(entry.id)
    for (const name of ['1', '2']) expect(await found(name, entry)).toEqual([])
  })

  it('that was wiped answers nothing, is let go, and comes back', async () => {
    const [one, two] = (await Promise.all(['one', 'two'].map((value) => entryOf({ value })))) as [
      Revocation,
      Revocation,
    ]
    await leader().add([one])
    await enrolled('1')
    await wipe('1')
    expect(await leader().add([two])).toMatchObject({ shards: { total: 1, acknowledged: 1 } })
    expect(await found('1', one)).toBeUndefined()
    await enrolled('1')
    expect(await found('1', one)).toEqual(['one'])
    expect(await found('1', two)).toEqual(['two'])
  })
})

describe('the shard that leads', () => {
  it('sends what is pending though its alarm was given up, under a version that refused its storage', async () => {
    const [one, two] = (await Promise.all(['one', 'two'].map((value) => entryOf({ value })))) as [
      Revocation,
      Revocation,
    ]
    await enrolled('1')
    await leader().add([one, two])
    await runInDurableObject(leader(), async (_, { storage }) => {
      storage.sql.exec('UPDATE replicas SET acked = acked - 1')
      await storage.deleteAlarm()
    })
    await evictDurableObject(leader())
    expect(await leader().get(one.id)).toMatchObject({ shards: { pending: [] } })
    await expect.poll(() => alarm('0')).toBe(true)
    expect(await leader().get(two.id)).toMatchObject({ shards: { acknowledged: 2, pending: [] } })
  })

  it('takes over what is left where it lost its own', async () => {
    const [one, two] = (await Promise.all(['one', 'two'].map((value) => entryOf({ value })))) as [
      Revocation,
      Revocation,
    ]
    await leader().add([one])
    await enrolled('1', '2')
    await leader().add([two])
    await wipe('0')
    expect(await found('0', one)).toEqual(['one'])
    expect(await found('0', two)).toEqual(['two'])
    const three = await entryOf({ value: 'three' })
    await leader().add([three])
    for (const name of ['1', '2']) {
      expect([undefined, ['three']]).toContainEqual(await found(name, three))
    }
    await enrolled('1', '2')
    for (const entry of [one, two, three]) {
      expect(await found('2', entry)).toEqual([entry.value])
    }
  })
})
