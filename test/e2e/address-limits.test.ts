import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { outcome, type Setting, startSetting } from './setting.ts'

const APP = 'https://app.example.com'
const LIMITED = { status: 429, code: 'address_limited' }
/** So slow that no test sees it refill. */
const GATE = { client_ip: 'x-caller', address_limit: { limit: 3, period: '1d' } }
const ROUTES = [
  { match: 'GET /v1/watched', scopes: [], mode: 'shadow' },
  { match: 'GET /v1/browser', scopes: [], cors: { origins: [APP] } },
  { match: 'GET /public/*', access: 'public' },
  { match: 'GET /v1/*', scopes: [] },
]

let setting: Setting
let token: string
beforeAll(async () => {
  setting = await startSetting({ gate: GATE, routes: ROUTES })
  token = await setting.token()
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting.close())

interface From {
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly method?: string
  readonly token?: string
}

const askFrom = (caller: string, { path = '/v1/x', ...init }: From = {}) =>
  setting.ask(path, { ...init, headers: { 'x-caller': caller, ...init.headers } })

const spend = async (caller: string, from?: From) => {
  for (let i = 0; i < 3; i++) await askFrom(caller, from)
}

describe('a limit of addresses', () => {
  it('is held before a credential is read, and says when to come again', async () => {
    for (let i = 0; i < 3; i++) {
      expect(await outcome(await askFrom('192.0.2.1'))).toMatchObject({
        code: 'credential_missing',
      })
    }
    const answer = await askFrom('192.0.2.1', { token })
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(answer.headers.get('ratelimit')).toBeNull()
    expect(await outcome(answer)).toEqual(LIMITED)
    expect((await askFrom('192.0.2.2', { token })).status).toBe(200)
  })

  it.each([
    ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2', true],
    ['2001:db8:0:2::1', '2001:db8:0:3::1', false],
    ['::ffff:198.51.100.1', '198.51.100.1', true],
  ])('takes %s and %s for one: %s', async (first, second, isOne) => {
    await spend(first)
    expect((await askFrom(second, { token })).status).toBe(isOne ? 429 : 200)
  })

  it('counts public rules, preflights and its own documents, and not health', async () => {
    const preflight = {
      path: '/v1/browser',
      method: 'OPTIONS',
      headers: { origin: APP, 'access-control-request-method': 'GET' },
    }
    expect((await askFrom('192.0.2.10', preflight)).status).toBe(204)
    expect((await askFrom('192.0.2.10', { path: '/public/x' })).status).toBe(200)
    expect((await askFrom('192.0.2.10', { path: '/.edgewarden/jwks.json' })).status).toBe(200)
    for (const path of ['/public/x', '/.edgewarden/jwks.json', '/.edgewarden/ready', '/v1/x']) {
      expect((await askFrom('192.0.2.10', { path })).status).toBe(429)
    }
    const refused = await askFrom('192.0.2.10', preflight)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('access-control-allow-origin')).toBeNull()
    expect((await askFrom('192.0.2.10', { path: '/.edgewarden/health' })).status).toBe(200)
  })

  it('is told to a browser where the rule has cors', async () => {
    await spend('192.0.2.20')
    const answer = await askFrom('192.0.2.20', { path: '/v1/browser', headers: { origin: APP } })
    expect(answer.status).toBe(429)
    expect(answer.headers.get('access-control-allow-origin')).toBe(APP)
  })

  it('lets through in shadow mode, and says what it would have done', async () => {
    await spend('192.0.2.30', { path: '/v1/watched', token })
    const headers = { 'x-request-id': 'shadowed-address' }
    const answer = await askFrom('192.0.2.30', { path: '/v1/watched', token, headers })
    expect(answer.status).toBe(200)
    const line = await setting.gate.journalLine(
      ({ request_id }) => request_id === 'shadowed-address',
    )
    expect(line).toMatchObject({ decision: 'allowed', would_deny: true, code: 'address_limited' })
    expect(await outcome(await askFrom('192.0.2.30', { token }))).toEqual(LIMITED)
  })

  it('counts nobody whose address is not known', async () => {
    for (let i = 0; i < 5; i++) {
      expect((await setting.ask('/v1/x', { token })).status).toBe(200)
    }
  })
})
