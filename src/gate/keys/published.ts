import { type JsonObject, own, ownText } from '../base/json.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { parseUrl } from '../base/url.ts'
import type { KeyTimes } from '../model/issuer.ts'
import { publicKeys } from '../model/key-set.ts'
import type { Fetch } from '../platform/system.ts'
import { type DocumentFault, type Fetched, fetchDocument } from './document.ts'
import type { KeyPlace } from './store.ts'
import { KEY_TIMES, lifetimeOf } from './times.ts'

/** The `jwks_uri` of an issuer's metadata, and when it was read. */
export interface Location {
  readonly uri: string
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Seconds. */
  readonly maxAge?: number
}

/** Facts from the last fetch that make the next one cheaper. */
export interface Learned {
  readonly location?: Location
  /** The entity-tag of the key set at `uri` (RFC 9110 §8.8.3). */
  readonly validator?: { readonly uri: string; readonly etag: string }
}

/** The issuer's keys; without `keys` they are unchanged. */
export interface Published extends Learned {
  readonly keys?: readonly JsonObject[]
  /** Seconds. */
  readonly maxAge?: number
}

/** A set without usable public keys is a fault: an issuer withdraws a key by publishing another. */
export type PublishedFault = DiscoveryFault | DocumentFault | 'not a JWK set' | 'no public keys'

interface Asking {
  readonly place: KeyPlace
  readonly times: KeyTimes
  readonly fetch: Fetch
  /** Milliseconds since the epoch. */
  readonly now: number
}

/**
 * Fetches an issuer's keys: first its metadata, if `jwks_uri` is not configured and the known one is old; then the set,
 * if it changed (RFC 9110 §13.1.2). If the set has moved, the metadata is read anew. Never rejects.
 */
export async function fetchPublished(
  asking: Asking,
  learned: Learned,
): Promise<Result<Published, PublishedFault>> {
  const { keys } = asking.place
  if (keys.kind === 'uri') return fetchSet(asking, keys.uri, learned)
  const known = learned.location
  const isRecent = known && asking.now - known.at < lifetimeOf(known.maxAge, asking.times) / 2
  if (isRecent) {
    const found = await fetchSet(asking, known.uri, learned)
    if (found.ok || !MOVED.test(found.reason)) return located(found, known)
  }
  const location = await locate(asking)
  if (location.ok) {
    return located(await fetchSet(asking, location.value.uri, learned), location.value)
  }
  // The known address is used if the metadata is unreachable, but not after another fault.
  const isUsable = known && !isRecent && asking.now - known.at < KEY_TIMES.kvLifeMs
  if (!isUsable || !PASSING.test(location.reason)) return location
  return located(await fetchSet(asking, known.uri, learned), known)
}

/** Faults of an address that may have moved. */
const MOVED = /^status 4(?!08|29)|^redirected|^not /
/** Temporary faults, which say nothing of the document. */
const PASSING = /^(?:unreachable|timeout|truncated)$|^status (?:5|408|429)/

const locate = async (asking: Asking): Promise<Result<Location, PublishedFault>> => {
  const found = await discover(asking.place.issuer, (url) => load(asking, url))
  if (!found.ok) return found
  const { uri, maxAge } = found.value
  return ok({ uri, at: asking.now, ...(maxAge !== undefined && { maxAge }) })
}

const located = (
  found: Result<Published, PublishedFault>,
  location: Location,
): Result<Published, PublishedFault> => (found.ok ? ok({ ...found.value, location }) : found)

const fetchSet = async (
  asking: Asking,
  uri: string,
  { validator }: Learned,
): Promise<Result<Published, PublishedFault>> => {
  const fetched = await load(asking, uri, validator?.uri === uri ? validator.etag : undefined)
  if (!fetched.ok) return fetched
  const { etag, maxAge } = fetched.value
  const rest = {
    ...(etag !== undefined && { validator: { uri, etag } }),
    ...(maxAge !== undefined && { maxAge }),
  }
  if (fetched.value.kind === 'unchanged') return ok({ ...(validator && { validator }), ...rest })
  const keys = publicKeys(fetched.value.document)
  if (!keys) return fail('not a JWK set')
  return keys.length > 0 ? ok({ keys, ...rest }) : fail('no public keys')
}

const load = ({ place, fetch }: Asking, url: string, etag?: string) =>
  fetchDocument(url, {
    fetch,
    allowInsecureHttp: place.allowInsecureHttp,
    ...(place.keys.kind === 'discovery' && { never: place.keys.never }),
    ...(etag !== undefined && { etag }),
  })

/** The key set's address in an issuer's metadata. */
export interface Discovered {
  readonly uri: string
  /** Address of the metadata, as it was requested. */
  readonly url: string
  /** Seconds for which the metadata is fresh; absent where the headers contain none. */
  readonly maxAge?: number
}

export type DiscoveryFault = DocumentFault | 'metadata of another issuer' | 'no jwks_uri'

const ABSENT = /^status 4/

/** Faults after which the server's other document is not tried. */
const FINAL: ReadonlySet<DiscoveryFault> = new Set([
  'address not allowed',
  'unreachable',
  'timeout',
])

/**
 * Finds an issuer's `jwks_uri`: by RFC 8414 §3 metadata, then by OpenID Connect Discovery §4. The `issuer` of each
 * document must equal the configured one exactly (RFC 8414 §3.3). Checks that the address is a URL, not that it may be
 * fetched; the fetch checks that.
 */
export async function discover(
  issuer: string,
  load: (url: string) => Promise<Result<Fetched, DocumentFault>>,
): Promise<Result<Discovered, DiscoveryFault>> {
  let fault: DiscoveryFault | undefined
  for (const url of metadataUrls(issuer)) {
    const found = readMetadata(issuer, url, await load(url))
    if (found.ok) return found
    // A missing second document is a weaker reason than a fault of the first.
    if (fault === undefined || ABSENT.test(fault)) fault = found.reason
    if (FINAL.has(found.reason)) break
  }
  return fail(fault ?? 'address not allowed')
}

/** Addresses of an issuer's metadata, in order. Empty if the issuer is not a plain URL. */
export function metadataUrls(issuer: string): readonly string[] {
  const [, origin, path = ''] = /^(https?:\/\/[^/?#]+)(\/[^?#]*)?$/.exec(issuer) ?? []
  if (origin === undefined) return []
  const base = path.replace(/\/$/, '')
  return [
    `${origin}/.well-known/oauth-authorization-server${base}`,
    `${origin}${base}/.well-known/openid-configuration`,
  ]
}

const readMetadata = (
  issuer: string,
  url: string,
  loaded: Result<Fetched, DocumentFault>,
): Result<Discovered, DiscoveryFault> => {
  if (!loaded.ok) return loaded
  // No entity-tag was sent, so `unchanged` cannot occur.
  if (loaded.value.kind === 'unchanged') return fail('status 304')
  const { document, maxAge } = loaded.value
  if (own(document, 'issuer') !== issuer) return fail('metadata of another issuer')
  const uri = ownText(document, 'jwks_uri')
  if (uri === undefined || !parseUrl(uri)) return fail('no jwks_uri')
  return ok({ uri, url, ...(maxAge !== undefined && { maxAge }) })
}
