import { describe, expect, it } from 'vitest'
import type { PolicyEnv } from '../../../src/gate/policy/reading/env.ts'
import { showPolicy } from '../../../src/gate/policy/show.ts'
import { CHAT, ENV, GATE, mistakes, policy, rule } from '../policy/support.ts'

const withLimit = (rate_limit: unknown, more: object = {}) => ({
  ROUTES: [{ ...CHAT, rate_limit, ...more }],
})
const withAddress = (address_limit: unknown, more: object = {}) => ({
  GATE: { ...GATE, address_limit, ...more },
})
const NUMBERS = { limit: 100, period: '60s' }

describe('rate_limit', () => {
  it.each([
    [{ daily: 5 }, { kind: 'exact', per: 'agent', quotas: { daily: 5 } }],
    [
      { limit: 1_000_000, period: '1d', daily: 7, per: 'workflow' },
      {
        kind: 'exact',
        per: 'workflow',
        quotas: { bucket: { limit: 1_000_000, period: 86_400_000 }, daily: 7 },
      },
    ],
    [
      { binding: 'RL', per: 'client' },
      { kind: 'approximate', per: 'client', binding: 'RL' },
    ],
  ])('reads %j', (written, read) => {
    expect(rule(withLimit(written)).rateLimit).toEqual(read)
  })

  it.each<[written: unknown, ...expected: string[]]>([
    [100, 'ROUTES[0].rate_limit: must be a table'],
    [{}, 'ROUTES[0].rate_limit: must have limit and period, or daily, or both, or else binding'],
    [{ limit: 1 }, 'ROUTES[0].rate_limit.period: is required: limit and period go together'],
    [{ ...NUMBERS, limit: 0 }, 'ROUTES[0].rate_limit.limit: must be a whole number from 1 to'],
    [{ ...NUMBERS, limit: 1.5 }, 'ROUTES[0].rate_limit.limit: must be a whole number'],
  ])('refuses %j', (written, ...expected) => {
    expect(mistakes(withLimit(written))).toEqual(
      expected.map((one) => expect.stringContaining(one)),
    )
  })

  const without = (...names: readonly string[]): PolicyEnv => ({
    ...ENV,
    has: (kind, name) => !names.includes(name) && ENV.has(kind, name),
  })

  it('needs what counts', () => {
    expect(mistakes(withLimit(NUMBERS), without('RATE_LIMITER'))).toEqual([
      expect.stringMatching(/^bindings\.RATE_LIMITER: is not there: .*RateLimiter/),
    ])
    expect(mistakes(withLimit({ binding: 'RL' }), without('RATE_LIMITER', 'RL'))).toEqual([
      expect.stringMatching(/^ROUTES\[0\]\.rate_limit\.binding: needs the binding `RL`/),
    ])
    expect(mistakes(withLimit({ binding: 'RL' }), without('RATE_LIMITER'))).toEqual([])
    expect(mistakes({}, without('RATE_LIMITER'))).toEqual([])
  })

  it('lets browsers read what is left, where it is told', () => {
    const cors = { origins: ['https://app.example.com'] }
    const exposed = (limit: unknown, more: object = {}) =>
      rule(withLimit(limit, { cors: { ...cors, ...more } })).cors?.expose
    expect(exposed(NUMBERS)).toEqual(expect.arrayContaining(['RateLimit', 'RateLimit-Policy']))
    expect(exposed({ binding: 'RL' })).not.toContain('RateLimit')
    expect(rule({ ROUTES: [{ ...CHAT, cors }] }).cors?.expose).not.toContain('RateLimit')
    const once = exposed(NUMBERS, { expose: ['ratelimit'] })
    expect(once?.filter((name) => name.toLowerCase() === 'ratelimit')).toHaveLength(1)
  })
})

describe('GATE.address_limit', () => {
  it.each([
    [NUMBERS, { kind: 'memory', limit: 100, period: 60_000 }, { limit: 100, period: '60s' }],
    [{ binding: 'RL' }, { kind: 'binding', binding: 'RL' }, { binding: 'RL' }],
  ])('reads and shows %j', (written, read, shown) => {
    const parsed = policy(withAddress(written))
    expect(parsed.gate.addressLimit).toEqual(read)
    expect(showPolicy(parsed).gate.address_limit).toEqual({ ...shown, approximate: true })
  })

  it.each<[written: unknown, more: object, ...expected: string[]]>([
    ['10/s', {}, 'GATE.address_limit: must be a table'],
    [{ limit: 1 }, {}, 'GATE.address_limit.period: is required'],
    [{ ...NUMBERS, per: 'agent' }, {}, 'GATE.address_limit.per: unknown key'],
    [{ binding: 'MISSING' }, {}, 'GATE.address_limit.binding: needs the binding `MISSING`'],
    [NUMBERS, { client_ip: 'none' }, 'GATE.address_limit: has no effect with client_ip = "none"'],
  ])('refuses %j', (written, more, ...expected) => {
    expect(mistakes(withAddress(written, more))).toEqual(
      expected.map((one) => expect.stringContaining(one)),
    )
  })
})
