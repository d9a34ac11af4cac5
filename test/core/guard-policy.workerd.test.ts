import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Env } from '../../src/gate/app/workerd/env.ts'
import { createPolicyLoader } from '../../src/gate/app/workerd/policy.ts'
import type { Facts } from '../../src/gate/guard/guard.ts'
import { createKeyCache } from '../../src/gate/keys/cache.ts'
import { createKeySource } from '../../src/gate/keys/source.ts'
import { revocationId } from '../../src/gate/model/revocation.ts'
import { identityHeaders } from '../../src/gate/relay/origin/headers.ts'
import { ISSUER, NOW, RESOURCE } from '../kit/facts.ts'
import { startLine } from '../kit/line.ts'

const pair = async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid: 'key-1', alg: 'ES256' } }
}
const { privateKey, jwk } = await pair()
const { jwk: FOREIGN } = await pair()

const minted = (claims: object) =>
  new SignJWT({
    iss: ISSUER,
    aud: RESOURCE,
    sub: 'agent-1',
    client_id: 'agent-1',
    tenant: 'blue',
    jti: 'token-1',
    scope: 'chat:write',
    iat: NOW,
    exp: NOW + 840,
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'key-1' })
    .sign(privateKey)

let line: ReturnType<typeof startLine>
let load: ReturnType<typeof createPolicyLoader>
let token: string

beforeEach(async () => {
  const service = { ask: () => Promise.reject(new Error('nobody is asked')) }
  const clock = { now: () => line.clock.at }
  const cache = createKeyCache(clock)
  const keys = createKeySource({ cache, service, clock, waitUntil: () => {}, log: () => {} })
  line = startLine({ keys })
  load = createPolicyLoader((mistakes) => expect(mistakes).toBeUndefined())
  token = await minted({})
  line.verified()
  for (let i = 0; i < 3; i++) expect(await ask()).toBe('passed')
  expect(line.verified()).toBe(1)
})
afterEach(() => {
  vi.restoreAllMocks()
  expect(line.errors).toEqual([])
})

/** What is not as usual about a configuration. */
interface Change {
  readonly gate?: object
  readonly issuer?: object
  readonly issuers?: object
  readonly route?: object
}

/** One environment for each configuration, as an isolate is given one. */
const environments = new Map<string, Env>()
const binding = { get() {}, put() {}, idFromName() {} }
const envOf = (change: Change): Env => {
  const name = JSON.stringify(change)
  const env = environments.get(name) ?? {
    JWKS_CACHE: binding,
    KEY_SERVICE: binding,
    ASSERTION_KEY_SERVICE: binding,
    REVOCATIONS: binding,
    GATE: { resource: RESOURCE, origin: 'https://origin.test.net', ...change.gate },
    ISSUERS: change.issuers ?? {
      acme: { issuer: ISSUER, jwks: { keys: [jwk] }, ...change.issuer },
    },
    ROUTES: [{ match: 'GET /v1/x', scopes: ['chat:write'], ...change.route }],
  }
  environments.set(name, env as unknown as Env)
  return env as unknown as Env
}
const asked = async (change: Change = {}) => {
  const { policy } = load(envOf(change))
  if (!policy) throw new Error('no policy')
  return line.ask(policy, '/v1/x', token)
}
const ask = async (change?: Change) => (await asked(change)).code
const identity = async (change?: Change) =>
  Object.fromEntries(identityHeaders((await asked(change)).known as Facts))

describe('a policy that changed refuses a warm token', () => {
  const elsewhere = { issuer: 'https://elsewhere.example', jwks: { keys: [jwk] } }

  it.each<[string, Change]>([
    ['issuer_unknown', { issuers: { other: elsewhere } }],
    ['issuer_unknown', { issuer: elsewhere }],
    ['algorithm_not_accepted', { issuers: { acme: { issuer: ISSUER, algorithms: ['RS256'] } } }],
    ['type_not_accepted', { issuer: { typ: ['jwt'] } }],
    ['audience_mismatch', { issuer: { audiences: ['urn:other'] } }],
    ['audience_mismatch', { route: { audiences: ['urn:other'] } }],
    ['audience_mismatch', { gate: { resource: 'https://api.example.com/v2' } }],
    ['token_lifetime', { issuer: { max_lifetime: '10m' } }],
    ['token_lifetime', { route: { max_lifetime: '10m' } }],
    ['claim_missing', { issuer: { required_claims: ['tenant', 'org'] } }],
    ['claim_rejected', { issuer: { claims: { tenant: 'red' } } }],
    ['claim_rejected', { route: { claims: { tenant: 'red' } } }],
    ['actor_missing', { issuer: { delegation: { require_actor: true } } }],
    ['agent_id_missing', { issuer: { agent_id: 'agent/id' } }],
    ['agent_type_not_allowed', { route: { agent_types: ['crawler'] } }],
    ['scope_missing', { route: { scopes: ['chat:admin'] } }],
    ['scope_missing', { issuer: { scope: 'permissions' } }],
    ['signature_invalid', { issuer: { jwks: { keys: [FOREIGN] } } }],
    ['key_unknown', { issuer: { jwks: { keys: [{ ...FOREIGN, kid: 'key-2' }] } } }],
  ])('with %s: %j', async (code, change) => {
    expect(await ask(change)).toBe(code)
    expect(await ask()).toBe('passed')
    expect(await ask(change)).toBe(code)
  })

  it('where a revocation counts again', async () => {
    await line.revoke('token', 'token-1')
    const id = await revocationId({ kind: 'token', issuer: ISSUER, value: 'token-1' }, 'block')
    expect(await ask({ gate: { lift: [id] } })).toBe('passed')
    expect(await ask()).toBe('token_revoked')
  })

  it('where there is less tolerance', async () => {
    line.clock.at = (Math.floor(line.clock.at / 1000) + 842) * 1000
    expect(await ask()).toBe('passed')
    expect(await ask({ gate: { clock_tolerance: '0s' } })).toBe('token_expired')
  })
})

describe('a policy that changed reads a warm token anew', () => {
  it.each<[string, Change, object]>([
    ['its prefix', { issuer: { agent_prefix: 'acme/' } }, { 'x-agent-id': 'acme/agent-1' }],
    ['where the id is', { issuer: { agent_id: 'tenant' } }, { 'x-agent-id': 'blue' }],
    ['where the type is', { issuer: { agent_type: 'tenant' } }, { 'x-agent-type': 'blue' }],
    [
      'where the workflow is',
      { issuer: { workflow_id: 'tenant' } },
      { 'x-agent-workflow-id': 'blue' },
    ],
  ])('for %s', async (_, change, expected) => {
    const before = await identity()
    expect(before).toMatchObject({ 'x-agent-id': 'agent-1' })
    for (let i = 0; i < 2; i++) {
      expect(await identity(change)).toEqual({ ...before, ...expected })
      expect(await identity()).toEqual(before)
    }
  })

  it('for the reach of its scopes', async () => {
    token = await minted({ scope: 'chat:write edgewarden:revoke' })
    const admin = { issuer: { admin: 'all' } }
    for (const [change, scope] of [
      [{}, 'chat:write'],
      [admin, 'chat:write edgewarden:revoke'],
      [{}, 'chat:write'],
    ] as const) {
      expect((await identity(change))['x-agent-scope']).toBe(scope)
    }
  })

  it('and an unchanged one does not', async () => {
    line.verified()
    for (let i = 0; i < 3; i++) expect(await ask()).toBe('passed')
    expect(line.verified()).toBe(0)
  })
})
