import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clocked, forward } from './keys-setting.ts'
import { revoking } from './revoking.ts'
import { askGate, outcome, type Setting, startSetting } from './setting.ts'

const LIMITED = { status: 429, code: 'rate_limited' }
const DAILY = { rate_limit: { daily: 1 } }

let setting: Setting
beforeAll(async () => {
  setting = await startSetting({
    ...(await clocked({ RATE_LIMITER: 'CountedLimiter' })),
    issuer: { agent_id: 'sub', admin: 'all' },
    routes: [
      { match: 'GET /v1/day', scopes: [], ...DAILY },
      { match: 'GET /v1/minute', scopes: [], rate_limit: { limit: 1, period: '60s' } },
      { match: 'POST /v1/mcp', scopes: [], mcp: { tools: { search: [] } }, ...DAILY },
    ],
  })
})
afterAll(() => setting.close())

let agents = 0
const newcomer = () => setting.token({ sub: `refused-${++agents}` })
const ask = async (path: string, token: string) =>
  outcome(await askGate(setting.gate, path, { token }))

/** How often the objects were asked meanwhile. */
const asking = async (run: () => Promise<void>): Promise<number> => {
  const calls = async () => Number(await setting.gate.call('RATE_LIMITER', 'any', 'calls'))
  const before = await calls()
  await run()
  return (await calls()) - before
}

describe('a refusal of an exact limit', () => {
  it('is repeated without asking the object', async () => {
    const token = await newcomer()
    const calls = await asking(async () => {
      expect((await ask('/v1/day', token)).status).toBe(200)
      for (let i = 0; i < 20; i++) expect(await ask('/v1/day', token)).toEqual(LIMITED)
    })
    expect(calls).toBe(2)
  })

  it('says how long it lasts, and ends then', async () => {
    const token = await newcomer()
    const waitOf = async () => {
      const { status, headers } = await askGate(setting.gate, '/v1/minute', { token })
      if (status !== 200) expect(headers.get('ratelimit')).toMatch(/^"agent";r=0;t=\d+$/)
      return { status, wait: Number(headers.get('retry-after')) }
    }
    expect((await waitOf()).status).toBe(200)
    const first = await waitOf()
    await forward(setting.gate, 5_000)
    const calls = await asking(async () => {
      const { status, wait } = await waitOf()
      expect(status).toBe(429)
      expect(wait).toBeLessThanOrEqual(first.wait - 5)
    })
    expect(calls).toBe(0)
    await forward(setting.gate, 55_000)
    expect((await waitOf()).status).toBe(200)
  })

  it('comes after the checks of a message to an MCP server, and has its id', async () => {
    const token = await newcomer()
    const call = async (name: string) => {
      const message = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name } }
      const response = await askGate(setting.gate, '/v1/mcp', {
        token,
        method: 'POST',
        body: JSON.stringify(message),
        headers: { 'content-type': 'application/json' },
      })
      const { id, error } = JSON.parse(await response.text())
      return { status: response.status, id, code: error?.data.code }
    }
    setting.origin.on('/v1/mcp', (_, res) => {
      res.writeHead(200, { 'content-type': 'application/json' })
      res.end('{"jsonrpc":"2.0","id":7,"result":{"content":[]}}')
    })
    expect(await call('search')).toEqual({ status: 200, id: 7 })
    for (let i = 0; i < 2; i++) expect(await call('search')).toEqual({ ...LIMITED, id: 7 })
    expect(await call('other')).toEqual({ status: 200, id: 7, code: 'tool_not_allowed' })
  })

  it('does not hide that a token is revoked', async () => {
    const { revoke } = revoking(setting, setting.gate)
    const claims = { sub: `refused-${++agents}` }
    const token = await setting.token(claims)
    expect((await ask('/v1/day', token)).status).toBe(200)
    expect(await ask('/v1/day', token)).toEqual(LIMITED)
    await revoke({ kind: 'agent', value: claims.sub })
    await forward(setting.gate, 5_001)
    expect(await ask('/v1/day', token)).toEqual({ status: 401, code: 'token_revoked' })
  })
})
