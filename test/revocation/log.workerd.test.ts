import {
  evictDurableObject,
  reset,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LIMITS } from '../../src/gate/base/limits.ts'
import type { Revocation } from '../../src/gate/model/revocation.ts'
import { LOG } from '../../src/gate/revocation/object/log.ts'
import { answering, createCopy, hashesOf, hashesOfAll } from '../kit/revocation-copy.ts'
import { entryOf, setNow, T } from '../kit/revocation-store.ts'
import { leader as shard } from '../kit/shards.workerd.ts'

const pulled = answering(shard)
const sql = <Answer>(run: (sql: SqlStorage) => Answer) =>
  runInDurableObject(shard(), (_, { storage }) => run(storage.sql))
const version = async () => (await pulled.pullAll()).version
const several = (...values: readonly string[]) =>
  Promise.all(values.map((value) => entryOf({ value })))
/** The changes since a version of this epoch, which must be told. */
const since = async (from: number) => {
  const { epoch } = await pulled.pullAll()
  const changes = await pulled.pullSince(epoch, from)
  if ('reset' in changes) throw new Error('reset')
  return {
    version: changes.version,
    added: hashesOf(changes.added).sort(),
    removed: hashesOf(changes.removed).sort(),
  }
}

const { revocations } = LIMITS
const bounds = { ...LOG }
beforeEach(() => setNow(T))
afterEach(async () => {
  Object.assign(LOG, bounds)
  Object.assign(LIMITS, { revocations })
  vi.useRealTimers()
  await reset()
})

describe('the version', () => {
  it('grows with every change, and with nothing else', async () => {
    const [a, b] = await several('a', 'b')
    const brief = await entryOf({ value: 'brief', expires: T + 10 })
    const seen = [await version()]
    const step = async (change: () => Promise<unknown>) => {
      await change()
      seen.push(await version())
    }
    await step(() => shard().add([a as Revocation]))
    await step(() => shard().add([b as Revocation, brief]))
    await step(() => shard().add([{ ...(a as Revocation), reason: 'renewed' }]))
    await step(() => shard().remove((b as Revocation).id))
    setNow(T + 10)
    await step(() => runDurableObjectAlarm(shard()))
    expect(seen).toEqual([0, 1, 3, 4, 5, 6])
    await step(() => shard().remove('nothing'))
    await step(() => runDurableObjectAlarm(shard()))
    await step(async () => await shard().lookup(['nothing']))
    expect(new Set(seen.slice(5))).toEqual(new Set([6]))
  })

  it('is as it was after a write that failed or did not fit', async () => {
    Object.assign(LIMITS, { revocations: 2 })
    const [a, b, c] = await several('a', 'b', 'c')
    const brief = await entryOf({ value: 'brief', expires: T + 10 })
    await shard().add([a as Revocation, brief])
    const before = await version()
    expect(await shard().add([b, c] as Revocation[])).toEqual({ full: 'set' })
    await runInDurableObject(shard(), async (object) => {
      const broken = { ...c, createdBy: null } as unknown as Revocation
      await expect(object.add([{ ...(a as Revocation) }, broken])).rejects.toThrow('NOT NULL')
    })
    expect(await version()).toBe(before)
    setNow(T + 10)
    expect(await shard().add([b as Revocation])).toMatchObject({ added: [b] })
    expect(await shard().add([c as Revocation])).toEqual({ full: 'set' })
    expect(await since(before)).toMatchObject({
      added: await hashesOfAll([b as Revocation]),
      removed: await hashesOfAll([brief]),
    })
  })
})

