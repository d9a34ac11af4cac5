import {
  evictDurableObject,
  reset,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { createRevocations } from '../../../src/gate/revocation/client.ts'
import { ONE_SHARD } from '../../kit/memory-shard.ts'
import {
  entryOf,
  itIsBounded,
  itIsShared,
  itKeepsRevocations,
  setNow,
  T,
} from '../../kit/revocation-store.ts'
import { namespace, leader as shard } from '../../kit/shards.workerd.ts'

const open = () => createRevocations(namespace, ONE_SHARD)
const DAY = 24 * 60 * 60

beforeEach(() => setNow(T))
afterEach(async () => {
  vi.useRealTimers()
  await reset()
})

describe('the shard and its client', () => {
  itKeepsRevocations(open)
})

it('tells a failed write from a full set, and keeps nothing of it', async () => {
  const good = await entryOf({ value: 'good' })
  const bad = { ...(await entryOf({ value: 'bad' })), createdBy: null as unknown as string }
  await expect(open().add([good, bad])).rejects.toThrow('NOT NULL')
  expect(await open().list({ limit: 10 })).toEqual({ revocations: [] })
})

describe('a shard of three', () => {
  const { revocations } = LIMITS
  beforeEach(() => void Object.assign(LIMITS, { revocations: 3 }))
  afterEach(() => void Object.assign(LIMITS, { revocations }))
  itIsBounded(open)
})

describe('a shard of twenty', () => {
  const { revocations } = LIMITS
  beforeEach(() => void Object.assign(LIMITS, { revocations: 20 }))
  afterEach(() => void Object.assign(LIMITS, { revocations }))
  itIsShared(open)
})

describe('its alarm', () => {
  const alarm = () => runInDurableObject(shard(), (_, { storage }) => storage.getAlarm())
  const held = () =>
    runInDurableObject(shard(), (_, { storage }) =>
      storage.sql.exec('SELECT value FROM entries ORDER BY seq').toArray(),
    )

  it('is set for the next expiry and removes what is over', async () => {
    const set = open()
    await set.add([await entryOf({ value: 'late', expires: T + 100 })])
    expect(await alarm()).toBe((T + 100) * 1000)
    await set.add([
      await entryOf({ value: 'soon', expires: T + 10 }),
      await entryOf({ value: 'stays' }),
    ])
    expect(await alarm()).toBe((T + 10) * 1000)
    setNow(T + 10)
    expect(await runDurableObjectAlarm(shard())).toBe(true)
    expect(await held()).toEqual([{ value: 'late' }, { value: 'stays' }])
    expect(await alarm()).toBe((T + 100) * 1000)
    setNow(T + 100)
    await runDurableObjectAlarm(shard())
    expect(await held()).toEqual([{ value: 'stays' }])
    expect(await alarm()).toBeNull()
  })

  it('stays within the dates the platform takes', async () => {
    const entry = await entryOf({ value: 'far', expires: Number.MAX_SAFE_INTEGER })
    expect(await open().add([entry])).toMatchObject({ added: [entry] })
    expect(await alarm()).toBe((T + 30 * DAY) * 1000)
  })

  it('goes on at once where more is over than one round removes', async () => {
    await open().add([await entryOf({ value: 'first', expires: T + 10 })])
    await runInDurableObject(shard(), (_, { storage }) =>
      storage.sql.exec(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)
          INSERT INTO entries
            (id, subject, kind, issuer, value, mode, expires, created, created_by, own, version, hash)
          SELECT 'id' || i, 's' || i, 'token', 'i', 'v', 'block', ?, 0, '', 0, 0, x'00' FROM n`,
        T + 11,
      ),
    )
    setNow(T + 20)
    await runDurableObjectAlarm(shard())
    expect((await held()).length).toBe(2)
    expect(await alarm()).toBe((T + 11) * 1000)
    await runDurableObjectAlarm(shard())
    expect(await held()).toEqual([])
  })
})

describe('its storage', () => {
  it('is not read when a newer version wrote it', async () => {
    const entry = await entryOf({ value: 'one' })
    await open().add([entry])
    await runInDurableObject(shard(), (_, { storage }) => storage.kv.put('schema', 99))
    await evictDurableObject(shard())
    await expect((async () => await open().lookup([entry]))()).rejects.toThrow('schema 99')
  })
})

describe('the client', () => {
  /** The namespace, with stubs that fail for the first calls. */
  const failing = (times: number) => {
    let stubs = 0
    const broken = new Proxy(
      {},
      { get: () => () => Promise.reject(new Error(`broken stub ${stubs}`)) },
    )
    const getByName = (name: string) => (++stubs <= times ? broken : namespace.getByName(name))
    const set = createRevocations({ getByName } as never, ONE_SHARD)
    return { set, stubs: () => stubs }
  }

  it('tries a write once', async () => {
    const entry = await entryOf({ value: 'one' })
    const add = failing(1)
    await expect(add.set.add([entry])).rejects.toThrow('broken stub 1')
    const remove = failing(1)
    await expect(remove.set.remove(entry.id)).rejects.toThrow('broken stub 1')
    expect([add.stubs(), remove.stubs()]).toEqual([1, 1])
    expect(await open().get(entry.id)).toBeUndefined()
  })
})
