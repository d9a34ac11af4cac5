import { reset, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { LOG } from '../../../src/gate/revocation/object/log.ts'
import { answering, createCopy, hashesOf, hashesOfAll } from '../../kit/revocation-copy.ts'
import { entryOf, setNow, T } from '../../kit/revocation-store.ts'
import { entriesOf, evict, leader, rowsOf, sql } from '../../kit/shards.workerd.ts'

/** What the log tells copies, besides what the property of fuzz.workerd.test.ts judges. */
const pulled = answering(leader)
/** The changes since a version of this epoch, which must be told. */
const since = async (from: number) => {
  const { epoch } = await pulled.pullAll()
  const changes = await pulled.pullSince(epoch, from)
  if ('reset' in changes) throw new Error('reset')
  const { version, added, removed } = changes
  return { version, added: hashesOf(added).sort(), removed: hashesOf(removed).sort() }
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

it('has no change of a write that failed or did not fit', async () => {
  Object.assign(LIMITS, { revocations: 2 })
  const [a, b, c] = await entriesOf('a', 'b', 'c')
  const brief = await entryOf({ value: 'brief', expires: T + 10 })
  await leader().add([a, brief])
  expect(await leader().add([b, c])).toEqual({ full: 'set' })
  await runInDurableObject(leader(), async (object) => {
    const broken = { ...c, createdBy: null as unknown as string }
    await expect(object.add([{ ...a }, broken])).rejects.toThrow('NOT NULL')
  })
  expect((await pulled.pullAll()).version).toBe(2)
  setNow(T + 10)
  expect(await leader().add([b])).toMatchObject({ added: [b] })
  const [added, removed] = [await hashesOfAll([b]), await hashesOfAll([brief])]
  expect(await since(2)).toMatchObject({ added, removed })
})

describe('the changes since a version', () => {
  it('name a subject as removed only when its last entry has left', async () => {
    const block = await entryOf({ value: 'one', expires: T + 10 })
    const before = await entryOf({ value: 'one', mode: 'before', at: T })
    await leader().add([block, before])
    setNow(T + 10)
    // It is told as a change, so that what is known of the subject is asked anew.
    const hashes = await hashesOfAll([before])
    expect(await since(2)).toEqual({ version: 3, added: hashes, removed: [] })
    await leader().remove(before.id)
    expect((await since(3)).removed).toEqual(hashes)
  })

  it('never hide a subject because another one of the same hash has left', async () => {
    const [kept, lifted] = await entriesOf('kept', 'lifted')
    await leader().add([kept, lifted])
    const same = "UPDATE entries SET hash = (SELECT hash FROM entries WHERE value = 'kept')"
    await sql('0', (run) => run.exec(same).toArray())
    await leader().remove(lifted.id)
    expect((await since(2)).removed).toEqual([])
    await leader().remove(kept.id)
    expect((await since(2)).removed).toEqual(await hashesOfAll([kept]))
  })

  it('count nothing as live that has expired, whether it is removed yet or not', async () => {
    Object.assign(LOG, { sweep: 1 })
    const brief = await Promise.all(
      ['a', 'b', 'c'].map((value) => entryOf({ value, expires: T + 10 })),
    )
    await leader().add(brief)
    setNow(T + 10)
    expect(await pulled.pullAll()).toMatchObject({ version: 4, hashes: new Uint8Array() })
    expect((await since(0)).added).toEqual([])
    expect((await since(3)).removed).toEqual(await hashesOfAll(brief))
  })
})

describe('a copy is begun anew', () => {
  const asked = async (from: number, other?: string) => {
    const { epoch } = await pulled.pullAll()
    return await pulled.pullSince(other ?? epoch, from)
  }

  it.each([
    ['another epoch', 'other', 1],
    ['no epoch', '', 1],
    ['a version to come', undefined, 2],
    ['no version', undefined, Number.NaN],
    ['a version before all', undefined, -1],
  ])('where it is of %s', async (_, other, from) => {
    await leader().add(await entriesOf('a'))
    expect(await asked(1)).not.toHaveProperty('reset')
    expect(await asked(from, other)).toEqual({ reset: true })
  })

  it('where removals are forgotten, after an hour and not before', async () => {
    const entries = await entriesOf('a', 'b', 'c')
    await leader().add(entries)
    await leader().remove(entries[0].id)
    setNow(T + LOG.tombstoneSeconds - 1)
    await leader().remove(entries[1].id)
    expect((await since(3)).removed).toHaveLength(2)
    setNow(T + LOG.tombstoneSeconds)
    await leader().remove(entries[2].id)
    expect(await asked(3)).toEqual({ reset: true })
    expect((await since(4)).removed).toEqual(await hashesOfAll(entries.slice(1)))
  })

  it('where there are more changes than are told, of which no more removals are kept', async () => {
    Object.assign(LOG, { changes: 3 })
    const entries = await entriesOf('a', 'b', 'c', 'd', 'e')
    await leader().add(entries)
    expect(await asked(1)).toEqual({ reset: true })
    expect((await since(2)).added).toHaveLength(3)
    for (const { id } of entries) await leader().remove(id)
    expect(await asked(6)).toEqual({ reset: true })
    const kept = await rowsOf('0', 'SELECT version FROM tombstones')
    expect(kept).toEqual([{ version: 8 }, { version: 9 }, { version: 10 }])
  })

  it('where the storage was lost, and not where only the object has ended', async () => {
    const [a, b] = await entriesOf('a', 'b')
    await leader().add([a, b])
    const copy = createCopy(pulled)
    await copy.pull()
    await leader().remove(a.id)
    await evict('0')
    expect(await copy.follow()).toBe(true)
    expect(copy.hashes()).toEqual(await hashesOfAll([b]))
    await reset()
    expect(await copy.follow()).toBe(false)
    expect(await asked(0)).toMatchObject({ version: 0 })
  })
})
