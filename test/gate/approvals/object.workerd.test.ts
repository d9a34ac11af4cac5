import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { AuditLog } from '../../../src/control/audit/object.ts'
import type { ApprovalStore } from '../../../src/gate/approvals/object/object.ts'
import type {
  ApprovalAsk,
  ApprovalDecision,
  ApprovalTerms,
} from '../../../src/gate/model/approval.ts'

const { APPROVALS, AUDIT_LOG } = env as unknown as {
  readonly AUDIT_LOG: DurableObjectNamespace<AuditLog>
  readonly APPROVALS: DurableObjectNamespace<ApprovalStore>
}

const storeOf = (name: string) => APPROVALS.getByName(name)

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** Milliseconds: noon of a day to come, so that no alarm is due, and no day turns in a test. */
const T = (Math.ceil(Date.now() / (24 * HOUR)) + 1.5) * 24 * HOUR
const at = (ms: number) => void vi.spyOn(Date, 'now').mockReturnValue(T + ms)
afterEach(() => void vi.restoreAllMocks())

const TERMS: ApprovalTerms = {
  within: 10 * MINUTE,
  anHour: 1_000,
  aDay: 1_000,
  waiting: { agent: 1_000, issuer: 1_000, all: 1_000 },
}
const MOST = TERMS.waiting

const asking = (digest: string, changes: Partial<ApprovalAsk> = {}): ApprovalAsk => ({
  digest,
  alike: digest,
  policy: 'policy-a',
  issuer: 'https://one.test',
  agent: 'planner',
  subjects: ['agent planner', 'subject alice'],
  shown: '{"amount":7,"rule":"POST /v1/refunds"}',
  ...changes,
})

const BOB = { issuer: 'https://people.test', subject: 'bob' }
const GRANTED: ApprovalDecision = { state: 'granted', by: BOB, digest: 'shown-a' }
const REFUSED: ApprovalDecision = {
  state: 'refused',
  by: BOB,
  digest: 'shown-a',
  reason: 'too much',
}

/** Asks, and returns the approval. */
const askedOf = async (name: string, one: ApprovalAsk, terms = TERMS) => {
  const asked = await storeOf(name).ask(one, terms)
  if (!asked.ok) throw new Error(asked.reason)
  return asked.value
}

const roomFor = async (name: string, one: ApprovalAsk, terms: Partial<ApprovalTerms>) => {
  const asked = await storeOf(name).ask(one, { ...TERMS, ...terms })
  return asked.ok ? asked.value.state : asked.reason
}

const waitingIn = async (name: string) => (await storeOf(name).list({ state: 'waiting' })).approvals

