import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { AuditLog } from '../../src/audit/object.ts'
import type { Batch, ShardQuery } from '../../src/audit/protocol.ts'
import { recordAt } from './record.ts'

const { AUDIT_LOG } = env as unknown as {
  readonly AUDIT_LOG: DurableObjectNamespace<AuditLog>
}

/** Keeps an object from the others of this file. */
const logOf = (name: string) => AUDIT_LOG.getByName(name)

const T = Date.now()
const HOUR = 3_600_000
const at = (ms: number) => void vi.spyOn(Date, 'now').mockReturnValue(T + ms)
afterEach(() => void vi.restoreAllMocks())

const batch = (known: readonly string[], more: Partial<Batch> = {}): Batch => ({
  id: crypto.randomUUID(),
  known,
  strangers: [],
  retention: 86_400,
  maxBytes: 1e9,
  maxRows: Number.POSITIVE_INFINITY,
  ...more,
})

const ALL: ShardQuery = { filters: {}, limit: 1_000 }

/** The request ids of a query's records, over all its pages. */
const idsOf = async (name: string, query: Partial<ShardQuery> = {}) => {
  const ids: unknown[] = []
  let before: string | undefined
  do {
    const asked = { ...ALL, ...query, ...(before !== undefined && { before }) }
    const { found, next } = await logOf(name).list(asked)
    ids.push(...found.map(({ record }) => JSON.parse(record).request_id))
    before = next
  } while (before !== undefined)
  return ids
}

const record = (request_id: string, ms = 0, members: object = {}) =>
  recordAt(T + ms, { request_id, ...members })

const rowsOf = (name: string) =>
  runInDurableObject(logOf(name), (_, { storage }) =>
    (['known', 'strangers'] as const).map(
      (ring) => storage.sql.exec<{ n: number }>(`SELECT COUNT(*) AS n FROM ${ring}`).one().n,
    ),
  )

