import { describe, expect, it } from 'vitest'
import { fail, ok } from '../../src/gate/base/result.ts'
import type { StandingPorts } from '../../src/gate/guard/checks/check.ts'
import type { LimitPorts } from '../../src/gate/guard/stages/limit.ts'
import { revocation } from '../../src/gate/guard/stages/revocation.ts'
import {
  type Revocation,
  type RevocationTerms,
  revocableSubjects,
} from '../../src/gate/model/revocation.ts'
import type { Route } from '../../src/gate/model/route.ts'
import type { AccessToken } from '../../src/gate/model/token.ts'
import { accessOf, agentOf, codeOf, gateOf, ISSUER, NOW, policyOf, routeOf } from '../kit/facts.ts'

const entryOf = (changes: Partial<Revocation> = {}): Revocation => ({
  id: 'entry-1',
  kind: 'token',
  issuer: ISSUER,
  value: 'token-1',
  mode: 'block',
  created: NOW - 10,
  createdBy: 'admin',
  ...changes,
})

/** The standing of the agent. */
const standingOf = (changes: Partial<Revocation>): Revocation =>
  entryOf({ id: 'standing-1', kind: 'agent', value: agentOf().id, ...changes })

interface Given {
  readonly access?: Partial<AccessToken>
  readonly lift?: readonly string[]
  readonly tolerance?: number
  /** What the clock says when the set has answered. */
  readonly now?: number
  readonly lookup?: StandingPorts['revocations']['lookup']
  /** The terms of the rule. */
  readonly terms?: RevocationTerms
  readonly take?: LimitPorts['limits']['take']
  readonly mode?: Route['mode']
  readonly agents?: Route['agents']
}

const BOUNDED: RevocationTerms = { consistency: 'bounded', maxStaleness: 2_000 }
const SUBJECTS = revocableSubjects(accessOf(), agentOf())
const ROUTE = routeOf('GET /v1/x', { revocation: BOUNDED })

const run = (
  entries: readonly Revocation[],
  {
    access = {},
    lift = [],
    tolerance = 5,
    now = NOW,
    lookup = async () => entries,
    terms = BOUNDED,
    take = () => ok({}),
    mode = 'enforce',
    agents,
  }: Given = {},
) =>
  revocation.run(
    {
      route: { ...ROUTE, revocation: terms, mode, ...(agents && { agents }) },
      policy: policyOf([], { gate: gateOf({ lift: new Set(lift), clockTolerance: tolerance }) }),
      access: accessOf(access),
      intent: {},
      agent: agentOf(),
      subjects: SUBJECTS,
    },
    { clock: { now: () => now * 1000 }, revocations: { lookup }, limits: { take } },
  )

/** The token was issued a minute before `NOW`; the tolerance is 5 seconds. */
const issued = NOW - 60

