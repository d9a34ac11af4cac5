import { utf8Decode } from '../../base/bytes.ts'
import { type JsonObject, parseJsonObject } from '../../base/json.ts'
import { LIMITS } from '../../base/limits.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import { isLoopback, sameOrigin } from '../../base/url.ts'
import { KEY_TIMES } from './times.ts'

/** What a document is asked for with. No cookie, no credential, no cached answer. */
export interface DocumentInit {
  readonly headers: Readonly<Record<string, string>>
  readonly redirect: 'manual'
  readonly cache: 'no-store'
  readonly signal: AbortSignal
}

/** `fetch`, as far as keys need it. */
export type Fetch = (url: string, init: DocumentInit) => Promise<Response>

/** Why there is no document. Fixed words only: nothing of what the server sent. */
export type DocumentFault =
  | 'address not allowed'
  | 'unreachable'
  | 'timeout'
  | 'redirected elsewhere'
  | 'too many redirects'
  | `status ${number}`
  | 'too large'
  | 'not a JSON object'

/** Where a document may come from, and how long it may take. */
export interface DocumentRules {
  readonly fetch: Fetch
  /** Plain http, to a host only this machine can reach. */
  readonly allowInsecureHttp: boolean
  /** Milliseconds for headers, redirects and body together. */
  readonly timeoutMs?: number
}

/**
 * Fetches one JSON object: https (or loopback http where allowed), within {@link LIMITS.fetchMs}
 * and {@link LIMITS.documentBytes}, redirects only on the same scheme, host and port. Does not look
 * at the content type or at what the object says. Never rejects.
 */
export const fetchDocument = async (
  address: string,
  { fetch, allowInsecureHttp, timeoutMs = LIMITS.fetchMs }: DocumentRules,
): Promise<Result<JsonObject, DocumentFault>> => {
  const url = allowedUrl(address, allowInsecureHttp)
  if (!url) return fail('address not allowed')
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const response = await follow(url, { fetch, signal })
    if (!response.ok) return response
    const bytes = await read(response.value)
    if (!bytes) return fail('too large')
    const document = parseJsonObject(utf8Decode(bytes) ?? '')
    return document ? ok(document) : fail('not a JSON object')
  } catch {
    return fail(signal.aborted ? 'timeout' : 'unreachable')
  }
}

const allowedUrl = (address: string, allowInsecureHttp: boolean): URL | undefined => {
  const url = bareUrl(address)
  if (url === undefined || url.protocol === 'https:') return url
  const insecure = url.protocol === 'http:' && allowInsecureHttp && isLoopback(url.hostname)
  return insecure ? url : undefined
}

/** An absolute URL without a credential in it. */
const bareUrl = (address: string, base?: URL): URL | undefined => {
  const url = URL.canParse(address, base?.href) ? new URL(address, base) : undefined
  return url?.username === '' && url.password === '' ? url : undefined
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

const follow = async (
  start: URL,
  { fetch, signal }: { readonly fetch: Fetch; readonly signal: AbortSignal },
): Promise<Result<Response, DocumentFault>> => {
  let url = start
  for (let hop = 0; hop <= KEY_TIMES.redirects; hop++) {
    const response = await fetch(url.href, {
      headers: { accept: 'application/json' },
      redirect: 'manual',
      cache: 'no-store',
      signal,
    })
    if (response.status === 200) return ok(response)
    await response.body?.cancel()
    if (!REDIRECTS.has(response.status)) return fail(`status ${response.status}` as const)
    const next = bareUrl(response.headers.get('location') ?? '', url)
    if (!next || !sameOrigin(next, start)) return fail('redirected elsewhere')
    url = next
  }
  return fail('too many redirects')
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
