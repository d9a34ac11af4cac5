import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { usualObjects } from '../kit/repository.ts'
import { CUT, createCallers, createCounter, createDice, type Got } from './load.ts'
import { type Setting, startSetting } from './setting.ts'
import { withShards } from './shards.ts'

const AGENTS = 100
const REQUESTS = 10_000
const CONNECTIONS = 16
/** Milliseconds. */
const BOUND = 1_000
const PATH = '/.edgewarden/revocations'
/** Sent a byte at a time, which takes a tenth of a second. */
const SLOW = { body: 'x'.repeat(20), pace: 5 }

/** Deployments, each an isolate of its own, and their shards: one, a larger one, one as before. */
const SHARDS = { old: 4, large: 8, back: 4 }
type Name = keyof typeof SHARDS

/** Who is in service from which share of the requests on: shards are added and taken away again. */
const ROLL: readonly (readonly [from: number, names: readonly Name[]])[] = [
  [0, ['old']],
  [0.2, ['old', 'large']],
  [0.4, ['large']],
  [0.55, ['large', 'back']],
  [0.75, ['back']],
]

/** What befalls a shard after which share of the requests; from `3` all isolates here pull changes. */
const TROUBLE: readonly (readonly [after: number, shard: string, what: string, how?: object])[] = [
  [0.03, '1', 'behave', { lookups: 150 }],
  [0.03, '3', 'behave', { pulls: 800 }],
  [0.18, '1', 'wipe'],
  [0.19, '0', 'behave', { pages: 300 }],
  [0.19, '3', 'wipe'],
  [0.21, '2', 'behave', { trouble: 'deaf' }],
  [0.25, '7', 'behave', { takes: 200 }],
  [0.3, '6', 'wipe'],
  [0.32, '2', 'behave', { takes: 200 }],
  [0.45, '0', 'stop'],
  [0.5, '7', 'behave', {}],
  [0.52, '2', 'stop'],
  [0.53, '3', 'behave', { pulls: 800 }],
  [0.54, '1', 'wipe'],
  [0.75, '0', 'wipe'],
  [0.8, '5', 'wipe'],
]

interface Sent {
  /** Of this request alone, so that the origin can tell which it got. */
  readonly number: number
  readonly agent: number
  readonly name: Name
  readonly isStrict: boolean
  readonly isSlow: boolean
  /** Before the request was sent, so that its decision begins later. */
  readonly at: number
  readonly endedAt: number
  readonly status: number
}

/** When a revocation was asked for, and when it was first said that every shard has it. */
interface Revoked {
  readonly askedAt: number
  readonly heldAt: number
}

const policyOf = (name: Name) => ({
  gate: { revocation: { consistency: 'bounded', max_staleness: '1s', shards: SHARDS[name] } },
  issuer: { admin: 'all' },
  routes: [
    { match: 'GET,POST /bounded/x', scopes: [] },
    { match: 'GET,POST /strict/x', scopes: [], revocation: 'strict' },
  ],
})

let setting: Setting
let gates: Readonly<Record<Name, Gate>>
let shards: Awaited<ReturnType<typeof withShards>>
let tokens: readonly string[]
let admin: string
const { call, close } = createCallers(CONNECTIONS + 8)

beforeAll(async () => {
  shards = await withShards(inject('bundle'))
  setting = await startSetting({
    ...policyOf('old'),
    bundle: shards.path,
    durableObjects: { ...usualObjects(), REVOCATIONS: 'TroubledShard' },
    reaching: true,
    beside: [policyOf('large'), policyOf('back')],
  })
  const [large, back] = setting.gate.beside as [Gate, Gate]
  gates = { old: setting.gate, large, back }
  admin = await setting.token({ client_id: 'ops', scope: 'edgewarden:revoke edgewarden:read' })
  tokens = await Promise.all(
    Array.from({ length: AGENTS }, (_, i) =>
      setting.token({ client_id: `agent-${i}`, sub: `agent-${i}` }),
    ),
  )
})
afterAll(async () => {
  close()
  await setting.close()
  await shards.remove()
})

const same = (one: Sent, other: Sent): boolean =>
  (Object.keys(one) as (keyof Sent)[]).every((key) => one[key] === other[key])

/** What is known of how far a revocation has come where nobody can be asked. */
const NONE = { total: 1, acknowledged: 0 }

/** Asks until every shard is said to have what was made. */
const held = async (gate: Gate, made: Got): Promise<void> => {
  for (let { status, text } = made; ; await wait(50)) {
    expect([200, 202, 503]).toContain(status)
    const { total, acknowledged } = status === 503 ? NONE : JSON.parse(text).shards
    if (total === acknowledged) return
    ;({ status, text } = await call(gate, { path: made.location ?? '', token: admin }))
  }
}

