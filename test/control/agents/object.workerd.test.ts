import {
  evictDurableObject,
  reset,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { AgentRegistry } from '../../../src/control/agents/object.ts'
import type { AuditLog } from '../../../src/control/audit/object.ts'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { type AgentChange, keyText, type Sighting } from '../../../src/gate/model/agents.ts'
import { subjectKey } from '../../../src/gate/model/revocation.ts'
import { RevocationShard } from '../../../src/gate/revocation/object/object.ts'
import { eventually } from '../../kit/eventually.ts'
import { leader } from '../../kit/shards.workerd.ts'
import { recordAt } from '../audit/record.ts'
import { sqlOf } from './support.workerd.ts'

const { AGENTS, AUDIT_LOG } = env as unknown as {
  readonly AGENTS: DurableObjectNamespace<AgentRegistry>
  readonly AUDIT_LOG: DurableObjectNamespace<AuditLog>
}

afterEach(async () => {
  vi.restoreAllMocks()
  await reset()
})

const ISSUER = 'https://auth.acme.example'
const TERMS = { prefix: '/.edgewarden', maxRows: Number.POSITIVE_INFINITY }

it('discovers agents by what the audit has stored, strangers and own endpoints never', async () => {
  const now = Date.now()
  const call = { mcp: { method: 'tools/call', name: 'get_weather' }, route: 'POST /mcp' }
  const known = [
    recordAt(now, { colo: 'AMS', key_thumbprint: 'jkt-1' }),
    recordAt(now + 1, {
      ...call,
      grant: ['weather:read'],
      actors: [{ sub: 'planner', issuer: ISSUER }],
    }),
    recordAt(now + 2, { agent: 'planner', decision: 'denied', code: 'scope_missing' }),
    recordAt(now + 3, { agent: 'ops', route: 'GET /.edgewarden/policy' }),
  ]
  const strangers = [recordAt(now, { agent: 'stranger' })]
  const terms = { retention: 86_400, maxBytes: 1e9, maxRows: Number.POSITIVE_INFINITY }
  await AUDIT_LOG.getByName('0').append({ id: 'one', known, strangers, ...terms, agents: TERMS })
  const rows = async () =>
    sqlOf(AGENTS.getByName('registry'), 'SELECT agent, status, seen FROM agents ORDER BY agent')
  await eventually(async () => expect(await rows()).toHaveLength(2))
  const [one, planner] = await rows()
  expect([one?.agent, planner?.agent]).toEqual(['agent-1', 'planner'])
  expect(JSON.parse(String(one?.seen))).toMatchObject({
    keys: ['jkt-1'],
    used: { 'files:read': expect.any(Number), 'weather:read': expect.any(Number) },
    uses: {
      '["GET /v1/files/{id}"]': expect.any(Number),
      '["POST /mcp","get_weather"]': expect.any(Number),
    },
    parents: [keyText({ issuer: ISSUER, agent: 'planner' })],
  })
  // A refused request has used nothing, although its record names the scopes of its rule.
  const { used, uses, children } = JSON.parse(String(planner?.seen))
  expect([used, uses]).toEqual([{}, {}])
  expect(children).toEqual([keyText({ issuer: ISSUER, agent: 'agent-1' })])
})

const registry = () => AGENTS.getByName('registry')

/** What a shard of the audit has seen of an agent. */
const sightingOf = (agent: string, at: number, more: Partial<Sighting> = {}): Sighting => ({
  issuer: ISSUER,
  agent,
  first: at,
  last: at,
  allowed: 1,
  probes: 0,
  uses: [],
  tokens: [],
  types: [],
  clients: [],
  granted: [],
  used: [],
  parents: [],
  countries: [],
  networks: [],
  keys: [],
  checksums: [],
  registrations: [],
  requests: [],
  ...more,
})

const change = (act: AgentChange['act'], agent: string, more: Partial<AgentChange> = {}) =>
  registry().change({ issuer: ISSUER, agent, act, at: 1, by: 'ops', match: '*', ...more })

const approve = (agent: string, more: Partial<AgentChange> = {}) => {
  const key = { issuer: ISSUER, agent, at: 1, by: 'ops' }
  return registry().change({ ...key, act: 'put', status: 'approved', ...more })
}

/** What the revocation set says of an agent. */
const standingOf = async (value: string) => {
  const found = await leader().lookup([subjectKey({ kind: 'agent', issuer: ISSUER, value })])
  return found?.entries.map(({ mode }) => mode)
}

describe('what is seen of an agent', () => {
  const rowsOf = () => sqlOf(registry(), 'SELECT agent, last FROM agents ORDER BY last')
  const START = Date.UTC(2030, 0, 1)

  it('is stored if it is new, and else every ten minutes at most', async () => {
    const see = (minute: number, more?: Partial<Sighting>) =>
      registry().observe([sightingOf('a', START + minute * 60_000, more)], TERMS)
    const last = async () => ((await rowsOf())[0]?.last as number) - START
    for (const minute of [0, 1, 9]) await see(minute)
    expect(await last()).toBe(0)
    await see(9.5, { used: ['files:read'] })
    expect(await last()).toBe(9.5 * 60_000)
    await see(19, { used: ['files:read'] })
    expect(await last()).toBe(9.5 * 60_000)
    await see(20)
    expect(await last()).toBe(20 * 60_000)
  })

  it('stops when the rows of the day are used up', async () => {
    const many = Array.from({ length: 20 }, (_, i) => sightingOf(`a${i}`, START + i))
    await registry().observe(many, { ...TERMS, maxRows: 5 })
    expect((await rowsOf()).length).toBeLessThan(6)
  })

  it('is forgotten after 90 days, but for whom it was seen with', async () => {
    const day = 86_400_000
    await registry().observe([sightingOf('a', START, { used: ['old'], clients: ['c'] })], TERMS)
    await registry().observe([sightingOf('a', START + 91 * day, { used: ['new'] })], TERMS)
    const entry = await registry().get({ issuer: ISSUER, agent: 'a' })
    expect([Object.keys(entry?.seen?.used ?? {}), entry?.seen?.clients]).toEqual([['new'], ['c']])
  })
})

describe('more agents than an issuer may have', () => {
  const { discoveredAgents } = LIMITS
  beforeEach(() => void Object.assign(LIMITS, { discoveredAgents: 10 }))
  afterEach(() => void Object.assign(LIMITS, { discoveredAgents }))

  it('push out the oldest discovered ones of that issuer, and nobody else', async () => {
    const other = { issuer: 'https://other.example' }
    // One of theirs has the id of one that goes.
    const theirs = ['m10', 'theirs'].map((agent) => sightingOf(agent, 1, other))
    await registry().observe(theirs, TERMS)
    await registry().observe([sightingOf('suspended', 1), sightingOf('approved', 1)], TERMS)
    await approve('approved', { match: [0] })
    await change('suspend', 'suspended')
    for (let at = 10; at < 50; at++) await registry().observe([sightingOf(`m${at}`, at)], TERMS)
    const namesOf = async (issuer: string) =>
      (await registry().list({ issuer, limit: 100 })).agents.map(({ agent }) => agent)
    const names = await namesOf(ISSUER)
    expect(names).toEqual(expect.arrayContaining(['suspended', 'approved', 'm49']))
    expect(names).not.toContain('m10')
    expect(names.length).toBeLessThanOrEqual(12)
    expect(await namesOf(other.issuer)).toEqual(['m10', 'theirs'])
    expect([await standingOf('approved'), await standingOf('suspended')]).toEqual([
      ['approved'],
      ['suspended'],
    ])
  })

  it('do not push out one of which the revocation set has an approval that was taken back', async () => {
    await approve('a')
    const down = vi
      .spyOn(RevocationShard.prototype, 'setStandings')
      .mockRejectedValue(new Error('the set is down'))
    await change('patch', 'a', { status: 'discovered' })
    for (let at = 10; at < 50; at++) await registry().observe([sightingOf(`m${at}`, at)], TERMS)
    down.mockRestore()
    expect(await standingOf('a')).toEqual(['approved'])
    expect(await runDurableObjectAlarm(registry())).toBe(true)
    expect(await standingOf('a')).toEqual([])
  })

  it('push out none of which an administrator wrote, and of those as many as there is room for', async () => {
    await registry().observe([sightingOf('owned', 1), sightingOf('idle', 1)], TERMS)
    await change('patch', 'owned', { fields: { owners: ['team-a'] } })
    for (let at = 10; at < 50; at++) await registry().observe([sightingOf(`m${at}`, at)], TERMS)
    const names = async () => (await registry().list({ limit: 100 })).agents.map((one) => one.agent)
    expect(await names()).toContain('owned')
    expect(await names()).not.toContain('idle')
    const fields = { owners: ['team-b'] }
    for (let i = 0; i < 30; i++) await change('put', `w${i}`, { status: 'discovered', fields })
    expect((await names()).filter((name) => /^[ow]/.test(name)).length).toBeLessThanOrEqual(11)
    expect((await names()).filter((name) => name.startsWith('m')).length).toBeGreaterThan(8)
  })
})

describe('where there is no room for more decisions', () => {
  const { agentStandings } = LIMITS
  beforeEach(() => void Object.assign(LIMITS, { agentStandings: 20 }))
  afterEach(() => void Object.assign(LIMITS, { agentStandings }))

  it('leaves administrators of an issuer a tenth, and refuses what is more', async () => {
    const full = { refused: 'agents_full' }
    for (const agent of ['a', 'b'])
      expect(await approve(agent, { own: true })).toHaveProperty('entry')
    expect(await approve('c', { own: true })).toEqual(full)
    expect(await change('suspend', 'a', { own: true })).toHaveProperty('entry')
    for (let i = 2; i < 20; i++) expect(await approve(`all-${i}`)).toHaveProperty('entry')
    expect(await approve('more')).toEqual(full)
    await change('patch', 'all-2', { status: 'discovered' })
    expect(await approve('more')).toHaveProperty('entry')
  })
})

describe('the revocation set', () => {
  it('is told later what it could not be told', async () => {
    const down = vi
      .spyOn(RevocationShard.prototype, 'setStandings')
      .mockRejectedValue(new Error('the set is down'))
    expect(await approve('a')).toMatchObject({ entry: { status: 'approved' } })
    expect(await approve('a', { match: [1] })).not.toHaveProperty('shards')
    expect(await standingOf('a')).toEqual([])
    down.mockRestore()
    expect(await runDurableObjectAlarm(registry())).toBe(true)
    expect(await standingOf('a')).toEqual(['approved'])
  })

  it('is told what was decided while it was told something else', async () => {
    const { setStandings } = RevocationShard.prototype
    let isTold = false
    vi.spyOn(RevocationShard.prototype, 'setStandings').mockImplementationOnce(async function (
      this: RevocationShard,
      ...given
    ) {
      isTold = true
      const entry = () => registry().get({ issuer: ISSUER, agent: 'a' })
      await eventually(async () => expect(await entry()).toMatchObject({ status: 'suspended' }))
      return setStandings.apply(this, given)
    })
    const approved = approve('a')
    await eventually(() => expect(isTold).toBe(true))
    await Promise.all([approved, change('suspend', 'a')])
    await eventually(async () => expect(await standingOf('a')).toEqual(['suspended']))
  })

  it('is told all again once it has begun anew', async () => {
    for (const agent of ['a', 'b']) await approve(agent)
    await change('suspend', 'b')
    await change('retire', 'a')
    await runInDurableObject(leader(), (_, { storage }) => storage.deleteAll())
    await evictDurableObject(leader())
    expect(await standingOf('b')).toEqual([])
    expect(await runDurableObjectAlarm(registry())).toBe(true)
    expect([await standingOf('a'), await standingOf('b')]).toEqual([['retired'], ['suspended']])
  })

  it('has no approval that is over, and none after it was taken back', async () => {
    await approve('a', { fields: { expires: '2001-01-01T00:00:00Z' } })
    await approve('b')
    await change('patch', 'b', { status: 'discovered' })
    expect([await standingOf('a'), await standingOf('b')]).toEqual([[], []])
  })
})
