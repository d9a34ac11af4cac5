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

  /** A gate that has just been started, whose keeper knows nothing: only KV is what it was. */
  const cold = ({ gate, another }: Setting, options: SettingOptions = {}) =>
    another({ ...options, kv: gate })

  it('serves a cold gate while the issuer is down', async () => {
    const setting = await start()
    const { issuer, gate, token } = setting
    expect((await askGate(gate, '/v1/x', { token: await token() })).status).toBe(200)
    await stored(gate)
    const [entry] = await gate.kv.list()
    expect(entry?.name).toMatch(/^jwks:2:/)
    expect(entry?.expiration).toBeGreaterThan(Date.now() / 1000)
    const value = (await gate.kv.get(entry?.name ?? '')) ?? ''
    expect(value).toContain(issuer.jwk.x)
    await issuer.fail('down')
    const next = await cold(setting)
    expect((await askGate(next, '/v1/x', { token: await token() })).status).toBe(200)
    expect(issuer.requests).toHaveLength(1)
  })

  it('is not all that is kept: a gate restarted without it has its keys as well', async () => {
    const dataDir = await temporary()
    const { issuer, gate, another, token } = await start({ dataDir })
    expect((await askGate(gate, '/v1/x', { token: await token() })).status).toBe(200)
    await stored(gate)
    const [{ name = '' } = {}] = await gate.kv.list()
    await gate.kv.delete(name)
    await gate.stop()
    await issuer.fail('down')
    const next = await another({ dataDir })
    expect((await askGate(next, '/v1/x', { token: await token() })).status).toBe(200)
    expect(issuer.requests).toHaveLength(1)
  })

  /** Has KV hold the issuer's keys as if they were so old, and starts a gate that finds them. */
  const aged = async (setting: Setting) => {
    const { gate, ask, token } = setting
    expect((await ask('/v1/x', { token: await token() })).status).toBe(200)
    await stored(gate)
    const [{ name = '' } = {}] = await gate.kv.list()
    const record = JSON.parse((await gate.kv.get(name)) ?? '')
    return async (minutes: number, options?: SettingOptions) => {
      const fetchedAt = record.fetchedAt - minutes * 60_000
      await gate.kv.put(name, JSON.stringify({ ...record, fetchedAt }))
      return cold(setting, options)
    }
  }

  it('is renewed behind requests in the second half of its fresh time', async () => {
    const setting = await start()
    const { issuer, token } = setting
    const gateAfter = await aged(setting)
    const next = await gateAfter(4)
    expect((await askGate(next, '/v1/x', { token: await token() })).status).toBe(200)
    expect((await askGate(next, '/.edgewarden/ready')).status).toBe(200)
    expect(issuer.requests).toHaveLength(1)
    const later = await gateAfter(6)
    await issuer.fail('hang')
    for (let i = 0; i < 3; i++) {
      expect((await askGate(later, '/v1/x', { token: await token() })).status).toBe(200)
    }
    await until(
      async () => issuer.requests.length,
      (asked) => asked === 2,
      3_000,
    )
  })

  it('goes on with keys it could not renew, and gives them up after a day', async () => {
    const setting = await start()
    const { issuer, token } = setting
    const gateAfter = await aged(setting)
    issuer.fail(503)
    const next = await gateAfter(11)
    const ask = async () => askGate(next, '/v1/x', { token: await token() })
    expect((await ask()).status).toBe(200)
    expect(issuer.requests).toHaveLength(2)
    const rotated = await issuer.mint({}, { kid: 'unknown' })
    const refused = await askGate(next, '/v1/x', { token: rotated })
    expect(await outcome(refused)).toEqual({ status: 503, code: 'keys_unavailable' })
    expect((await ask()).status).toBe(200)
    const later = await gateAfter(25 * 60)
    const gone = await askGate(later, '/v1/x', { token: await token() })
    expect(await outcome(gone)).toEqual({ status: 503, code: 'keys_unavailable' })
  })

  it('is given up sooner where the entry says so', async () => {
    const options = { issuer: { jwks_cache: { stale_if_error: '1h' } } }
    const setting = await start(options)
    const { issuer, token } = setting
    const gateAfter = await aged(setting)
    issuer.fail('destroy')
    for (const [minutes, status] of [
      [59, 200],
      [61, 503],
    ] as const) {
      const next = await gateAfter(minutes, options)
      expect((await askGate(next, '/v1/x', { token: await token() })).status).toBe(status)
    }
  })

  it.each([
    '{',
    '[]',
    '{"jwks":{"keys":[]},"fetchedAt":"now","rotations":[]}',
    `{"jwks":{"keys":{}},"fetchedAt":${Date.now()},"rotations":[]}`,
    `{"jwks":{"keys":[{"kty":"oct","kid":"x","k":"AA"}]},"fetchedAt":${Date.now()},"rotations":0}`,
    `{"jwks":{"keys":[]},"fetchedAt":${Date.now() + 3_600_000},"rotations":[]}`,
  ])('is checked like the issuer: %s', async (broken) => {
    const setting = await start()
    const { gate, token, issuer } = setting
    expect((await askGate(gate, '/v1/x', { token: await token() })).status).toBe(200)
    await stored(gate)
    const [entry] = await gate.kv.list()
    await gate.kv.put(entry?.name ?? '', broken)
    const next = await cold(setting)
    expect((await askGate(next, '/v1/x', { token: await token() })).status).toBe(200)
    expect(issuer.requests).toHaveLength(2)
  })

  it('is not needed', async () => {
    const { gate, ask, token } = await start()
    await gate.kv.fail(500)
    expect((await ask('/v1/x', { token: await token() })).status).toBe(200)
  })
})
