import { own } from '../core/json.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { parseUrl } from '../core/url.ts'
import type { DocumentFault, Fetched } from './document.ts'

/** Where an issuer says its keys are. */
export interface Discovered {
  /** The `jwks_uri`. */
  readonly uri: string
  /** Address of the document that says so, as it was asked for. */
  readonly url: string
  /** Seconds that document holds; absent where its server says nothing. */
  readonly maxAge?: number
}

/** Why discovery led to no address. */
export type DiscoveryFault = DocumentFault | 'metadata of another issuer' | 'no jwks_uri'

const ABSENT = /^status 4/

/** Faults after which the same server is not asked for its other document. */
const FINAL: ReadonlySet<DiscoveryFault> = new Set([
  'address not allowed',
  'unreachable',
  'timeout',
])

/**
 * Finds an issuer's `jwks_uri`: RFC 8414 §3 metadata, then OpenID Connect Discovery §4. Each
 * document's `issuer` must equal the configured one byte for byte (RFC 8414 §3.3). Checks that the
 * address it finds is one, not that it may be asked: whoever fetches it does.
 */
export async function discover(
  issuer: string,
  load: (url: string) => Promise<Result<Fetched, DocumentFault>>,
): Promise<Result<Discovered, DiscoveryFault>> {
  let fault: DiscoveryFault | undefined
  for (const url of metadataUrls(issuer)) {
    const found = read(issuer, url, await load(url))
    if (found.ok) return found
    // That there is no second document says less than what is wrong with the first.
    if (fault === undefined || ABSENT.test(fault)) fault = found.reason
    if (FINAL.has(found.reason)) break
  }
  return fail(fault ?? 'address not allowed')
}

/** Addresses of an issuer's metadata, in the order they are tried. None where it is no plain URL. */
export function metadataUrls(issuer: string): readonly string[] {
  const [, origin, path = ''] = /^(https?:\/\/[^/?#]+)(\/[^?#]*)?$/.exec(issuer) ?? []
  if (origin === undefined) return []
  const base = path.replace(/\/$/, '')
  return [
    `${origin}/.well-known/oauth-authorization-server${base}`,
    `${origin}${base}/.well-known/openid-configuration`,
  ]
}

const read = (
  issuer: string,
  url: string,
  loaded: Result<Fetched, DocumentFault>,
): Result<Discovered, DiscoveryFault> => {
  if (!loaded.ok) return loaded
  // Nothing is held that could be unchanged.
  if (loaded.value.kind === 'unchanged') return fail('status 304')
  const { document, maxAge } = loaded.value
  if (own(document, 'issuer') !== issuer) return fail('metadata of another issuer')
  const uri = own(document, 'jwks_uri')
  if (typeof uri !== 'string' || !parseUrl(uri)) return fail('no jwks_uri')
  return ok({ uri, url, ...(maxAge !== undefined && { maxAge }) })
}
