import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createLimits } from '../../../src/gate/limit/client.ts'
import type { RateLimiter } from '../../../src/gate/limit/object.ts'
import type { Quotas, Spent } from '../../../src/gate/model/limit.ts'

const { RATE_LIMITER } = env as unknown as {
  readonly RATE_LIMITER: DurableObjectNamespace<RateLimiter>
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const HUNDRED: Quotas = { bucket: { limit: 100, period: DAY } }

/** Keeps an object from the others of this file; it counts a name like its own. */
const limiterOf = (object: string) => ({
  take: (quotas: Quotas, spend: boolean, name = object) =>
    RATE_LIMITER.getByName(object).take(name, quotas, spend),
})

/** What the limiter says the time is: so many milliseconds after noon of tomorrow, UTC, so that no alarm is due. */
const noon = Math.floor(Date.now() / DAY) * DAY + 1.5 * DAY
const at = (ms: number) => void vi.spyOn(Date, 'now').mockReturnValue(noon + ms)
afterEach(() => void vi.restoreAllMocks())

const stored = (name: string) =>
  runInDurableObject(RATE_LIMITER.getByName(name), async (_, { storage }) => {
    const tables = storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'counts'").toArray()
    const rows = tables.length === 0 ? [] : storage.sql.exec('SELECT * FROM counts').toArray()
    return {
      names: rows.map((row) => row.name),
      states: rows.map((row): Spent => JSON.parse(String(row.state))),
      alarm: await storage.getAlarm(),
    }
  })

const passed = (taken: readonly { readonly ok: boolean }[]) => taken.filter(({ ok }) => ok).length

describe('the object that counts', () => {
  it('lets exactly as many through as the limit says, of hundreds at once', async () => {
    at(0)
    const taken = await Promise.all(
      Array.from({ length: 300 }, () => limiterOf('crowd').take(HUNDRED, true)),
    )
    expect(passed(taken)).toBe(100)
  })

  it('has counted what it counted when it was evicted', async () => {
    at(0)
    for (let i = 0; i < 100; i++) await limiterOf('evicted').take(HUNDRED, true)
    await abortAllDurableObjects()
    expect(await limiterOf('evicted').take(HUNDRED, true)).toMatchObject({
      ok: false,
      reason: { bucket: { left: 0 }, retryAfter: 864 },
    })
  })

  it('writes nothing where it is only looked at, or refuses', async () => {
    at(0)
    const one: Quotas = { daily: 1 }
    expect(await limiterOf('looked-at').take(one, false)).toMatchObject({ ok: true })
    expect(await stored('looked-at')).toEqual({ names: [], states: [], alarm: null })
    await limiterOf('looked-at').take(one, true)
    const before = await stored('looked-at')
    at(MINUTE)
    expect(await limiterOf('looked-at').take(one, true)).toMatchObject({ ok: false })
    expect(await stored('looked-at')).toEqual(before)
  })

  it('keeps a row for each name, and deletes it when it says nothing any more', async () => {
    const quotas: Quotas = { bucket: { limit: 10, period: 10 * MINUTE } }
    at(0)
    await limiterOf('kept').take(quotas, true)
    await limiterOf('kept').take(quotas, true, 'another')
    await limiterOf('kept').take({ daily: 2 }, true, 'of a day')
    expect((await stored('kept')).alarm).toBe(noon + HOUR)
    at(HOUR - 30_000)
    await limiterOf('kept').take(quotas, true)
    expect((await stored('kept')).names).toEqual(['another', 'kept', 'of a day'])

    at(HOUR)
    await runDurableObjectAlarm(RATE_LIMITER.getByName('kept'))
    const { names, states, alarm } = await stored('kept')
    expect(names).toEqual(['kept', 'of a day'])
    expect(states[0]).toMatchObject({ limit: 10 })
    expect(alarm).toBe(noon + 2 * HOUR)

    at(12 * HOUR)
    await runDurableObjectAlarm(RATE_LIMITER.getByName('kept'))
    expect(await stored('kept')).toEqual({ names: [], states: [], alarm: null })
    await limiterOf('kept').take(quotas, true)
    expect(await stored('kept')).toMatchObject({ names: ['kept'], alarm: noon + 13 * HOUR })
  })

  it('deletes what an object of version 1 had stored', async () => {
    at(0)
    const object = RATE_LIMITER.getByName('version 1')
    await runInDurableObject(object, async (_, { storage }) => {
      storage.kv.put('spent', { at: noon, owed: 1, limit: 1, period: 1, used: 0, schema: 1 })
      await storage.setAlarm(noon + MINUTE)
    })
    at(MINUTE)
    await runDurableObjectAlarm(object)
    const left = await runInDurableObject(object, (_, { storage }) => [...storage.kv.list()])
    expect(left).toEqual([])
  })
})

describe('limits behind the namespace', () => {
  const limits = createLimits({
    objects: RATE_LIMITER as never,
    binding: (name) => (env as Record<string, never>)[name],
    addresses: { takeAddress: () => Promise.reject(new Error('not asked')) },
  })

  /** Takes until it is refused; windows of the binding may change once on the way. */
  const untilRefused = async (take: () => ReturnType<typeof limits.take>) => {
    for (let taken = 0; taken <= 10; taken++) {
      const outcome = await take()
      if (!outcome.ok) return { taken, reason: outcome.reason }
    }
    throw new Error('never refused')
  }

  it('of a [[ratelimits]] binding are the platform’s', async () => {
    const limit = { kind: 'approximate', per: 'agent', binding: 'RL_TEST' } as const
    const { taken, reason } = await untilRefused(() => limits.take(limit, 'agent', true))
    expect(taken).toBeGreaterThanOrEqual(5)
    expect(reason).toEqual({ retryAfter: 10 })
    expect(await limits.take(limit, 'agent', false)).toEqual({ ok: true, value: {} })
    expect(await limits.take(limit, 'other', true)).toEqual({ ok: true, value: {} })
  })

  it('of an address by a binding share no key with others', async () => {
    const address = { kind: 'binding', binding: 'RL_TEST' } as const
    const { taken } = await untilRefused(async () => limits.takeAddress(address, 'agent'))
    expect(taken).toBeGreaterThanOrEqual(5)
  })
})
