import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AgentVariables, agentGuard } from '../src/hono.ts'
import { createGuard, createMemoryLimits, forward, type Limits, parsePolicy } from '../src/index.ts'
import { reply } from './kit/answers.ts'
import { createIssuer, type Issuer } from './kit/issuer.ts'
import { type Origin, startOrigin } from './kit/origin.ts'

const RESOURCE = 'https://api.example.com'
const URL_LIMITED = `${RESOURCE}/v1/limited`

let issuer: Issuer
let origin: Origin
beforeAll(async () => {
  ;[issuer, origin] = await Promise.all([createIssuer(), startOrigin()])
})
afterAll(() => Promise.all([issuer.close(), origin.close()]))

const parsed = (rate_limit: object, more: object = {}, rateLimits: readonly string[] = []) =>
  parsePolicy(
    {
      GATE: { resource: RESOURCE, origin: origin.url, ...more },
      ISSUERS: { acme: { issuer: issuer.issuer, allow_insecure_http: true } },
      ROUTES: [{ match: 'GET /v1/limited', scopes: [], rate_limit }],
    },
    { rateLimits },
  )
const policyOf = (...given: Parameters<typeof parsed>) => {
  const read = parsed(...given)
  if (!read.ok) throw new Error(JSON.stringify(read.reason))
  return read.value.policy
}
const requestBy = (token: string) =>
  new Request(URL_LIMITED, { headers: { authorization: `Bearer ${token}` } })
const told = ({ status, headers }: Response) => [status, headers.get('ratelimit')]
const TWO = { limit: 2, period: '1d' }

describe('limits of the library', () => {
  it('are counted in memory, and told by forward', async () => {
    const guard = createGuard(policyOf(TWO))
    const token = await issuer.mint()
    const ask = async () => {
      const request = requestBy(token)
      return forward(request, await guard(request))
    }
    origin.on('*', reply(200, { ratelimit: '"origin";r=9' }, 'x'))
    expect(told(await ask())).toEqual([200, '"agent";r=1;t=43200'])
    expect(told(await ask())).toEqual([200, expect.stringMatching(/^"agent";r=0;t=\d+$/)])
    const refused = await ask()
    expect(told(refused)).toEqual([429, expect.stringMatching(/^"agent";r=0;t=\d+$/)])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(40_000)
  })

  it.each<[string, () => Response]>([
    ['that is made', () => new Response('x', { headers: { ratelimit: '"handler";r=9' } })],
    ['that cannot be changed', () => Response.redirect('https://elsewhere.example/')],
  ])('are told on an answer of a handler %s', async (_, handler) => {
    const guard = createGuard(policyOf({ ...TWO, limit: 1 }))
    const app = new Hono<{ Variables: AgentVariables }>().all('*', agentGuard(guard), handler)
    const token = await issuer.mint()
    const first = await app.fetch(requestBy(token))
    expect(first.status).toBe(handler().status)
    expect(first.headers.get('ratelimit')).toBe('"agent";r=0;t=86400')
    expect(first.headers.get('ratelimit-policy')).toBe('"agent";q=1;w=86400')
    expect((await app.fetch(requestBy(token))).status).toBe(429)
  })

  it('may be counted elsewhere, and so may those of a binding', async () => {
    const asked: unknown[] = []
    const limits: Limits = {
      ...createMemoryLimits({ clock: { now: () => 0 } }),
      take: async (limit) => {
        asked.push(limit)
        return { ok: false, reason: { retryAfter: 7 } }
      },
    }
    const guard = createGuard(policyOf({ binding: 'RL' }, {}, ['RL']), { limits })
    const request = requestBy(await issuer.mint())
    const answer = await forward(request, await guard(request))
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '7'])
    expect(answer.headers.get('ratelimit')).toBeNull()
    expect(asked).toEqual([{ kind: 'approximate', per: 'agent', binding: 'RL' }])
  })

  it('know no binding unless it is named', () => {
    expect(parsed({ binding: 'RL' })).toMatchObject({
      reason: [{ path: 'ROUTES[0].rate_limit.binding' }],
    })
  })

  it('of addresses are held where the caller is known', async () => {
    const policy = policyOf(TWO, { address_limit: { limit: 1, period: '1m' } })
    const guard = createGuard(policy)
    const codeFor = async (caller?: string) => {
      const decision = await guard(new Request(URL_LIMITED), { caller })
      return decision.outcome === 'denied' && decision.denial.code
    }
    expect(await codeFor('192.0.2.1')).toBe('credential_missing')
    expect(await codeFor('192.0.2.1')).toBe('address_limited')
    expect(await codeFor()).toBe('credential_missing')
    expect(await codeFor('2001:db8::1')).toBe('credential_missing')
    expect(await codeFor('2001:db8::2')).toBe('address_limited')
  })
})
