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

  it('is told to a browser where the rule has cors', async () => {
    await spend('192.0.2.20')
    const answer = await askFrom('192.0.2.20', { path: '/v1/browser', headers: { origin: APP } })
    expect(answer.status).toBe(429)
    expect(answer.headers.get('access-control-allow-origin')).toBe(APP)
  })
})