describe('an approval', () => {
  it('is asked for once: the same call is attached to it, and another call is not', async () => {
    at(0)
    const first = await askedOf('attach', asking('a'))
    expect(first).toMatchObject({ state: 'waiting', asked: T, expires: T + 10 * MINUTE })
    at(1)
    expect(await askedOf('attach', asking('a'))).toEqual(first)
    expect((await askedOf('attach', asking('b'))).id).not.toBe(first.id)
    expect(await waitingIn('attach')).toHaveLength(2)
  })

  it('lets a call through once, and the second try waits again', async () => {
    at(0)
    const store = storeOf('once')
    const { id } = await askedOf('once', asking('a'))
    expect(await store.take('a', 'request-1')).toMatchObject({
      ok: false,
      reason: { state: 'waiting' },
    })
    expect(await store.decide(id, GRANTED)).toMatchObject({ ok: true, value: { state: 'granted' } })
    expect(await askedOf('once', asking('a'))).toMatchObject({ id, state: 'granted' })
    expect(await store.take('b', 'request-1')).toEqual({ ok: false, reason: null })
    expect(await store.take('a', 'request-1')).toMatchObject({
      ok: true,
      value: { id, state: 'taken', decision: { by: BOB, at: T, digest: 'shown-a' } },
    })
    expect(await store.take('a', 'request-1')).toMatchObject({ ok: true })
    expect(await store.take('a', 'request-2')).toMatchObject({
      ok: false,
      reason: { state: 'taken' },
    })
    const again = await askedOf('once', asking('a'))
    expect(again).toMatchObject({ state: 'waiting' })
    expect(again.id).not.toBe(id)
    expect(await store.get(id)).toMatchObject({ state: 'taken' })
    expect(await store.take('a', 'request-1')).toMatchObject({ ok: false })
  })

  it('lets one of fifty copies through, for each of many calls at once', async () => {
    const digests = Array.from({ length: 20 }, (_, i) => `race-${i}`)
    const asked = await Promise.all(digests.map((digest) => askedOf('race', asking(digest))))
    const taking = digests.flatMap((digest) =>
      Array.from({ length: 50 }, async (_, i) => {
        const { id } = asked[digests.indexOf(digest)] ?? { id: '' }
        const waited = await storeOf('race').wait(id, 15_000, MOST)
        if (!waited.ok || waited.value?.state !== 'granted') return undefined
        const taken = await storeOf('race').take(digest, `${digest} ${i}`)
        return taken.ok ? digest : undefined
      }),
    )
    await expect
      .poll(() => runInDurableObject(storeOf('race'), (one) => one.waitingCalls))
      .toBe(1_000)
    await Promise.all(asked.map(({ id }) => storeOf('race').decide(id, GRANTED)))
    const through = (await Promise.all(taking)).filter((digest) => digest !== undefined)
    expect(through.sort()).toEqual(digests.sort())
  })

  it('is decided once: the second person is told of the first', async () => {
    at(0)
    const { id } = await askedOf('two', asking('a'))
    const eve = { issuer: BOB.issuer, subject: 'eve' }
    const both = await Promise.all([
      storeOf('two').decide(id, GRANTED),
      storeOf('two').decide(id, { ...REFUSED, by: eve }),
    ])
    expect(both).toMatchObject([
      { ok: true, value: { state: 'granted', decision: { by: BOB } } },
      { ok: false, reason: { state: 'granted', decision: { by: BOB } } },
    ])
    expect(await storeOf('two').decide('unknown', GRANTED)).toEqual({ ok: false, reason: null })
    // The same decision again, as after a lost answer.
    expect(await storeOf('two').decide(id, GRANTED)).toMatchObject({ ok: true })
    const changes = [{ by: eve }, { digest: 'shown-b' }, { reason: 'on second thought' }]
    for (const change of changes) {
      expect(await storeOf('two').decide(id, { ...GRANTED, ...change })).toMatchObject({
        ok: false,
      })
    }
  })

  it('that was refused cannot be asked for again within its time, and is never taken', async () => {
    at(0)
    const store = storeOf('refused')
    const { id } = await askedOf('refused', asking('a'))
    at(9 * MINUTE)
    expect(await store.decide(id, REFUSED)).toMatchObject({ ok: true })
    at(19 * MINUTE - 1)
    expect(await askedOf('refused', asking('a'))).toMatchObject({
      id,
      state: 'refused',
      decision: { reason: 'too much' },
    })
    expect(await store.take('a', 'request-1')).toMatchObject({ ok: false })
    at(19 * MINUTE)
    expect(await askedOf('refused', asking('a'))).toMatchObject({ state: 'waiting' })
  })

  it('is the latest of its call also where the clock was set back, and lasts as long', async () => {
    at(0)
    const first = await askedOf('clock', asking('a'))
    await storeOf('clock').end(['agent planner'])
    at(-HOUR)
    const { id } = await askedOf('clock', asking('a'))
    expect(id).not.toBe(first.id)
    expect(await storeOf('clock').decide(id, REFUSED)).toMatchObject({
      value: { expires: T - HOUR + 10 * MINUTE },
    })
    expect(await askedOf('clock', asking('a'))).toMatchObject({ id, state: 'refused' })
  })

  it('ends after its time, granted or not', async () => {
    at(0)
    const store = storeOf('expired')
    const [one, two] = [
      await askedOf('expired', asking('a')),
      await askedOf('expired', asking('b')),
    ]
    await store.decide(one.id, GRANTED)
    at(10 * MINUTE)
    expect(await store.take('a', 'request-1')).toMatchObject({ reason: { state: 'expired' } })
    expect(await store.decide(two.id, GRANTED)).toMatchObject({ reason: { state: 'expired' } })
    expect(await waitingIn('expired')).toEqual([])
    expect((await store.list({ state: 'decided' })).approvals).toMatchObject([
      { state: 'expired' },
      { state: 'expired' },
    ])
    expect(await askedOf('expired', asking('a'))).toMatchObject({ state: 'waiting' })
  })

  it('ends with a subject of its call, and no other does', async () => {
    at(0)
    const store = storeOf('ended')
    const [one, two, three] = [
      await askedOf('ended', asking('a')),
      await askedOf('ended', asking('b')),
      await askedOf('ended', asking('c', { subjects: ['subject carol'] })),
    ]
    await store.decide(one.id, GRANTED)
    await store.decide(three.id, GRANTED)
    const waited = store.wait(two.id, 15_000, MOST)
    expect(await store.end(['subject alice', 'subject nobody'])).toBe(2)
    expect(await waited).toMatchObject({ ok: true, value: { id: two.id, state: 'ended' } })
    expect(await store.take('a', 'request-1')).toMatchObject({ reason: { state: 'ended' } })
    expect(await store.take('c', 'request-1')).toMatchObject({ ok: true })
  })

  it('survives the end of its object: what is granted and not taken is still there', async () => {
    at(0)
    const ids = new Map<string, string>()
    for (const digest of ['a', 'b']) {
      const { id } = await askedOf('killed', asking(digest))
      ids.set(digest, id)
      await storeOf('killed').decide(id, GRANTED)
    }
    const { id } = await askedOf('killed', asking('c'))
    await storeOf('killed').take('b', 'request-1')
    const waited = storeOf('killed')
      .wait(id, 15_000, MOST)
      .catch(() => 'lost')
    await abortAllDurableObjects()
    expect(await waited).toBe('lost')
    expect(await storeOf('killed').take('a', 'request-2')).toMatchObject({ ok: true })
    expect(await storeOf('killed').take('b', 'request-3')).toMatchObject({ ok: false })
    expect(await storeOf('killed').take('b', 'request-1')).toMatchObject({ ok: true })
    const again = storeOf('killed').wait(id, 15_000, MOST)
    await storeOf('killed').decide(id, REFUSED)
    expect(await again).toMatchObject({ value: { state: 'refused' } })
  })
})

