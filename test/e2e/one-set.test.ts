import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import type { Members } from '../kit/signing.ts'
import { RESOURCE, type Setting, startSetting } from './setting.ts'

/** Two gates with policies of their own. The second has `script_name` at its set of revocations, and at its registry. */

const OWN = '/.edgewarden'
const OTHER = 'https://b.example.com'
const HOSTS = { [RESOURCE]: 'api.example.com', [OTHER]: 'b.example.com' }
const SCOPES = 'edgewarden:revoke edgewarden:read edgewarden:agents edgewarden:audit:read'

let setting: Setting
let a: Gate
let b: Gate

beforeAll(async () => {
  setting = await startSetting({
    durableObjects: WITH_AUDIT,
    issuer: { admin: 'all' },
    beside: [
      {
        lent: ['REVOCATIONS', 'AGENTS'],
        gate: {
          ...{ resource: OTHER, hosts: ['b.example.com', '127.0.0.1'] },
          revocation: { consistency: 'bounded', max_staleness: '1s', shards: 2 },
        },
        issuer: { admin: 'own' },
        routes: [
          { match: 'GET /v1/strict', scopes: [], revocation: 'strict' },
          { match: 'GET /v1/*', scopes: [] },
        ],
      },
    ],
  })
  a = setting.gate
  b = a.beside[0] as Gate
})
afterAll(() => setting.close())

const ask = async (gate: Gate, path: string, claims: Members, init: RequestInit = {}) => {
  const aud = gate === a ? RESOURCE : OTHER
  const token = await setting.token({ aud, ...claims })
  const headers = { host: HOSTS[aud] as string, authorization: `Bearer ${token}`, ...init.headers }
  return gate.fetch(path, { ...init, headers })
}
const status = async (gate: Gate, client_id: string, path = '/v1/strict') =>
  (await ask(gate, path, { client_id })).status
const at = (gate: Gate, path: string, body: object | undefined, method = 'POST') =>
  ask(
    gate,
    `${OWN}/${path}`,
    { client_id: 'admin', sub: 'admin', scope: SCOPES },
    {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    },
  )
const revoke = async (gate: Gate, value: string) => {
  const answer = await at(gate, 'revocations', {
    ...{ kind: 'agent', issuer: setting.issuer.issuer, value },
  })
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { revocations: [{ id: string }] }).revocations[0].id
}

describe('two gates with one set of revocations', () => {
  it('refuse what either has revoked, until either lifts it', async () => {
    for (const [by, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const agent = `agent-of-${by.port}`
      expect([await status(by, agent), await status(other, agent)]).toEqual([200, 200])
      const id = await revoke(by, agent)
      expect([await status(by, agent), await status(other, agent)]).toEqual([401, 401])
      // The copy of an isolate is as late as that gate allows.
      await eventually(async () => expect(await status(b, agent, '/v1/bounded')).toBe(401))
      expect([await status(a, 'another'), await status(b, 'another')]).toEqual([200, 200])
      // Only at the first gate may they lift what those of every issuer have made.
      const lifted = await at(other, `revocations/${id}`, undefined, 'DELETE')
      expect(lifted.status).toBe(by === a ? 404 : 204)
      if (by === a) await at(a, `revocations/${id}`, undefined, 'DELETE')
      expect([await status(by, agent), await status(other, agent)]).toEqual([200, 200])
    }
  })

  it('refuse a token that was given back at either', async () => {
    const jti = 'for-both'
    const who = { client_id: 'both', sub: 'both' }
    const token = await setting.token({ ...who, jti, aud: RESOURCE })
    const given = await ask(b, `${OWN}/revoke`, who, {
      method: 'POST',
      body: new URLSearchParams({ token }),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(given.status).toBe(200)
    for (const gate of [a, b]) {
      expect((await ask(gate, '/v1/strict', { ...who, jti })).status).toBe(401)
      expect((await ask(gate, '/v1/strict', who)).status).toBe(200)
    }
  })

  it('have one status for each agent, where they have one registry', async () => {
    const { issuer } = setting.issuer
    const of = { issuer, agent: 'halted' }
    for (const [by, action, expected] of [
      [b, 'suspend', 403],
      [a, 'resume', 200],
    ] as const) {
      expect((await at(by, `agents/${action}`, { ...of, reason: 'x' })).status).toBe(200)
      expect([await status(a, 'halted'), await status(b, 'halted')]).toEqual([expected, expected])
    }
  })

  it('store the acts of both where the set is', async () => {
    await revoke(b, 'agent-with-act')
    const acts = async (gate: Gate) => {
      const answer = await at(gate, 'decisions?kind=act&limit=1000', undefined, 'GET')
      expect(answer.status).toBe(200)
      return JSON.stringify(await answer.json())
    }
    await eventually(async () => expect(await acts(a)).toContain('agent-with-act'))
    expect(await acts(b)).not.toContain('agent-with-act')
  })
})
