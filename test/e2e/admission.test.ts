import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { rawRequest } from '../kit/raw.ts'
import { createKey, type Members } from '../kit/signing.ts'
import { ALLOWED, change, clocked, forward, makePatient, type Outcome } from './keys-setting.ts'
import {
  HOST,
  outcome,
  policyOf,
  type Setting,
  type SettingOptions,
  startSetting,
} from './setting.ts'

/** What was decided of a token once is used for its next requests: here is when it no longer is. */

const FRESH = 120_000
const STALENESS = 5_000

const ROUTES = [
  { match: 'GET /v1/strict', scopes: [], revocation: { consistency: 'strict' } },
  { match: 'GET /v1/*', scopes: [] },
]

const POLICY = {
  gate: {
    clock_tolerance: '0s',
    revocation: { consistency: 'bounded', max_staleness: `${STALENESS / 1000}s` },
  },
  issuer: { admin: 'all', max_lifetime: '24h', jwks_cache: { max_fresh: `${FRESH / 1000}s` } },
  routes: ROUTES,
}

let setting: Setting

beforeAll(async () => {
  setting = await startSetting({ ...(await clocked()), ...POLICY })
  await makePatient(setting.gate)
})
afterAll(() => setting.close())

let ahead = 0
const later = async (ms: number) => {
  await forward(setting.gate, ms)
  ahead += ms
}
/** Seconds, by the gate's clock. */
const now = () => Math.floor((Date.now() + ahead) / 1000)

const mint = (claims: object = {}) =>
  setting.token({ iat: now(), exp: now() + 3_600, nbf: now(), ...claims })

const use = async (token: string, path = '/v1/any', headers: Record<string, string> = {}) =>
  outcome(await setting.ask(path, { token, headers }))

/** Passes twice, the second time by what was decided the first. */
const warm = async (token: string, path?: string, headers?: Record<string, string>) => {
  for (let i = 0; i < 2; i++) expect(await use(token, path, headers)).toEqual(ALLOWED)
}

describe('an admission holds no longer than its token', () => {
  it('which expires', async () => {
    const token = await mint({ exp: now() + 60 })
    await warm(token)
    await later(61_000)
    expect(await use(token)).toEqual({ status: 401, code: 'token_expired' })
  })

  it('nor before its nbf, by a clock that is set back', async () => {
    const token = await mint({ nbf: now() + 60 })
    expect(await use(token)).toEqual({ status: 401, code: 'token_not_yet_valid' })
    await later(61_000)
    await warm(token)
    await later(-61_000)
    expect(await use(token)).toEqual({ status: 401, code: 'token_not_yet_valid' })
    await later(61_000)
    await warm(token)
  })
})

describe('an admission ends with its policy, in an isolate that outlives it', () => {
  /** One policy laid over the first, with the same bindings and the same memory. */
  const under = ({ gate, issuer, ...more }: SettingOptions) =>
    change(
      setting.gate,
      policyOf(
        {
          ...POLICY,
          ...more,
          gate: { ...POLICY.gate, ...gate },
          issuer: { ...POLICY.issuer, ...issuer },
        },
        setting.issuer,
        setting.origin,
      ),
    )
  afterEach(() => under({}))

  const rule = (changes: Members) => ({ routes: [{ match: 'GET /v1/*', scopes: [], ...changes }] })

  it.each<[string, SettingOptions, Outcome]>([
    ['asks for a scope', rule({ scopes: ['all'] }), { status: 403, code: 'scope_missing' }],
    [
      'trusts another issuer',
      { issuer: { issuer: 'http://127.0.0.1:9' } },
      { status: 401, code: 'issuer_unknown' },
    ],
    ['is not valid', { gate: { hosts: [] } }, { status: 503, code: 'policy_invalid' }],
  ])('where the next one %s', async (_, next, denied) => {
    const token = await mint()
    await warm(token)
    await under(next)
    for (let i = 0; i < 2; i++) expect(await use(token)).toEqual(denied)
    await under({})
    await warm(token)
  })

  it('and so does what the origin is told by it', async () => {
    const token = await mint({ tenant: 'blue' })
    const told = async () => {
      await warm(token)
      return setting.origin.requests.at(-1)?.header('x-tenant')
    }
    expect(await told()).toBeUndefined()
    await under({ gate: { identity_headers: { 'x-tenant': 'tenant' } } })
    expect(await told()).toBe('blue')
    await under({})
    expect(await told()).toBeUndefined()
  })
})

