import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GUARD } from '../../src/guard.ts'
import type { Gate } from '../kit/gate.ts'
import { createIssuer, type Issuer } from '../kit/issuer.ts'
import { bodyOf, type Told } from './explaining.ts'
import { askGate, type Setting, type SettingOptions, startSetting, until } from './setting.ts'
import { EXPLAIN } from './world.ts'

const cleanup: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const one of cleanup.splice(0).reverse()) await one()
})

/** Its key is written in the policy, so its administrators need nobody's keys. */
let ops: Issuer
let options: SettingOptions
let setting: Setting

beforeEach(async () => {
  ops = await createIssuer()
  cleanup.push(() => ops.close())
  const jwks = { keys: [ops.jwk] }
  const entry = { issuer: ops.issuer, jwks, allow_insecure_http: true, agent_prefix: 'ops/' }
  options = {
    issuer: { agent_prefix: 'acme/' },
    more: { ISSUERS_OPS: { ops: { ...entry, admin: 'all' } } },
  }
  setting = await startSetting(options)
  cleanup.push(() => setting.close())
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

/** A cold gate that finds the issuer's keys in KV, asked for so many minutes ago. */
const withStoredKeys = async (minutes: number) => {
  const { gate, ask, token } = setting
  expect((await ask('/v1/x', { token: await token() })).status).toBe(200)
  await until(
    () => gate.kv.list(),
    (entries) => entries.length > 0,
    3_000,
  )
  const [{ name = '' } = {}] = await gate.kv.list()
  const record = JSON.parse((await gate.kv.get(name)) ?? '')
  const fetchedAt = record.fetchedAt - minutes * 60_000
  await gate.kv.put(name, JSON.stringify({ ...record, fetchedAt }))
  return setting.another({ ...options, kv: gate })
}

const codeOf = async (gate: Gate, token: string) => (await explain(gate, token)).denial?.code

describe('a cold gate', () => {
  it('explains in full with the keys that are in KV', async () => {
    const next = await withStoredKeys(1)
    await setting.issuer.fail('down')
    const told = await explain(next, await setting.token())
    expect(told).toMatchObject({ allowed: true, agent: { issuer: setting.issuer.issuer } })
    expect(told.steps).toHaveLength(GUARD.stages.length)
    expect(setting.issuer.requests).toHaveLength(1)
  })

  it('says that there are no keys where there are none, and asks for none', async () => {
    const { gate, issuer, token, ask } = setting
    const told = await explain(gate, await token())
    expect(told.denial).toMatchObject({ code: 'keys_unavailable', status: 503 })
    expect(told.steps.at(-1)).toMatchObject({
      stage: 'signature',
      detail: { note: expect.stringMatching(/asks no issuer/) },
    })
    expect([...issuer.requests, ...issuer.discoveries]).toEqual([])
    expect(await gate.kv.list()).toEqual([])
    const ready = await ask('/.edgewarden/ready')
    expect(await ready.json()).toMatchObject({ ready: true })
    expect((await ask('/v1/x', { token: await token() })).status).toBe(200)
    expect(issuer.requests).toHaveLength(1)
  })
})

describe('a hundred explanations of tokens with unknown key ids', () => {
  const hundred = async (gate: Gate, expected: string) => {
    for (let round = 0; round < 10; round++) {
      const tokens = await Promise.all(
        Array.from({ length: 10 }, (_, i) => setting.issuer.mint({}, { kid: `k-${round}-${i}` })),
      )
      const codes = await Promise.all(tokens.map((token) => codeOf(gate, token)))
      expect(new Set(codes)).toEqual(new Set([expected]))
    }
  }

  it('reach no issuer, and leave a token of a key just rotated in its one question', async () => {
    const next = await withStoredKeys(1)
    const { issuer } = setting
    const old = await issuer.mint()
    await issuer.rotate()
    const rotated = await issuer.mint()
    await hundred(next, 'key_unknown')
    expect(await codeOf(next, rotated)).toBe('key_unknown')
    expect(issuer.requests).toHaveLength(1)
    expect((await askGate(next, '/v1/x', { token: rotated })).status).toBe(200)
    expect(issuer.requests).toHaveLength(2)
    expect((await askGate(next, '/v1/x', { token: old })).status).toBe(200)
    expect(await codeOf(next, rotated)).toBeUndefined()
    await hundred(next, 'key_unknown')
    expect(issuer.requests).toHaveLength(2)
  })

  it('reach no issuer whose keys are old enough to be renewed', async () => {
    const next = await withStoredKeys(11)
    await hundred(next, 'key_unknown')
    expect(await codeOf(next, await setting.issuer.mint())).toBeUndefined()
    // Whatever was left to be done in the background has begun by now.
    expect((await askGate(next, '/.edgewarden/ready')).status).toBe(200)
    expect(setting.issuer.requests).toHaveLength(1)
  })

  it('leave a gate without keys as it was', async () => {
    const { gate, issuer, ask, token } = setting
    await hundred(gate, 'keys_unavailable')
    expect(issuer.requests).toHaveLength(0)
    expect((await ask('/v1/x', { token: await token() })).status).toBe(200)
    expect(issuer.requests).toHaveLength(1)
  })
})
