import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { usualObjects } from '../kit/repository.ts'
import { PATIENCE } from '../kit/wait.ts'
import { assertionIn, JWKS, keysOf } from './asserting.ts'
import { change, clocked } from './keys-setting.ts'
import { askGate, outcome, type Setting, startSetting, until, withGate } from './setting.ts'
import { sharedShards } from './shards.ts'

const privateJwk = (kind: 'ec' | 'ed25519') =>
  (kind === 'ec'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('ed25519')
  ).privateKey.export({ format: 'jwk' })
const EC = privateJwk('ec')
const ED = privateJwk('ed25519')

const ROUTES = [
  { match: 'GET /v1/*', scopes: [] },
  { match: 'GET /public', access: 'public' },
  { match: 'GET /shadow', scopes: [], mode: 'shadow' },
]

let setting: Setting
beforeAll(async () => {
  setting = await startSetting({ routes: ROUTES })
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting.close())

describe('the published keys', () => {
  it('may be read by anyone and kept for five minutes, and are public', async () => {
    const response = await setting.gate.fetch(JWKS)
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/jwk-set+json',
      'cache-control': 'public, max-age=300',
      'access-control-allow-origin': '*',
    })
    const text = await response.text()
    expect(text).not.toMatch(/"(?:d|p|q|k|oth)"/)
    const { keys } = JSON.parse(text)
    expect(keys).toEqual([
      {
        kty: 'EC',
        crv: 'P-256',
        x: expect.stringMatching(/^[\w-]{43}$/),
        y: expect.stringMatching(/^[\w-]{43}$/),
        kid: expect.stringMatching(/^[\w-]{43}$/),
        alg: 'ES256',
        use: 'sig',
      },
    ])
  })
})

describe('keys of the operator', () => {
  const secret = JSON.stringify({ keys: [ED, EC] })
  const parts = [ED, EC].flatMap(({ d }) => [d ?? ''])

  it('sign and are published, with one that stands by, and nobody sees a secret part', async () => {
    const options = { routes: ROUTES, secrets: { ASSERTION_KEYS: secret } }
    await withGate(setting, options, async (gate) => {
      const { keys } = await keysOf(gate)
      expect(keys.map(({ alg, x }) => [alg, x])).toEqual([
        ['EdDSA', ED.x],
        ['ES256', EC.x],
        ['EdDSA', expect.stringMatching(/^[\w-]{43}$/)],
      ])
      const response = await askGate(gate, '/v1/x', { token: await setting.token() })
      expect(response.status).toBe(200)
      const [request] = setting.origin.requests
      const { protectedHeader } = await assertionIn(gate, request, setting.origin.url)
      expect(protectedHeader).toMatchObject({ alg: 'EdDSA', kid: keys[0]?.kid })
      const text = await (await gate.fetch(JWKS)).text()
      for (const part of parts) expect(text + gate.output()).not.toContain(part)
    })
  })
})

describe('keys of the operator that are not good', () => {
  const MIXED = [
    ['EC, another y', { ...EC, y: privateJwk('ec').y }],
    ['Ed25519, another d', { ...ED, d: privateJwk('ed25519').d }],
  ] as const
  const secretOf = (key: object) => ({ ASSERTION_KEYS: JSON.stringify({ keys: [key] }) })

  let gate: Gate
  beforeAll(async () => {
    const secrets = secretOf({ ...EC, crv: 'P-384' })
    gate = await setting.another({ ...(await clocked()), routes: ROUTES, secrets })
  })

  it('since they cannot be read make a policy that is not valid, without a word of them', async () => {
    const response = await askGate(gate, '/v1/x', { token: await setting.token() })
    expect(await outcome(response)).toEqual({ status: 503, code: 'policy_invalid' })
    expect(gate.output()).toContain('GATE.assertion')
    for (const part of [EC.d, EC.x, EC.y]) expect(gate.output()).not.toContain(part)
  })

  it.each(MIXED)(
    'since their numbers do not belong together sign nothing: %s',
    async (_, mixed) => {
      await change(gate, secretOf(mixed))
      const says =
        /"assertion_keys_unavailable","error":"Error: key 1 of the secret ASSERTION_KEYS cannot sign/g
      // After a failure the key service is asked again a second later.
      const said = async () => {
        await askGate(gate, '/v1/x', { token: await setting.token() })
        return gate.output().match(says)?.length ?? 0
      }
      const before = gate.output().match(says)?.length ?? 0
      const response = await askGate(gate, '/v1/x', { token: await setting.token() })
      expect(await outcome(response)).toEqual({ status: 503, code: 'assertion_unavailable' })
      expect((await gate.fetch(JWKS)).status).toBe(503)
      expect((await gate.fetch('/.edgewarden/ready')).status).toBe(503)
      expect(setting.origin.requests).toEqual([])
      await until(said, (times) => times > before, PATIENCE)
      for (const part of [mixed.d, mixed.x]) expect(gate.output()).not.toContain(part)
    },
  )
})