describe('the object that keeps decisions', () => {
  it('has what it was given, the latest first, in pages without gaps', async () => {
    for (let i = 0; i < 3; i++) {
      await logOf('pages').append(batch([record(`${i}-a`), record(`${i}-b`), record(`${i}-c`)]))
    }
    const all = ['2-c', '2-b', '2-a', '1-c', '1-b', '1-a', '0-c', '0-b', '0-a']
    expect(await idsOf('pages')).toEqual(all)
    for (const limit of [1, 2, 3, 4]) expect(await idsOf('pages', { limit })).toEqual(all)
    const { found, next } = await logOf('pages').list({ ...ALL, limit: 4 })
    expect(found).toHaveLength(4)
    await logOf('pages').append(batch([record('3-a')]))
    const rest = await logOf('pages').list({ ...ALL, ...(next && { before: next }) })
    expect(rest.found.map(({ record }) => JSON.parse(record).request_id)).toEqual(all.slice(4))
  })

  it('finds by each filter, and by several', async () => {
    const name = 'filters'
    await logOf(name).append(
      batch([
        record('one', 0, { agent: 'a', subject: 'alice', workflow: 'run-1' }),
        record('two', 1_000, { agent: 'b', decision: 'denied', code: 'scope_missing' }),
        record('three', 2_000, { agent: 'b', route: 'POST /v1/pay', origin_request_id: 'o-3' }),
      ]),
    )
    const found = (filters: ShardQuery['filters'], more = {}) => idsOf(name, { filters, ...more })
    expect(await found({ agent: 'b' })).toEqual(['three', 'two'])
    expect(await found({ agent: 'b', decision: 'denied' })).toEqual(['two'])
    expect(await found({ code: 'scope_missing' })).toEqual(['two'])
    expect(await found({ rule: 'POST /v1/pay' })).toEqual(['three'])
    expect(await found({ request_id: 'o-3' })).toEqual(['three'])
    expect(await found({ request_id: 'one' })).toEqual(['one'])
    expect(await found({ workflow: 'run-1' })).toEqual(['one'])
    expect(await found({ subject: 'bob' })).toEqual([])
    expect(await found({}, { from: T + 1_000 })).toEqual(['three', 'two'])
    expect(await found({}, { from: T + 500, until: T + 2_000 })).toEqual(['two'])
  })

  it('finds a record by its own id, with the policy it was decided under', async () => {
    const text = record('mine', 0, { policy: 'abc' })
    await logOf('one').append(batch([text, record('other')], { policy: ['abc', '{"routes":[]}'] }))
    const { id } = JSON.parse(text)
    expect(await logOf('one').get(id)).toEqual({ decision: text, policy: '{"routes":[]}' })
    expect(await logOf('one').get(crypto.randomUUID())).toBeUndefined()
  })

  it('stores a batch that is sent again once, also after a restart', async () => {
    const one = batch([record('once')])
    await Promise.all([logOf('again').append(one), logOf('again').append(one)])
    await logOf('again').append(one)
    await abortAllDurableObjects()
    await logOf('again').append(one)
    expect(await idsOf('again')).toEqual(['once'])
  })

  it('loses no batch that was answered when it is killed', async () => {
    const kept: string[] = []
    for (let i = 0; i < 20; i++) {
      const ids = [`${i}-a`, `${i}-b`]
      const sent = logOf('killed').append(batch(ids.map((id) => record(id))))
      if (i % 3 === 2) await abortAllDurableObjects()
      await sent.then(
        () => void kept.push(...ids),
        () => {},
      )
    }
    expect(kept.length).toBeGreaterThan(20)
    const found = await idsOf('killed')
    expect(new Set(found).size).toBe(found.length)
    expect(found).toEqual(expect.arrayContaining(kept))
  })

  it('writes at most 0.3 rows a decision at 100 a second, deletions included', async () => {
    const name = 'billed'
    const written = await runInDurableObject(logOf(name), async (object, { storage }) => {
      let rows = 0
      const { exec } = storage.sql
      vi.spyOn(storage.sql, 'exec').mockImplementation((...given) => {
        const cursor = exec.apply(storage.sql, given)
        const text = String(given[0])
        if (/^(?:INSERT|DELETE)/.test(text)) rows += cursor.rowsWritten
        return cursor
      })
      const alarms = vi.spyOn(storage, 'setAlarm')
      // Two seconds of 20 isolates with five requests a second each, at every moment of each second.
      await Promise.all(
        Array.from({ length: 40 }, async (_, i) => {
          await new Promise((done) => setTimeout(done, i * 50))
          await object.append(batch(Array.from({ length: 5 }, (_, j) => record(`${i}-${j}`))))
        }),
      )
      at(3 * 24 * HOUR)
      await object.alarm()
      return rows + alarms.mock.calls.length
    })
    expect(await rowsOf(name)).toEqual([0, 0])
    expect(written / 200).toBeLessThanOrEqual(0.3)
    expect(written).toBeGreaterThan(2)
  })

  it('evicts nothing of known agents for a flood of strangers, and the oldest of its own', async () => {
    const name = 'flood'
    const maxBytes = 100_000
    await logOf(name).append(batch([record('known', 0)], { maxBytes }))
    for (let i = 0; i < 12; i++) {
      const strangers = Array.from({ length: 100 }, (_, j) => record(`${i}-${j}`))
      await logOf(name).append(batch([], { strangers, maxBytes }))
    }
    const ids = await idsOf(name)
    expect(ids).toContain('known')
    expect(ids).toContain('11-99')
    expect(ids).not.toContain('0-0')
    const bytes = await runInDurableObject(
      logOf(name),
      (_, { storage }) =>
        storage.sql.exec<{ n: number }>('SELECT SUM(bytes) AS n FROM strangers').one().n,
    )
    expect(bytes).toBeLessThanOrEqual(maxBytes / 10)
  })

  it('stops at its rows of the day, counts what is missing, and goes on the day after', async () => {
    const name = 'stopped'
    const maxRows = 12
    const [strangers] = [[record('stranger')]]
    const day = 86_400_000
    const midnight = Math.ceil(T / day) * day
    let stopped: number | undefined
    let stored = 0
    for (let i = 0; i < 10; i++) {
      const one = batch([record(`day-${i}`)], { strangers, maxRows, lost: i === 1 ? 7 : 0 })
      const { stoppedUntil } = await logOf(name).append(one)
      // Sent again, it is counted once.
      if (stoppedUntil !== undefined) await logOf(name).append(one)
      stopped ??= stoppedUntil
      stored += stoppedUntil === undefined ? 1 : 0
    }
    expect(stopped).toBe(midnight)
    expect(stored).toBeGreaterThan(1)
    expect(stored).toBeLessThan(5)
    const droppedNow = async () => (await logOf(name).list(ALL)).dropped
    const [full, overload] = [
      { reason: 'rows_a_day', records: 2 * (10 - stored), until: midnight },
      { reason: 'overload', records: 7 },
    ]
    expect(await droppedNow()).toEqual([
      expect.objectContaining(overload),
      expect.objectContaining(full),
    ])
    // Acts are stored all the same, and a restart forgets neither rows nor the gap.
    await abortAllDurableObjects()
    await logOf(name).append(batch([], { acts: [record('act')], maxRows }))
    expect(await logOf(name).append(batch([record('still')], { maxRows, refused: 3 }))).toEqual({
      stoppedUntil: midnight,
    })
    expect(await idsOf(name)).toContain('act')
    expect(await idsOf(name)).not.toContain('still')
    const after = (await droppedNow())?.find(({ reason }) => reason === 'rows_a_day')
    expect(after?.records).toBeGreaterThanOrEqual(5 - stored)
    // Its alarm deletes nothing either, and does so on the next day.
    at(3 * day)
    expect(await logOf(name).append(batch([record('next', 3 * day)], { maxRows: 1e6 }))).toEqual({})
    expect(await idsOf(name)).toContain('next')
    expect((await logOf(name).list({ ...ALL, from: T + 2 * day })).dropped).toEqual([])
  })

  it('leaves expired rows for the next day where its rows are used up', async () => {
    const name = 'put-off'
    await logOf(name).append(batch([record('old')]))
    at(26 * HOUR)
    for (let i = 0; i < 2; i++) {
      await logOf(name).append(batch([record(`new-${i}`, 26 * HOUR)], { maxRows: 4 }))
    }
    expect(await runDurableObjectAlarm(logOf(name))).toBe(true)
    expect(await idsOf(name)).toContain('old')
    at(50 * HOUR)
    expect(await runDurableObjectAlarm(logOf(name))).toBe(true)
    expect(await idsOf(name)).not.toContain('old')
  })

  it('deletes what is older than the retention by its alarm', async () => {
    const name = 'retention'
    await logOf(name).append(batch([record('old', 0)]))
    await logOf(name).append(batch([record('new', 2 * HOUR)]))
    at(25 * HOUR)
    expect(await runDurableObjectAlarm(logOf(name))).toBe(true)
    expect(await idsOf(name)).toEqual(['new'])
    at(28 * HOUR)
    expect(await runDurableObjectAlarm(logOf(name))).toBe(true)
    expect(await idsOf(name)).toEqual([])
    expect(await runDurableObjectAlarm(logOf(name))).toBe(false)
  })
})
