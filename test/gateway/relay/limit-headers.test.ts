import { describe, expect, it } from 'vitest'
import { limitFields, limitHeaders } from '../../../src/gate/answer/limit-headers.ts'
import type { Limited } from '../../../src/gate/guard/stages/limit.ts'
import type { Quotas } from '../../../src/gate/model/limit.ts'

const BUCKET = { limit: 100, period: 60_000 }

const limited = (quotas: Quotas, allowance: Limited['allowance']): Limited => ({
  rule: { kind: 'exact', per: 'agent', quotas },
  allowance,
})

const LEFT = limited({ bucket: BUCKET }, { bucket: { left: 57, reset: 26 } })

describe('what is left', () => {
  it.each<[string, Limited | undefined, Record<string, string>]>([
    [
      'of a bucket',
      LEFT,
      { 'RateLimit-Policy': '"agent";q=100;w=60', RateLimit: '"agent";r=57;t=26' },
    ],
    [
      'of a day',
      limited({ daily: 9 }, { day: { left: 0, reset: 5 } }),
      { 'RateLimit-Policy': '"agent-day";q=9;w=86400', RateLimit: '"agent-day";r=0;t=5' },
    ],
    [
      'of both',
      limited(
        { bucket: BUCKET, daily: 9 },
        { bucket: { left: 1, reset: 2 }, day: { left: 3, reset: 4 } },
      ),
      {
        'RateLimit-Policy': '"agent";q=100;w=60, "agent-day";q=9;w=86400',
        RateLimit: '"agent";r=1;t=2, "agent-day";r=3;t=4',
      },
    ],
    ['where nothing is limited', undefined, {}],
    ['where it is not known', limited({ bucket: BUCKET }, {}), {}],
    [
      'of a limit that is not exact',
      { rule: { kind: 'approximate', per: 'agent', binding: 'RL' }, allowance: {} },
      {},
    ],
  ])('is told %s', (_, given, expected) => {
    expect(Object.fromEntries(limitHeaders(given))).toEqual(expected)
  })

  it("takes the place of an origin's own", () => {
    expect(limitFields(undefined)).toEqual([])
    expect(limitFields(LEFT)).toEqual([
      ['ratelimit-limit'],
      ['ratelimit-remaining'],
      ['ratelimit-reset'],
      ['RateLimit-Policy', '"agent";q=100;w=60'],
      ['RateLimit', '"agent";r=57;t=26'],
    ])
  })
})