describe('a standing approval', () => {
  const like = (digest: string, changes: Partial<ApprovalAsk> = {}) =>
    asking(digest, { alike: 'refunds', ...changes })
  const standing = (uses: number, ms: number): ApprovalDecision => ({
    ...{ ...GRANTED, reason: 'weekly' },
    standing: { uses, ms },
  })
  const made = async (name: string, uses: number, ms = HOUR) => {
    const { id } = await askedOf(name, like('a'))
    expect(await storeOf(name).decide(id, standing(uses, ms))).toMatchObject({
      value: { state: 'granted', used: 0, expires: Date.now() + ms },
    })
    return id
  }

  it('covers calls like it until its end, which the time of asking does not shorten', async () => {
    at(0)
    const id = await made('until', 100, 2 * HOUR)
    at(2 * HOUR - 1)
    expect(await askedOf('until', like('b'))).toMatchObject({ id, state: 'granted' })
    expect(await askedOf('until', like('a'))).toMatchObject({ id, state: 'granted' })
    expect(await askedOf('until', asking('b'))).toMatchObject({ state: 'waiting' })
    at(2 * HOUR)
    expect(await askedOf('until', like('c'))).toMatchObject({ state: 'waiting' })
    expect(await storeOf('until').take('b', 'request-1', id)).toMatchObject({
      ...{ ok: false, reason: { id, state: 'expired' } },
    })
    expect((await storeOf('until').list({ state: 'standing' })).approvals).toEqual([])
  })

  it('gives each request one use, also a second try after its object was moved', async () => {
    at(0)
    const id = await made('uses', 2)
    const take = (by: string) => storeOf('uses').take('b', by, id)
    expect(await take('request-1')).toMatchObject({ ok: true, value: { id, used: 1 } })
    await abortAllDurableObjects()
    expect(await take('request-1')).toMatchObject({ ok: true, value: { id, used: 1 } })
    expect(await storeOf('uses').take('a', 'request-2')).toMatchObject({ ok: true })
    expect(await take('request-3')).toMatchObject({ ok: false, reason: { state: 'taken' } })
    expect(await take('request-2')).toMatchObject({ ok: true, value: { used: 2 } })
    expect(await askedOf('uses', like('b'))).toMatchObject({ state: 'waiting' })
  })

  it('is not taken for a call that a person refuses after it was found to cover the call', async () => {
    at(0)
    const waits = await askedOf('refused-late', like('b'))
    const id = await made('refused-late', 5)
    expect(await askedOf('refused-late', like('b'))).toMatchObject({ id, state: 'granted' })
    await storeOf('refused-late').decide(waits.id, REFUSED)
    expect(await storeOf('refused-late').take('b', 'request-1', id)).toMatchObject({
      ...{ ok: false, reason: { id: waits.id, state: 'refused' } },
    })
    expect(await storeOf('refused-late').take('c', 'request-2', id)).toMatchObject({ ok: true })
  })

  it('ends with a subject of its call, or when somebody ends it', async () => {
    at(0)
    const first = await made('ends', 5)
    await storeOf('ends').take('b', 'request-1', first)
    expect(await storeOf('ends').end(['subject alice'])).toBe(1)
    expect(await storeOf('ends').take('b', 'request-2', first)).toMatchObject({
      reason: { state: 'ended' },
    })
    const second = await made('ends', 5)
    expect(await storeOf('ends').withdraw(second, BOB)).toMatchObject({ value: { state: 'ended' } })
    expect(await askedOf('ends', like('c'))).toMatchObject({ state: 'waiting' })
    expect(await storeOf('ends').withdraw('unknown', BOB)).toEqual({ ok: false, reason: null })
  })

  it('is the same decision only with the same bounds, and has room for 20 of an agent and 200', async () => {
    at(0)
    const id = await made('rooms-standing', 5)
    const store = storeOf('rooms-standing')
    expect(await store.decide(id, standing(5, HOUR))).toMatchObject({ ok: true })
    expect(await store.decide(id, standing(6, HOUR))).toMatchObject({ ok: false })
    expect(await store.decide(id, standing(5, 1))).toMatchObject({ ok: false })
    const add = async (digest: string, agent: string) => {
      const one = await askedOf('rooms-standing', asking(digest, { agent }))
      return store.decide(one.id, standing(1, HOUR))
    }
    for (let i = 1; i < 200; i++) {
      const agent = i < 20 ? 'planner' : `agent-${i % 10}`
      expect(await add(`n-${i}`, agent)).toMatchObject({ ok: true })
      if (i === 19) {
        expect(await add('more', 'planner')).toEqual({ ok: false, reason: 'agent_full' })
      }
    }
    expect(await add('last', 'another')).toMatchObject({ ok: false })
    expect((await store.list({ state: 'standing' })).approvals).toHaveLength(200)
    at(HOUR)
    expect(await add('next', 'planner')).toMatchObject({ ok: true })
  })
})

