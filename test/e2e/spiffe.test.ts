import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createKey, type Members, type SigningKey } from '../kit/signing.ts'
import { startWorkloadIssuer, type WorkloadIssuer } from '../kit/workloads.ts'
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
    issuer: { agent_prefix: 'acme/' },
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
