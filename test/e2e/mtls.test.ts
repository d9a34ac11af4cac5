import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { askGate, outcome, type Setting, startSetting } from './setting.ts'

const FACTS = 'x-platform-facts'
/** The SHA-256 of a client's certificate, as the platform and as a token write it. */
const HEX = 'ab'.repeat(32)
const BOUND = Buffer.from(HEX, 'hex').toString('base64url')
const VERIFIED = { certVerified: 'SUCCESS', certRevoked: '0', certFingerprintSHA256: HEX }

let setting: Setting
let bound: string
beforeAll(async () => {
  const routes = [{ match: 'GET /v1/*', scopes: [], possession: 'required' }]
  setting = await startSetting({ routes, factsHeader: FACTS })
  bound = await setting.token({ cnf: { 'x5t#S256': BOUND } })
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting.close())

const ask = (tlsClientAuth?: object, { scheme = 'Bearer', headers = {}, token = bound } = {}) =>
  askGate(setting.gate, '/v1/x', {
    headers: {
      authorization: `${scheme} ${token}`,
      ...(tlsClientAuth && { [FACTS]: JSON.stringify({ tlsClientAuth }) }),
      ...headers,
    },
  })

describe('a token that is bound to a client certificate', () => {
  it('passes with it, and origin and journal learn how', async () => {
    const headers = { 'x-request-id': 'with-a-certificate' }
    expect(await outcome(await ask(VERIFIED, { headers }))).toMatchObject({ status: 200 })
    const [request] = setting.origin.requests
    expect(request?.header('x-agent-possession')).toBe('mtls')
    const line = await setting.gate.journalLine(
      ({ request_id }) => request_id === 'with-a-certificate',
    )
    expect(line).toMatchObject({ decision: 'allowed', possession: 'mtls' })
  })

  it.each<[string, object | undefined, string]>([
    ['none', undefined, 'certificate_missing'],
    ['one that is not verified', { ...VERIFIED, certVerified: 'NONE' }, 'certificate_missing'],
    [
      'one that failed',
      { ...VERIFIED, certVerified: 'FAILED:self signed certificate' },
      'certificate_missing',
    ],
    ['one that is revoked', { ...VERIFIED, certRevoked: '1' }, 'certificate_missing'],
    [
      'one of which that is not known',
      { ...VERIFIED, certRevoked: undefined },
      'certificate_missing',
    ],
    ['another', { ...VERIFIED, certFingerprintSHA256: 'cd'.repeat(32) }, 'certificate_mismatch'],
  ])('is refused with %s, also once it is remembered', async (_, facts, code) => {
    expect((await ask(VERIFIED)).status).toBe(200)
    // None of these headers is the platform's word.
    const headers = {
      'cf-client-cert-sha256': HEX,
      'cf-client-cert-verified': 'true',
      'client-cert': `:${BOUND}:`,
    }
    expect(await outcome(await ask(facts, { headers }))).toEqual({ status: 401, code })
    expect(setting.origin.requests).toHaveLength(1)
  })

  it('is refused as DPoP, and with another form of the hash', async () => {
    const codeOf = async (sent: { scheme?: string; token?: string }) =>
      (await outcome(await ask(VERIFIED, sent))).code
    expect(await codeOf({ scheme: 'DPoP' })).toBe('token_not_bound')
    for (const hash of ['', HEX, `${BOUND}=`, [BOUND]]) {
      const token = await setting.token({ cnf: { 'x5t#S256': hash } })
      expect(await codeOf({ token })).toBe('certificate_mismatch')
    }
    expect(setting.origin.requests).toHaveLength(0)
  })
})
