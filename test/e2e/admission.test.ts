import { request as httpRequest, type OutgoingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
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

const MAX_AGE = 300
const FRESH = 120_000
const STALENESS = 5_000

const ROUTES = [
  { match: 'GET /v1/docs/{id}', scopes: ['docs:{id}'] },
  { match: 'GET /v1/recent', scopes: [], max_age: `${MAX_AGE}s` },
  {
    match: 'GET /v1/strict',
    scopes: [],
    revocation: { consistency: 'strict' },
  },
  { match: 'GET /v1/runs', scopes: [], workflow: 'header:x-run' },
  { match: 'GET /v1/named', scopes: [], workflow: 'query:run' },
  {
    match: 'GET /v1/lately',
    scopes: [],
    when: {
      condition: 'request.headers["x-class"] == "public"',
      headers: ['x-class'],
    },
  },
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

  it('nor than its user was authenticated lately', async () => {
    const token = await mint({ sub: 'alice', client_id: 'planner', auth_time: now() })
    await warm(token, '/v1/recent')
    await later((MAX_AGE + 1) * 1000)
    expect(await use(token, '/v1/recent')).toEqual({
      status: 401,
      code: 'authentication_insufficient',
    })
    await warm(token)
  })
})

describe('an admission is one of', () => {
  it('the values of the path that its scopes are made of', async () => {
    const token = await mint({ scope: 'docs:1' })
    await warm(token, '/v1/docs/1')
    const denied = { status: 403, code: 'scope_missing' }
    for (let i = 0; i < 2; i++) expect(await use(token, '/v1/docs/2')).toEqual(denied)
    await warm(token, '/v1/docs/1')
  })

  it.each([
    ['a header that names the workflow', '/v1/runs', { 'x-run': 'run-1' }, { 'x-run': 'run-2' }],
    ['a header that a condition reads', '/v1/lately', { 'x-class': 'public' }, { 'x-class': 'x' }],
  ])('the token, not of %s', async (_, path, good, bad) => {
    const token = await mint({ workflow_id: 'run-1' })
    await warm(token, path, good)
    expect((await use(token, path, bad)).status).toBe(403)
    await warm(token, path, good)
  })

  it('the token, not of a query that names the workflow', async () => {
    const token = await mint({ workflow_id: 'run-1' })
    await warm(token, '/v1/named?run=run-1')
    expect(await use(token, '/v1/named?run=run-2')).toEqual({
      status: 403,
      code: 'workflow_mismatch',
    })
    expect((await use(token, '/v1/named?run=run-1&run=run-2')).status).toBe(400)
    await warm(token, '/v1/named?run=run-1')
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
      'asks for a claim',
      rule({ claims: { tenant: 'blue' } }),
      { status: 401, code: 'claim_rejected' },
    ],
    [
      'takes agents of other types',
      rule({ agent_types: ['crawler'] }),
      { status: 403, code: 'agent_type_not_allowed' },
    ],
    ['takes shorter lives', rule({ max_lifetime: '1m' }), { status: 401, code: 'token_lifetime' }],
    [
      'has a condition',
      rule({ when: 'request.method == "POST"' }),
      { status: 403, code: 'condition_failed' },
    ],
    [
      'is for another audience',
      { issuer: { audiences: ['urn:other'] } },
      { status: 401, code: 'audience_mismatch' },
    ],
    [
      'trusts another issuer',
      { issuer: { issuer: 'http://127.0.0.1:9' } },
      { status: 401, code: 'issuer_unknown' },
    ],
    ['is not valid', { gate: { hosts: [] } }, { status: 503, code: 'policy_invalid' }],
    [
      'has no such rule',
      { routes: [{ match: 'GET /v2', scopes: [] }] },
      { status: 404, code: 'route_unknown' },
    ],
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

/** Asks with headers as they are, in as many lines. */
const askRaw = (path: string, headers: OutgoingHttpHeaders) =>
  new Promise<{ status: number | undefined; code: unknown }>((done, fail) => {
    const { port } = new URL(setting.gate.url)
    httpRequest({ port, host: '127.0.0.1', path, headers: { host: HOST, ...headers } })
      .on('response', async (answer) => {
        const body = await text(answer)
        const { code } = (body.startsWith('{') ? JSON.parse(body) : {}) as { code?: unknown }
        done({ status: answer.statusCode, code })
      })
      .on('error', fail)
      .end()
  })

it('an origin is told as many lines as each request of an admission has', async () => {
  const authorization = `Bearer ${await mint()}`
  for (const list of [['1'], ['2'], ['3'], ['4', '5'], ['6', '7'], ['8']]) {
    await askRaw('/v1/any', { authorization, 'x-list': list })
    const told = setting.origin.requests.at(-1)?.rawHeaders ?? []
    expect(told.flatMap(([name, value]) => (name === 'x-list' ? value : []))).toEqual(list)
  }
})

describe('an admission is for a request that carries the token as it should', () => {
  it.each<[string, (token: string) => [string, OutgoingHttpHeaders], number, string]>([
    ['by DPoP', (t) => ['', { authorization: `DPoP ${t}` }], 401, 'token_not_bound'],
    ['by another scheme', (t) => ['', { authorization: `Token ${t}` }], 401, 'scheme_unsupported'],
    ['by Basic', (t) => ['', { authorization: `Basic ${t}` }], 401, 'scheme_unsupported'],
    ['without a scheme', (t) => ['', { authorization: t }], 401, 'scheme_unsupported'],
    [
      'in two headers',
      (t) => ['', { authorization: [`Bearer ${t}`, `Bearer ${t}`] as never }],
      400,
      'credential_malformed',
    ],
    [
      'beside another credential',
      (t) => ['', { authorization: [`Bearer ${t}`, 'Basic YTpi'] as never }],
      400,
      'credential_malformed',
    ],
    [
      'in the query as well',
      (t) => [`?access_token=${t}`, { authorization: `Bearer ${t}` }],
      400,
      'credential_in_query',
    ],
  ])('%s it is refused', async (_, given, status, code) => {
    const token = await mint()
    await warm(token)
    const [query, headers] = given(token)
    expect(await askRaw(`/v1/any${query}`, headers)).toEqual({ status, code })
    await warm(token)
  })

  it('in another case of the scheme it passes, too', async () => {
    const token = await mint()
    await warm(token)
    const answer = await askRaw('/v1/any', { authorization: `bEARER ${token}` })
    expect(answer.status).toBe(200)
  })
})

describe('an admission ends when its token is revoked', () => {
  const KINDS = ['token', 'agent', 'subject', 'client', 'workflow', 'key', 'issuer'] as const

  it.each(
    KINDS.flatMap((kind) => [
      [kind, 'strict', '/v1/strict', 0] as const,
      [kind, 'bounded', '/v1/any', STALENESS] as const,
    ]),
  )('by its %s, where the rule is %s', async (kind, consistency, path, ms) => {
    const name = `${kind}-${consistency}`
    const isOfMany = kind === 'key' || kind === 'issuer'
    /** Before the administrator's own token. */
    const issued = now() + 10
    // What was revoked before is older than the token.
    await later(20_000)
    const values = {
      token: `jti-${name}`,
      agent: `agent-${name}`,
      subject: `sub-${name}`,
      client: `agent-${name}`,
      workflow: `run-${name}`,
      key: setting.issuer.kid,
      issuer: '',
    }
    const token = await mint({
      jti: values.token,
      client_id: values.agent,
      sub: values.subject,
      workflow_id: values.workflow,
    })
    const admin = await mint({
      client_id: 'operator',
      sub: 'operator',
      scope: 'edgewarden:revoke edgewarden:read',
    })
    await warm(token, path)
    const entry = {
      kind,
      issuer: setting.issuer.issuer,
      ...(kind !== 'issuer' && { value: values[kind] }),
      // Not of the administrator's own token, which is younger.
      ...(isOfMany && { mode: 'before', at: issued }),
    }
    const old = isOfMany ? await mint({ iat: issued, client_id: values.agent }) : token
    await warm(old, path)
    const made = await setting.ask('/.edgewarden/revocations', {
      method: 'POST',
      token: admin,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(entry),
    })
    expect(made.status).toBe(200)
    await later(ms)
    expect(await use(old, path)).toEqual({ status: 401, code: 'token_revoked' })
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