describe('the changes since a version', () => {
  it('leave out what came and went, and what went and came', async () => {
    const [stays, back, brief] = await several('stays', 'back', 'brief')
    await shard().add([stays, back] as Revocation[])
    const from = await version()
    await shard().remove((back as Revocation).id)
    await shard().add([brief as Revocation])
    await shard().remove((brief as Revocation).id)
    await shard().add([back as Revocation])
    expect(await since(from)).toEqual({
      version: from + 4,
      added: await hashesOfAll([back as Revocation]),
      removed: await hashesOfAll([brief as Revocation]),
    })
    expect(await since(from + 4)).toEqual({ version: from + 4, added: [], removed: [] })
  })

  it('name a subject as removed only when its last entry has left', async () => {
    const block = await entryOf({ value: 'one', expires: T + 10 })
    const before = await entryOf({ value: 'one', mode: 'before', at: T })
    await shard().add([block, before])
    const from = await version()
    setNow(T + 10)
    // It is told as a change, so that what is known of the subject is asked anew.
    const added = await hashesOfAll([before])
    expect(await since(from)).toEqual({ version: from + 1, added, removed: [] })
    await shard().remove(before.id)
    expect((await since(from + 1)).removed).toEqual(await hashesOfAll([before]))
  })

  it('never hide a subject because another one of the same hash has left', async () => {
    const [kept, lifted] = (await several('kept', 'lifted')) as [Revocation, Revocation]
    await shard().add([kept, lifted])
    await sql((run) =>
      run
        .exec("UPDATE entries SET hash = (SELECT hash FROM entries WHERE value = 'kept')")
        .toArray(),
    )
    const from = await version()
    await shard().remove(lifted.id)
    expect((await since(from)).removed).toEqual([])
    await shard().remove(kept.id)
    expect((await since(from)).removed).toEqual(await hashesOfAll([kept]))
  })

  it('count nothing as live that has expired, whether it is removed yet or not', async () => {
    Object.assign(LOG, { sweep: 1 })
    const brief = await Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map((value) => entryOf({ value, expires: T + 10 })),
    )
    await shard().add(brief)
    const from = await version()
    setNow(T + 10)
    const page = await pulled.pullAll()
    expect(page).toMatchObject({ version: from + 1, hashes: new Uint8Array() })
    expect((await since(0)).added).toEqual([])
    expect((await since(from)).removed).toEqual(await hashesOfAll(brief))
  })
})

describe('a reset', () => {
  const asked = async (from: number) => {
    const { epoch } = await pulled.pullAll()
    return await pulled.pullSince(epoch, from)
  }

  it.each([
    ['another epoch', 'other', 1],
    ['no epoch', '', 1],
    ['a version to come', undefined, 2],
    ['no version', undefined, Number.NaN],
    ['a version before all', undefined, -1],
  ])('is the answer to %s', async (_, other, from) => {
    await shard().add(await several('a'))
    const { epoch } = await pulled.pullAll()
    expect(await pulled.pullSince(epoch, 1)).not.toHaveProperty('reset')
    expect(await pulled.pullSince(other ?? epoch, from)).toEqual({ reset: true })
  })

  it('is the answer to a version whose removals are forgotten, after an hour', async () => {
    const entries = (await several('a', 'b', 'c')) as [Revocation, Revocation, Revocation]
    await shard().add(entries)
    await shard().remove(entries[0].id)
    setNow(T + LOG.tombstoneSeconds - 1)
    await shard().remove(entries[1].id)
    expect((await since(3)).removed).toHaveLength(2)
    setNow(T + LOG.tombstoneSeconds)
    await shard().remove(entries[2].id)
    expect(await asked(3)).toEqual({ reset: true })
    expect((await since(4)).removed).toEqual(await hashesOfAll(entries.slice(1)))
  })

  it('is not the answer where nothing was forgotten, however long ago', async () => {
    await shard().add(await several('a', 'b'))
    setNow(T + 100 * LOG.tombstoneSeconds)
    expect(await shard().remove((await entryOf({ value: 'a' })).id)).toBe(true)
    expect((await since(0)).added).toHaveLength(1)
  })

  it('is the answer to more changes than are told, and no more removals are kept', async () => {
    Object.assign(LOG, { changes: 3 })
    const entries = await several('a', 'b', 'c', 'd', 'e')
    await shard().add(entries)
    expect(await asked(1)).toEqual({ reset: true })
    expect((await since(2)).added).toHaveLength(3)
    for (const { id } of entries) await shard().remove(id)
    expect(await asked(6)).toEqual({ reset: true })
    expect((await since(7)).removed).toEqual(await hashesOfAll(entries.slice(2)))
    const kept = await sql((run) => run.exec('SELECT version FROM tombstones').toArray())
    expect(kept).toEqual([{ version: 8 }, { version: 9 }, { version: 10 }])
  })
})

describe('the epoch', () => {
  it('outlives the object together with its versions', async () => {
    const [a, b] = (await several('a', 'b')) as [Revocation, Revocation]
    await shard().add([a, b])
    await shard().remove(a.id)
    const before = await pulled.pullAll()
    await evictDurableObject(shard())
    expect(await pulled.pullAll()).toEqual(before)
    expect((await since(2)).removed).toEqual(await hashesOfAll([a]))
  })

  it('is another one when the storage was lost', async () => {
    const lost = createCopy(pulled)
    await lost.pull()
    await reset()
    const { epoch } = await pulled.pullAll()
    expect(await lost.follow()).toBe(false)
    expect(await pulled.pullSince(epoch, 0)).toMatchObject({ version: 0 })
  })
})
