import { type BodyBounds, readBody } from '../base/body.ts'
import { utf8Decode } from '../base/bytes.ts'
import { type Freshness, freshnessOf, isEntityTag } from '../base/freshness.ts'
import { type JsonObject, parseJsonObject } from '../base/json.ts'
import { LIMITS } from '../base/limits.ts'
import { isPrivateHost } from '../base/network.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { fetchedWithin } from '../base/timeout.ts'
import { isLoopback, parseUrl, serverOf } from '../base/url.ts'
import type { Fetch } from '../platform/system.ts'
import { KEY_TIMES } from './times.ts'

/** Why there is no document. Fixed words only, no content from the server. */
export type DocumentFault =
  | 'address not allowed'
  | 'unreachable'
  | 'timeout'
  | 'redirected elsewhere'
  | 'too many redirects'
  | `status ${number}`
  | 'not served as JSON'
  | 'truncated'
  | 'too large'
  | 'not a JSON object'

/** The allowed sources of a document, and its time limit. */
export interface DocumentRules {
  readonly fetch: Fetch
  /** Allows plain http to loopback hosts, and https to private addresses. */
  readonly allowInsecureHttp: boolean
  /** Origins (as in `URL.origin`) from whose servers no document may come. */
  readonly never?: readonly string[]
  /** The entity-tag of the stored document; a malformed one is not sent. */
  readonly etag?: string
  /** Milliseconds for headers, redirects and body together. */
  readonly timeoutMs?: number
}

/** A document, or that the stored one is unchanged; with its freshness. */
export type Fetched = Freshness &
  ({ readonly kind: 'document'; readonly document: JsonObject } | { readonly kind: 'unchanged' })

/**
 * Fetches one JSON object: over https (or loopback http where allowed) from a public host, within
 * {@link LIMITS.fetchMs} and {@link LIMITS.documentBytes}. Follows redirects only to the same scheme, host and port.
 * With an `etag` the result may be `unchanged` (RFC 9110 §13.1.2). Does not check the object's members, nor the address
 * of a name. Never rejects.
 */
export async function fetchDocument(
  address: string,
  rules: DocumentRules,
): Promise<Result<Fetched, DocumentFault>> {
  const url = allowedUrl(address, rules)
  if (!url) return fail('address not allowed')
  const { timeoutMs: ms = LIMITS.fetchMs } = rules
  return fetchedWithin(ms, async (signal): Promise<Result<Fetched, DocumentFault>> => {
    const answer = await follow(url, rules, signal)
    if (!answer.ok) return answer
    const response = answer.value
    const freshness = freshnessOf(response.headers)
    if (response.status === 304) return ok({ kind: 'unchanged', ...freshness })
    const document = await readObject(response, { bytes: LIMITS.documentBytes, ms, signal })
    return document.ok ? ok({ kind: 'document', document: document.value, ...freshness }) : document
  })
}

/**
 * An address to which the gate may send a request of its own: https to a public host, or loopback http where that is
 * allowed. Does not check the address of a name.
 * @example allowedUrl('http://auth.acme.example', { allowInsecureHttp: false }) // undefined
 */
export function allowedUrl(
  address: string,
  { allowInsecureHttp, never = [] }: Pick<DocumentRules, 'allowInsecureHttp' | 'never'>,
): URL | undefined {
  const url = parseUrl(address)
  if (!url || hasCredential(url)) return undefined
  if (never.some((origin) => serverOf(new URL(origin)) === serverOf(url))) return undefined
  const allowed =
    url.protocol === 'https:'
      ? allowInsecureHttp || !isPrivateHost(url.hostname)
      : url.protocol === 'http:' && allowInsecureHttp && isLoopback(url.hostname)
  return allowed ? url : undefined
}

const hasCredential = (url: URL): boolean => url.username !== '' || url.password !== ''

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** The first response that is not a redirect: a 200, or a 304 to a conditional request. */
const follow = async (
  start: URL,
  { fetch, etag = '' }: DocumentRules,
  signal: AbortSignal,
): Promise<Result<Response, DocumentFault>> => {
  const conditional = isEntityTag(etag)
  const headers = {
    accept: 'application/json',
    // Otherwise `no-store` makes `fetch` send `no-cache`, and many servers then never answer 304.
    ...(conditional && { 'if-none-match': etag, 'cache-control': 'max-age=0' }),
  }
  let url = start
  for (let hop = 0; hop <= KEY_TIMES.redirects; hop++) {
    const response = await fetch(url.href, {
      headers,
      redirect: 'manual',
      cache: 'no-store',
      signal,
    })
    if (response.status === 200) return ok(response)
    discard(response)
    if (response.status === 304 && conditional) return ok(response)
    const location = response.headers.get('location')
    if (location === null || !REDIRECTS.has(response.status)) {
      return fail(`status ${response.status}` as const)
    }
    const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined
    if (!next || hasCredential(next) || next.origin !== start.origin)
      return fail('redirected elsewhere')
    url = next
  }
  return fail('too many redirects')
}

/** Cancels an unread body; ignores errors. */
export function discard(response: Response): void {
  response.body?.cancel().catch(() => {})
}

const JSON_TYPE = /^(?:application\/json|[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\+json)\s*(?:;|$)/i

/** Reads the body up to the limit, regardless of Content-Length and Content-Encoding. Does not check the status. */
export async function readObject(
  response: Response,
  bounds: BodyBounds & { readonly signal: AbortSignal },
): Promise<Result<JsonObject, DocumentFault>> {
  if (!JSON_TYPE.test(response.headers.get('content-type') ?? '')) {
    discard(response)
    return fail('not served as JSON')
  }
  const body = await readBody(response.body, bounds)
  if (body.ok) {
    const document = parseJsonObject(utf8Decode(body.value) ?? '')
    return document ? ok(document) : fail('not a JSON object')
  }
  if (body.reason === 'too_large') return fail('too large')
  return fail(bounds.signal.aborted ? 'timeout' : 'truncated')
}
