import { evictDurableObject, reset, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, it, vi } from 'vitest'
import type { AgentRegistry } from '../../../src/control/agents/object.ts'
import { createAlertTable, STORE_MS } from '../../../src/control/agents/watch-store.ts'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import type { AgentStore, AgentTerms, Sighting } from '../../../src/gate/model/agents.ts'
import { SIGNALS, type WatchRule } from '../../../src/gate/model/watch.ts'
import { RevocationShard } from '../../../src/gate/revocation/object/object.ts'
import { eventually } from '../../kit/eventually.ts'
import { sqlOf } from './support.workerd.ts'

const { AGENTS } = env as unknown as {
  readonly AGENTS: DurableObjectNamespace<AgentRegistry>
}

afterEach(async () => {
  vi.restoreAllMocks()
  await reset()
})

// An object with a timer is not evicted before it.
STORE_MS.quiet = 20

const ISSUER = 'https://auth.acme.example'
const HOUR = 3_600_000
const RULE = {
  name: 'all',
  signals: SIGNALS,
  action: 'quarantine',
  duration: 900,
  throttle: 6,
  atMost: 2,
} satisfies WatchRule
const termsOf = (rule: WatchRule = RULE): AgentTerms => ({
  prefix: '/.edgewarden',
  maxRows: Number.POSITIVE_INFINITY,
  watch: { rules: [rule], acts: { retention: 86_400, maxBytes: 1e9, maxRows: 1e6 } },
})

const sighting = (agent: string, at: number, use = 'GET /x', issuer = ISSUER): Sighting => ({
  issuer,
  agent,
  watch: 'all',
  ...{ first: at, last: at, allowed: 3, probes: 0 },
  uses: [JSON.stringify([use])],
  tokens: [],
  ...{ types: [], clients: [], granted: [], used: ['read'], parents: [], keys: [] },
  ...{ checksums: [], registrations: [] },
  ...{ countries: [], networks: [], requests: ['request-1'] },
})

const registry = () => AGENTS.getByName('registry')

/** Five weeks of calls, each hour some. */
const learn = (agent: string, issuer?: string) => {
  const now = Math.floor(Date.now() / HOUR) * HOUR
  const hours = Array.from({ length: 35 * 24 }, (_, i) => now - (35 * 24 - i) * HOUR)
  return registry().observe(
    hours.map((at) => sighting(agent, at, undefined, issuer)),
    termsOf(),
  )
}
const odd = (agent: string, rule?: WatchRule, issuer?: string) =>
  registry().observe([sighting(agent, Date.now(), 'DELETE /x', issuer)], termsOf(rule))
const alerts = async () => {
  const store = registry() as unknown as Pick<AgentStore, 'alerts'>
  return (await store.alerts({ limit: 10 })).alerts
}

it('stops no more agents in an hour than may be, until a person says something of one', async () => {
  for (const agent of ['a', 'b', 'c', 'd']) {
    await learn(agent)
    await odd(agent, { ...RULE, action: agent === 'a' ? 'throttle' : 'quarantine' })
  }
  const found = await alerts()
  expect(found.map(({ agent }) => agent)).toEqual(['d', 'c', 'b', 'a'])
  expect(found.map((one) => [one.quarantine !== undefined, one.not_stopped])).toEqual([
    [false, true],
    [false, true],
    [true, undefined],
    [true, undefined],
  ])
  await registry().judge({ id: found[3]?.id ?? 0, verdict: 'release', by: 'maria' })
  await learn('e')
  await odd('e')
  const [latest] = await alerts()
  expect([latest?.agent, latest?.quarantine?.until]).toEqual(['e', expect.any(Number)])
  const now = Date.now()
  vi.spyOn(Date, 'now').mockReturnValue(now + HOUR)
  await learn('f')
  await odd('f')
  expect((await alerts())[0]).toMatchObject({ agent: 'f', quarantine: {} })
})

it('keeps a thousand alerts of an issuer, and pushes out none of another', async () => {
  const kept = await runInDurableObject(registry(), (_, { storage }) => {
    const table = createAlertTable(storage)
    const add = (issuer: string) =>
      table.add(
        {
          ...{ at: Date.now(), issuer, agent: 'a', watch: 'all', signal: 'new_use' },
          ...{ usual: {}, seen: {}, requests: [] },
        },
        {},
      )
    add('https://auth.beta.example')
    for (let i = 0; i < 1_003; i++) add(ISSUER)
    const count = (issuer: string) => table.list({ issuer, limit: 2_000 }).alerts.length
    return [count(ISSUER), count('https://auth.beta.example')]
  })
  expect(kept).toEqual([1_000, 1])
})

