import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { reply } from '../kit/answers.ts'
import type { Gate } from '../kit/gate.ts'
import { PATIENCE } from '../kit/wait.ts'
import { expectExact } from './exact-limit.ts'
import { revoking } from './revoking.ts'
import { askGate, HOST, outcome, type Setting, startSetting, until, withGate } from './setting.ts'

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
  rule('/v1/soon', { limit: 1, period: '1s' }),
  rule('/v1/once', ONCE),
  rule('/v1/day', { daily: 1 }),
  rule('/v1/docs/{id}', ONCE),
  rule('/v1/client', { ...ONCE, per: 'client' }),
  rule('/v1/workflow', { ...ONCE, per: 'workflow' }),
  rule('/v1/issuer', { limit: 2, period: '1d', per: 'issuer' }),
  rule('/v1/browser', ONCE, { cors: { origins: [APP] } }),
  rule('/v1/optional', ONCE, { access: 'optional' }),
  rule('/v1/watched', ONCE, { mode: 'shadow' }),
  rule('/v1/scoped', ONCE, { scopes: ['a:read'] }),
  rule('/v1/socket', ONCE),
  { match: 'GET /v1/*', scopes: [] },
]

let setting: Setting
/** So that one client may have several agents. */
const issuer = { agent_id: 'sub' }

/** A gate that may take two seconds to learn of a revocation, before the same objects. */
const bounded = {
  gate: { revocation: { consistency: 'bounded', max_staleness: '2s' } },
  issuer: { ...issuer, admin: 'all' },
  routes: [
    rule('/v1/bounded', { daily: 2 }, { revocation: 'bounded' }),
    rule('/v1/strict', { daily: 2 }, { revocation: 'strict' }),
    { match: 'GET /v1/*', scopes: [] },
  ],
}

