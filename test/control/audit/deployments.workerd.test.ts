import {
  abortAllDurableObjects,
  reset,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createAuditReads } from '../../../src/control/audit/client.ts'
import { AuditLog } from '../../../src/control/audit/object.ts'
import type { Batch } from '../../../src/gate/outbox/protocol.ts'
import { createSender } from '../../../src/gate/outbox/sender.ts'
import { recordAt } from './record.ts'

const { AUDIT_LOG } = env as unknown as {
  readonly AUDIT_LOG: DurableObjectNamespace<AuditLog>
}

afterEach(async () => {
  vi.restoreAllMocks()
  await reset()
})

const shard = () => AUDIT_LOG.getByName('0')

/** What an isolate tells that runs this policy. */
const told = (policy: string, more: Partial<Batch> = {}): Batch => ({
  id: `deployed-${policy}`,
  known: [],
  strangers: [],
  deployed: { policy },
  ...{ retention: 86_400, maxBytes: 1e9, maxRows: Number.POSITIVE_INFINITY },
  ...more,
})

/** The policies of the acts, the latest first. */
const acts = async () => {
  const { found } = await shard().list({ filters: { kind: 'policy' }, limit: 1_000 })
  return found.map(({ record }) => JSON.parse(record).policy)
}

describe('the act of a deployment', () => {
  it('is stored once, however many isolates tell of it at once, and after a restart', async () => {
    await Promise.all(['a', 'b', 'a', 'b', 'a'].map((policy) => shard().append(told(policy))))
    expect((await acts()).toSorted()).toEqual(['a', 'b'])
    await abortAllDurableObjects()
    await shard().append(told('a', { id: 'under another id' }))
    expect((await acts()).toSorted()).toEqual(['a', 'b'])
  })

  it('is stored with the next isolate if it could not be stored', async () => {
    await runInDurableObject(shard(), async (log, { storage }) => {
      vi.spyOn(storage, 'transactionSync').mockImplementationOnce(() => {
        throw new Error('full')
      })
      await expect(log.append(told('a'))).rejects.toThrow('full')
      await log.append(told('a'))
    })
    expect(await acts()).toEqual(['a'])
  })

  it('is stored also after the rows of the day are used up', async () => {
    const maxRows = 4
    await shard().append(told('a', { maxRows }))
    const known = [recordAt(Date.now())]
    const { stoppedUntil } = await shard().append({ ...told('a', { maxRows }), id: 'one', known })
    expect(stoppedUntil).toBeUndefined()
    const { deployed: _, ...batch } = told('a', { maxRows, id: 'two', known })
    expect((await shard().append(batch)).stoppedUntil).toBeGreaterThan(Date.now())
    await shard().append(told('b', { maxRows }))
    expect(await acts()).toEqual(['b', 'a'])
  })

  it('ends with the retention, keeps its policy when a person is erased, and does not come again', async () => {
    await shard().append(told('a', { deployed: { policy: 'a', version: 'alice' } }))
    const { retention, maxBytes, maxRows } = told('a')
    const record = { v: 1, kind: 'act', id: crypto.randomUUID(), time: new Date().toISOString() }
    const act = { id: record.id, record: JSON.stringify(record), retention, maxBytes, maxRows }
    const person = { issuer: 'https://auth.acme.example', subject: 'alice', isOwn: false }
    expect(await shard().erase({ ...person, act, isFirst: true })).toEqual({ records: 0 })
    expect(await acts()).toEqual(['a'])
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 2 * 86_400_000)
    expect(await runDurableObjectAlarm(shard())).toBe(true)
    expect(await acts()).toEqual([])
    vi.restoreAllMocks()
    await abortAllDurableObjects()
    await shard().append(told('a', { id: 'again', deployed: { policy: 'a', version: 'alice' } }))
    expect(await acts()).toEqual([])
  })

  it('comes again for a policy of more than 200 deployments before', async () => {
    const all = Array.from({ length: 201 }, (_, i) => told(`policy-${i}`))
    await runInDurableObject(shard(), (log) => Promise.all(all.map((one) => log.append(one))))
    await abortAllDurableObjects()
    await shard().append(told('policy-1', { id: 'again' }))
    expect((await acts()).slice(0, 2)).toEqual(['policy-200', 'policy-199'])
    await shard().append(told('policy-0', { id: 'another' }))
    expect((await acts()).slice(0, 2)).toEqual(['policy-0', 'policy-200'])
  })
})