it('stops of one issuer half as many as may be, where there are several', async () => {
  const other = 'https://auth.beta.example'
  const rule = { ...RULE, atMost: 4 }
  await learn('x', other)
  for (const agent of ['a', 'b', 'c']) {
    await learn(agent)
    await odd(agent, rule)
  }
  await odd('x', rule, other)
  const stopped = (await alerts()).map((one) => [one.agent, one.quarantine !== undefined])
  expect(Object.fromEntries(stopped)).toEqual({ a: true, b: true, c: false, x: true })
})

it('says that a quarantine has failed where the set cannot be reached, and watches on', async () => {
  await learn('a')
  vi.spyOn(RevocationShard.prototype, 'add').mockRejectedValue(new Error('the set is down'))
  await odd('a')
  await eventually(async () =>
    expect(await alerts()).toMatchObject([{ agent: 'a', quarantine: { failed: true } }]),
  )
})

it('stops again an agent that goes on after its quarantine, and not before', async () => {
  await learn('a')
  await odd('a')
  const now = Date.now()
  const later = (seconds: number) =>
    void vi.spyOn(Date, 'now').mockReturnValue(now + seconds * 1_000)
  later(RULE.duration - 60)
  await odd('a')
  expect(await alerts()).toHaveLength(1)
  later(RULE.duration + 60)
  await odd('a')
  const found = await alerts()
  expect(found.map(({ signal }) => signal)).toEqual(['new_use', 'new_use'])
  expect(found[0]?.quarantine?.until).toBe(Date.now() + RULE.duration * 1_000)
})

it('never quarantines for refusals, and only by the signals of its table', async () => {
  await learn('a')
  const refused = { ...sighting('a', Date.now()), allowed: 0, probes: 12 }
  await registry().observe([refused], termsOf())
  const [alert] = await alerts()
  expect(alert?.signal).toBe('refusals')
  expect(alert).not.toHaveProperty('quarantine')
  await learn('b')
  await odd('b', { ...RULE, signals: ['volume'] })
  expect(await alerts()).toHaveLength(1)
})

it('has what it learned after a restart, and its alerts once', async () => {
  await learn('a')
  await odd('a')
  await evictDurableObject(registry())
  await odd('a')
  expect(await alerts()).toHaveLength(1)
  await registry().judge({ id: 1, verdict: 'dismiss', by: 'maria' })
  await registry().judge({ id: 1, verdict: 'dismiss', by: 'maria' })
  await evictDurableObject(registry())
  await odd('a')
  expect(await alerts()).toMatchObject([{ verdict: { is: 'dismiss', by: 'maria' } }])
  expect(await registry().judge({ id: 1, verdict: 'dismiss', by: 'x', issuer: 'other' })).toBe(
    undefined,
  )
})

it('counts a call once, though its answer was lost and it comes again', async () => {
  await learn('a')
  const refused = { ...sighting('a', Date.now()), allowed: 0, probes: 6 }
  const tell = (id: string) => registry().observe([refused], termsOf(), id)
  await Promise.all([tell('call-1'), tell('call-1')])
  await tell('call-1')
  expect(await alerts()).toEqual([])
  await tell('call-2')
  expect(await alerts()).toMatchObject([{ signal: 'refusals', seen: { refusals: 12 } }])
})

it('forgets what is usual of an agent with its entry', async () => {
  const { discoveredAgents } = LIMITS
  Object.assign(LIMITS, { discoveredAgents: 10 })
  try {
    await learn('a')
    await evictDurableObject(registry())
    await learn('a"')
    expect(await sqlOf(registry(), 'SELECT * FROM watched')).toHaveLength(2)
    const minted = Array.from({ length: 30 }, (_, i) => sighting(`m-${i}`, Date.now()))
    for (const one of minted) await registry().observe([one], termsOf())
    await odd('a')
    await odd('a"')
    expect(await alerts()).toEqual([])
    await evictDurableObject(registry())
    const states = await sqlOf(registry(), 'SELECT agent FROM watched')
    const agents = await sqlOf(registry(), 'SELECT agent FROM agents')
    const named = (text: unknown) => JSON.parse(String(text)) as string[]
    expect(states.map((one) => named(one.agent)[1]).sort()).toEqual(
      agents.map((one) => one.agent).sort(),
    )
  } finally {
    Object.assign(LIMITS, { discoveredAgents })
  }
})

it('lifts no quarantine of a later alert by judging one that is over', async () => {
  await learn('a')
  await odd('a', { ...RULE, duration: 0 })
  const scoped = { ...sighting('a', Date.now()), used: ['write'] }
  await registry().observe([scoped], termsOf())
  expect((await alerts()).map(({ signal }) => signal)).toEqual(['new_scope', 'new_use'])
  const remove = vi.spyOn(RevocationShard.prototype, 'remove')
  await registry().judge({ id: 1, verdict: 'dismiss', by: 'maria' })
  expect(remove).not.toHaveBeenCalled()
  await registry().judge({ id: 2, verdict: 'dismiss', by: 'maria' })
  expect(remove).toHaveBeenCalledOnce()
})
