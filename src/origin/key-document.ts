import { readBody } from '../core/body.ts'
import { utf8Decode } from '../core/bytes.ts'
import { isObject, type JsonObject, own, parseJsonObject } from '../core/json.ts'
import { LIMITS } from '../core/limits.ts'
import { fail, ok, type Result } from '../core/result.ts'

/** What the gate's keys are asked for with. */
export interface KeyRequestInit {
  readonly headers: Readonly<Record<string, string>>
  readonly redirect: 'manual'
  readonly signal: AbortSignal
}

/** `fetch`, as far as keys need it. */
export type KeyFetch = (url: string, init: KeyRequestInit) => Promise<Response>

/** The entries of a key set, and how long they are fresh, in milliseconds. */
export interface KeyDocument {
  readonly keys: readonly JsonObject[]
  readonly freshMs: number
}

/** Milliseconds a key set is fresh: at least, at most, and where the gate does not say. */
export const FRESH = { least: 60_000, most: 3_600_000, usual: 600_000 } as const

/**
 * Fetches a JWK set (RFC 7517 §5): 200 and nothing else, no redirect followed, within
 * {@link LIMITS.fetchMs} and {@link LIMITS.documentBytes}. A reason holds fixed words only. Does not
 * look into the entries. Never rejects.
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
    const keys = entriesOf(utf8Decode(body.value) ?? '')
    return keys ? ok({ keys, freshMs: freshMs(response.headers) }) : fail('not a JWK set')
  } catch {
    return fail(signal.aborted ? 'timeout' : 'unreachable')
  } finally {
    clearTimeout(timer)
  }
}

const entriesOf = (text: string): readonly JsonObject[] | undefined => {
  const document = parseJsonObject(text)
  const keys = document && own(document, 'keys')
  return Array.isArray(keys) ? keys.slice(0, LIMITS.keys).filter(isObject) : undefined
}

/** `max-age` less `Age` (RFC 9111 §4.2.1), within bounds; the least for what is not to be kept. */
const freshMs = (headers: Headers): number => {
  const control = headers.get('cache-control') ?? ''
  if (/(?:^|,)\s*no-(?:store|cache)\b/i.test(control)) return FRESH.least
  const [, maxAge] = /(?:^|,)\s*max-age="?(\d+)/i.exec(control) ?? []
  if (maxAge === undefined) return FRESH.usual
  const [, age = '0'] = /^(\d+)/.exec(headers.get('age') ?? '') ?? []
  return Math.min(Math.max((Number(maxAge) - Number(age)) * 1000, FRESH.least), FRESH.most)
}
