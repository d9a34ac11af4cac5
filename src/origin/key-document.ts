import { readBody } from '../core/body.ts'
import { utf8Decode } from '../core/bytes.ts'
import { type JsonObject, parseJsonObject } from '../core/json.ts'
import { LIMITS } from '../core/limits.ts'
import { publicKeys } from '../core/model/key-set.ts'
import { fail, ok, type Result } from '../core/result.ts'

/** The options of a key request. */
export interface KeyRequestInit {
  readonly headers: Readonly<Record<string, string>>
  readonly redirect: 'manual'
  readonly signal: AbortSignal
}

/** The part of `fetch` that keys need. */
export type KeyFetch = (url: string, init: KeyRequestInit) => Promise<Response>

/** The entries of a key set, and their freshness in milliseconds. */
export interface KeyDocument {
  readonly keys: readonly JsonObject[]
  readonly freshMs: number
}

/** Milliseconds a key set is fresh: minimum, maximum and default. */
export const FRESH = { least: 60_000, most: 3_600_000, usual: 600_000 } as const

/**
 * Fetches a JWK set (RFC 7517 §5). Accepts only status 200, without redirects, within
 * {@link LIMITS.fetchMs} and {@link LIMITS.documentBytes}. A reason contains no data of the
 * response. Does not check the entries. Never rejects.
 */
export async function fetchKeys(
  uri: string,
  fetch: KeyFetch,
): Promise<Result<KeyDocument, string>> {
  const controller = new AbortController()
  const { signal } = controller
  const timer = setTimeout(() => controller.abort(), LIMITS.fetchMs)
  try {
    const headers = { accept: 'application/jwk-set+json, application/json' }
    const response = await fetch(uri, { headers, redirect: 'manual', signal })
    if (response.status !== 200) {
      response.body?.cancel().catch(() => {})
      return fail(`status ${response.status}`)
    }
    const bounds = { bytes: LIMITS.documentBytes, ms: LIMITS.fetchMs }
    const body = await readBody(response.body, bounds)
    if (!body.ok) return fail(signal.aborted ? 'timeout' : body.reason)
    const keys = publicKeys(parseJsonObject(utf8Decode(body.value) ?? ''))
    return keys ? ok({ keys, freshMs: freshMs(response.headers) }) : fail('not a JWK set')
  } catch {
    return fail(signal.aborted ? 'timeout' : 'unreachable')
  } finally {
    clearTimeout(timer)
  }
}

/** `max-age` minus `Age` (RFC 9111 §4.2.1), within bounds; the minimum without caching. */
const freshMs = (headers: Headers): number => {
  const control = headers.get('cache-control') ?? ''
  if (/(?:^|,)\s*no-(?:store|cache)\b/i.test(control)) return FRESH.least
  const [, maxAge] = /(?:^|,)\s*max-age="?(\d+)/i.exec(control) ?? []
  if (maxAge === undefined) return FRESH.usual
  const [, age = '0'] = /^(\d+)/.exec(headers.get('age') ?? '') ?? []
  return Math.min(Math.max((Number(maxAge) - Number(age)) * 1000, FRESH.least), FRESH.most)
}
