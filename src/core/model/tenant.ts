import { type JsonObject, own } from '../json.ts'

/** How multi-tenant issuers name a tenant in their URLs (RFC 9562 §4). */
const TENANT = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i

/**
 * Whether a published key is marked as that of another tenant than the issuer's. Servers of many
 * tenants publish keys together and say in a member `issuer` whose one is, or leave a place for the
 * tenant's name; a key of one tenant must not speak for another.
 */
export function isOfAnotherTenant(key: JsonObject, issuer: string): boolean {
  const marked = own(key, 'issuer')
  const theirs = typeof marked === 'string' ? TENANT.exec(marked)?.[0] : undefined
  const ours = TENANT.exec(issuer)?.[0]
  return theirs !== undefined && ours !== undefined && theirs.toLowerCase() !== ours.toLowerCase()
}
