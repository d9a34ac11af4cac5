import { describe, expect, it } from 'vitest'
import { clockOf } from '../../../src/command/doctor/facts.ts'
import type { Asked, Exchange } from '../../../src/command/doctor/gather.ts'

const ISSUER = 'https://auth.acme.dev'
const NOW = Date.parse('2026-11-01T12:00:00Z')

const asked = (url: string, ...exchanges: readonly Omit<Exchange, 'url'>[]): Asked => ({
  url,
  allowInsecureHttp: false,
  exchanges: exchanges.map((exchange) => ({ url, ...exchange })),
  fetched: { ok: false, reason: 'unreachable' },
})

/** An answer with this Date, seconds off, that took so many milliseconds. */
const answer = (off: number, took = 0, more: Exchange['headers'] = {}) => ({
  sentAt: NOW,
  endedAt: NOW + took,
  headers: { date: new Date(NOW + off * 1000).toUTCString(), ...more },
})

const ahead = (...metadata: readonly Asked[]) => clockOf(ISSUER, { metadata })?.ahead

describe("an issuer's clock", () => {
  it.each([
    ['the same', answer(0), 0],
    ['ahead', answer(60), 60],
    ['ahead, of which the way takes some', answer(60, 4_000), 56],
    ['behind, by what the whole second leaves', answer(-60), -59],
    ['not surely off', answer(2, 3_000), 0],
    ['that of a copy, whose age is taken off', answer(-60, 0, { age: '60' }), 0],
    ['ahead although it is a copy', answer(60, 0, { age: '5' }), 60],
    ['not said', { ...answer(0), headers: {} }, undefined],
    ['no date', { ...answer(0), headers: { date: '2026-11-01' } }, undefined],
    ['impossible', { ...answer(0), headers: { date: 'Xxx, 99 Foo 2026 99:99:99 GMT' } }, undefined],
  ])('is %s', (_, exchange, expected) => {
    expect(ahead(asked(ISSUER, exchange))).toBe(expected)
  })

  it('is that of its own origin, by the answer that agrees best', () => {
    const elsewhere = asked('https://keys.acme.dev/jwks', answer(0))
    expect(ahead(asked(ISSUER, answer(90), answer(30)), elsewhere)).toBe(30)
    expect(ahead(elsewhere)).toBe(0)
  })
})
