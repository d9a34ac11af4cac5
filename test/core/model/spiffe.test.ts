import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isTrustDomain, trustDomainOf } from '../../../src/gate/model/spiffe.ts'

describe('the trust domain of a SPIFFE ID', () => {
  it.each([
    ['spiffe://prod.example.org/ns/agents/sa/Planner_1', 'spiffe://prod.example.org'],
    [`spiffe://${'a'.repeat(255)}/b`, `spiffe://${'a'.repeat(255)}`],
    [`spiffe://a/${'b'.repeat(2037)}`, 'spiffe://a'],
    [`spiffe://${'a'.repeat(256)}/b`, undefined],
    [`spiffe://a/${'b'.repeat(2038)}`, undefined],
    [undefined, undefined],
    [['spiffe://a/b'], undefined],
  ])('of %j is %j', (sub, domain) => {
    expect(trustDomainOf(sub)).toBe(domain)
  })

  it('is what a strict reader of URLs takes for the host, of every text', () => {
    const part = fc.constantFrom(
      ...'spiffe',
      '://',
      '/',
      '.',
      '..',
      'a',
      'A',
      '@',
      ':',
      '%2e',
      '?',
      '#',
      '\\',
      '-',
      '_',
    )
    const text = fc.array(part, { maxLength: 8 }).map((parts) => `spiffe://a${parts.join('')}`)
    fc.assert(
      fc.property(text, (sub) => {
        const domain = trustDomainOf(sub)
        if (domain === undefined) return
        const url = new URL(sub)
        expect(`spiffe://${url.host}`).toBe(domain)
        expect(url.href).toBe(sub)
        expect(isTrustDomain(domain)).toBe(true)
        expect(url.pathname.length).toBeGreaterThan(1)
      }),
    )
  })
})
