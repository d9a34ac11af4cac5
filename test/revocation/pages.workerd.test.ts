import { reset } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Revocation } from '../../src/gate/model/revocation.ts'
import { LOG } from '../../src/gate/revocation/object/log.ts'
import { answering, createCopy, hashesOfAll } from '../kit/revocation-copy.ts'
import { entryOf, setNow, T } from '../kit/revocation-store.ts'
import { leader as shard } from '../kit/shards.workerd.ts'

const pulled = answering(shard)
const several = (...values: readonly string[]) =>
  Promise.all(values.map((value) => entryOf({ value })))

const bounds = { ...LOG }
beforeEach(() => setNow(T))
afterEach(async () => {
  Object.assign(LOG, bounds)
  vi.useRealTimers()
  await reset()
})

describe('pages of the whole set', () => {
  it.each([
    ['none', 0, 1],
    ['fewer than a page', 2, 1],
    ['a page', 3, 1],
    ['one more', 4, 2],
    ['two pages', 6, 2],
  ])('of %s', async (_, count, pages) => {
    Object.assign(LOG, { page: 3 })
    const entries = await several(...Array.from({ length: count }, (_, index) => `v${index}`))
    await shard().add(entries)
    let seen = 1
    const copy = createCopy(pulled)
    await copy.pull(async () => {
      seen += 1
    })
    expect(copy.hashes()).toEqual(await hashesOfAll(entries))
    expect(seen).toBe(pages)
  })

  it('end where what followed has left', async () => {
    Object.assign(LOG, { page: 2 })
    const entries = await several('a', 'b', 'c')
    await shard().add(entries)
    const { after } = await pulled.pullAll()
    await shard().remove(entries[2]?.id ?? '')
    const last = await pulled.pullAll(after)
    expect(last.hashes).toHaveLength(0)
    expect(last).not.toHaveProperty('after')
  })

  it('and the changes since the first are the set, whatever comes and goes between', async () => {
    Object.assign(LOG, { page: 2 })
    const entries = (await several('a', 'b', 'c', 'd', 'e', 'f')) as Revocation[]
    const [a, b, c, d, e, f] = entries as [
      Revocation,
      Revocation,
      Revocation,
      Revocation,
      Revocation,
      Revocation,
    ]
    const brief = await entryOf({ value: 'brief', expires: T + 10 })
    const [late, passing] = (await several('late', 'passing')) as [Revocation, Revocation]
    await shard().add([a, brief, b, c, d, e])
    const between = [
      async () => {
        await shard().remove(a.id)
        await shard().remove(d.id)
        await shard().add([late, passing])
        setNow(T + 10)
      },
      async () => {
        await shard().remove(passing.id)
        await shard().remove(b.id)
        await shard().add([b, f])
      },
    ]
    const copy = createCopy(pulled)
    await copy.pull(async () => await between.shift()?.())
    expect(between).toEqual([])
    expect(await copy.follow()).toBe(true)
    expect(copy.hashes()).toEqual(await hashesOfAll([b, c, e, f, late]))
  })
})
