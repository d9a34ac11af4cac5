import { base64UrlDecode, isCanonicalBase64Url, utf8Decode } from './bytes.ts'
import { type JsonObject, parseJsonObject } from './json.ts'

/** The three parts of a compact JWS (RFC 7515 §7.1), each canonical base64url. */
export interface CompactJws {
  readonly header: string
  readonly payload: string
  readonly signature: string
}

/**
 * Splits a compact JWS. `undefined` unless there are exactly three parts, each the canonical
 * base64url of something. Decodes nothing and verifies nothing.
 */
export const splitJws = (token: string): CompactJws | undefined => {
  const first = token.indexOf('.')
  const second = token.indexOf('.', first + 1)
  if (first < 1 || second < 0 || token.indexOf('.', second + 1) >= 0) return undefined
  const header = token.slice(0, first)
  const payload = token.slice(first + 1, second)
  const signature = token.slice(second + 1)
  return [header, payload, signature].every(isCanonicalBase64Url)
    ? { header, payload, signature }
    : undefined
}

/** A part that holds one unambiguous JSON object in UTF-8; `undefined` for anything else. */
export const decodeJwsPart = (part: string): JsonObject | undefined => {
  const bytes = base64UrlDecode(part)
  const text = bytes && utf8Decode(bytes)
  return text === undefined ? undefined : parseJsonObject(text)
}