describe('what the origin is told of many requests of one admission at once', () => {
  it('is of each its own', async () => {
    const token = await mint()
    const at = setting.origin.requests.length
    const asked = Array.from({ length: 120 }, (_, i) => ({
      'x-n': String(i),
      traceparent: `00-${i}`,
      ...(i % 3 === 0 && { accept: `text/${i}` }),
      ...(i % 5 === 0 && { 'x-list': `${i}, ${i}` }),
    }))
    const waves = [asked.slice(0, 3), asked.slice(3), asked.slice(0, 9)]
    for (const wave of waves) {
      const asking = wave.map((headers) => use(token, `/v1/any?n=${headers['x-n']}`, headers))
      for (const answer of await Promise.all(asking)) expect(answer).toEqual(ALLOWED)
    }
    const told = setting.origin.requests.slice(at)
    expect(told).toHaveLength(waves.flat().length)
    for (const request of told) {
      const own = asked[Number(request.header('x-n'))]
      expect(request.url).toBe(`/v1/any?n=${own?.['x-n']}`)
      expect(request.header('traceparent')).toBe(own?.traceparent)
      expect(request.header('x-list')).toBe(own?.['x-list'])
      if (own?.accept) expect(request.header('accept')).toBe(own.accept)
      else expect(request.header('accept') ?? '').not.toMatch(/^text/)
    }
    expect(new Set(told.map((request) => request.header('x-request-id'))).size).toBe(told.length)
  })
})

it('an origin is told as many lines as each request of an admission has', async () => {
  const authorization = ['Authorization', `Bearer ${await mint()}`] as const
  for (const list of [['1'], ['2'], ['4', '5'], ['6', '7'], ['8']]) {
    const lines = list.map((value) => ['X-List', value] as const)
    const headers = [['Host', HOST] as const, authorization, ...lines]
    await setting.gate.raw(rawRequest({ target: '/v1/any', headers }))
    const told = setting.origin.requests.at(-1)?.rawHeaders ?? []
    expect(told.flatMap(([name, value]) => (/^x-list$/i.test(name) ? value : []))).toEqual(list)
  }
})

describe('an admission ends when its token is revoked', () => {
  it.each([
    ['token', 'strict', '/v1/strict', 0],
    ['agent', 'bounded', '/v1/any', STALENESS],
    ['key', 'bounded', '/v1/any', STALENESS],
  ] as const)('by its %s, where the rule is %s', async (kind, consistency, path, ms) => {
    const name = `${kind}-${consistency}`
    const issued = now() + 10
    // What was revoked before is older than the token.
    await later(20_000)
    const values = { token: `jti-${name}`, agent: `agent-${name}`, key: setting.issuer.kid }
    const claims = { jti: values.token, client_id: values.agent, sub: values.agent }
    const token = await mint({ ...claims, iat: issued })
    const admin = await mint({ client_id: 'operator', scope: 'edgewarden:revoke' })
    await warm(token, path)
    const made = await setting.ask('/.edgewarden/revocations', {
      method: 'POST',
      token: admin,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        kind,
        issuer: setting.issuer.issuer,
        value: values[kind],
        // Not of the administrator's own token, which is younger.
        ...(kind === 'key' && { mode: 'before', at: issued }),
      }),
    })
    expect(made.status).toBe(200)
    await later(ms)
    expect(await use(token, path)).toEqual({ status: 401, code: 'token_revoked' })
  })
})

describe('an admission ends with its key', () => {
  it('that is withdrawn, or that another takes the name of', async () => {
    const { issuer } = setting
    const { kid, key } = issuer
    const token = await mint()
    await warm(token)
    const twin = await createKey('ES256', kid)
    issuer.setKeys([twin.jwk])
    await later(FRESH)
    expect(await use(token)).toEqual({ status: 401, code: 'signature_invalid' })
    const { jwk: other } = await createKey('ES256', 'another')
    issuer.setKeys([other])
    await later(FRESH)
    expect(await use(token)).toEqual({ status: 401, code: 'key_unknown' })
    issuer.setKeys([key.jwk])
    await later(FRESH)
    await warm(token)
  })
})
