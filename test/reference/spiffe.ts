/** SPIFFE IDs (docs/issuers.md, "SPIFFE"). */
import type { Json } from './types.ts'

/**
 * The trust domain of a SPIFFE ID, as the policy writes it: `spiffe://NAME`. `undefined` if the id is not one:
 * it must have a path, and no user, port, capitals in the trust domain, escapes, or empty or dot segments.
 */
export function trustDomain(id: Json | undefined): string | undefined {
  if (typeof id !== 'string') return undefined
  const [, domain, path] = /^spiffe:\/\/([a-z0-9._-]+)\/([A-Za-z0-9._/-]+)$/.exec(id) ?? []
  if (domain === undefined || path === undefined) return undefined
  const isPlain = path.split('/').every((segment) => !['', '.', '..'].includes(segment))
  return isPlain ? `spiffe://${domain}` : undefined
}
