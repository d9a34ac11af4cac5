import { isPrivateHost } from '../core/address.ts'
import { utf8Decode } from '../core/bytes.ts'
import { type JsonObject, parseJsonObject } from '../core/json.ts'
import { LIMITS } from '../core/limits.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { isLoopback, parseUrl, sameOrigin, serverOf } from '../core/url.ts'
import type { Fetch } from '../platform/system.ts'
import { type Freshness, freshnessOf, isEntityTag } from './freshness.ts'
import { KEY_TIMES } from './times.ts'

/** Why there is no document. Fixed words only: nothing of what the server sent. */
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

/** Where a document may come from, and how long it may take. */
export interface DocumentRules {
  readonly fetch: Fetch
  /** Plain http to a host only this machine can reach, and https to private addresses. */
  readonly allowInsecureHttp: boolean
  /** Origins, as `URL.origin` writes them, from whose servers no document may come. */
  readonly never?: readonly string[]
  /** Of the document that is held; what is no entity-tag is not sent. */
  readonly etag?: string
  /** Milliseconds for headers, redirects and body together. */
  readonly timeoutMs?: number
}

/** A document, or that the one held is still the server's; and how long this holds. */
export type Fetched = Freshness &
  ({ readonly kind: 'document'; readonly document: JsonObject } | { readonly kind: 'unchanged' })

/**
 * Fetches one JSON object: https (or loopback http where allowed) from a public host, within
 * {@link LIMITS.fetchMs} and {@link LIMITS.documentBytes}, redirects only on the same scheme, host
 * and port. With an `etag` the answer may be that nothing changed (RFC 9110 §13.1.2). Does not look
 * at what the object says, nor at what a name resolves to. Never rejects.
 */
export async function fetchDocument(
  address: string,
  rules: DocumentRules,
): Promise<Result<Fetched, DocumentFault>> {
  const url = allowedUrl(address, rules)
  if (!url) return fail('address not allowed')
  // Not AbortSignal.timeout: its timer would keep an object awake that has its answer.
  const controller = new AbortController()
  const { signal } = controller
  const timer = setTimeout(() => controller.abort(), rules.timeoutMs ?? LIMITS.fetchMs)
  let broken: DocumentFault = 'unreachable'
  try {
    const answer = await follow(url, rules, signal)
    if (!answer.ok) return answer
    const response = answer.value
    const freshness = freshnessOf(response.headers)
    if (response.status === 304) return ok({ kind: 'unchanged', ...freshness })
    broken = 'truncated'
    const document = await readObject(response)
    return document.ok ? ok({ kind: 'document', document: document.value, ...freshness }) : document
  } catch {
    return fail(signal.aborted ? 'timeout' : broken)
  } finally {
    clearTimeout(timer)
  }
}

const allowedUrl = (
  address: string,
  { allowInsecureHttp, never = [] }: DocumentRules,
): URL | undefined => {
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

/** Brings the first answer that is no redirect: a 200, or a 304 that was asked for. */
const follow = async (
  start: URL,
  { fetch, etag = '' }: DocumentRules,
  signal: AbortSignal,
): Promise<Result<Response, DocumentFault>> => {
  const conditional = isEntityTag(etag)
  const headers = {
    accept: 'application/json',
    // Without a word of its own `no-store` says `no-cache`, to which many servers give no 304.
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
    if (!next || hasCredential(next) || !sameOrigin(next, start))
      return fail('redirected elsewhere')
    url = next
  }
  return fail('too many redirects')
}

/** Lets go of a body that nobody reads; that it is broken already changes nothing. */
const discard = (response: Response): void => {
  response.body?.cancel().catch(() => {})
}

const JSON_TYPE = /^(?:application\/json|[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\+json)\s*(?:;|$)/i

/** A body cut short rejects as it is read, or is no JSON: no object ends before its last brace. */
const readObject = async (response: Response): Promise<Result<JsonObject, DocumentFault>> => {
  if (!JSON_TYPE.test(response.headers.get('content-type') ?? '')) {
    discard(response)
    return fail('not served as JSON')
  }
  const bytes = await read(response)
  if (!bytes) return fail('too large')
  const document = parseJsonObject(utf8Decode(bytes) ?? '')
  return document ? ok(document) : fail('not a JSON object')
}

/** Reads no further than the limit, whatever Content-Length and Content-Encoding promise. */
const read = async (response: Response): Promise<Uint8Array | undefined> => {
  const reader = response.body?.getReader()
  const bytes = new Uint8Array(LIMITS.documentBytes)
  let length = 0
  for (;;) {
    const chunk: Uint8Array | undefined = (await reader?.read())?.value
    if (!chunk) return bytes.subarray(0, length)
    if (length + chunk.length > bytes.length) {
      await reader?.cancel()
      return undefined
    }
    bytes.set(chunk, length)
    length += chunk.length
  }
}
