import { evictDurableObject, reset, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { RevocationShard } from '../../../src/adapters/revocations/shard.ts'
import { type Revocation, subjectKey } from '../../../src/model/revocation.ts'
import { entryOf, setNow, T } from '../../kit/revocation-store.ts'

const namespace = (env as unknown as Record<string, DurableObjectNamespace<RevocationShard>>)
  .REVOCATIONS as DurableObjectNamespace<RevocationShard>
const shard = (name: string) => namespace.getByName(name)
const leader = () => shard('0')

beforeEach(() => setNow(T))
afterEach(async () => {
  vi.useRealTimers()
  await reset()
})

const lookup = async (name: string, entry: Revocation) =>
  (await shard(name).lookup([subjectKey(entry)]))?.entries.map(({ value }) => value)

/** Reads until the shard answers for the set. */
const enrolled = async (...names: readonly string[]) => {
  for (const name of names) {
    await vi.waitFor(async () => expect(await shard(name).lookup([])).toBeDefined(), 2_000)
  }
}

const wipe = async (name: string) => {
  await runInDurableObject(shard(name), async (_, { storage }) => {
    await storage.deleteAlarm()
    await storage.deleteAll()
  })
  await evictDurableObject(shard(name))
}

describe('a replica', () => {
  it('answers nothing before it has the whole set', async () => {
    const entry = await entryOf({ value: 'one' })
    await leader().add([entry])
    expect(await shard('1').lookup([])).toBeUndefined()
    await enrolled('1')
    expect(await lookup('1', entry)).toEqual(['one'])
  })

  it('is handed what comes later before it is acknowledged', async () => {
    await enrolled('1', '2')
    const entry = await entryOf({ value: 'one' })
    expect(await leader().add([entry])).toMatchObject({
      shards: { total: 3, acknowledged: 3, pending: [] },
    })
    for (const name of ['1', '2']) expect(await lookup(name, entry)).toEqual(['one'])
    await leader().remove(entry.id)
    for (const name of ['1', '2']) expect(await lookup(name, entry)).toEqual([])
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
    expect(await lookup('1', one)).toBeUndefined()
    await enrolled('1')
    expect(await lookup('1', one)).toEqual(['one'])
    expect(await lookup('1', two)).toEqual(['two'])
  })
})

describe('the shard that leads', () => {
  it('takes over what is left where it lost its own', async () => {
    const [one, two] = (await Promise.all(['one', 'two'].map((value) => entryOf({ value })))) as [
      Revocation,
      Revocation,
    ]
    await leader().add([one])
    await enrolled('1', '2')
    await leader().add([two])
    await wipe('0')
    expect(await lookup('0', one)).toEqual(['one'])
    expect(await lookup('0', two)).toEqual(['two'])
    const three = await entryOf({ value: 'three' })
    await leader().add([three])
    for (const name of ['1', '2']) {
      expect([undefined, ['three']]).toContainEqual(await lookup(name, three))
    }
    await enrolled('1', '2')
    for (const entry of [one, two, three]) {
      expect(await lookup('2', entry)).toEqual([entry.value])
    }
  })
})
