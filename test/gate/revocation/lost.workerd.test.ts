import { describe, expect, it } from 'vitest'
import { LOG } from '../../../src/gate/revocation/object/log.ts'
import { eventually } from '../../kit/eventually.ts'
import {
  alarm,
  asked,
  eachAnew,
  enrolled,
  entriesOf,
  evict,
  found,
  intercept,
  leader,
  leave,
  shard,
  sql,
  unreachable,
  wipe,
} from '../../kit/shards.workerd.ts'

eachAnew()

const epochOf = async (name: string) => (await shard(name).head()).epoch
const acknowledged = { shards: { pending: [] } }

describe('a leader that was wiped', () => {
  it('has all that was acknowledged', async () => {
    const names = ['1', '2']
    const entries = await entriesOf('a', 'b', 'c', 'd')
    const [a, b, c, d] = entries
    await leader().add([a, b])
    await enrolled(...names)
    await leader().add([c, { ...a, reason: 'renewed' }])
    await leader().remove(b.id)
    await leader().add([d])
    const before = await shard('1').head()
    await wipe('0')
    expect(await found('0', ...entries)).toEqual(['a', 'c', 'd'])
    expect(await leader().get(a.id)).toMatchObject({ revocation: { reason: 'renewed' } })
    const after = await shard('0').head()
    expect(after.version).toBe(before.version)
    expect(after.epoch).not.toBe(before.epoch)
    // Those who still answer count as lacking all, until they have said that they are out.
    expect(await leader().get(a.id)).toMatchObject({ shards: { acknowledged: 1, pending: names } })
    expect(await leader().add([b])).toMatchObject({ shards: { total: 1, acknowledged: 1 } })
    for (const name of names) expect(await found(name, b)).toBeUndefined()
    await enrolled(...names)
    for (const name of names) expect(await found(name, ...entries)).toEqual(['a', 'b', 'c', 'd'])
    expect(await epochOf('1')).toBe(after.epoch)
  })

  it('has all from whoever knows most, and tells the others by itself', async () => {
    const [one, two] = await entriesOf('one', 'two')
    await enrolled('1', '2')
    await leader().add([one])
    const fault = unreachable('2')
    expect(await leader().add([two])).toMatchObject({
      shards: { total: 3, acknowledged: 2, pending: ['2'] },
    })
    fault.restore()
    await wipe('0')
    expect(await found('0', one, two)).toEqual(['one', 'two'])
    expect(await found('2', one, two)).toEqual(['one'])
    expect(await leader().get(two.id)).toMatchObject({ shards: { pending: ['1', '2'] } })
    expect(await alarm('0')).toBe(true)
    expect(await leader().get(two.id)).toMatchObject(acknowledged)
    for (const name of ['1', '2'])
      expect([undefined, ['one', 'two']]).toContainEqual(await found(name, one, two))
    await enrolled('1', '2')
    expect(await found('2', one, two)).toEqual(['one', 'two'])
  })

  it('answers nothing while one who has followed it cannot be asked', async () => {
    const [one] = await entriesOf('one')
    await enrolled('1', '2')
    await leader().add([one])
    await wipe('0')
    const fault = unreachable('2')
    for (const call of [
      () => leader().lookup([]),
      () => leader().pullAll(),
      () => leader().pullSince('', 0),
      () => leader().list({ limit: 1 }),
      () => leader().get(one.id),
      () => leader().add([one]),
      () => leader().remove(one.id),
      () => leader().copyPage(0),
      () => leader().enrol('1', { epoch: '', version: 0 }),
    ]) {
      await expect((async () => await call())()).rejects.toThrow('unreachable')
    }
    fault.restore()
    expect(await found('0', one)).toEqual(['one'])
  })

  it.each([
    ['and has come as far as another', true],
    ['where no other answers either', false],
  ])('has what one lacks that is still to catch up, %s', async (_, serves) => {
    const [x, y, z] = await entriesOf('x', 'y', 'z')
    await enrolled('1', '2')
    await leader().add([y])
    await leave('1')
    expect(await leader().add([x])).toMatchObject(acknowledged)
    if (!serves) await leave('2')
    await leader().add([z])
    Object.assign(LOG, { batch: 1 })
    const down = intercept('replicate', (name, go, { from }) =>
      name === '1' && from === 1 ? go() : Promise.reject(new Error('down')),
    )
    // As it changes once more, shard 1 is told of it last.
    await leader().add([x])
    await asked('1')
    await eventually(async () => expect(await shard('1').head()).toMatchObject({ version: 3 }))
    expect(await found('1', x)).toBeUndefined()
    if (serves) expect(await found('2', x)).toEqual(['x'])
    await wipe('0')
    down.mockRestore()
    expect(await found('0', x, y, z)).toEqual(['x', 'y', 'z'])
  })
})

describe('a leader that has an older state', () => {
  /** Takes the leader's tables back to what `change` found. */
  const restored = async (change: () => Promise<unknown>) => {
    const tables = ['entries', 'tombstones', 'log', 'replicas']
    await sql('0', (storage) => {
      for (const table of tables)
        storage.exec(`CREATE TABLE old_${table} AS SELECT * FROM ${table}`)
    })
    await change()
    await sql('0', (storage) => {
      for (const table of tables.filter((table) => table !== 'log')) {
        storage.exec(`DELETE FROM ${table}; INSERT INTO ${table} SELECT * FROM old_${table}`)
      }
      storage.exec('DELETE FROM log; INSERT INTO log SELECT * FROM old_log')
      for (const table of tables) storage.exec(`DROP TABLE old_${table}`)
    })
    await evict('0')
  }

  it('learns of it from who enrols, and lets go of nothing', async () => {
    const [a, b] = await entriesOf('a', 'b')
    await enrolled('1')
    await restored(async () => {
      await leader().add([a])
      await leader().add([b])
    })
    await sql('0', (storage) => storage.exec('DELETE FROM replicas').toArray())
    await leave('1')
    await enrolled('1')
    for (const name of ['0', '1']) expect(await found(name, a, b)).toEqual(['a', 'b'])
  })

  it('learns of it when it hands on, and has all from who is ahead', async () => {
    const [a, b, c] = await entriesOf('a', 'b', 'c')
    await enrolled('1')
    await restored(async () => {
      await leader().add([a])
      await leader().add([b])
    })
    const epoch = await epochOf('0')
    expect(await found('0', a, b)).toEqual([])
    expect(await leader().add([c])).toMatchObject({ shards: { pending: ['1'] } })
    expect(await found('0', a, b, c)).toEqual(['a', 'b', 'c'])
    expect(await epochOf('0')).not.toBe(epoch)
    await alarm('0')
    expect(await leader().get(c.id)).toMatchObject(acknowledged)
    await enrolled('1')
    expect(await found('1', a, b, c)).toEqual(['a', 'b', 'c'])
  })
})
