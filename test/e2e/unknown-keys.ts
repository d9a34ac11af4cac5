import { afterAll, beforeAll, expect, it } from 'vitest'
import { GUARD } from '../../src/gate/guard/guard.ts'
import type { Gate } from '../kit/gate.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { bodyOf, type Told } from './explaining.ts'
import { askGate, type Setting, type SettingOptions, startSetting, until } from './setting.ts'
import { EXPLAIN } from './world.ts'

/**
 * What explanations do to the keys of an issuer, with so many of them about keys that it does not have.
 */
export const explainsUnknownKeys = (many: number): void => {
  /** Its key is written in the policy, so its administrators need nobody's keys. */
  let ops: Issuer
  let options: SettingOptions
  let setting: Setting
  beforeAll(async () => {
    ops = await createIssuer()
    const jwks = { keys: [ops.jwk] }
    const entry = { issuer: ops.issuer, jwks, allow_insecure_http: true, agent_prefix: 'ops/' }
    options = {
      issuer: { agent_prefix: 'acme/' },
      more: { ISSUERS_OPS: { ops: { ...entry, admin: 'all' } } },
    }
    setting = await startSetting(options)
  })
  afterAll(async () => {
    await setting.close()
    await ops.close()
  })

  const explain = async (gate: Gate, token: string): Promise<Told> => {
    const response = await askGate(gate, EXPLAIN, {
      method: 'POST',
      token: await ops.mint({ scope: 'edgewarden:read' }),
      headers: { 'content-type': 'application/json' },
      body: bodyOf({ token }),
    })
    expect(response.status).toBe(200)
    return (await response.json()) as Told
  }

  const codeOf = async (gate: Gate, token: string) => (await explain(gate, token)).denial?.code

  const explainMany = async (gate: Gate, expected: string) => {
    for (let round = 0; round < many / 10; round++) {
      const tokens = await Promise.all(
        Array.from({ length: 10 }, (_, i) => setting.issuer.mint({}, { kid: `k-${round}-${i}` })),
      )
      const codes = await Promise.all(tokens.map((token) => codeOf(gate, token)))
      expect(new Set(codes)).toEqual(new Set([expected]))
    }
  }

  const passes = async (gate: Gate, token: string) =>
    expect((await askGate(gate, '/v1/x', { token })).status).toBe(200)

  /** A cold gate that finds the issuer's keys in KV, asked for a minute ago. */
  const withStoredKeys = async (): Promise<Gate> => {
    const { gate } = setting
    await passes(gate, await setting.token())
    await until(
      () => gate.kv.list(),
      (entries) => entries.length > 0,
      30_000,
    )
    const [{ name = '' } = {}] = await gate.kv.list()
    const record = JSON.parse((await gate.kv.get(name)) ?? '')
    await gate.kv.put(name, JSON.stringify({ ...record, fetchedAt: Date.now() - 60_000 }))
    return setting.another({ ...options, kv: gate })
  }

  it('are whole by the keys in KV, and leave a token of a key just rotated in its one question', async () => {
    const { issuer } = setting
    const next = await withStoredKeys()
    const asked = issuer.requests.length
    const old = await issuer.mint()
    const told = await explain(next, old)
    expect(told).toMatchObject({ allowed: true, agent: { issuer: issuer.issuer } })
    expect(told.steps).toHaveLength(GUARD.stages.length)
    await issuer.rotate()
    const rotated = await issuer.mint()
    await explainMany(next, 'key_unknown')
    expect(await codeOf(next, rotated)).toBe('key_unknown')
    expect(issuer.requests).toHaveLength(asked)
    await passes(next, rotated)
    expect(issuer.requests).toHaveLength(asked + 1)
    await passes(next, old)
    expect(await codeOf(next, rotated)).toBeUndefined()
    await explainMany(next, 'key_unknown')
    expect(issuer.requests).toHaveLength(asked + 1)
  })
}
