import type { JsonObject } from '../core/json.ts'
import type { KeyTimes } from '../core/model/issuer.ts'
import { fail, ok, type Result } from '../core/result.ts'
import type { Fetch } from '../platform/system.ts'
import { type DiscoveryFault, discover } from './discovery.ts'
import { type DocumentFault, fetchDocument } from './document.ts'
import { publicKeys } from './set.ts'
import type { KeyPlace } from './store.ts'
import { KEY_TIMES, lifetimeOf } from './times.ts'

/** Where an issuer's metadata said its keys are, and when. */
export interface Location {
  readonly uri: string
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Seconds. */
  readonly maxAge?: number
}

/** What was learned of an issuer the last time, so that it need not be asked for again. */
export interface Learned {
  readonly location?: Location
  /** The entity-tag of the key set at `uri` (RFC 9110 §8.8.3). */
  readonly validator?: { readonly uri: string; readonly etag: string }
}

/** The issuer's answer. Without `keys` they are as they were. */
export interface Published extends Learned {
  readonly keys?: readonly JsonObject[]
  /** Seconds. */
  readonly maxAge?: number
}

/**
 * A set with no key that may be kept is a fault and no answer: an issuer that has keys out does not
 * mean to have none, and to withdraw one it publishes another.
 */
export type PublishedFault = DiscoveryFault | DocumentFault | 'not a JWK set' | 'no public keys'

interface Asking {
  readonly place: KeyPlace
  readonly times: KeyTimes
  readonly fetch: Fetch
  /** Milliseconds since the epoch. */
  readonly now: number
}

/**
 * Asks an issuer for its keys: its metadata where the address is not configured and what is known
 * of it is old, then the set, only if it changed (RFC 9110 §13.1.2). An address that has nothing
 * any more is looked up anew. Never rejects.
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
  // What cannot be asked for is as it was; what answers otherwise is not.
  const isUsable = known && !isRecent && asking.now - known.at < KEY_TIMES.kvLifeMs
  if (!isUsable || !PASSING.test(location.reason)) return location
  return located(await fetchSet(asking, known.uri, learned), known)
}

/** Faults of an address that is no longer the right one. */
const MOVED = /^status 4(?!08|29)|^redirected|^not /
/** Faults that say nothing of the document. */
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