it('no request passes late, of ten thousand while a hundred agents are revoked', async () => {
  const dice = createDice(7)
  const oneOf = <One>(all: readonly One[]): One => all[dice(all.length)] as One
  const order = Array.from({ length: AGENTS }, (_, i) => (i * 37) % AGENTS)
  const revoked = new Map<number, Revoked>()
  const all: Sent[] = []
  const answered = createCounter()
  let begun = 0
  let isOver = false

  const inService = () => ROLL.findLast(([from]) => answered.count >= from * REQUESTS)?.[1] ?? []

  const ask = async (agent: number, name: Name, isStrict: boolean, isSlow = false) => {
    const number = ++begun
    const path = `/${isStrict ? 'strict' : 'bounded'}/x?${number}`
    const at = performance.now()
    const given = { path, token: tokens[agent] ?? '', ...(isSlow && SLOW) }
    const { status } = await call(gates[name], given)
    all.push({ number, agent, name, isStrict, isSlow, at, endedAt: performance.now(), status })
    answered.more()
  }

  const stream = async () => {
    while (begun < REQUESTS || !isOver) {
      // Most of them are of those who were revoked lately, or are next.
      const back = dice(oneOf([8, 40, AGENTS]))
      const agent = order[(revoked.size + AGENTS - back) % AGENTS] ?? 0
      await ask(agent, oneOf(inService()), dice(2) === 0, dice(60) === 0)
    }
  }

  const revoke = async (agent: number): Promise<void> => {
    const names = inService()
    const gate = gates[oneOf(names)]
    const entry = { kind: 'agent', issuer: setting.issuer.issuer, value: `agent-${agent}` }
    const askedAt = performance.now()
    revoked.set(agent, { askedAt, heldAt: Number.POSITIVE_INFINITY })
    const body = { body: JSON.stringify(entry), pace: dice(8) === 0 ? 1 : 0 }
    const post = () => call(gate, { path: PATH, token: admin, ...body })
    let made = await post()
    // Where the shard that leads was stopped meanwhile, nobody knows whether it has stored it.
    while (made.status === 503) made = await post()
    await held(gate, made)
    revoked.set(agent, { askedAt, heldAt: performance.now() })
    // At once, before anyone could hear of it later.
    await Promise.all(names.flatMap((name) => [ask(agent, name, true), ask(agent, name, false)]))
  }

  const revokeAll = async () => {
    const going: Promise<void>[] = []
    for (const [index, agent] of order.entries()) {
      // Spread over the run, so that most requests come before or long after one of them.
      await answered.until(Math.floor(((index + dice(3)) * REQUESTS * 0.9) / AGENTS))
      going.push(revoke(agent))
    }
    await Promise.all(going)
    isOver = true
  }

  const befall = async () => {
    for (const [after, shard, what, ...how] of TROUBLE) {
      await answered.until(Math.floor(after * REQUESTS))
      const done = setting.gate.call('REVOCATIONS', shard, what, ...how)
      if (what === 'behave') await done
      else await expect(done).rejects.toThrow(what === 'wipe' ? 'wiped' : 'stopped')
    }
  }

  await Promise.all([befall(), revokeAll(), ...Array.from({ length: CONNECTIONS }, stream)])
  for (const name of ['large', 'back'] as const) {
    await Promise.all(order.map((agent) => ask(agent, name, true)))
  }

  const since = ({ agent, at }: Sent) => at - (revoked.get(agent)?.heldAt ?? 0)
  const passed = new Set(setting.origin.requests.map(({ url }) => Number(url.split('?')[1])))
  const isLate = (one: Sent) => since(one) > (one.isStrict ? 0 : BOUND)
  const late = all.filter((one) => isLate(one) && (passed.has(one.number) || one.status === 200))
  expect(late).toEqual([])
  const isEarly = ({ agent, endedAt }: Sent) => endedAt < (revoked.get(agent)?.askedAt ?? 0)
  // A set that is out of reach for longer than the bound ends what is on its way, too.
  const early = all.filter((one) => one.status === CUT && isEarly(one))
  expect(early.length).toBeLessThan(REQUESTS / 50)
  const others = all.filter(({ status }) => ![200, 401, CUT].includes(status))
  // While the shard that leads is away, nobody may be let through who has to ask it.
  expect(others.filter(({ status }) => status !== 503)).toEqual([])
  expect(others.length).toBeLessThan(REQUESTS / 4)
  // It has proved something: many passed and many were refused, in every way.
  expect(all.length).toBeGreaterThanOrEqual(REQUESTS)
  const count = (status: number, some: Partial<Sent>) =>
    all.filter((one) => same({ ...one, ...some, status }, one)).length
  for (const name of ['old', 'large', 'back'] as const) {
    for (const isStrict of [true, false]) {
      expect(count(200, { name, isStrict })).toBeGreaterThan(50)
      expect(count(401, { name, isStrict })).toBeGreaterThan(200)
    }
  }
  for (const status of [200, 401]) expect(count(status, { isSlow: true })).toBeGreaterThan(20)
  // Shards have answered since their trouble: the one that leads, and others that isolates still ask.
  const answers = await Promise.all(
    ['0', '1', '2', '3', '4', '7'].map((shard) =>
      setting.gate.call('REVOCATIONS', shard, 'answers'),
    ),
  )
  expect(answers[0]).not.toBe(0)
  expect(answers.filter((lookups) => lookups !== 0).length).toBeGreaterThan(2)
})