describe('a key that is withdrawn', () => {
  const withdrawing = (...withdrawn: readonly string[]) => ({ assertion: { withdrawn } })

  /** The kid that this gate signs with, which is among those it publishes. */
  const signs = async (gate: Gate) => {
    setting.origin.clear()
    const response = await askGate(gate, '/v1/x', { token: await setting.token() })
    expect(response.status).toBe(200)
    const { protectedHeader } = await assertionIn(
      gate,
      setting.origin.requests[0],
      setting.origin.url,
    )
    return protectedHeader.kid ?? ''
  }

  it('has another take its place with that deployment, and is gone for good', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-withdrawn-'))
    const deploy = async (gate: object, use: (gate: Gate) => Promise<void>) =>
      withGate(setting, { routes: ROUTES, dataDir, gate: { ...gate } }, use)
    let [leaked, other] = ['', '']
    await deploy({}, async (gate) => {
      leaked = await signs(gate)
      // Each gate has keys of its own.
      expect((await keysOf(gate)).keys).not.toEqual((await keysOf(setting.gate)).keys)
    })
    await deploy(withdrawing(leaked), async (gate) => {
      other = await signs(gate)
      expect(other).not.toBe(leaked)
      expect((await keysOf(gate)).keys.map(({ kid }) => kid)).toEqual([other])
    })
    // They are there after a restart.
    await deploy({}, async (gate) => {
      expect(await signs(gate)).toBe(other)
      expect((await keysOf(gate)).keys.map(({ kid }) => kid)).toEqual([other])
    })
    await rm(dataDir, { recursive: true })
  })

  it('of the secret is skipped, and a deployment beside that does not know it does the same', async () => {
    const [leaked, good] = await Promise.all(
      [ED, EC].map((jwk) => calculateJwkThumbprint(jwk as JWK)),
    )
    const options = {
      routes: ROUTES,
      secrets: { ASSERTION_KEYS: JSON.stringify({ keys: [ED, EC] }) },
      beside: [{ routes: ROUTES, gate: withdrawing(leaked ?? '') }],
    }
    await withGate(setting, options, async (older) => {
      const [newer] = older.beside
      if (!newer) throw new Error('no gate beside')
      for (const gate of [newer, older]) {
        expect(await signs(gate)).toBe(good)
        expect((await keysOf(gate)).keys.map(({ kid }) => kid)).not.toContain(leaked)
      }
    })
  })
})

describe('a keeper that cannot be reached', () => {
  let gate: Gate
  beforeAll(async () => {
    gate = await setting.another({
      routes: ROUTES,
      bundle: await sharedShards(),
      durableObjects: { ...usualObjects(), ASSERTION_KEY_SERVICE: 'UnreachableShard' },
    })
  })

  it('stops nothing that is not signed', async () => {
    const token = await setting.token()
    for (const path of ['/public', '/shadow']) {
      expect((await askGate(gate, path, { token })).status).toBe(200)
    }
    const told = setting.origin.requests.map(({ rawHeaders }) =>
      rawHeaders.filter(([name]) => /x-agent/i.test(name)),
    )
    expect(told).toEqual([[], []])
  })
})
