import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { type AgentObjects, createAgentFeed, FEED } from '../../../src/control/agents/feed.ts'
import { createSightings, SIGHTINGS } from '../../../src/control/agents/sightings.ts'
import { writtenOf } from '../../../src/control/records/terms.ts'
import { FURTHER, type Sighting, useText } from '../../../src/gate/model/agents.ts'
import { recordAt } from '../audit/record.ts'

const TERMS = { prefix: '/.edgewarden', maxRows: 10 }
const AT = Date.UTC(2030, 0, 1)

beforeEach(() => void vi.useFakeTimers({ now: AT }))
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const batchOf = (...known: readonly string[]) => ({
  id: 'one',
  known: known.map(writtenOf),
  strangers: [],
  retention: 1,
  maxBytes: 1,
  maxRows: 1,
  agents: TERMS,
})

const see = (sightings: ReturnType<typeof createSightings>, ...texts: readonly string[]) => {
  for (const text of texts) sightings.add(writtenOf(text).record, TERMS)
}

/** A registry that notes what it is told, unless it fails. */
const start = () => {
  const told: Sighting[][] = []
  const ids: string[] = []
  const trouble = { isDown: false }
  const observe = async (sightings: readonly Sighting[], _: unknown, id: string) => {
    ids.push(id)
    if (trouble.isDown) throw new Error('down')
    told.push([...sightings])
  }
  const AGENTS: AgentObjects = { getByName: () => ({ observe }) }
  vi.spyOn(console, 'error').mockImplementation(() => {})
  return { told, ids, trouble, feed: createAgentFeed({ AGENTS }) }
}

it('tells one sighting of an agent for all that came within some seconds', async () => {
  const { told, feed } = start()
  for (let i = 0; i < 2; i++) feed(batchOf(recordAt(AT + i, { colo: 'AMS', jti: 't' })))
  feed(batchOf(recordAt(AT + 2, { country: 'DE', jti: 't' })))
  feed(batchOf(recordAt(AT + 9, { decision: 'denied', grant: undefined, country: 'BR', jti: 't' })))
  expect(told).toEqual([])
  await vi.advanceTimersByTimeAsync(FEED.ms)
  expect(told).toMatchObject([
    [{ agent: 'agent-1', first: AT, last: AT + 9, allowed: 3, used: ['files:read'] }],
  ])
  expect(told[0]?.[0]?.uses).toEqual(['["GET /v1/files/{id}"]'])
  // Where a refused request came from says nothing of the agent.
  expect([told[0]?.[0]?.tokens, told[0]?.[0]?.countries]).toEqual([['DE t'], ['DE']])
  await vi.advanceTimersByTimeAsync(10 * FEED.ms)
  expect(told).toHaveLength(1)
})

it('tells what it could not tell before the next, under the same id', async () => {
  const { told, ids, trouble, feed } = start()
  trouble.isDown = true
  feed(batchOf(recordAt(AT), recordAt(AT, { agent: 'other' })))
  await vi.advanceTimersByTimeAsync(FEED.ms)
  trouble.isDown = false
  feed(batchOf(recordAt(AT + 1)))
  await vi.advanceTimersByTimeAsync(FEED.ms)
  expect(told).toMatchObject([
    [{ agent: 'agent-1', allowed: 1, first: AT }, { agent: 'other' }],
    [{ agent: 'agent-1', allowed: 1, first: AT + 1 }],
  ])
  // Two attempts that failed, and the third.
  const [first, second, third, next] = ids
  expect([second, third]).toEqual([first, first])
  expect(next).not.toBe(first)
})

it('tells at once after the clock went back, with all that waits', async () => {
  const { told, feed } = start()
  feed({ ...batchOf(recordAt(AT)), sentAt: AT - FEED.ms })
  await vi.advanceTimersByTimeAsync(0)
  expect(told).toEqual([])
  feed({ ...batchOf(recordAt(AT, { agent: 'other' })), sentAt: AT - 3_600_000 })
  await vi.advanceTimersByTimeAsync(0)
  expect(told).toMatchObject([[{ agent: 'agent-1' }, { agent: 'other' }]])
})

