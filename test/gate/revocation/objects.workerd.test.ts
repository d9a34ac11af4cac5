import { reset, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RevocationShard } from '../../../src/gate/revocation/object/object.ts'
import { eventually } from '../../kit/eventually.ts'
import { setNow, T } from '../../kit/revocation-store.ts'
import {
  alarm,
  enrolled,
  entriesOf,
  evict,
  found,
  leader,
  rowsOf,
  shard,
  unreachable,
} from '../../kit/shards.workerd.ts'

beforeEach(() => setNow(T))
afterEach(async () => {
  vi.restoreAllMocks()
  vi.useRealTimers()
  await reset()
})

describe('an object', () => {
  it('that an alarm has started knows its name', async () => {
    const name = '1'
    const [one] = await entriesOf('one')
    await leader().add([one])
    await enrolled('1')
    const rang = vi.spyOn(RevocationShard.prototype, 'alarm')
    // The platform's alarms know nothing of a clock that is set.
    vi.useRealTimers()
    await runInDurableObject(shard(name), (_, { storage }) => storage.setAlarm(Date.now() + 1_000))
    await evict(name)
    expect(rang).not.toHaveBeenCalled()
    await eventually(() => expect(rang).toHaveBeenCalled())
    const { ctx } = rang.mock.contexts[0] as unknown as { ctx: DurableObjectState }
    expect(ctx.id.name).toBe(name)
    expect(await found(name, one)).toEqual(['one'])
  })

  it('that only keeps names has no tables', async () => {
    const registry = 'replica-registry'
    for (const name of ['1', '2', '1']) await shard(registry).note(name)
    await evict(registry)
    await leader().add(await entriesOf('one'))
    await enrolled('3')
    expect(await shard(registry).names()).toEqual(['1', '2', '3'])
    const tables = "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_%' ESCAPE '\\'"
    expect(await rowsOf(registry, tables)).toEqual([])
  })

  type Stub = DurableObjectStub<RevocationShard>
  it.each([
    ['add', (one: Stub) => one.add([])],
    ['get', (one: Stub) => one.get('id')],
    ['remove', (one: Stub) => one.remove('id')],
    ['enrol', (one: Stub) => one.enrol('2', { epoch: '', version: 0 })],
  ])('that follows is not asked to %s', async (_, call) => {
    await enrolled('1')
    await expect((async () => await call(shard('1')))()).rejects.toThrow(
      'shard 1 is not the primary',
    )
  })

  it('that leads takes nothing from others', async () => {
    const [one] = await entriesOf('one')
    await leader().add([one])
    const { epoch, version } = await leader().head()
    const other = { epoch: 'other', from: version, to: 9, head: 9, changes: [] }
    expect(await leader().replicate(other)).toEqual({ out: true })
    expect(await leader().head()).toMatchObject({ epoch, version })
    expect(await found('0', one)).toEqual(['one'])
  })
})

describe('an object in a jurisdiction', () => {
  /** Tells an object that it is in one, which workerd by itself does not know; and what it asked for then. */
  const placed = async (name: string) => {
    const asked = new Set<string>()
    const jurisdiction = (place: string) => ({
      getByName: (sibling: string, { locationHint = '' }: { locationHint?: string } = {}) => {
        asked.add(`${place} ${sibling} ${locationHint}`.trim())
        return shard(sibling)
      },
    })
    await runInDurableObject(shard(name), (object, ctx) => {
      const { storage } = ctx
      const waitUntil = (promise: Promise<unknown>) => ctx.waitUntil(promise)
      Object.assign(object, {
        ctx: { id: { name, jurisdiction: 'eu' }, storage, waitUntil },
        env: { REVOCATIONS: { jurisdiction } },
      })
    })
    return asked
  }

  it('asks for others there', async () => {
    const [one, two] = await entriesOf('one', 'two')
    const byLeader = await placed('0')
    const byReplica = await placed('1')
    await leader().add([one])
    await enrolled('1')
    await leader().add([two])
    expect(await found('1', one, two)).toEqual(['one', 'two'])
    expect(byLeader).toEqual(new Set(['eu replica-registry', 'eu 1']))
    expect(byReplica).toEqual(new Set(['eu 0']))
  })

  it('has the leader made where its callers say', async () => {
    const byReplica = await placed('2')
    await shard('2').lookup([], 'weur')
    await enrolled('2')
    expect(byReplica).toEqual(new Set(['eu 0 weur']))
  })
})

describe('the alarm', () => {
  it('of the leader is set earlier for what is pending, and then again for what expires', async () => {
    const [one] = await entriesOf('one')
    await enrolled('1')
    setNow(T)
    const at = () => runInDurableObject(shard('0'), (_, { storage }) => storage.getAlarm())
    const fault = unreachable('1')
    await leader().add([{ ...one, expires: T + 1_000 }])
    expect(await at()).toBe((T + 2) * 1_000)
    for (const seconds of [4, 8, 15, 15]) {
      await alarm('0')
      expect(await at()).toBe((T + seconds) * 1_000)
    }
    fault.restore()
    await alarm('0')
    expect(await at()).toBe((T + 1_000) * 1_000)
    setNow(T + 1_000)
    await alarm('0')
    // The removal is a change that shard 1 is told like any other.
    expect(await at()).toBe((T + 1_002) * 1_000)
    await alarm('0')
    expect(await rowsOf('1', 'SELECT * FROM entries')).toEqual([])
    expect(await at()).toBeNull()
  })
})
