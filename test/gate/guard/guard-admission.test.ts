import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Step } from '../../../src/gate/base/chain.ts'
import { GUARD } from '../../../src/gate/guard/guard.ts'
import type { Policy } from '../../../src/gate/model/policy.ts'
import { ISSUER, NOW } from '../../kit/facts.ts'
import { type Asked, startLine } from '../../kit/line.ts'
import { FOREIGN, keys, keysOf, minted, PAIR, TOKEN } from '../../line-cases.ts'
import { policy } from '../policy/support.ts'

const any = { scopes: [] }
const RULES = policy({
  ISSUERS: { acme: { issuer: ISSUER } },
  ROUTES: [
    { match: 'GET /docs/{id}', scopes: ['docs:read'] },
    { match: 'GET /notes/{id}', scopes: ['docs:read'] },
    { match: 'GET /own/{a}/{b}/{c}', scopes: { any: ['own:{c}:{a}', 'all'] } },
    {
      match: 'GET /tools/{id}',
      ...any,
      authorization_details: [{ type: 't', identifier: '{id}' }],
    },
    { match: 'GET /lately', scopes: ['docs:read'], max_age: '1m' },
    { match: 'GET /runs/{run}', scopes: ['docs:read'], workflow: 'path:run' },
  ],
})

let line: ReturnType<typeof startLine>
/** How often it was asked which scopes include another: once for each time that scopes were judged. */
let includedBy: ReturnType<typeof vi.fn<Policy['includedBy']>>
let rules: Policy
beforeEach(() => {
  line = startLine({ keys })
  includedBy = vi.fn(RULES.includedBy)
  rules = { ...RULES, includedBy }
})
afterEach(() => {
  expect(line.errors).toEqual([])
  vi.restoreAllMocks()
})

const ask = async (path: string, token = TOKEN, asked: Asked = {}, under = rules) =>
  (await line.ask(under, path, token, asked)).code
/** What it comes to, and how often scopes were judged. */
const judged = async (...asked: Parameters<typeof ask>) => {
  includedBy.mockClear()
  return [await ask(...asked), includedBy.mock.calls.length]
}

describe('what was decided once of a token', () => {
  beforeEach(async () => {
    expect(await judged('/docs/1')).toEqual(['passed', 1])
  })

  it.each<[string, Asked?]>([['/docs/1'], ['/docs/2'], ['/docs/1', { method: 'HEAD' }]])(
    'holds for the same rule: %s %j',
    async (path, asked) => {
      for (let i = 0; i < 3; i++) expect(await judged(path, TOKEN, asked)).toEqual(['passed', 0])
    },
  )

  it('holds from when the token could first be used, and not a second before', async () => {
    line.clock.at = (NOW - 65) * 1000
    expect(await judged('/docs/1')).toEqual(['passed', 0])
    line.clock.at -= 1
    expect(await judged('/docs/1')).toEqual(['token_issued_in_future', 0])
    line.clock.at += 1
    expect(await judged('/docs/1')).toEqual(['passed', 0])
  })

  it('holds until the token expires', async () => {
    line.clock.at = (NOW + 600) * 1000 - 1
    expect(await judged('/docs/1')).toEqual(['passed', 0])
    line.clock.at += 1
    expect(await judged('/docs/1')).toEqual(['passed', 1])
  })

  it('does not hold under an equal policy of the same rules', async () => {
    const under = { ...rules }
    expect(await judged('/docs/1', TOKEN, {}, under)).toEqual(['passed', 1])
    expect(await judged('/docs/1', TOKEN, {}, under)).toEqual(['passed', 0])
    // Only the last is remembered.
    expect(await judged('/docs/1')).toEqual(['passed', 1])
  })

  it('does not hold under another key, be it equal and of the same name', async () => {
    const other = { ports: { keys: await keysOf(FOREIGN) } }
    const equal = { ports: { keys: await keysOf(PAIR) } }
    expect(await judged('/docs/1', TOKEN, other)).toEqual(['signature_invalid', 0])
    expect(await judged('/docs/1', TOKEN, equal)).toEqual(['passed', 1])
    expect(await judged('/docs/1', TOKEN, equal)).toEqual(['passed', 0])
    expect(await judged('/docs/1')).toEqual(['passed', 1])
  })
})

describe('values of the path', () => {
  it('are held apart where scopes are made of them, and are of no account elsewhere', async () => {
    const token = minted({ scope: 'own:2:1 own:12: own:23:1' })
    for (const [path, asked] of [
      ['/own/1/x/2', ['passed', 2]],
      ['/own/1/x/2', ['passed', 0]],
      ['/own/1/y/2', ['passed', 0]],
      ['/own/2/x/1', ['scope_missing', 2]],
      ['/own/2/x/1', ['scope_missing', 2]],
      ['/own/12/x/1', ['scope_missing', 2]],
      ['/own/1/x/23', ['passed', 2]],
      ['/own/12/x/3', ['scope_missing', 2]],
      ['/own/1/x/2%0A', ['path_ambiguous', 0]],
      ['/own/1%0A2/x/2', ['path_ambiguous', 0]],
      ['/own/1/x/2', ['passed', 0]],
    ] as const) {
      expect(await judged(path, token), path).toEqual(asked)
    }
  })
})

describe('how lately a user was authenticated', () => {
  it('is the end of what was decided, where it comes first', async () => {
    const token = minted({ auth_time: NOW - 10 })
    expect(await judged('/lately', token)).toEqual(['passed', 1])
    line.clock.at = (NOW + 56) * 1000 - 1
    expect(await judged('/lately', token)).toEqual(['passed', 0])
    line.clock.at += 1
    expect(await judged('/lately', token)).toEqual(['authentication_insufficient', 1])
    line.clock.at = (NOW - 15) * 1000
    expect(await judged('/lately', token)).toEqual(['passed', 0])
    line.clock.at -= 1
    expect(await judged('/lately', token)).toEqual(['authentication_malformed', 1])
  })
})

describe('a request that is traced', () => {
  it('walks every stage, also where the token is warm', async () => {
    const stages = GUARD.stages.map(({ name }) => name)
    for (let i = 0; i < 3; i++) {
      const traced: string[] = []
      const trace = ({ stage }: Step) => void traced.push(stage)
      expect(await ask('/docs/1', TOKEN, { trace })).toBe('passed')
      expect(traced).toEqual(stages)
    }
    expect(includedBy).toHaveBeenCalledTimes(3)
    expect(line.verified()).toBe(1)
    expect(line.tokens.size).toBe(1)
  })
})
