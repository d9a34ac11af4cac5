import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AgentVariables, agentGuard } from '../src/hono.ts'
import {
  createGuard,
  createMemoryReplays,
  type Guard,
  parsePolicy,
  type ReplayStore,
  refusalOf,
} from '../src/index.ts'
import { createIssuer, type Issuer } from './kit/issuer.ts'

const RESOURCE = 'https://api.example.com'

let issuer: Issuer
beforeAll(async () => {
  issuer = await createIssuer()
})
afterAll(() => issuer.close())

const policyOf = (more: object = {}) => {
  const read = parsePolicy({
    GATE: { resource: RESOURCE, origin: 'https://origin.example.net', assertion: 'off' },
    ISSUERS: { acme: { issuer: issuer.issuer, allow_insecure_http: true } },
    ROUTES: [{ match: 'GET /v1/once', scopes: [], single_use: true, ...more }],
  })
  if (!read.ok) throw new Error(JSON.stringify(read.reason))
  return read.value.policy
}
const requestBy = (token: string) =>
  new Request(`${RESOURCE}/v1/once`, { headers: { authorization: `Bearer ${token}` } })
const codeOf = async (guard: Guard, token: string) =>
  refusalOf(await guard(requestBy(token)))?.code ?? 'passed'

describe('single uses of the library', () => {
  it('are remembered in memory, in front of handlers, too', async () => {
    const guard = createGuard(policyOf())
    const app = new Hono<{ Variables: AgentVariables }>().all('*', agentGuard(guard), (c) =>
      c.text('x'),
    )
    const token = await issuer.mint()
    const seen = await Promise.all([1, 2, 3].map(async () => app.fetch(requestBy(token))))
    expect(seen.map(({ status }) => status).sort()).toEqual([200, 401, 401])
  })

  it('are shared by guards that have one store', async () => {
    const replays = createMemoryReplays({ clock: { now: () => Date.now() } })
    const [one, two] = [1, 2].map(() => createGuard(policyOf(), { replays })) as [Guard, Guard]
    const apart = createGuard(policyOf())
    const token = await issuer.mint()
    expect(await codeOf(one, token)).toBe('passed')
    expect(await codeOf(two, token)).toBe('token_replayed')
    expect(await codeOf(apart, token)).toBe('passed')
  })

  it('may be remembered elsewhere, for as long as any gate may take a token', async () => {
    const claimed: unknown[] = []
    const replays: ReplayStore = {
      claim: async (...given) => claimed.push(given) === 1,
      isClaimed: () => false,
    }
    const guard = createGuard(policyOf(), { replays })
    const exp = Math.floor(Date.now() / 1000) + 60
    expect(await codeOf(guard, await issuer.mint({ exp }))).toBe('passed')
    expect(await codeOf(guard, await issuer.mint({ exp }))).toBe('token_replayed')
    expect(claimed).toEqual([1, 2].map(() => [expect.stringMatching(/^[\w-]{43}$/), exp + 65]))
  })

  it('let nothing pass where they cannot be told', async () => {
    const down = () => Promise.reject(new Error('down'))
    for (const mode of ['enforce', 'shadow']) {
      const guard = createGuard(policyOf({ mode }), { replays: { claim: down, isClaimed: down } })
      expect(await guard(requestBy(await issuer.mint()))).toMatchObject({
        denial: { code: 'single_use_unavailable', answer: 'unavailable' },
      })
    }
  })
})
