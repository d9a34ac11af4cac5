const TRUST_DOMAIN = /^spiffe:\/\/[a-z0-9._-]{1,255}$/
const WORKLOAD = /^(spiffe:\/\/[a-z0-9._-]{1,255})(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/
/** Characters of the longest SPIFFE ID (SPIFFE-ID §2.3). */
const LONGEST = 2048

/**
 * Whether text is a trust domain's own SPIFFE ID: without a path, and without user, port, escapes or capitals.
 * @example isTrustDomain('spiffe://prod.example.org') // true
 */
export function isTrustDomain(text: string): boolean {
  return TRUST_DOMAIN.test(text)
}

/**
 * The trust domain, as `spiffe://NAME`, of a workload's SPIFFE ID (SPIFFE-ID §2). `undefined` for all else: also for an
 * ID without a path, which names the trust domain itself, and for one that two readers could read differently.
 * @example
 * trustDomainOf('spiffe://prod.example.org/ns/agents') // 'spiffe://prod.example.org'
 * trustDomainOf('spiffe://prod.example.org') // undefined
 */
export function trustDomainOf(sub: unknown): string | undefined {
  return typeof sub === 'string' && sub.length <= LONGEST ? WORKLOAD.exec(sub)?.[1] : undefined
}
