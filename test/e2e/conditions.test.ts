import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Members } from '../kit/signing.ts'
import { explaining } from './explaining.ts'
import { startWorld, type World } from './world.ts'

const any = { scopes: [] }
/** Whatever the hour is, it is one of these, and not one of those. */
const NOW = 'now.getHours("Europe/Berlin") >= 0 && now.getHours("Europe/Berlin") < 24'
const NEVER = 'now.getHours("Europe/Berlin") < 0 || now.getFullYear("Asia/Tokyo") < 2000'

let world: World
beforeAll(async () => {
  world = await startWorld({
    gate: { client_ip: 'cf-connecting-ip' },
    routes: [
      { match: 'GET /when/now', ...any, when: NOW },
      { match: 'GET /when/never', ...any, when: NEVER },
      {
        match: 'GET /when/inside',
        ...any,
        when: 'inNetwork(request.ip, ["192.0.2.0/24", "2001:db8::/32"])',
      },
      { match: 'GET /when/country', ...any, when: 'request.country in ["DE", "AT"]' },
      {
        match: 'GET /when/data',
        ...any,
        when: {
          condition:
            '!("x-data-class" in request.headers) || request.headers["x-data-class"] in token.data_classes',
          headers: ['X-Data-Class'],
        },
      },
      {
        match: 'GET /when/region/{region}',
        ...any,
        when: {
          condition: 'request.params.region == token.region && request.query.dry != "no"',
          query: ['dry'],
        },
      },
      {
        match: 'GET /when/late',
        ...any,
        when: 'timestamp(token.until) + duration("87000000h") > now',
      },
    ],
  })
  expect((await world.send({ token: await world.ops.mint() })).status).toBe(200)
})
afterAll(() => world.close())
const { told } = explaining(() => world)

interface Sent {
  readonly claims?: Members
  readonly method?: string
  readonly headers?: readonly (readonly [string, string])[]
}

const ask = async (target: string, { claims, ...ask }: Sent = {}) =>
  world.send({ target, token: await world.token(claims), ...ask })

const from = (ip: string): Sent => ({ headers: [['CF-Connecting-IP', ip]] })
const data = (value: string, classes: unknown = ['public', 'internal']): Sent => ({
  headers: [['X-Data-Class', value]],
  claims: { data_classes: classes },
})
const sent = (...headers: NonNullable<Sent['headers']>): Sent => ({
  headers,
  claims: { data_classes: ['public'] },
})

describe('a condition over HTTP', () => {
  it.each<[string, string, Sent?]>([
    ['/when/now', 'passed'],
    ['/when/never', 'condition_failed'],
    ['/when/inside', 'passed', from('192.0.2.7')],
    ['/when/inside', 'condition_failed', from('198.51.100.7')],
    ['/when/inside', 'condition_error'],
    // On plain workerd nothing is known of countries, whatever a header says.
    ['/when/country', 'condition_error', { headers: [['CF-IPCountry', 'DE']] }],
    ['/when/data', 'passed', data('internal')],
    ['/when/data', 'condition_failed', data('secret')],
    ['/when/data', 'parameter_ambiguous', sent(['X-Data-Class', 'a'], ['x-data-class', 'b'])],
    // Some servers read one name for the other.
    ['/when/data', 'parameter_ambiguous', sent(['X_Data_Class', 'secret'])],
    // The origin would not get it.
    [
      '/when/data',
      'parameter_ambiguous',
      sent(['X-Data-Class', 'public'], ['Connection', 'close, X-Data-Class']),
    ],
    ['/when/region/eu?dry=yes', 'passed', { claims: { region: 'eu' } }],
    ['/when/region/us?dry=yes', 'condition_failed', { claims: { region: 'eu' } }],
    ['/when/region/eu?dry=yes&dry=yes', 'parameter_ambiguous', { claims: { region: 'eu' } }],
    ['/when/late', 'condition_error', { claims: { until: '2026-01-01T00:00:00Z' } }],
  ])('%s: %s', async (target, code, sent) => {
    world.origin.clear()
    const response = await ask(target, sent)
    if (code === 'passed') {
      expect(response.status).toBe(200)
      expect(world.origin.requests).toHaveLength(1)
      return
    }
    const status = code === 'parameter_ambiguous' ? 400 : 403
    expect(response).toMatchObject({ status })
    expect(JSON.parse(response.body)).toMatchObject({ code, status })
    expect(world.origin.requests).toEqual([])
  })

  it('answers without a word of the condition or of what it read', async () => {
    const response = await ask('/when/data', data('secret', ['hush-7']))
    expect(JSON.parse(response.body)).toMatchObject({ code: 'condition_failed' })
    expect(response.header('www-authenticate')).toBeUndefined()
    expect(response.body).not.toMatch(/hush|data_classes|x-data-class/)
  })

  it('is written to the journal by the operand as it is written', async () => {
    await ask('/when/region/us?dry=yes', { claims: { region: 'hush-8' } })
    const operand = 'request.params.region == token.region'
    const line = await world.gate.journalLine(
      ({ detail }) => (detail as Members)?.operand === operand,
    )
    expect(line).toMatchObject({ code: 'condition_failed', route: 'GET /when/region/{region}' })
    expect(JSON.stringify(line)).not.toContain('hush-8')
  })
})

describe('an explanation', () => {
  const conditionOf = async (by: 'ops' | 'beta', wanted: Parameters<typeof told>[1]) => {
    const { steps, denial } = await told(by, wanted)
    return { code: denial?.code, step: steps.find(({ stage }) => stage === 'condition') }
  }

  it('shows each operand, and judges for a connection that is told', async () => {
    const token = await world.token()
    const path = '/when/country'
    const unknown = await conditionOf('ops', { token, path })
    expect(unknown).toMatchObject({
      code: 'condition_error',
      step: { detail: { error: 'no_such_key', operands: [{ error: 'No such key: country' }] } },
    })
    const abroad = await conditionOf('ops', { token, path, connection: { country: 'FR' } })
    expect(abroad).toMatchObject({
      code: 'condition_failed',
      step: {
        outcome: 'denied',
        detail: {
          operand: 'request.country in ["DE", "AT"]',
          operands: [
            {
              source: 'request.country in ["DE", "AT"]',
              value: false,
              sides: [{ source: 'request.country', value: 'FR' }],
            },
          ],
        },
      },
    })
    const there = await conditionOf('ops', { token, path, connection: { country: 'AT' } })
    expect(there).toMatchObject({
      code: undefined,
      step: { outcome: 'passed', detail: { operands: [{ value: true }] } },
    })
    const inside = await conditionOf('ops', {
      token,
      path: '/when/inside',
      connection: { ip: '192.0.2.9' },
    })
    expect(inside.code).toBeUndefined()
  })

  it('shows none of a token that is out of reach', async () => {
    const token = await world.token({ region: 'hush-9' })
    const explained = await conditionOf('beta', { token, path: '/when/region/eu?dry=yes' })
    expect(explained.code).toBe('condition_failed')
    expect(explained.step).toEqual({ stage: 'condition', outcome: 'denied' })
  })
})
