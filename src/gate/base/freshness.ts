/** The freshness of a response, by its headers. */
export interface Freshness {
  /** A well-formed entity-tag, for `If-None-Match`. */
  readonly etag?: string
  /** Remaining seconds of freshness, without the response's age; absent where the headers contain none. */
  readonly maxAge?: number
}

/**
 * Reads a response's `ETag` and its remaining freshness: `max-age` less `Age` (RFC 9111 §4.2.1); 0 for `no-store` and
 * `no-cache`, even if limited to some fields. Malformed numbers and tags count as absent. The result has no bound.
 * @example freshnessOf(new Headers({ 'Cache-Control': 'max-age=600', Age: '60' })).maxAge // 540
 */
export function freshnessOf(headers: Headers): Freshness {
  const etag = headers.get('etag')
  const lifetime = lifetimeOf(headers)
  return {
    ...(etag !== null && isEntityTag(etag) && { etag }),
    ...(lifetime !== undefined && { maxAge: Math.max(0, lifetime - ageOf(headers)) }),
  }
}

const ENTITY_TAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/

/**
 * Whether a text is an entity-tag (RFC 9110 §8.8.3), weak or strong, of at most 256 characters.
 * @example isEntityTag('W/"v1"') // true
 */
export function isEntityTag(text: string): boolean {
  return text.length <= 256 && ENTITY_TAG.test(text)
}

/** Commas inside quotes do not separate directives. */
const DIRECTIVE = /(?:[^,"]|"[^"]*(?:"|$))+/g
const NOT_KEPT = /^\s*no-(?:store|cache)\s*(?:=|$)/i
const MAX_AGE = /^\s*max-age\s*=\s*(?:(\d+)|"(\d+)")\s*$/gi

const lifetimeOf = (headers: Headers): number | undefined => {
  const directives = headers.get('cache-control')?.match(DIRECTIVE) ?? []
  if (directives.some((directive) => NOT_KEPT.test(directive))) return 0
  const [first] = directives.flatMap((directive) => [...directive.matchAll(MAX_AGE)])
  return first && seconds(first[1] ?? first[2] ?? '')
}

const ageOf = (headers: Headers): number => {
  const [, age = '0'] = /^(\d+)\s*(?:,|$)/.exec(headers.get('age') ?? '') ?? []
  return seconds(age)
}

/** The largest delta-seconds (RFC 9111 §1.2.2). */
const MOST_SECONDS = 2 ** 31

const seconds = (digits: string): number => Math.min(Number(digits), MOST_SECONDS)
