import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { PATIENCE } from '../kit/wait.ts'
import { ALLOWED, type Issued, startIssued, UNAVAILABLE } from './keys-setting.ts'
import { until } from './setting.ts'

/** What may stand in KV that is no record of keys. */
const BROKEN = [
  '{',
  '[]',
  '{"jwks":{"keys":[]},"fetchedAt":"now","rotations":[]}',
  `{"jwks":{"keys":{}},"fetchedAt":${Date.now()},"rotations":[]}`,
  `{"jwks":{"keys":[{"kty":"oct","kid":"x","k":"AA"}]},"fetchedAt":${Date.now()},"rotations":0}`,
  `{"jwks":{"keys":[]},"fetchedAt":${Date.now() + 3_600_000},"rotations":[]}`,
] as const
const brokenOf = (index: number) => `broken-${index}`

const FOUND = ['oauth', 'openid', 'stranger', 'unnamed', 'clear']
/** Of these the keys are in KV when the cold gate starts. */
const CACHED = ['down', 'early', 'late', 'stale', 'soon', ...BROKEN.map((_, i) => brokenOf(i))]

let setting: Issued
beforeAll(async () => {
  setting = await startIssued(
    Object.fromEntries([
      // Without its address the keys are found by metadata.
      ...FOUND.map((name) => [name, { jwks_uri: undefined }]),
      ...[...CACHED, 'restarted', 'unkept'].map((name) => [name, {}]),
      ['soon', { jwks_cache: { stale_if_error: '1h' } }],
    ]),
  )
})
afterAll(() => setting.close())

describe('discovery', () => {
  it('finds the keys by RFC 8414 metadata', async () => {
    const issuer = setting.of('oauth')
    expect(await setting.use('oauth')).toEqual(ALLOWED)
    expect(issuer.discoveries.map(({ url }) => url)).toEqual([
      '/.well-known/oauth-authorization-server',
    ])
    expect(issuer.requests).toHaveLength(1)
  })

  it('finds them by OpenID discovery where there is no such metadata', async () => {
    const issuer = setting.of('openid')
    const openid = { issuer: issuer.issuer, jwks_uri: issuer.jwksUri }
    issuer.setMetadata({ oauth: 404, openid })
    expect(await setting.use('openid')).toEqual(ALLOWED)
    expect(issuer.discoveries.map(({ url }) => url)).toEqual([
      '/.well-known/oauth-authorization-server',
      '/.well-known/openid-configuration',
    ])
  })

  it.each([
    ['of another issuer', 'stranger', (own: string) => ({ issuer: `${own}/` })],
    ['without an issuer', 'unnamed', () => ({ issuer: undefined })],
    ['with keys in the clear', 'clear', () => ({ jwks_uri: 'http://192.0.2.1/jwks' })],
  ])('takes no metadata %s', async (_, name, changes) => {
    const issuer = setting.of(name)
    const { issuer: own, jwksUri: jwks_uri } = issuer
    issuer.setMetadata({ oauth: { issuer: own, jwks_uri, ...changes(own) } })
    expect(await setting.use(name)).toEqual(UNAVAILABLE)
    expect(issuer.requests).toHaveLength(0)
  })
})

describe('the shared cache', () => {
  /** Issuer → the name of its entry in KV. */
  const entries = new Map<string, string>()
  let cold: Gate

  beforeAll(async () => {
    for (const name of CACHED) entries.set(name, await stored(name))
    await Promise.all(BROKEN.map((text, i) => put(brokenOf(i), text)))
    await age('early', 4)
    await age('late', 6)
    await age('stale', 11)
    await age('soon', 59)
    await setting.of('down').fail('down')
    await setting.of('late').fail('hang')
    await setting.of('stale').fail(503)
    await setting.of('soon').fail('destroy')
    cold = await start()
  })

  const names = async () => (await setting.gate.kv.list()).map(({ name }) => name)

  /** Has the gate fetch the keys of an issuer; the name of the entry they are stored under. */
  const stored = async (name: string): Promise<string> => {
    const before = new Set(await names())
    expect(await setting.use(name)).toEqual(ALLOWED)
    const added = async () => (await names()).find((one) => !before.has(one))
    return (await until(added, (one) => one !== undefined, PATIENCE)).at(-1) ?? ''
  }

  const entryOf = (name: string) => entries.get(name) ?? ''
  const put = (name: string, text: string) => setting.gate.kv.put(entryOf(name), text)

  /** Has KV hold the issuer's keys as if they were so many minutes old. */
  const age = async (name: string, minutes: number) => {
    const record = JSON.parse((await setting.gate.kv.get(entryOf(name))) ?? '')
    const fetchedAt = Date.now() - minutes * 60_000
    await put(name, JSON.stringify({ ...record, fetchedAt }))
  }

  /** A gate whose keeper knows nothing: all it has is what is in KV. */
  const start = () => setting.another({ ...setting.options, kv: setting.gate })

  it('serves a cold gate while the issuer is down', async () => {
    expect(await setting.use('down', { gate: cold })).toEqual(ALLOWED)
    expect(setting.of('down').requests).toHaveLength(1)
  })

  it('is renewed behind requests in the second half of its fresh time', async () => {
    expect(await setting.use('early', { gate: cold })).toEqual(ALLOWED)
    for (let i = 0; i < 3; i++) {
      expect(await setting.use('late', { gate: cold })).toEqual(ALLOWED)
    }
    const asked = async () => setting.of('late').requests.length
    await until(asked, (count) => count === 2, PATIENCE)
    expect(setting.of('early').requests).toHaveLength(1)
  })

  it('goes on with keys it could not renew', async () => {
    expect(await setting.use('stale', { gate: cold })).toEqual(ALLOWED)
    expect(setting.of('stale').requests).toHaveLength(2)
    const token = await setting.of('stale').mint({}, { kid: 'unknown' })
    expect(await setting.use('stale', { gate: cold, token })).toEqual(UNAVAILABLE)
    expect(await setting.use('stale', { gate: cold })).toEqual(ALLOWED)
    expect(await setting.use('soon', { gate: cold })).toEqual(ALLOWED)
  })

  it('is given up after a day, or sooner where the entry says so', async () => {
    await age('stale', 25 * 60)
    await age('soon', 61)
    const later = await start()
    expect(await setting.use('stale', { gate: later })).toEqual(UNAVAILABLE)
    expect(await setting.use('soon', { gate: later })).toEqual(UNAVAILABLE)
    await later.stop()
  })

  it.each(BROKEN.map((text, i) => [text, brokenOf(i)]))(
    'is checked like the issuer: %s',
    async (_, name) => {
      expect(await setting.use(name, { gate: cold })).toEqual(ALLOWED)
      expect(setting.of(name).requests).toHaveLength(2)
    },
  )
})