describe('a list', () => {
  it('has what waits, the oldest first, or the rest, the latest first', async () => {
    const store = storeOf('listed')
    const ids: string[] = []
    for (const [i, one] of ['a', 'b', 'c', 'd'].entries()) {
      at(i)
      ids.push((await askedOf('listed', asking(one))).id)
    }
    await store.decide(ids[0] ?? '', GRANTED)
    await store.decide(ids[1] ?? '', REFUSED)
    const listed = async (state: 'waiting' | 'decided') =>
      (await store.list({ state })).approvals.map(({ id }) => id)
    expect(await listed('waiting')).toEqual([ids[2], ids[3]])
    expect(await listed('decided')).toEqual([ids[1], ids[0]])
    const { approvals } = await store.list({ state: 'decided' })
    at(24 * HOUR)
    expect(await store.counts()).toEqual({ states: { expired: 2, refused: 1 }, decidedIn: 2 })
    at(3)
    expect(await store.counts()).toEqual({
      states: { waiting: 2, granted: 1, refused: 1 },
      decidedIn: 2.5,
    })
    expect(approvals[1]).toMatchObject({ decision: { state: 'granted', by: BOB, at: T + 3 } })
  })

  it('is of one issuer, or of those that operators or owners of other issuers decide on', async () => {
    at(0)
    const ofOwners = '{"by":"owners"}'
    const other = { issuer: 'https://two.test' }
    await askedOf('reached', asking('a'))
    await askedOf('reached', asking('b', { shown: ofOwners }))
    await askedOf('reached', asking('c', other))
    await askedOf('reached', asking('d', { ...other, shown: ofOwners }))
    const listed = async (more: object) =>
      (await storeOf('reached').list({ state: 'waiting', ...more })).approvals.length
    expect(await listed({})).toBe(4)
    expect(await listed({ reach: 'https://one.test' })).toBe(3)
    expect(await listed({ reach: '' })).toBe(2)
    expect(await listed({ issuer: 'https://two.test' })).toBe(2)
    expect(await listed({ issuer: 'https://two.test', reach: '' })).toBe(1)
  })

  it('ends where an answer would be too long, and goes on from its cursor', async () => {
    at(0)
    const shown = JSON.stringify({ path: 'x'.repeat(1_000_000) })
    for (let i = 0; i < 9; i++) await askedOf('long', asking(`${i}`, { shown }))
    const { approvals, cursor = '' } = await storeOf('long').list({ state: 'waiting' })
    expect(approvals).toHaveLength(7)
    const rest = await storeOf('long').list({ state: 'waiting', cursor })
    expect(rest.approvals).toHaveLength(2)
    expect(rest).not.toHaveProperty('cursor')
  })

  it.each(['waiting', 'decided', 'standing'] as const)(
    'has each once over its pages: %s',
    async (state) => {
      const store = storeOf(`pages-${state}`)
      // Some were asked for at the same time.
      for (let i = 0; i < 7; i++) {
        at(i % 3)
        const { id } = await askedOf(`pages-${state}`, asking(`${i}`))
        if (state === 'decided') await store.decide(id, REFUSED)
        if (state === 'standing') {
          await store.decide(id, { ...GRANTED, reason: 'r', standing: { uses: 5, ms: HOUR } })
        }
      }
      at(4)
      const whole = await store.list({ state })
      const ids: string[] = []
      let cursor: string | undefined
      do {
        const page = await store.list({ state, limit: 2, ...(cursor !== undefined && { cursor }) })
        ids.push(...page.approvals.map(({ id }) => id))
        cursor = page.cursor
      } while (cursor !== undefined)
      expect(ids).toEqual(whole.approvals.map(({ id }) => id))
      expect(new Set(ids).size).toBe(7)
    },
  )
})

