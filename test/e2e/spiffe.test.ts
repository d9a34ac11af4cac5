import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createKey, type Members, type SigningKey } from '../kit/signing.ts'
import { startWorkloadIssuer, type WorkloadIssuer } from '../kit/workloads.ts'
import { revoking } from './revoking.ts'
import { outcome, RESOURCE, type Setting, startSetting } from './setting.ts'

const PROD = 'spiffe://prod.example.org'
const ID = `${PROD}/ns/agents/sa/planner`
const PARTNER = 'spiffe://partner.example'

let setting: Setting
let prod: WorkloadIssuer
let partner: WorkloadIssuer
/** Keys that the bundle of `prod` has with other uses than `jwt-svid`. */
const keys = new Map<string, SigningKey>()

beforeAll(async () => {
  ;[prod, partner] = await Promise.all([
    startWorkloadIssuer('spiffe', PROD),
    startWorkloadIssuer('spiffe', PARTNER),
  ])
  for (const use of ['x509-svid', 'sig', 'JWT-SVID', '']) {
    const key = await createKey('RS256', `of-${use || 'no'}-use`)
    const { use: _, ...jwk } = key.jwk
    keys.set(use, key)
    prod.publish(use === '' ? jwk : { ...jwk, use })
  }
  setting = await startSetting({
    issuer: { agent_prefix: 'acme/', admin: 'all' },
    more: { ISSUERS_MESH: { prod: prod.entry, partner: { ...partner.entry, agent_prefix: 'p/' } } },
  })
})
beforeEach(() => setting.origin.clear())
afterAll(async () => {
  await setting?.close()
  await Promise.all([prod?.close(), partner?.close()])
})

const now = () => Math.floor(Date.now() / 1000)
const svid = (changes: Members = {}): Members => ({
  sub: ID,
  aud: [RESOURCE],
  exp: now() + 300,
  iat: now(),
  ...changes,
})

const ask = async (token: string) => outcome(await setting.ask('/v1/any', { token }))
const PASSED = { status: 200 }
const refused = (code: string) => ({ status: 401, code })

describe('a JWT-SVID', () => {
  it.each([
    ['without iss', {}],
    ['with an iss that no entry has', { iss: 'https://oidc.prod.example.org' }],
    ['with the trust domain as iss', { iss: PROD }],
    ['without iat', { iat: undefined }],
    ['with aud as text', { aud: RESOURCE }],
    ['of the longest path that origins can be told', { sub: `${PROD}/${'a'.repeat(200)}` }],
  ])('%s passes', async (_, changes) => {
    expect(await ask(await prod.sign(svid(changes)))).toEqual(PASSED)
    const [request] = setting.origin.requests
    expect(request?.header('x-agent-issuer')).toBe(PROD)
    expect(request?.header('x-agent-id')).toBe(`spiffe/${svid(changes).sub}`)
  })

  it.each<readonly [string, Members, string]>([
    ['without aud', { aud: undefined }, 'audience_mismatch'],
    ['with an empty aud', { aud: [] }, 'audience_mismatch'],
    ['for another audience', { aud: [`${PROD}/reports`] }, 'audience_mismatch'],
    ['for several', { aud: [RESOURCE, `${PROD}/reports`] }, 'audience_mismatch'],
    ['for one twice', { aud: [RESOURCE, RESOURCE] }, 'audience_mismatch'],
    ['without exp', { exp: undefined }, 'time_malformed'],
    ['with an iat that is text', { iat: '1' }, 'time_malformed'],
    ['without iat that lives long', { iat: undefined, exp: 4_102_444_800 }, 'token_lifetime'],
    ['that lives long', { exp: 4_102_444_800 }, 'token_lifetime'],
    ['without sub and iss', { sub: undefined }, 'token_malformed'],
    ['whose iss is no text', { iss: 7 }, 'token_malformed'],
    ['whose iss is null', { iss: null }, 'token_malformed'],
  ])('%s is refused', async (_, changes, code) => {
    expect(await ask(await prod.sign(svid(changes)))).toEqual(refused(code))
    expect(setting.origin.requests).toEqual([])
  })

  it('is revoked by its time of issue without iat, too', async () => {
    const sub = `${PROD}/revoked`
    const token = await prod.sign(svid({ sub, iat: undefined }))
    expect(await ask(token)).toEqual(PASSED)
    const { revoke } = revoking(setting, setting.gate)
    await revoke({ issuer: PROD, kind: 'agent', value: sub, mode: 'before' })
    expect(await ask(token)).toEqual(refused('token_revoked'))
  })
})

