import { expect, it, vi } from 'vitest'
import { fail, ok } from '../../../src/gate/base/result.ts'
import type { StandingPorts } from '../../../src/gate/guard/checks/check.ts'
import type { LimitPorts } from '../../../src/gate/guard/stages/limit.ts'
import { revocation } from '../../../src/gate/guard/stages/revocation.ts'
import {
  type Revocation,
  type RevocationTerms,
  revocableSubjects,
} from '../../../src/gate/model/revocation.ts'
import type { Route } from '../../../src/gate/model/route.ts'
import type { AccessToken } from '../../../src/gate/model/token.ts'
import {
  accessOf,
  agentOf,
  codeOf,
  gateOf,
  ISSUER,
  NOW,
  policyOf,
  routeOf,
} from '../../kit/facts.ts'

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

const before = (at?: number, more: Partial<Revocation> = {}) =>
  entryOf({ mode: 'before', ...(at !== undefined && { at }), ...more })

it.each<[string, readonly Revocation[], Given?]>([
  ['ok', []],
  ['token_revoked', [entryOf()]],
  ['token_revoked', [entryOf({ kind: 'issuer', value: '' })]],
  ['token_revoked', [entryOf({ expires: NOW - 1 }), entryOf({ expires: NOW + 1 })]],
  ['ok', [entryOf({ expires: NOW })]],
  ['token_revoked', [before(issued - 5)]],
  ['ok', [before(issued - 6)]],
  ['ok', [before(issued - 1)], { tolerance: 0 }],
  ['ok', [before()]],
  ['ok', [before(NOW, { expires: NOW })]],
  ['token_revoked', [entryOf(), entryOf({ id: 'entry-2' })], { lift: ['entry-1'] }],
  ['ok', [], { access: { expires: NOW + 4 }, now: NOW + 8 }],
  ['token_expired_during_request', [], { access: { expires: NOW + 4 }, now: NOW + 9 }],
  ['token_revoked', [entryOf()], { access: { expires: NOW - 100 } }],
  ['agent_suspended', [standingOf({ mode: 'suspended' })]],
  ['agent_retired', [standingOf({ mode: 'retired' })]],
])('says %s of a token with the entries %j (%j)', async (code, entries, given) => {
  expect(codeOf(await run(entries, given))).toBe(code)
  // The same from a set that answers at once, and then nothing waits.
  const outcome = run(entries, { ...given, lookup: () => entries })
  if (outcome instanceof Promise) throw new Error('it waits')
  expect(codeOf(outcome)).toBe(code)
  const lift = entries.map(({ id }) => id)
  if (!given) expect(codeOf(await run(entries, { lift }))).toBe('ok')
})

it.each<[string, Partial<Revocation>, Given?]>([
  ['ok', {}],
  ['agent_not_approved', { value: 'another' }],
  // An actor of another issuer, with the same id.
  ['agent_not_approved', { issuer: 'https://other.example.com' }],
  ['agent_not_approved', { expires: NOW }],
  ['agent_not_approved', {}, { lift: ['standing-1'] }],
])('says %s where only approved agents may call, with %j (%j)', async (code, changes, given) => {
  const entry = standingOf({ mode: 'approved', ...changes })
  expect(codeOf(await run([entry], { agents: 'approved', ...given }))).toBe(code)
})

it.each<RevocationTerms>([
  { consistency: 'strict', maxStaleness: 5_000 },
  { consistency: 'bounded', maxStaleness: 300_000 },
])('asks for all that could be revoked as the rule says, not as GATE does: %j', async (terms) => {
  const lookup = vi.fn(() => [])
  expect(codeOf(await run([], { lookup, terms }))).toBe('ok')
  expect(lookup.mock.calls).toEqual([[SUBJECTS, terms]])
})

const throttle = entryOf({ id: 'throttle-1', kind: 'agent', mode: 'throttle', limit: 3 })

it('counts a request of a throttled agent for each entry, and looks the token up again', async () => {
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
  for (const mode of ['enforce', 'shadow'] as const) {
    expect(codeOf(await run([], { lookup, take, mode }))).toBe('ok')
  }
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

const thrown = (text: string) => () => {
  throw new Error(text)
}

it.each<[number, Given['take'] & object]>([
  [17, () => fail({ retryAfter: 17 })],
  [10, () => Promise.reject(new Error('nobody counts'))],
  [10, thrown('nobody counts')],
])('refuses a throttled agent for %d s', async (retryAfter, take) => {
  const outcome = await run([throttle], { take })
  expect(outcome).toMatchObject({ reason: { code: 'agent_throttled', params: { retryAfter } } })
  expect(codeOf(await run([throttle], { take, lift: [throttle.id] }))).toBe('ok')
  expect(codeOf(await run([{ ...throttle, expires: NOW }], { take }))).toBe('ok')
  expect(codeOf(await run([throttle, entryOf()], { take }))).toBe('token_revoked')
})

it.each<[string, Given['lookup'] & object]>([
  ['rejects', () => Promise.reject(new Error('no such shard'))],
  ['throws', thrown('no such shard')],
])('refuses every token when the set %s', async (_, lookup) => {
  expect(await run([], { lookup })).toMatchObject({
    reason: {
      ...{ code: 'revocations_unavailable', answer: 'unavailable' },
      detail: { error: 'Error: no such shard' },
    },
  })
})
