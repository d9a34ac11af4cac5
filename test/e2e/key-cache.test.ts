import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import {
  askGate,
  outcome,
  type Setting,
  type SettingOptions,
  startSetting,
  until,
} from './setting.ts'

const cleanup: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const one of cleanup.splice(0).reverse()) await one()
})

const start = async (options?: SettingOptions): Promise<Setting> => {
  const setting = await startSetting(options)
  cleanup.push(() => setting.close())
  return setting
}

const temporary = async () => {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-keys-'))
  cleanup.push(() => rm(directory, { recursive: true, force: true }))
  return directory
}

describe('discovery', () => {
  const discovering = (path?: string) =>
    start({ issuer: { jwks_uri: undefined }, signing: path === undefined ? {} : { issuer: path } })

  it('finds the keys by RFC 8414 metadata', async () => {
    const { issuer, ask, token } = await discovering()
    expect((await ask('/v1/x', { token: await token() })).status).toBe(200)
    expect(issuer.discoveries.map(({ url }) => url)).toEqual([
      '/.well-known/oauth-authorization-server',
    ])
    expect(issuer.requests).toHaveLength(1)
  })

  it('finds them by OpenID discovery where there is no such metadata', async () => {
    const { issuer, ask, token } = await discovering()
    issuer.setMetadata({
      oauth: 404,
      openid: { issuer: issuer.issuer, jwks_uri: issuer.jwksUri },
    })
    expect((await ask('/v1/x', { token: await token() })).status).toBe(200)
    expect(issuer.discoveries.map(({ url }) => url)).toEqual([
      '/.well-known/oauth-authorization-server',
      '/.well-known/openid-configuration',
    ])
  })

  it.each([
    ['of another issuer', (own: string) => ({ issuer: `${own}/` })],
    ['without an issuer', () => ({})],
    ['with keys in the clear', () => ({ jwks_uri: 'http://192.0.2.1/jwks' })],
  ])('takes no metadata %s', async (_name, changes) => {
    const { issuer, ask, token } = await discovering()
    const { issuer: own, jwksUri: jwks_uri } = issuer
    const told: Record<string, unknown> = { issuer: own, jwks_uri, ...changes(own) }
    if (_name === 'without an issuer') delete told.issuer
    issuer.setMetadata({ oauth: told })
    const answer = await outcome(await ask('/v1/x', { token: await token() }))
    expect(answer).toEqual({ status: 503, code: 'keys_unavailable' })
    expect(issuer.requests).toHaveLength(0)
  })
})

describe('the shared cache', () => {
  const stored = async (gate: Gate) => {
    await until(
      () => gate.kv.list(),
      (entries) => entries.length > 0,
      3_000,
    )
  }

  it('serves a restarted gate while the issuer is down', async () => {
    const dataDir = await temporary()
    const { issuer, gate, another, token } = await start({ dataDir })
    expect((await askGate(gate, '/v1/x', { token: await token() })).status).toBe(200)
    await stored(gate)
    const [entry] = await gate.kv.list()
    expect(entry?.expiration).toBeGreaterThan(Date.now() / 1000)
    const value = (await gate.kv.get(entry?.name ?? '')) ?? ''
    expect(value).toContain(issuer.jwk.x)
    await gate.stop()
    issuer.fail('destroy')
    const next = await another({ dataDir })
    expect((await askGate(next, '/v1/x', { token: await token() })).status).toBe(200)
    expect(issuer.requests).toHaveLength(1)
  })

  it('goes on with keys it could not renew, and gives them up after a day', async () => {
    const dataDir = await temporary()
    const { issuer, gate, another, token } = await start({ dataDir })
    expect((await askGate(gate, '/v1/x', { token: await token() })).status).toBe(200)
    await stored(gate)
    const [{ name = '' } = {}] = await gate.kv.list()
    const record = JSON.parse((await gate.kv.get(name)) ?? '')
    const aged = (minutes: number) =>
      JSON.stringify({ ...record, fetchedAt: record.fetchedAt - minutes * 60_000 })
    await gate.kv.put(name, aged(11))
    await gate.stop()
    issuer.fail(503)
    const next = await another({ dataDir })
    const ask = async () => askGate(next, '/v1/x', { token: await token() })
    expect((await ask()).status).toBe(200)
    await until(
      async () => issuer.requests.length,
      (asked) => asked === 2,
      3_000,
    )
    const rotated = await issuer.mint({}, { kid: 'unknown' })
    const refused = await askGate(next, '/v1/x', { token: rotated })
    expect(await outcome(refused)).toEqual({ status: 503, code: 'keys_unavailable' })
    expect((await ask()).status).toBe(200)
    await next.kv.put(name, aged(25 * 60))
    await next.stop()
    const later = await another({ dataDir })
    const gone = await askGate(later, '/v1/x', { token: await token() })
    expect(await outcome(gone)).toEqual({ status: 503, code: 'keys_unavailable' })
  })

  it.each([
    '{',
    '{"jwks":{"keys":[]},"fetchedAt":"now"}',
    '[]',
    `{"jwks":{"keys":{}},"fetchedAt":${Date.now()}}`,
  ])('is checked like the issuer: %s', async (broken) => {
    const dataDir = await temporary()
    const { gate, another, token, issuer } = await start({ dataDir })
    expect((await askGate(gate, '/v1/x', { token: await token() })).status).toBe(200)
    await stored(gate)
    const [entry] = await gate.kv.list()
    await gate.kv.put(entry?.name ?? '', broken)
    await gate.stop()
    const next = await another({ dataDir })
    expect((await askGate(next, '/v1/x', { token: await token() })).status).toBe(200)
    expect(issuer.requests).toHaveLength(2)
  })

  it('is not needed', async () => {
    const { gate, ask, token } = await start()
    await gate.kv.fail(500)
    expect((await ask('/v1/x', { token: await token() })).status).toBe(200)
  })
})