describe('a call that waits', () => {
  it('waits no longer than it asks for, nor than the approval lasts', async () => {
    const { id } = await askedOf('patience', asking('a'))
    expect(await storeOf('patience').wait(id, 5, MOST)).toMatchObject({
      value: { state: 'waiting' },
    })
    const brief = await askedOf('patience', asking('b'), { ...TERMS, within: 5 })
    expect(await storeOf('patience').wait(brief.id, 15_000, MOST)).toMatchObject({
      value: { state: 'expired' },
    })
    expect(await storeOf('patience').wait('unknown', 5, MOST)).toEqual({ ok: true, value: null })
    await runInDurableObject(storeOf('patience'), (one) => expect(one.waitingCalls).toBe(0))
  })

  it('has a place in three rooms: of its agent, of its issuer, of all', async () => {
    const { id } = await askedOf('rooms', asking('a'))
    const other = await askedOf('rooms', asking('b', { agent: 'other' }))
    const first = storeOf('rooms').wait(id, 15_000, MOST)
    await expect.poll(() => runInDurableObject(storeOf('rooms'), (one) => one.waitingCalls)).toBe(1)
    const refused = async (one: string, most: Partial<typeof MOST>) =>
      storeOf('rooms').wait(one, 15_000, { ...MOST, ...most })
    expect(await refused(id, { agent: 1 })).toEqual({ ok: false, reason: 'agent_full' })
    expect(await refused(other.id, { issuer: 1 })).toEqual({ ok: false, reason: 'issuer_full' })
    expect(await refused(other.id, { all: 1 })).toEqual({ ok: false, reason: 'all_full' })
    const second = storeOf('rooms').wait(other.id, 15_000, { ...MOST, agent: 1 })
    await storeOf('rooms').decide(id, GRANTED)
    await storeOf('rooms').decide(other.id, GRANTED)
    expect(await Promise.all([first, second])).toMatchObject([{ ok: true }, { ok: true }])
  })
})