it('tells many agents in several calls, and nothing where there is no registry', async () => {
  const { told, feed } = start()
  feed(batchOf(...Array.from({ length: 450 }, (_, i) => recordAt(AT, { agent: `a${i}` }))))
  await vi.advanceTimersByTimeAsync(FEED.ms)
  expect(told.map(({ length }) => length)).toEqual([200, 200, 50])
  createAgentFeed({})(batchOf(recordAt(AT)))
  expect(vi.getTimerCount()).toBe(0)
})

it('counts as refusals what an agent may not use, and nothing of a token that is over', () => {
  const sightings = createSightings()
  const refused = (status: number, code: string) =>
    recordAt(AT, { decision: 'denied', status, code })
  see(
    sightings,
    ...[refused(403, 'scope_missing'), refused(403, 'tool_not_allowed')],
    ...[refused(401, 'token_revoked'), refused(401, 'token_expired_during_request')],
    ...[refused(403, 'agent_suspended'), refused(429, 'rate_limited')],
    ...[refused(502, 'origin_unreachable'), refused(503, 'revocations_unavailable')],
  )
  expect(sightings.take()).toMatchObject([{ allowed: 0, probes: 2 }])
})

it('counts as asks the approvals that come for the first time, and no refusal of a call that waits', () => {
  const sightings = createSightings()
  const waits = (approval: string, code = 'approval_required') =>
    recordAt(AT, { decision: 'denied', status: 403, code, detail: { approval } })
  see(sightings, waits('one'), waits('one'), waits('two'))
  expect(sightings.take()).toMatchObject([{ allowed: 0, probes: 0, asks: 2 }])
  const [later, held] = [{ approval: 'two' }, { approval: 'three' }]
  see(sightings, waits('one'), recordAt(AT, later), recordAt(AT, held))
  see(sightings, waits('one', 'approval_refused'))
  expect(sightings.take()).toMatchObject([{ allowed: 2, probes: 1, asks: 1 }])
  const many = Array.from({ length: SIGHTINGS.approvals }, (_, i) => waits(`other-${i}`))
  see(sightings, ...many, waits('one'))
  // The oldest is forgotten, and counted again.
  expect(sightings.take()).toMatchObject([{ asks: SIGHTINGS.approvals + 1 }])
})

it('is bounded in agents, lists and texts', () => {
  const sightings = createSightings()
  const scopes = (i: number) => Array.from({ length: 40 }, (_, j) => `scope-${i}-${j}`)
  for (let i = 0; i < SIGHTINGS.agents + 10; i++) {
    see(sightings, recordAt(AT, { agent: `a${i}`, token_scopes: scopes(i) }))
  }
  const long = { agent: 'a1', token_scopes: ['x'.repeat(SIGHTINGS.characters + 1)] }
  for (let i = 0; i < 80; i++) {
    see(sightings, recordAt(AT, long))
    see(sightings, recordAt(AT, { agent: 'a0', route: `GET /${i}`, country: 'DE' }))
  }
  const all = sightings.take()
  expect(all).toHaveLength(SIGHTINGS.agents)
  const [first, second] = all
  expect([first?.granted.length, first?.uses.length, first?.tokens.length]).toEqual([32, 65, 32])
  // A list of which the watch learns says that it has no room for more.
  expect([first?.uses.at(-1), first?.countries]).toEqual([useText(FURTHER), ['DE']])
  expect(first?.requests).toHaveLength(SIGHTINGS.requests)
  expect(second?.granted.every((scope) => scope.length < 50)).toBe(true)
})

it('leaves room for agents of other issuers, however many an issuer makes up', () => {
  const sightings = createSightings()
  const flood = (name: string) =>
    Array.from({ length: 2 * SIGHTINGS.agents }, (_, i) =>
      recordAt(AT, { issuer: 'https://minting.example', agent: `${name}-${i}` }),
    )
  see(sightings, ...flood('first'))
  for (let i = 0; i < 20; i++) see(sightings, recordAt(AT, { agent: `watched-${i}` }))
  see(sightings, ...flood('later'))
  const all = sightings.take()
  expect(all).toHaveLength(SIGHTINGS.agents)
  expect(all.filter(({ agent }) => agent.startsWith('watched-'))).toHaveLength(20)
  expect([sightings.isEmpty(), sightings.take()]).toEqual([true, []])
})