describe('revocation', () => {
  it.each<[string, readonly Revocation[], Given?]>([
    ['ok', []],
    ['token_revoked', [entryOf()]],
    ['token_revoked', [entryOf({ kind: 'issuer', value: '' })]],
    ['token_revoked', [entryOf({ expires: NOW + 1 })]],
    ['ok', [entryOf({ expires: NOW })]],
    ['ok', [entryOf({ expires: NOW - 1 })]],
    ['token_revoked', [entryOf({ expires: NOW - 1 }), entryOf()]],
    ['token_revoked', [entryOf({ mode: 'before', at: issued })]],
    ['token_revoked', [entryOf({ mode: 'before', at: issued - 5 })]],
    ['ok', [entryOf({ mode: 'before', at: issued - 6 })]],
    ['ok', [entryOf({ mode: 'before', at: issued - 1 })], { tolerance: 0 }],
    ['token_revoked', [entryOf({ mode: 'before', at: issued - 6 })], { tolerance: 6 }],
    ['ok', [entryOf({ mode: 'before' })]],
    ['ok', [entryOf({ mode: 'before', at: NOW, expires: NOW })]],
    ['ok', [entryOf()], { lift: ['entry-1'] }],
    ['token_revoked', [entryOf(), entryOf({ id: 'entry-2' })], { lift: ['entry-1'] }],
    ['ok', [], { access: { expires: NOW + 4 }, now: NOW + 8 }],
    ['token_expired_during_request', [], { access: { expires: NOW + 4 }, now: NOW + 9 }],
    ['token_revoked', [entryOf()], { access: { expires: NOW - 100 } }],
  ])('%s for %j (%j)', async (code, entries, given) => {
    expect(codeOf(await run(entries, given))).toBe(code)
    // The same from a set that answers at once, and then nothing waits.
    const outcome = run(entries, { ...given, lookup: () => entries })
    if (outcome instanceof Promise) throw new Error('it waits')
    expect(codeOf(outcome)).toBe(code)
  })

  it.each<[string, Partial<Revocation>, Given?]>([
    ['ok', {}],
    ['agent_not_approved', { value: 'another' }],
    // An actor of another issuer, with the same id.
    ['agent_not_approved', { issuer: 'https://other.example.com' }],
    ['agent_not_approved', { expires: NOW }],
    ['agent_not_approved', {}, { lift: ['standing-1'] }],
  ])('%s where only approved agents may call, with %j (%j)', async (code, changes, given) => {
    const entry = standingOf({ mode: 'approved', ...changes })
    expect(codeOf(await run([entry], { agents: 'approved', ...given }))).toBe(code)
  })

  it.each<[string, Partial<Revocation>]>([
    ['agent_suspended', { mode: 'suspended' }],
    ['agent_retired', { mode: 'retired' }],
    ['agent_throttled', { mode: 'throttle', limit: 1 }],
  ])('%s with %j, unless the policy lifts it', async (code, changes) => {
    const take: Given['take'] = () => fail({ retryAfter: 10 })
    expect(codeOf(await run([standingOf(changes)], { take }))).toBe(code)
    expect(codeOf(await run([standingOf(changes)], { take, lift: ['standing-1'] }))).toBe('ok')
  })

  it.each<RevocationTerms>([
    { consistency: 'strict', maxStaleness: 5_000 },
    { consistency: 'bounded', maxStaleness: 1_000 },
    { consistency: 'bounded', maxStaleness: 300_000 },
  ])('asks as the rule says, and not as GATE does: %j', async (terms) => {
    const asked: unknown[] = []
    const lookup: Given['lookup'] = (_, as) => {
      asked.push(as)
      return []
    }
    expect(codeOf(await run([], { lookup, terms }))).toBe('ok')
    expect(asked).toEqual([terms])
  })

  it('counts a request of a throttled agent for each entry, and looks the token up again', async () => {
    const throttle = entryOf({ id: 'throttle-1', kind: 'agent', mode: 'throttle', limit: 3 })
    const both = [throttle, { ...throttle, id: 'throttle-2', limit: 9 }]
    const taken: unknown[] = []
    let looks = 0
    const lookup = () => {
      looks++
      return both
    }
    const take: Given['take'] = (rule, id, spend) => {
      taken.push([rule.kind === 'exact' && rule.quotas.bucket?.limit, id, spend])
      return ok({})
    }
    expect(codeOf(await run([], { lookup, take }))).toBe('ok')
    expect(codeOf(await run([], { lookup, take, mode: 'shadow' }))).toBe('ok')
    expect(taken).toEqual([
      [3, 'throttle-1', true],
      [9, 'throttle-2', true],
      [3, 'throttle-1', false],
      [9, 'throttle-2', false],
    ])
    expect(looks).toBe(4)
    const later = () => (++looks % 2 === 1 ? both : [entryOf()])
    expect(codeOf(await run([], { lookup: later }))).toBe('token_revoked')
  })

  it.each<[number, Given['take'] & object]>([
    [17, () => fail({ retryAfter: 17 })],
    [10, () => Promise.reject(new Error('nobody counts'))],
    [
      10,
      () => {
        throw new Error('nobody counts')
      },
    ],
  ])('refuses a throttled agent for %d s', async (retryAfter, take) => {
    const outcome = await run([entryOf({ mode: 'throttle', limit: 3 })], { take })
    expect(outcome).toMatchObject({ reason: { code: 'agent_throttled', params: { retryAfter } } })
    const ended = entryOf({ mode: 'throttle', limit: 3, expires: NOW })
    expect(codeOf(await run([ended], { take }))).toBe('ok')
    const revoked = [entryOf({ mode: 'throttle', limit: 3 }), entryOf()]
    expect(codeOf(await run(revoked, { take }))).toBe('token_revoked')
  })

  it('takes an answer from whatever can be awaited', async () => {
    const thenable = (entries: readonly Revocation[]) =>
      // biome-ignore lint/suspicious/noThenProperty: a port may be made of another promise
      ({ then: (done: (value: unknown) => void) => done(entries) }) as Promise<typeof entries>
    expect(codeOf(await run([], { lookup: () => thenable([]) }))).toBe('ok')
    expect(codeOf(await run([], { lookup: () => thenable([entryOf()]) }))).toBe('token_revoked')
  })

  it.each<[string, Given['lookup'] & object]>([
    ['rejects', () => Promise.reject(new Error('no such shard'))],
    [
      'rejects later',
      async () => {
        await Promise.resolve()
        throw new Error('no such shard')
      },
    ],
    [
      'throws',
      () => {
        throw new Error('no such shard')
      },
    ],
  ])('denies when the set %s', async (_, lookup) => {
    const outcome = await run([], { lookup })
    expect(codeOf(outcome)).toBe('revocations_unavailable')
    expect(outcome).toMatchObject({
      reason: { answer: 'unavailable', detail: { error: 'Error: no such shard' } },
    })
  })

  it('asks for everything that could be revoked at once', async () => {
    const asked: unknown[] = []
    const lookup = async (subjects?: unknown) => {
      asked.push(subjects)
      return []
    }
    await run([], { lookup })
    expect(asked).toEqual([SUBJECTS])
  })
})