describe('asking', () => {
  const other = (digest: string) => asking(digest, { agent: 'other' })
  const elsewhere = (digest: string) => asking(digest, { issuer: 'https://two.test' })

  it('has room for so many that wait, of an agent, of an issuer, and of all', async () => {
    at(0)
    const waiting = { agent: 2, issuer: 3, all: 4 }
    const room = (one: ApprovalAsk) => roomFor('full', one, { waiting })
    expect(await room(asking('a'))).toBe('waiting')
    expect(await room(asking('b'))).toBe('waiting')
    expect(await room(asking('c'))).toBe('agent_full')
    expect(await room(asking('b'))).toBe('waiting')
    expect(await room(other('d'))).toBe('waiting')
    expect(await room(other('e'))).toBe('issuer_full')
    expect(await room(elsewhere('f'))).toBe('waiting')
    expect(await room(elsewhere('g'))).toBe('all_full')
    const [first] = await waitingIn('full')
    await storeOf('full').decide(first?.id ?? '', GRANTED)
    expect(await room(elsewhere('g'))).toBe('waiting')
    at(10 * MINUTE)
    expect(await room(asking('c'))).toBe('waiting')
  })

  it('is bounded in an hour for an agent, and on a day for an issuer, whatever became of it', async () => {
    at(0)
    const terms = { anHour: 2, aDay: 3 }
    const room = async (one: ApprovalAsk) => {
      const state = await roomFor('often', one, terms)
      if (state === 'waiting') await storeOf('often').end(one.subjects)
      return state
    }
    expect(await room(asking('a'))).toBe('waiting')
    expect(await room(asking('a'))).toBe('waiting')
    expect(await room(asking('a'))).toBe('hour_full')
    await abortAllDurableObjects()
    expect(await room(asking('a'))).toBe('hour_full')
    expect(await room(other('b'))).toBe('waiting')
    at(HOUR)
    expect(await room(asking('a'))).toBe('day_full')
    expect(await room(elsewhere('c'))).toBe('waiting')
    at(12 * HOUR)
    expect(await room(asking('a'))).toBe('waiting')
  })

  it('writes ten rows for an approval at most, and nothing is left of it after four days', async () => {
    at(0)
    const written = await runInDurableObject(storeOf('rows'), async (one, { storage }) => {
      let rows = 0
      const { exec } = storage.sql
      const counted = vi.spyOn(storage.sql, 'exec').mockImplementation((...given) => {
        const cursor = exec.apply(storage.sql, given)
        const all = cursor.toArray()
        rows += cursor.rowsWritten
        return Object.assign(Object.create(cursor), { toArray: () => all, one: () => all[0] })
      })
      const asked = await one.ask(asking('a'), TERMS)
      one.decide(asked.ok ? asked.value.id : '', GRANTED)
      one.take('a', 'request-1')
      counted.mockRestore()
      return rows
    })
    expect(written).toBeGreaterThan(5)
    expect(written).toBeLessThanOrEqual(10)
    at(72 * HOUR - 1)
    await runDurableObjectAlarm(storeOf('rows'))
    await runInDurableObject(storeOf('rows'), async (_, { storage }) => {
      expect(storage.sql.exec('SELECT id FROM approvals').toArray()).toHaveLength(1)
    })
    at(72 * HOUR)
    await runDurableObjectAlarm(storeOf('rows'))
    await runInDurableObject(storeOf('rows'), async (_, { storage }) => {
      expect(storage.sql.exec('SELECT id FROM approvals').toArray()).toEqual([])
      expect(await storage.getAlarm()).toBeNull()
    })
  })

  it('is an act, and so is its end if nobody used it; where there is an audit', async () => {
    at(0)
    const acts = { retention: 864_000, maxBytes: 1e9, maxRows: 1e9 }
    const [waits, granted, taken] = [
      await askedOf('acts', asking('a'), { ...TERMS, acts }),
      await askedOf('acts', asking('b'), { ...TERMS, acts, pages: 'https://ops.test/approvals/' }),
      await askedOf('acts', asking('c'), { ...TERMS, acts }),
    ]
    await askedOf('acts', asking('a'), { ...TERMS, acts })
    for (const { id } of [granted, taken]) await storeOf('acts').decide(id, GRANTED)
    await storeOf('acts').take('c', 'request-1')
    at(10 * MINUTE)
    expect(await runDurableObjectAlarm(storeOf('acts'))).toBe(true)
    const stored = async () => {
      const audit = AUDIT_LOG.getByName('0')
      const { found } = await audit.list({ filters: { kind: 'act' }, limit: 100 })
      return found.map(({ record }) => JSON.parse(record))
    }
    await expect.poll(async () => (await stored()).length).toBe(5)
    const of = { issuer: 'https://one.test', route: 'POST /v1/refunds' }
    const entries = [{ kind: 'agent', issuer: of.issuer, value: 'planner' }]
    const known = [
      { ...of, act: 'ask', agent: 'planner', approval: waits.id },
      ...[
        {
          ...of,
          act: 'ask',
          approval: granted.id,
          url: `https://ops.test/approvals/${granted.id}`,
        },
      ],
      { ...of, act: 'ask', approval: taken.id },
      { ...of, act: 'expire', approval: waits.id, entries },
      { ...of, act: 'expire', approval: granted.id, entries },
    ]
    for (const one of known) expect(await stored()).toContainEqual(expect.objectContaining(one))
    at(72 * HOUR)
    await runDurableObjectAlarm(storeOf('acts'))
    expect(await stored()).toHaveLength(5)
    // Without an audit none is kept.
    await askedOf('no acts', asking('a'))
    await runInDurableObject(storeOf('no acts'), (_, { storage }) => {
      expect([...storage.kv.list({ prefix: 'act' })]).toEqual([])
    })
  })

  it('is not answered by a refusal without a reason', async () => {
    at(0)
    const { id } = await askedOf('reason', asking('a'))
    const { reason: _, ...bare } = REFUSED
    await runInDurableObject(storeOf('reason'), (one) => {
      expect(() => one.decide(id, bare)).toThrow('a decision without its reason')
      const standing = { uses: 1, ms: 1 }
      expect(() => one.decide(id, { ...GRANTED, standing })).toThrow(
        'a decision without its reason',
      )
      expect(one.get(id)).toMatchObject({ state: 'waiting' })
    })
  })
})
