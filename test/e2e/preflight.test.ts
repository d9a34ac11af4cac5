import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reply } from '../kit/answers.ts'
import { outcome, type Setting, startSetting } from './setting.ts'

const APP = 'https://app.example.com'

let setting: Setting
beforeAll(async () => {
  const rule = { scopes: [], cors: { origins: [APP] } }
  setting = await startSetting({
    // The gate under test is asked over plain http, which only a loopback resource may be.
    gate: { insecure_http: false },
    routes: [
      { match: 'GET /v1/thing', ...rule },
      { match: 'GET /v1/watched', ...rule, mode: 'shadow' },
      { match: 'GET /v1/local', ...rule, resource: 'http://localhost:8787/v1' },
    ],
  })
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting.close())

/** Sends a preflight; gives its answer and its line in the journal. */
const preflight = async (path: string) => {
  const id = `preflight-${path.slice(4)}`
  const response = await setting.ask(path, {
    method: 'OPTIONS',
    headers: { origin: APP, 'access-control-request-method': 'GET', 'x-request-id': id },
  })
  const line = await setting.gate.journalLine(({ request_id }) => request_id === id)
  return { response, line }
}
const corsHeaders = ({ headers }: Response) =>
  [...headers.keys()].filter((name) => name.startsWith('access-control-'))

describe('a preflight over plain http', () => {
  it('to a resource of https is refused, and the journal says so', async () => {
    const { response, line } = await preflight('/v1/thing')
    expect(corsHeaders(response)).toEqual([])
    expect(await outcome(response)).toEqual({ status: 403, code: 'insecure_transport' })
    expect(line).toMatchObject({
      route: 'GET /v1/thing',
      decision: 'denied',
      code: 'insecure_transport',
    })
    expect(line).not.toHaveProperty('origin_status')
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('is refused as any request is, but for the health of the gate', async () => {
    const response = await setting.ask('/v1/thing', { token: await setting.token() })
    expect(response.headers.get('location')).toBeNull()
    expect(await outcome(response)).toEqual({ status: 403, code: 'insecure_transport' })
    expect((await setting.ask('/.edgewarden/health')).status).toBe(200)
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('goes on to the origin in shadow mode', async () => {
    setting.origin.on('/v1/watched', reply(204, { 'access-control-allow-origin': APP }, ''))
    const { response, line } = await preflight('/v1/watched')
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-origin')).toBe(APP)
    expect(line).toMatchObject({
      decision: 'allowed',
      would_deny: true,
      code: 'insecure_transport',
      mode: 'shadow',
      origin_status: 204,
    })
    expect(setting.origin.requests.map(({ method, url }) => [method, url])).toEqual([
      ['OPTIONS', '/v1/watched'],
    ])
  })

  it('to a resource of this machine is answered by the gate', async () => {
    const { response, line } = await preflight('/v1/local')
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-origin')).toBe(APP)
    expect(response.headers.get('access-control-allow-methods')).toBe('GET,HEAD')
    expect(line).toMatchObject({ decision: 'allowed', mode: 'enforce' })
    expect(line).not.toHaveProperty('code')
    expect(setting.origin.requests).toHaveLength(0)
  })
})
