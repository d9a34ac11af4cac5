import { type JsonObject, own } from '../../base/json.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { DocumentFault } from './document.ts'

/** Why discovery led to no address. */
export type DiscoveryFault = DocumentFault | 'metadata of another issuer' | 'no jwks_uri'

/** Faults after which the same server is not asked for its other document. */
const FINAL: ReadonlySet<DiscoveryFault> = new Set([
  'address not allowed',
  'unreachable',
  'timeout',
])

/**
 * Finds an issuer's `jwks_uri`: RFC 8414 §3 metadata, then OpenID Connect Discovery §4. Each
 * document's `issuer` must equal the configured one byte for byte (RFC 8414 §3.3). Does not check
 * the address it finds: whoever fetches it does.
 */
export const discover = async (
  issuer: string,
  load: (url: string) => Promise<Result<JsonObject, DocumentFault>>,
): Promise<Result<string, DiscoveryFault>> => {
  let fault: DiscoveryFault = 'address not allowed'
  for (const url of metadataUrls(issuer)) {
    const found = jwksUri(issuer, await load(url))
    if (found.ok) return found
    fault = found.reason
    if (FINAL.has(fault)) break
  }
  return fail(fault)
}

/** Addresses of an issuer's metadata, in the order they are tried. None where it is no plain URL. */
export const metadataUrls = (issuer: string): readonly string[] => {
  const [, origin, path = ''] = /^(https?:\/\/[^/?#]+)(\/[^?#]*)?$/.exec(issuer) ?? []
  if (origin === undefined) return []
  const base = path.replace(/\/$/, '')
  return [
    `${origin}/.well-known/oauth-authorization-server${base}`,
    `${origin}${base}/.well-known/openid-configuration`,
  ]
}

const jwksUri = (
  issuer: string,
  loaded: Result<JsonObject, DocumentFault>,
): Result<string, DiscoveryFault> => {
  if (!loaded.ok) return loaded
  if (own(loaded.value, 'issuer') !== issuer) return fail('metadata of another issuer')
  const uri = own(loaded.value, 'jwks_uri')
  return typeof uri === 'string' ? ok(uri) : fail('no jwks_uri')
}