describe('an isolate', () => {
  const RULE = {
    ...{ retention: 86_400, maxBytes: 1e9, maxRows: Number.POSITIVE_INFINITY },
    ...{ addresses: false, pathValues: new Set<string>(), claims: [] },
  }
  const later: Promise<unknown>[] = []
  let now = Date.now()
  const isolate = (text: string, shards = 1) => {
    const audit = createSender({
      objects: AUDIT_LOG,
      rule: { ...RULE, shards },
      issuers: 1,
      policyText: () => text,
      version: 'v1',
      problems: () => ({}),
      clock: { now: () => now },
      waitUntil: (promise) => void later.push(promise),
      log: () => {},
    })
    return async () => {
      audit.take(recordAt(now, { policy: undefined }), 'known')
      await audit.flush()
      await Promise.all(later)
    }
  }

  it('stores its records while its deployment cannot be stored, and tells of it a minute later', async () => {
    const { append } = AuditLog.prototype
    const tried = vi.fn()
    vi.spyOn(AuditLog.prototype, 'append').mockImplementation(function (
      this: AuditLog,
      batch: Batch,
    ) {
      if (!batch.deployed) return append.call(this, batch)
      tried()
      return Promise.reject(new Error('down'))
    })
    const request = isolate('{}')
    await request()
    const { length } = tried.mock.calls
    expect(length).toBeGreaterThan(0)
    await request()
    expect(tried).toHaveBeenCalledTimes(length)
    const { found } = await shard().list({ filters: { agent: 'agent-1' }, limit: 10 })
    expect(found).toHaveLength(2)
    vi.restoreAllMocks()
    await request()
    expect(await acts()).toEqual([])
    now += 60_000
    await request()
    expect(await acts()).toHaveLength(1)
  })

  it('tells the shard of acts, and keeps the policy beside its records too', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.9)
    const { append } = AuditLog.prototype
    let isRefused = false
    vi.spyOn(AuditLog.prototype, 'append').mockImplementation(function (
      this: AuditLog,
      batch: Batch,
    ) {
      if (isRefused || batch.deployed) return append.call(this, batch)
      isRefused = true
      return Promise.resolve({ stoppedUntil: now + 1 })
    })
    const request = isolate('{"gate":{}}', 2)
    // The rows of the other shard are used up, and then they are not.
    await request()
    expect(await acts()).toHaveLength(1)
    now += 60_000
    await request()
    const rule = { ...RULE, shards: 2 }
    const reads = createAuditReads({ objects: AUDIT_LOG, rule, waitUntil() {} })
    const { decisions } = await reads.list({ filters: { agent: 'agent-1' }, limit: 10 })
    expect(decisions).toHaveLength(1)
    const { id } = JSON.parse(decisions[0] ?? '{}')
    expect(await reads.get(id)).toMatchObject({ policy: '{"gate":{}}' })
    const [act] = (await shard().list({ filters: { kind: 'policy' }, limit: 1 })).found
    const found = await reads.get(JSON.parse(act?.record ?? '{}').id)
    expect(found).toMatchObject({ policy: '{"gate":{}}' })
  })

  it('has an act, and no text, of a policy that is too long', async () => {
    await isolate(`{"gate":"${'x'.repeat(1_000_000)}"}`)()
    expect(await acts()).toHaveLength(1)
    const { found } = await shard().list({ filters: { kind: 'policy' }, limit: 1 })
    const { id } = JSON.parse(found[0]?.record ?? '{}')
    expect(await shard().get(id)).not.toHaveProperty('policy')
  })
})
