import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { LOG } from '../../../src/gate/revocation/object/log.ts'
import type { RowChanges } from '../../../src/gate/revocation/protocol.ts'
import { eventually } from '../../kit/eventually.ts'
import {
  alarm,
  eachAnew,
  enrolled,
  entriesOf,
  evict,
  found,
  intercept,
  leader,
  leave,
  rowsOf,
  shard,
  sql,
  unreachable,
  wipe,
} from '../../kit/shards.workerd.ts'

eachAnew()

const allHave = { shards: { total: 2, acknowledged: 2, pending: [] } }
const oneLacks = { shards: { total: 2, acknowledged: 1, pending: ['1'] } }

describe('a change', () => {
  it('that a replica cannot be told is pending until it was', async () => {
    const [one, two] = await entriesOf('one', 'two')
    await enrolled('1')
    await leader().add([one])
    const fault = unreachable('1')
    expect(await leader().add([two])).toMatchObject(oneLacks)
    expect(await leader().get(one.id)).toMatchObject(allHave)
    expect(await leader().get(two.id)).toMatchObject(oneLacks)
    expect(await leader().remove(one.id)).toBe(true)
    expect(await alarm('0')).toBe(true)
    expect(await leader().get(two.id)).toMatchObject(oneLacks)
    expect(await found('1', one, two)).toEqual(['one'])
    // What is pending is known from storage, and the alarm goes on by itself.
    await evict('0')
    fault.restore()
    expect(await leader().get(two.id)).toMatchObject(oneLacks)
    expect(await alarm('0')).toBe(true)
    expect(await leader().get(two.id)).toMatchObject(allHave)
    expect(await found('1', one, two)).toEqual(['two'])
    expect(await alarm('0')).toBe(false)
  })

  it('that comes late, or before others, brings nothing back and skips nothing', async () => {
    const [one, two, three] = await entriesOf('one', 'two', 'three')
    await enrolled('1')
    const handed: RowChanges[] = []
    const spy = intercept('replicate', (_, go, given) => {
      handed.push(given)
      return go()
    })
    await leader().add([one])
    await leader().add([two])
    await leader().remove(one.id)
    await leader().add([three])
    spy.mockRestore()
    expect(handed.length).toBe(4)
    const before = await rowsOf('1', 'SELECT * FROM entries, log ORDER BY id')
    for (const given of [...handed, ...handed.reverse()]) {
      expect(await shard('1').replicate(given)).toEqual({ version: 4 })
    }
    expect(await rowsOf('1', 'SELECT * FROM entries, log ORDER BY id')).toEqual(before)
    // Another replica at the beginning is not taken over a gap.
    await enrolled('2')
    const { epoch } = await shard('2').head()
    const gap = { epoch, from: 5, to: 6, head: 6, changes: [] }
    expect(await shard('2').replicate(gap)).toEqual({ out: true })
    expect(await found('2', two)).toBeUndefined()
  })

  it('is pending until a replica has the last of its entries', async () => {
    Object.assign(LOG, { batch: 1 })
    const [one, two] = await entriesOf('one', 'two')
    await enrolled('1')
    const down = intercept('replicate', (_, go, { from }) =>
      from === 0 ? go() : Promise.reject(new Error('down')),
    )
    expect(await leader().add([one, two])).toMatchObject(oneLacks)
    expect(await found('1', one, two)).toEqual(['one'])
    down.mockRestore()
    expect(await alarm('0')).toBe(true)
    expect(await leader().get(two.id)).toMatchObject(allHave)
  })

  it('of another epoch has a replica let go of its own', async () => {
    const [one] = await entriesOf('one')
    await leader().add([one])
    await enrolled('1')
    const { version } = await shard('1').head()
    const other = { epoch: 'other', from: version, to: version, head: version, changes: [] }
    expect(await shard('1').replicate(other)).toEqual({ out: true })
    expect(await found('1', one)).toBeUndefined()
    await enrolled('1')
    expect(await found('1', one)).toEqual(['one'])
    expect(await leader().add([one])).toMatchObject(allHave)
  })
})

it('a replica that was wiped answers nothing, is let go, and comes back', async () => {
  const [one, two] = await entriesOf('one', 'two')
  await leader().add([one])
  await enrolled('1')
  await wipe('1')
  expect(await leader().add([two])).toMatchObject({ shards: { total: 1, acknowledged: 1 } })
  expect(await found('1', one)).toBeUndefined()
  await enrolled('1')
  expect(await found('1', one, two)).toEqual(['one', 'two'])
})

it('the leader sends what is pending though its alarm was given up', async () => {
  // As under a version that refused its storage.
  const [one, two] = await entriesOf('one', 'two')
  await enrolled('1')
  await leader().add([one, two])
  await sql('0', (storage) => storage.exec('UPDATE replicas SET acked = acked - 1').toArray())
  await runInDurableObject(leader(), (_, { storage }) => storage.deleteAlarm())
  await evict('0')
  expect(await leader().get(one.id)).toMatchObject(allHave)
  await expect.poll(() => alarm('0')).toBe(true)
  expect(await leader().get(two.id)).toMatchObject(allHave)
})

it.each([['that it is out'], ['that it has all']])(
  'what a replica of an earlier enrolment said, %s, counts no more',
  async (said) => {
    const [one, two] = await entriesOf('one', 'two')
    await enrolled('1')
    if (said === 'that it is out') await leave('1')
    const { promise, resolve } = Promise.withResolvers<void>()
    const takes = intercept('replicate', async (_, go) => {
      const answer = await go()
      await promise
      return answer
    })
    const first = leader().add([one])
    await eventually(async () => expect(await takes.mock.results[0]?.type).toBe('return'))
    if (said === 'that it has all') await leave('1')
    await shard('1').lookup([])
    await eventually(async () =>
      expect((await rowsOf('0', 'SELECT enrolment FROM replicas'))[0]).toEqual({ enrolment: 2 }),
    )
    resolve()
    await first
    takes.mockRestore()
    expect(await rowsOf('0', 'SELECT name, enrolment FROM replicas')).toEqual([
      { name: '1', enrolment: 2 },
    ])
    await enrolled('1')
    expect(await leader().add([two])).toMatchObject(allHave)
    expect(await found('1', one, two)).toEqual(['one', 'two'])
  },
)
