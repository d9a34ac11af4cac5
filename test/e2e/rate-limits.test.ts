import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import type { Gate } from '../kit/gate.ts'
import { expectExact } from './exact-limit.ts'
import { askGate, outcome, type Setting, startSetting, withGate } from './setting.ts'

const APP = 'https://app.example.com'
const LIMITED = { status: 429, code: 'rate_limited' }

/** A rule that refills one request in `period`, so slowly that no test meets it. */
const rule = (path: string, rate_limit: object, more: object = {}) => ({
  match: `GET ${path}`,
  scopes: [],
  rate_limit,
  ...more,
})
const ONCE = { limit: 1, period: '1d' }
const ROUTES = [
  rule('/v1/twenty', { limit: 20, period: '1d' }),
  rule('/v1/told', { limit: 5, period: '1h', daily: 1_000 }),
  rule('/v1/once', ONCE),
  rule('/v1/browser', ONCE, { cors: { origins: [APP] } }),
  rule('/v1/socket', ONCE),
  { match: 'GET /v1/*', scopes: [] },
]

let setting: Setting
/** So that one client may have several agents. */
const issuer = { agent_id: 'sub' }

beforeAll(async () => {
  setting = await startSetting({
    routes: ROUTES,
    issuer,
    beside: [{ routes: ROUTES, issuer }],
  })
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting.close())

let agents = 0
/** A token of an agent that nobody has seen. */
const newcomer = (claims: object = {}) =>
  setting.token({ sub: `agent-of-limits-${++agents}`, client_id: `client-${agents}`, ...claims })

const ask = async (path: string, token: string, gate: Gate = setting.gate) =>
  outcome(await askGate(gate, path, { token }))

describe('an exact limit', () => {
  it('lets exactly twenty of sixty at once through, over two isolates', async () => {
    const token = await newcomer()
    await expectExact(setting, '/v1/twenty', { token, limit: 20, times: 60 })
  })

  it('says what is left, and when there will be more', async () => {
    const token = await newcomer()
    const answers = []
    for (let i = 0; i < 6; i++) answers.push(await askGate(setting.gate, '/v1/told', { token }))
    const [first] = answers
    const last = answers.at(-1)
    expect(first?.status).toBe(200)
    expect(first?.headers.get('ratelimit-policy')).toBe(
      '"agent";q=5;w=3600, "agent-day";q=1000;w=86400',
    )
    expect(first?.headers.get('ratelimit')).toMatch(/^"agent";r=4;t=720, "agent-day";r=999;t=\d+$/)
    expect(last?.status).toBe(429)
    expect(last?.headers.get('ratelimit')).toMatch(/^"agent";r=0;t=\d{3}, "agent-day";r=995;t=\d+$/)
    expect(last?.headers.get('retry-after')).toMatch(/^\d{3}$/)
    expect(last?.headers.get('www-authenticate')).toBeNull()
  })

  it('outlives the gate', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-limits-'))
    const token = await newcomer()
    for (const expected of [{ status: 200, code: undefined }, LIMITED]) {
      await withGate(setting, { routes: ROUTES, issuer, dataDir }, async (gate) => {
        expect(await ask('/v1/once', token, gate)).toEqual(expected)
      })
    }
    await rm(dataDir, { recursive: true })
  })
})

describe('what is counted', () => {
  it('is no preflight, and browsers may read what is left', async () => {
    const headers = { origin: APP }
    for (let i = 0; i < 3; i++) {
      const preflight = await askGate(setting.gate, '/v1/browser', {
        method: 'OPTIONS',
        headers: { ...headers, 'access-control-request-method': 'GET' },
      })
      expect(preflight.status).toBe(204)
      expect(preflight.headers.get('ratelimit')).toBeNull()
    }
    const token = await newcomer()
    for (const status of [200, 429]) {
      const answer = await askGate(setting.gate, '/v1/browser', { token, headers })
      expect(answer.status).toBe(status)
      expect(answer.headers.get('access-control-allow-origin')).toBe(APP)
      const exposed = answer.headers.get('access-control-expose-headers')?.toLowerCase().split(',')
      expect(exposed).toEqual(
        expect.arrayContaining(['ratelimit', 'ratelimit-policy', 'retry-after']),
      )
    }
  })
})

describe('an answer', () => {
  it("tells the gate's own limit in place of the origin's", async () => {
    const own = { ratelimit: '"origin";r=1;t=1', 'ratelimit-policy': '"origin";q=1;w=1' }
    setting.origin.on('*', reply(200, { ...own, 'ratelimit-remaining': '1' }, 'x'))
    const token = await newcomer()
    const limited = await askGate(setting.gate, '/v1/once', { token })
    expect(limited.headers.get('ratelimit')).toMatch(/^"agent";r=0;/)
    expect(limited.headers.get('ratelimit-policy')).toBe('"agent";q=1;w=86400')
    expect(limited.headers.get('ratelimit-remaining')).toBeNull()
    const free = await askGate(setting.gate, '/v1/free', { token })
    expect(Object.fromEntries(free.headers)).toMatchObject(own)
  })

  it('that is refused is in the journal, with its limit and how long that was waited for', async () => {
    const token = await newcomer()
    await ask('/v1/once', token)
    await askGate(setting.gate, '/v1/once', { token, headers: { 'x-request-id': 'limited-1' } })
    const line = await setting.gate.journalLine(({ request_id }) => request_id === 'limited-1')
    expect(line).toMatchObject({
      decision: 'denied',
      code: 'rate_limited',
      agent: `agent-of-limits-${agents}`,
      detail: { limit: 'exact', per: 'agent', retry_after: expect.any(Number) },
      ms: { limit: expect.any(Number) },
    })
  })
})
