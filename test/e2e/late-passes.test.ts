import { Agent, request } from 'node:http'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { HOST, type Setting, startSetting } from './setting.ts'

const AGENTS = 100
const REQUESTS = 10_000
const CONNECTIONS = 16
/** Milliseconds. */
const BOUND = 1_000

/** An answer that broke off: its agent was revoked while it was on its way. */
const CUT = 0

interface Sent {
  readonly agent: number
  readonly isStrict: boolean
  /** Before the request was sent, so that its decision begins later. */
  readonly at: number
  readonly status: number
}

let setting: Setting
let tokens: readonly string[]
const client = new Agent({ keepAlive: true, maxSockets: CONNECTIONS + 1 })

beforeAll(async () => {
  setting = await startSetting({
    gate: { revocation: { consistency: 'bounded', max_staleness: '1s' } },
    issuer: { admin: 'all' },
    routes: [
      { match: 'GET /bounded/x', scopes: [] },
      { match: 'GET /strict/x', scopes: [], revocation: 'strict' },
    ],
  })
  tokens = await Promise.all(
    Array.from({ length: AGENTS }, (_, i) =>
      setting.token({ client_id: `agent-${i}`, sub: `agent-${i}` }),
    ),
  )
})
afterAll(async () => {
  client.destroy()
  await setting.close()
})

const call = (path: string, token: string, body?: string): Promise<number> =>
  new Promise((done, failed) => {
    const sent = request(
      {
        port: setting.gate.port,
        host: '127.0.0.1',
        agent: client,
        path,
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          host: HOST,
          authorization: `Bearer ${token}`,
          ...(body !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          }),
        },
      },
      (response) => {
        response.resume()
        response.on('end', () => done(response.statusCode ?? 0))
        response.on('error', () => done(CUT))
      },
    )
    sent.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? done(CUT) : failed(error),
    )
    sent.end(body)
  })

/** A number below `below` that looks random, the same in every run. */
const dice = (() => {
  let state = 7
  return (below: number) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
})()

it('no request passes late, of ten thousand while a hundred agents are revoked', async () => {
  const revokedAt = new Map<number, number>()
  const all: Sent[] = []
  let begun = 0
  const stream = async () => {
    while (begun < REQUESTS || revokedAt.size < AGENTS) {
      begun++
      const agent = dice(AGENTS)
      const isStrict = dice(2) === 0
      const at = Date.now()
      const status = await call(isStrict ? '/strict/x' : '/bounded/x', tokens[agent] ?? '')
      all.push({ agent, isStrict, at, status })
    }
  }
  const admin = await setting.token({ client_id: 'ops', sub: 'ops', scope: 'edgewarden:revoke' })
  const revoke = async () => {
    const order = Array.from({ length: AGENTS }, (_, i) => (i * 37) % AGENTS)
    for (const [done, agent] of order.entries()) {
      // Spread over the run, so that most requests come before or long after one of them.
      const due = Math.floor(((done + dice(3)) * REQUESTS * 0.8) / AGENTS)
      while (all.length < due) await new Promise((next) => setImmediate(next))
      const entry = { kind: 'agent', issuer: setting.issuer.issuer, value: `agent-${agent}` }
      const status = await call('/.edgewarden/revocations', admin, JSON.stringify(entry))
      expect(status).toBe(200)
      revokedAt.set(agent, Date.now())
    }
  }
  await Promise.all([revoke(), ...Array.from({ length: CONNECTIONS }, stream)])

  const since = ({ agent, at }: Sent) => at - (revokedAt.get(agent) ?? Number.POSITIVE_INFINITY)
  const late = all.filter((one) => one.status === 200 && since(one) > (one.isStrict ? 0 : BOUND))
  expect(late).toEqual([])
  const cut = all.filter(({ status }) => status === CUT)
  expect(cut.filter((one) => since(one) < -BOUND)).toEqual([])
  expect(new Set(all.map(({ status }) => status || 401))).toEqual(new Set([200, 401]))
  // It has proved something: many were refused of either kind, and many passed within the bound.
  const refused = (isStrict: boolean) =>
    all.filter((one) => one.isStrict === isStrict && one.status === 401).length
  expect(all.length).toBeGreaterThanOrEqual(REQUESTS)
  expect(refused(true)).toBeGreaterThan(1_000)
  expect(refused(false)).toBeGreaterThan(500)
}, 60_000)