beforeAll(async () => {
  setting = await startSetting({
    routes: ROUTES,
    issuer,
    beside: [{ routes: ROUTES, issuer }, bounded],
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

  it('is one, whichever isolate is asked', async () => {
    const token = await newcomer()
    const [other] = setting.gate.beside
    expect((await ask('/v1/once', token, other)).status).toBe(200)
    expect(await ask('/v1/once', token)).toEqual(LIMITED)
  })

  it('takes no file for each agent', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-limiters-'))
    const agents = 300
    await withGate(setting, { routes: ROUTES, issuer, dataDir }, async (gate) => {
      for (let done = 0; done < agents; done += 50) {
        const asked = Array.from({ length: 50 }, async () =>
          ask('/v1/once', await newcomer(), gate),
        )
        for (const { status } of await Promise.all(asked)) expect(status).toBe(200)
      }
    })
    const files = await readdir(dataDir, { recursive: true })
    const objects = files.filter((file) => /RateLimiter.*\/[0-9a-f]{64}\.sqlite$/.test(file))
    expect(objects.length).toBeGreaterThan(100)
    expect(objects.length).toBeLessThanOrEqual(256)
    await rm(dataDir, { recursive: true })
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

  it('of an issuer counts all its agents together', async () => {
    const answers = []
    for (let i = 0; i < 3; i++) answers.push(await ask('/v1/issuer', await newcomer()))
    expect(answers).toEqual([
      { status: 200, code: undefined },
      { status: 200, code: undefined },
      { status: 429, code: 'rate_limited' },
    ])
  })

  it('lets through again when it said it would', async () => {
    const token = await newcomer()
    // However slow the machine is, two of them come within one second at last.
    const asked = () =>
      Promise.all(Array.from({ length: 5 }, () => askGate(setting.gate, '/v1/soon', { token })))
    const answers = await until(asked, (all) => all.some(({ status }) => status === 429), PATIENCE)
    const refused = answers.at(-1)?.find(({ status }) => status === 429)
    const seconds = Number(refused?.headers.get('retry-after'))
    expect(seconds).toBe(1)
    await new Promise((done) => setTimeout(done, seconds * 1_000))
    expect((await ask('/v1/soon', token)).status).toBe(200)
  })

  it('of a day alone is one', async () => {
    const token = await newcomer()
    const first = await askGate(setting.gate, '/v1/day', { token })
    expect(first.headers.get('ratelimit')).toMatch(/^"agent-day";r=0;t=\d+$/)
    expect(await ask('/v1/day', token)).toEqual(LIMITED)
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
  it('is each agent and each rule, whatever the token and the path', async () => {
    const agent = { sub: 'agent-of-many-tokens', client_id: 'client-of-many-tokens' }
    const [one, two] = [await setting.token(agent), await setting.token(agent)]
    expect((await ask('/v1/docs/1', one)).status).toBe(200)
    expect(await ask('/v1/docs/2', two)).toEqual(LIMITED)
    expect((await ask('/v1/once', two)).status).toBe(200)
    expect((await ask('/v1/docs/1', await newcomer())).status).toBe(200)
  })

  it.each([
    ['client', { client_id: 'client-shared' }, { client_id: 'client-other' }],
    ['workflow', { workflow_id: 'run-shared' }, { workflow_id: 'run-other' }],
  ])('may be the %s', async (per, shared, other) => {
    const path = `/v1/${per}`
    expect((await ask(path, await newcomer(shared))).status).toBe(200)
    expect(await ask(path, await newcomer(shared))).toEqual(LIMITED)
    const answer = await askGate(setting.gate, path, { token: await newcomer(other) })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('ratelimit')).toMatch(new RegExp(`^"${per}";r=0;t=`))
  })

  it('is nobody where the token does not say whom', async () => {
    const token = await newcomer()
    const denied = { status: 403, code: 'rate_limit_key_missing' }
    expect(await ask('/v1/workflow', token)).toEqual(denied)
  })

  it('is not what was refused before, nor what is asked without a token', async () => {
    const sub = 'agent-without-scope'
    const poor = await setting.token({ sub, client_id: sub })
    expect(await ask('/v1/scoped', poor)).toMatchObject({ code: 'scope_missing' })
    const good = await setting.token({ sub, client_id: sub, scope: 'a:read' })
    expect((await ask('/v1/scoped', good)).status).toBe(200)
    expect(await ask('/v1/scoped', good)).toEqual(LIMITED)
    for (let i = 0; i < 3; i++) {
      expect((await askGate(setting.gate, '/v1/optional')).status).toBe(200)
    }
  })

  it.each(['bounded', 'strict'])('is no token that was revoked, on a %s rule', async (name) => {
    const gate = setting.gate.beside[1] as Gate
    const sub = `agent-of-a-stolen-token-${name}`
    const [stolen, good] = [await setting.token({ sub, jti: sub }), await setting.token({ sub })]
    const { revoke } = revoking(setting, gate)
    await revoke({ kind: 'token', value: sub })
    await until(
      () => ask('/v1/free', stolen, gate),
      ({ status }) => status === 401,
      PATIENCE,
    )
    for (let i = 0; i < 3; i++) {
      expect(await ask(`/v1/${name}`, stolen, gate)).toEqual({ status: 401, code: 'token_revoked' })
    }
    const seen = await Promise.all([1, 2, 3].map(() => ask(`/v1/${name}`, good, gate)))
    expect(seen.map(({ status }) => status).sort()).toEqual([200, 200, 429])
  })

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

  it('is nothing in shadow mode', async () => {
    const token = await newcomer()
    for (let i = 0; i < 3; i++) {
      const answer = await askGate(setting.gate, '/v1/watched', { token })
      expect(answer.status).toBe(200)
      expect(answer.headers.get('ratelimit')).toBeNull()
    }
    expect(setting.origin.requests).toHaveLength(3)
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

  it('may be a WebSocket', async () => {
    const token = await newcomer()
    const socket = new WebSocket(`ws://127.0.0.1:${setting.gate.port}/v1/socket`, {
      headers: { host: HOST, authorization: `Bearer ${token}` },
    })
    let told: string | string[] | undefined
    socket.on('upgrade', ({ headers }) => {
      told = headers.ratelimit
    })
    const echo = await new Promise((done, fail) => {
      socket.on('open', () => socket.send('hello'))
      socket.on('message', (data) => done(String(data)))
      socket.on('error', fail)
    })
    socket.terminate()
    expect(echo).toBe('hello')
    expect(told).toMatch(/^"agent";r=0;/)
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
