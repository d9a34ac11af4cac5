import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
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

it('a JWT-SVID passes, whatever its iss', async () => {
  for (const changes of [{}, { iss: 'https://oidc.prod.example.org' }, { iss: PROD }]) {
    setting.origin.clear()
    expect(await ask(await prod.sign(svid(changes)))).toEqual(PASSED)
    const [request] = setting.origin.requests
    expect(request?.header('x-agent-issuer')).toBe(PROD)
    expect(request?.header('x-agent-id')).toBe(`spiffe/${ID}`)
  }
})

it.each<readonly [string, Members, string]>([
  ['for several audiences', { aud: [RESOURCE, `${PROD}/reports`] }, 'audience_mismatch'],
  ['without iat that lives long', { iat: undefined, exp: 4_102_444_800 }, 'token_lifetime'],
  ['without sub and iss', { sub: undefined }, 'token_malformed'],
  ['of a host with a port', { sub: `${PROD}:443/x` }, 'token_malformed'],
  ['of a host behind an @', { sub: 'spiffe://evil@prod.example.org/x' }, 'token_malformed'],
  ['with a step up', { sub: `${PROD}/../x` }, 'token_malformed'],
  ['that names it in iss alone', { sub: `${PROD}//x`, iss: PROD }, 'issuer_unknown'],
  ['of another trust domain', { sub: 'spiffe://prod.example.org.evil/x' }, 'issuer_unknown'],
  ['that names another entry in iss', { iss: PARTNER }, 'issuer_unknown'],
])('a JWT-SVID %s is refused', async (_, changes, code) => {
  expect(await ask(await prod.sign(svid(changes)))).toEqual(refused(code))
  expect(setting.origin.requests).toEqual([])
})

it('a JWT-SVID without iat is revoked by its time of issue, too', async () => {
  const sub = `${PROD}/revoked`
  const token = await prod.sign(svid({ sub, iat: undefined }))
  expect(await ask(token)).toEqual(PASSED)
  const { revoke } = revoking(setting, setting.gate)
  await revoke({ issuer: PROD, kind: 'agent', value: sub, mode: 'before' })
  expect(await ask(token)).toEqual(refused('token_revoked'))
})

it.each(['x509-svid', 'sig', 'JWT-SVID', ''])(
  'a bundle verifies nothing by a key of use %j',
  async (use) => {
    expect(await ask(await prod.sign(svid(), {}, keys.get(use)))).toEqual(refused('key_unknown'))
  },
)

it('a bundle verifies no token of another trust domain, and no other issuer one of it', async () => {
  const sub = `${PARTNER}/ns/agents/sa/planner`
  // Both bundles name their key alike.
  expect(prod.key.kid).toBe(partner.key.kid)
  expect(await ask(await prod.sign(svid({ sub })))).toEqual(refused('signature_invalid'))
  expect(await ask(await partner.sign(svid({ sub })))).toEqual(PASSED)
  const header = { alg: 'ES256', typ: 'JWT', kid: setting.issuer.kid }
  expect(await ask(await setting.issuer.mintRaw(header, svid()))).toEqual(refused('key_unknown'))
})
