import { describe, expect, it, vi } from 'vitest'
import { fail, ok } from '../../../src/gate/base/result.ts'
import { limit } from '../../../src/gate/guard/stages/limit.ts'
import type { RateLimit } from '../../../src/gate/model/limit.ts'
import type { Limits } from '../../../src/gate/model/ports.ts'
import type { Route } from '../../../src/gate/model/route.ts'
import type { AgentIdentity } from '../../../src/gate/model/token.ts'
import { accessOf, admissionFor, codeOf, ISSUER, routeOf } from '../../kit/facts.ts'

const EXACT: RateLimit = { kind: 'exact', per: 'agent', quotas: { daily: 3 } }
const AGENT = { id: 'planner', issuer: ISSUER, clientId: 'c', workflowId: 'w' }
const LEFT = { day: { left: 2, reset: 9 } }

const needs = (
  rateLimit: RateLimit | undefined,
  route: Partial<Route> = {},
  agent: object = AGENT,
) => ({
  route: routeOf('GET /x', { ...(rateLimit && { rateLimit }), ...route }),
  access: accessOf(),
  agent: agent as AgentIdentity,
  admission: admissionFor(),
})

const limitsOf = (outcome: Limits['take'] = () => ok(LEFT)) => ({ take: vi.fn(outcome) })

describe('limit', () => {
  it('takes one, and tells what is left', async () => {
    const limits = limitsOf()
    const outcome = await limit.run(needs(EXACT), { limits })
    expect(outcome).toEqual(ok({ limited: { rule: EXACT, allowance: LEFT } }))
    expect(limits.take).toHaveBeenCalledExactlyOnceWith(EXACT, expect.any(String), true)
  })

  it('denies with the time to wait, and tells what is left', async () => {
    const reason = { day: { left: 0, reset: 7 }, retryAfter: 7 }
    const outcome = await limit.run(needs(EXACT), { limits: limitsOf(async () => fail(reason)) })
    expect(codeOf(outcome)).toBe('rate_limited')
    expect(outcome).toMatchObject({
      reason: {
        params: { retryAfter: 7 },
        detail: { limit: 'exact', per: 'agent', retry_after: 7 },
      },
      value: { limited: { rule: EXACT, allowance: { day: { left: 0 } } } },
    })
  })

  it.each<[string, Limits['take']]>([
    ['rejects', () => Promise.reject(new Error('unreachable'))],
    [
      'throws',
      () => {
        throw new Error('unreachable')
      },
    ],
  ])('denies where what counts %s', async (_, take) => {
    const outcome = await limit.run(needs(EXACT), { limits: limitsOf(take) })
    expect(codeOf(outcome)).toBe('rate_limit_unavailable')
    expect(outcome).toMatchObject({ reason: { detail: { error: 'Error: unreachable' } } })
  })

  it.each(['client', 'workflow'] as const)(
    'denies a token without the %s it counts by',
    async (per) => {
      const limits = limitsOf()
      const outcome = await limit.run(needs({ ...EXACT, per }, {}, { id: 'a', issuer: ISSUER }), {
        limits,
      })
      expect(codeOf(outcome)).toBe('rate_limit_key_missing')
      expect(limits.take).not.toHaveBeenCalled()
    },
  )

  it('only looks in shadow mode, and tells nobody what is left', async () => {
    const limits = limitsOf()
    const outcome = await limit.run(needs(EXACT, { mode: 'shadow' }), { limits })
    expect(outcome).toEqual(ok({ limited: undefined }))
    expect(limits.take).toHaveBeenCalledExactlyOnceWith(EXACT, expect.any(String), false)
  })
})

describe('what is counted together', () => {
  const nameIn = async (
    per: RateLimit['per'],
    {
      route = {},
      ...agent
    }: {
      route?: Partial<Route>
      id?: string
      issuer?: string
      clientId?: string
      workflowId?: string
      type?: string
    } = {},
  ) => {
    const limits = limitsOf()
    const given = needs({ ...EXACT, per }, route, { ...AGENT, ...agent })
    const access = accessOf({ issuer: agent.issuer ?? ISSUER })
    await limit.run({ ...given, access }, { limits })
    return limits.take.mock.calls[0]?.[1]
  }

  it('is one agent of one issuer at one rule', async () => {
    const names = await Promise.all([
      nameIn('agent'),
      nameIn('agent', { issuer: 'https://other.example' }),
      nameIn('agent', { id: 'other' }),
      nameIn('agent', { route: { name: 'GET /y' } }),
      nameIn('agent', { route: { host: 'b.example.com' } }),
      nameIn('client', { clientId: 'planner' }),
      nameIn('workflow', { workflowId: 'planner' }),
    ])
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_-]{43}$/)
  })

  it('is every agent of one issuer, where issuers are counted', async () => {
    const [one, other, elsewhere] = await Promise.all([
      nameIn('issuer'),
      nameIn('issuer', { id: 'other' }),
      nameIn('issuer', { issuer: 'https://other.example' }),
    ])
    expect(other).toBe(one)
    expect(elsewhere).not.toBe(one)
  })
})