describe('a sub that only looks like one of the trust domain', () => {
  const SUBS = [
    PROD,
    `${PROD}/`,
    `${PROD}//x`,
    `${PROD}/x/`,
    `${PROD}/../x`,
    `${PROD}/./x`,
    `${PROD}/x/..`,
    `${PROD}:443/x`,
    `${PROD}:/x`,
    'spiffe://prod.example.org@evil.example/x',
    'spiffe://evil.example@prod.example.org/x',
    'spiffe://user:secret@prod.example.org/x',
    'spiffe://Prod.example.org/x',
    'SPIFFE://prod.example.org/x',
    'spiffe:/prod.example.org/x',
    'spiffe:prod.example.org/x',
    'spiffe:///x',
    'spiffe://prod%2eexample.org/x',
    'spiffe://prod.example.org%2f/x',
    `${PROD}/%2e%2e/x`,
    `${PROD}/a%2fb`,
    `${PROD}/x?y`,
    `${PROD}/x#y`,
    `${PROD}/x\n`,
    ` ${PROD}/x`,
    `${PROD}\\x`,
    'spiffe://prod.example.org\u3002evil/x',
    'https://prod.example.org/x',
  ]

  it.each(SUBS)('%j names nobody', async (sub) => {
    expect(await ask(await prod.sign(svid({ sub })))).toEqual(refused('token_malformed'))
  })

  it.each(SUBS)('%j is not taken by an iss that names the trust domain', async (sub) => {
    expect(await ask(await prod.sign(svid({ sub, iss: PROD })))).toEqual(refused('issuer_unknown'))
  })

  it.each(['spiffe://evil.example/x', 'spiffe://prod.example.org.evil/x', 'spiffe://prod/x'])(
    '%s is of no trust domain here',
    async (sub) => {
      expect(await ask(await prod.sign(svid({ sub })))).toEqual(refused('issuer_unknown'))
    },
  )
})

describe('a bundle', () => {
  it.each(['x509-svid', 'sig', 'JWT-SVID', ''])(
    'verifies nothing by a key of use %j',
    async (use) => {
      const token = await prod.sign(svid(), {}, keys.get(use))
      expect(await ask(token)).toEqual(refused('key_unknown'))
    },
  )

  it('verifies no token of another trust domain', async () => {
    const sub = `${PARTNER}/ns/agents/sa/planner`
    const { kid } = prod.key
    for (const iss of [undefined, PARTNER, 'https://oidc.prod.example.org']) {
      // Both bundles name their key alike.
      expect(kid).toBe(partner.key.kid)
      expect(await ask(await prod.sign(svid({ sub, iss })))).toEqual(refused('signature_invalid'))
      expect(await ask(await partner.sign(svid({ sub, iss })))).toEqual(PASSED)
    }
  })
})

describe('an iss that names another entry', () => {
  it('is not overruled by the trust domain of sub', async () => {
    expect(await ask(await prod.sign(svid({ iss: PARTNER })))).toEqual(refused('issuer_unknown'))
    const iss = setting.issuer.issuer
    expect(await ask(await prod.sign(svid({ iss })))).toEqual(refused('type_not_accepted'))
    const typed = await prod.sign(svid({ iss }), { typ: 'at+jwt' })
    expect(await ask(typed)).toEqual(refused('key_unknown'))
  })

  it('makes its sub one of that issuer, whatever it looks like', async () => {
    expect(await ask(await setting.token({ sub: ID }))).toEqual(PASSED)
    const [request] = setting.origin.requests
    expect(request?.header('x-agent-issuer')).toBe(setting.issuer.issuer)
    expect(request?.header('x-agent-id')).toBe('acme/agent-1')
  })

  it('does not let that issuer speak for the trust domain', async () => {
    const token = await setting.issuer.mintRaw(
      { alg: 'ES256', typ: 'JWT', kid: setting.issuer.kid },
      svid(),
    )
    expect(await ask(token)).toEqual(refused('key_unknown'))
  })
})
