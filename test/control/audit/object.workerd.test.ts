import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createAlerts } from '../../../src/control/audit/alerts.ts'
import { createBudget } from '../../../src/control/audit/budget.ts'
import { GATHER } from '../../../src/control/audit/gather.ts'
import { createHealth } from '../../../src/control/audit/health.ts'
import type { AuditLog } from '../../../src/control/audit/object.ts'
import type { ShardQuery } from '../../../src/control/audit/protocol.ts'
import { termText } from '../../../src/control/records/terms.ts'
import type { Batch } from '../../../src/gate/outbox/protocol.ts'
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

// Nothing is gathered here, so that no test waits.
const { ms } = GATHER
beforeAll(() => void Object.assign(GATHER, { ms: 0 }))
afterAll(() => void Object.assign(GATHER, { ms }))

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

/** Text that compression does not shorten much. */
const incompressible = (length: number) => {
  const bytes = crypto.getRandomValues(new Uint8Array(65_536))
  const text = btoa(String.fromCharCode(...bytes.subarray(0, 32_768)))
  return text.repeat(Math.ceil(length / text.length)).slice(0, length)
}

const OTHER = { issuer: 'https://auth.other.example' }

describe('the object that keeps decisions', () => {
  it('has what it was given, the latest first, in pages of any size', async () => {
    for (let i = 0; i < 3; i++) {
      await logOf('pages').append(batch([record(`${i}-a`), record(`${i}-b`), record(`${i}-c`)]))
    }
    const all = ['2-c', '2-b', '2-a', '1-c', '1-b', '1-a', '0-c', '0-b', '0-a']
    for (const limit of [1, 2, 4, 9]) expect(await idsOf('pages', { limit })).toEqual(all)
  })

  it('has pages without gaps while records come and go', async () => {
    const name = 'moving'
    const maxBytes = 28_000
    const put = (id: string) => {
      const known = Array.from({ length: 20 }, (_, j) => record(`${id}-${j}`))
      return logOf(name).append(batch(known, { maxBytes }))
    }
    for (let i = 0; i < 12; i++) await put(`old-${i}`)
    const atFirst = await idsOf(name)
    const paged: unknown[] = []
    let before: string | undefined
    let pages = 0
    do {
      const asked = { ...ALL, limit: 7, ...(before !== undefined && { before }) }
      const { found, next } = await logOf(name).list(asked)
      paged.push(...found.map(({ record }) => JSON.parse(record).request_id))
      before = next
      if (pages++ % 3 === 0 && pages < 20) await put(`new-${pages}`)
    } while (before !== undefined)
    const left = new Set(await idsOf(name))
    // The oldest were evicted meanwhile, and new ones came.
    expect(left.size).toBeGreaterThan(60)
    expect(left.has('new-1-0')).toBe(true)
    expect(left.has('old-0-0')).toBe(false)
    // All of the first that stayed, in their order, and nothing twice or new.
    expect(paged).toEqual(atFirst.slice(0, paged.length))
    expect(atFirst.slice(paged.length).filter((id) => left.has(id))).toEqual([])
  })

  describe('that is read live', () => {
    const tail = (name: string, after: string) => logOf(name).listAfter({ filters: {}, after })
    const ids = ({ found }: Awaited<ReturnType<typeof tail>>) =>
      found.map(({ record }) => JSON.parse(record).request_id)

    it('goes on after a position, in pages, and after a restart', async () => {
      const name = 'tail-pages'
      const known = Array.from({ length: 250 }, (_, i) => record(String(i)))
      await logOf(name).append(batch(known))
      const got: unknown[] = []
      for (let after = '0.0'; got.length < 250; ) {
        const page = await tail(name, after)
        expect(page.found.length).toBeLessThanOrEqual(100)
        got.push(...ids(page))
        after = page.next
        await abortAllDurableObjects()
      }
      expect(got).toEqual(Array.from({ length: 250 }, (_, i) => String(i)))
    })

    it('misses nothing where all that it has read is deleted meanwhile', async () => {
      const name = 'tail-deleted'
      await logOf(name).append(batch([record('old')]))
      const { next } = await tail(name, '0.0')
      at(26 * HOUR)
      expect(await runDurableObjectAlarm(logOf(name))).toBe(true)
      expect(await idsOf(name)).toEqual([])
      await logOf(name).append(batch([record('new', 26 * HOUR)]))
      expect(ids(await tail(name, next))).toEqual(['new'])
    })
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

  it('stores a batch that is sent again once, also after a restart', async () => {
    const one = batch([record('once')])
    await Promise.all([logOf('again').append(one), logOf('again').append(one)])
    await logOf('again').append(one)
    await abortAllDurableObjects()
    await logOf('again').append(one)
    expect(await idsOf('again')).toEqual(['once'])
  })

  it('stores a batch that it could not store once it is sent again', async () => {
    const one = batch([record('late')])
    await runInDurableObject(logOf('failing'), async (log, { storage }) => {
      vi.spyOn(storage, 'transactionSync').mockImplementationOnce(() => {
        throw new Error('full')
      })
      await expect(log.append(one)).rejects.toThrow('full')
      await log.append(one)
    })
    expect(await idsOf('failing')).toEqual(['late'])
  })

  it('knows the latest batches after a restart, however many there were', async () => {
    await runInDurableObject(logOf('many'), (log) =>
      Promise.all(Array.from({ length: 5_000 }, () => log.append(batch([record('old')])))),
    )
    const latest = batch([record('latest')])
    await logOf('many').append(latest)
    await abortAllDurableObjects()
    await logOf('many').append(batch([record('next')]))
    await logOf('many').append(latest)
    expect((await idsOf('many')).slice(0, 3)).toEqual(['next', 'latest', 'old'])
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
      const lost = { reason: 'overload', share: 'issuers', records: i === 1 ? 7 : 0 } as const
      const one = batch([record(`day-${i}`)], { strangers, maxRows, dropped: [lost] })
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
    const [issuers, ofStrangers] = ['issuers', 'strangers'].map((share) => ({
      ...{ reason: 'rows_a_day', share, records: 10 - stored, until: midnight },
    }))
    expect(await droppedNow()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ reason: 'overload', share: 'issuers', records: 7 }),
        expect.objectContaining(issuers),
        expect.objectContaining({ ...ofStrangers, records: 9 }),
      ]),
    )
    // Acts are stored all the same, and a restart forgets neither rows nor the gap.
    await abortAllDurableObjects()
    await logOf(name).append(batch([], { acts: [record('act')], maxRows }))
    expect(await logOf(name).append(batch([record('still')], { maxRows }))).toEqual({
      stoppedUntil: midnight,
      problems: { audit: expect.stringMatching(/^at least \d+ records: /) },
    })
    expect(await idsOf(name)).toContain('act')
    expect(await idsOf(name)).not.toContain('still')
    const after = (await droppedNow())?.find(({ share }) => share === 'strangers')
    expect(after?.records).toBeGreaterThanOrEqual(5 - stored)
    // Its alarm deletes nothing either, and does so on the next day.
    at(3 * day)
    expect(await logOf(name).append(batch([record('next', 3 * day)], { maxRows: 1e6 }))).toEqual({
      problems: {},
    })
    expect(await idsOf(name)).toContain('next')
    expect((await logOf(name).list({ ...ALL, from: T + 2 * day })).dropped).toEqual([])
  })

  it('stores of strangers no more than a tenth of the rows of the day', async () => {
    const name = 'tenth'
    const maxRows = 100
    for (let i = 0; i < 15; i++) {
      await logOf(name).append(batch([], { strangers: [record(`stranger-${i}`)], maxRows }))
    }
    // A record takes two rows.
    expect((await idsOf(name)).length).toBeLessThanOrEqual(maxRows / 10 / 2)
    expect(await idsOf(name)).toContain('stranger-0')
    await logOf(name).append(batch([record('known')], { maxRows }))
    expect(await idsOf(name)).toContain('known')
  })

  it('stores no more of an issuer that has filled half of its ring on a day, and of others', async () => {
    const name = 'shares'
    const terms = { maxBytes: 1_000_000, issuers: 2 }
    const long = (id: string) => record(id, 0, { detail: { found: incompressible(150_000) } })
    for (let i = 0; i < 6; i++) {
      // Each record counts for its own issuer, whichever comes first in a row.
      await logOf(name).append(batch([record(`short-${i}`, 0, OTHER), long(`long-${i}`)], terms))
      // A restart forgets nothing of it.
      if (i % 2 === 0) await abortAllDurableObjects()
    }
    const ids = await idsOf(name)
    expect(ids.filter((id) => String(id).startsWith('short'))).toHaveLength(6)
    const count = ids.length - 6
    expect(count).toBeGreaterThan(0)
    expect(count).toBeLessThan(6)
    const issuer = 'https://auth.acme.example'
    const gap = { reason: 'bytes_a_day', share: 'issuers', issuer, records: 6 - count }
    expect((await logOf(name).list(ALL)).dropped).toMatchObject([gap])
    // On the next day it is stored again.
    at(24 * HOUR)
    await logOf(name).append(batch([record('next')], terms))
    expect(await idsOf(name)).toContain('next')
  })

  it('evicts no act of an administrator of all issuers for acts of one of its own', async () => {
    const acts = (id: string) => [record(id, 0, { detail: { found: incompressible(50_000) } })]
    const name = 'own-acts'
    await logOf(name).append(batch([], { acts: acts('of-all'), maxBytes: 4_000_000 }))
    for (let i = 0; i < 4; i++) {
      const own = { acts: acts(`own-${i}`), isOwn: true, maxBytes: 4_000_000 }
      await logOf(name).append(batch([], own))
    }
    expect(await idsOf(name)).toEqual(['own-3', 'own-2', 'of-all'])
  })

  describe('that erases a subject', () => {
    const issuer = 'https://auth.acme.example'
    const other = 'https://auth.other.example'
    const actOf = (maxRows = Number.POSITIVE_INFINITY) => {
      const id = crypto.randomUUID()
      const record = recordAt(T, { id, kind: 'act', agent: 'ops', subject: 'maria' })
      return { id, record, retention: 86_400, maxBytes: 1e9, maxRows }
    }
    const erasure = { issuer, subject: 'alice', isOwn: false, isFirst: true }

    /** All that is stored, as text. */
    const everything = (name: string) =>
      runInDurableObject(logOf(name), async (_, { storage }) => {
        const rows = storage.sql.exec<{ data: ArrayBuffer }>('SELECT data FROM records').toArray()
        const texts = rows.map(({ data }) =>
          new Response(
            new Blob([data]).stream().pipeThrough(new DecompressionStream('gzip')),
          ).text(),
        )
        return (await Promise.all(texts)).join('\n')
      })

    it('removes its values from every record, and only them', async () => {
      const name = 'erase'
      await logOf(name).append(
        batch([
          record('hers', 0, {
            workflow: 'alices-run',
            jti: 'alices-token',
            path: '/files/alices-file',
            path_values: { id: 'alices-file' },
            network: '192.0.2.0/24',
            grant: ['files:read', 'files:read:alice'],
            token_scopes: ['files:read', 'files:read:alice', 'files:read:malice'],
            agent: 'alice',
            client: 'alice',
            agent_name: 'acme/alice',
            detail: { found: 'sub is alice' },
          }),
          record('alice-chose-this', 1),
          record('elsewhere', 2, { issuer: other, path_values: { id: 'x' } }),
          record('malice', 3, { subject: 'malice' }),
          record('acting', 4, {
            subject: 'bob',
            actors: [
              { sub: 'alice', issuer },
              { sub: 'alice', issuer: other },
            ],
          }),
        ]),
      )
      const entries = [
        { id: 'r1', kind: 'subject', issuer, value: 'alice', reason: 'alice left' },
        { id: 'r2', kind: 'subject', issuer, value: 'bob' },
      ]
      const revoke = { kind: 'act', act: 'revoke', subject: 'ops', entries, decision: undefined }
      await logOf(name).append(batch([], { acts: [record('act', 5, revoke)] }))

      expect(await logOf(name).erase({ ...erasure, act: actOf() })).toEqual({ records: 4 })
      const { found } = await logOf(name).list(ALL)
      const records = found.map(({ record }) => JSON.parse(record))
      const byId = (id: string) => records.find(({ request_id }) => request_id === id)
      const hers = records.filter(({ erased, subject }) => erased && subject === undefined)
      expect(hers).toHaveLength(2)
      expect(byId('hers')).toMatchObject({
        decision: 'allowed',
        route: 'GET /v1/files/{id}',
        grant: ['files:read'],
        token_scopes: ['files:read', 'files:read:malice'],
        issuer,
      })
      // A request id that a caller chose is replaced.
      expect(hers.some(({ id, request_id }) => id === request_id)).toBe(true)
      expect(byId('elsewhere')).toMatchObject({ subject: 'alice', path_values: { id: 'x' } })
      expect(byId('malice')).toMatchObject({ subject: 'malice' })
      expect(byId('acting')).toMatchObject({
        subject: 'bob',
        actors: [{ issuer }, { sub: 'alice', issuer: other }],
      })
      expect(byId('act').entries).toEqual([
        { id: 'r1', kind: 'subject', issuer },
        { id: 'r2', kind: 'subject', issuer, value: 'bob' },
      ])
      expect(records.find(({ act }) => act === 'erase')).toMatchObject({ agent: 'ops', records: 4 })

      const stored = await everything(name)
      for (const gone of ['alices-', '192.0.2.0', 'alice left', 'alice-chose', 'read:alice']) {
        expect([gone, stored.includes(gone)]).toEqual([gone, false])
      }
      // Nor does the index find it: only the record of the other issuer, and its actor.
      expect(await idsOf(name, { filters: { subject: 'alice', issuer } })).toEqual([])
      expect(await idsOf(name, { filters: { subject: 'alice' } })).toEqual(['elsewhere'])
      expect(await idsOf(name, { filters: { agent: 'alice' } })).toEqual([])
      expect(await logOf(name).erase({ ...erasure, act: actOf(), isFirst: false })).toEqual({
        records: 0,
      })
    })

    it('goes on where a call ended, and stops at the rows of the day', async () => {
      const name = 'erase-long'
      for (let i = 0; i < 4; i++) await logOf(name).append(batch([record(`r-${i}`)]))
      const [left] = await runInDurableObject(logOf(name), (_, { storage }) =>
        storage.sql
          .exec<{ n: number }>('SELECT day_rows AS n FROM known ORDER BY id DESC LIMIT 1')
          .toArray(),
      )
      // Rows for two records, and for the act.
      const act = actOf(Number(left?.n) + 6)
      const first = await logOf(name).erase({ ...erasure, act })
      expect(first).toMatchObject({ records: 2, next: expect.any(Number) })
      const row = first.next
      const stopped = await logOf(name).erase({ ...erasure, act, ...(row && { row }) })
      expect(stopped).toMatchObject({ records: 0, next: row, stoppedUntil: expect.any(Number) })
      const rest = await logOf(name).erase({ ...erasure, act: actOf(), ...(row && { row }) })
      expect(rest).toEqual({ records: 2 })
      expect(await idsOf(name, { filters: { subject: 'alice' } })).toEqual([])
      expect(await everything(name)).not.toContain('alice')
      // The hash that found the person is gone, too.
      const known = await runInDurableObject(logOf(name), (_, { storage }) =>
        storage.sql.exec<{ terms: string }>('SELECT terms FROM known').toArray(),
      )
      const hash = termText('subject', 'alice')
      expect(known.filter(({ terms }) => terms.includes(hash))).toEqual([])
    })

    it('leaves records of other issuers to those who may administer them', async () => {
      const name = 'erase-own'
      const actors = [{ sub: 'alice', issuer }]
      await logOf(name).append(batch([record('foreign', 0, { issuer: other, actors })]))
      const own = { ...erasure, isOwn: true, act: actOf() }
      expect(await logOf(name).erase(own)).toEqual({ records: 0 })
      expect(await everything(name)).toContain('"sub":"alice"')
    })
  })

  describe('that counts what records say', () => {
    const countsOf = async (name: string) => (await logOf(name).health()).counts
    const rule = 'GET /v1/files/{id}'
    const said = (count: number) => ({
      'allowed - 200': count,
      'origin 200': count,
      [`rule allowed ${rule}`]: count,
      [`ms allowed 25 ${rule}`]: count,
      [`sum allowed ${rule}`]: 12 * count,
    })
    const one = (id: string) => record(id, 0, { status: 200 })

    it('goes on after a restart, also with rows that were evicted or deleted', async () => {
      const name = 'counts'
      // A record of this length takes a row of its own, and a few fill the ring.
      const long = (id: string) =>
        record(id, 0, { status: 200, detail: { found: incompressible(300_000) } })
      for (let i = 0; i < 4; i++) {
        await logOf(name).append(batch([one(`c-${i}`)]))
        await logOf(name).append(batch([long(`l-${i}`)], { maxBytes: 500_000 }))
        await abortAllDurableObjects()
      }
      const stored = await idsOf(name)
      expect(stored.length).toBeLessThan(8)
      expect(await countsOf(name)).toEqual(said(8))
      at(26 * HOUR)
      expect(await runDurableObjectAlarm(logOf(name))).toBe(true)
      await abortAllDurableObjects()
      expect(await idsOf(name)).toEqual([])
      expect(await countsOf(name)).toEqual(said(8))
      await logOf(name).append(batch([one('new')]))
      expect(await countsOf(name)).toEqual(said(9))
    })
  })

  it('counts the rows of alerts, and has them after a restart', async () => {
    // No alarm rings, and nothing becomes due.
    at(HOUR)
    await runInDurableObject(logOf('alerts'), async (_, { storage }) => {
      const budget = createBudget(storage)
      const receiver = { url: 'https://127.0.0.1:9/hook', format: 'slack' } as const
      const alerts = () => createAlerts(storage, budget, createHealth(budget), receiver)
      const first = alerts()
      const before = budget.today().rows
      first.tell('something.odd', { agent: 'agent-1' })
      await first.run()
      // What it is, the alarm, and the failed attempt.
      expect(budget.today().rows).toBe(before + 3)
      expect(first.waiting()).toBe(1)
      expect(await storage.getAlarm()).not.toBeNull()
      const again = alerts()
      expect(again.waiting()).toBe(1)
      await again.run()
      expect(budget.today().rows).toBe(before + 3)
      for (let i = 0; i < 60; i++) again.tell('something.odd', { i })
      expect(again.waiting()).toBe(50)
    })
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

  it('deletes no row that has a record within the retention', async () => {
    const name = 'spread'
    await logOf(name).append(batch([record('old', 0), record('new', 2 * HOUR)]))
    at(25 * HOUR)
    expect(await runDurableObjectAlarm(logOf(name))).toBe(true)
    expect(await idsOf(name)).toEqual(['new', 'old'])
  })
})
