import { base64url } from 'jose'
import { isCanonicalBase64Url, utf8Decode } from './bytes.ts'
import { type JsonObject, parseJsonObject } from './json.ts'
import { LIMITS } from './limits.ts'

/**
 * The parts of a compact JWS (RFC 7515 §7.1), if they are three in canonical base64url. Verifies nothing.
 * @example splitJws('e30.e30.YQ') // { header: 'e30', payload: 'e30', signature: 'YQ' }
 */
export function splitJws(token: string) {
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

/** Decodes a part to one unambiguous JSON object in UTF-8; `undefined` for anything else. */
export function decodeJwsPart(part: string): JsonObject | undefined {
  return isCanonicalBase64Url(part) ? decodeSplitPart(part) : undefined
}

/** {@link decodeJwsPart} of a part that {@link splitJws} has checked; throws for text that is not base64url. */
export function decodeSplitPart(part: string): JsonObject | undefined {
  const text = utf8Decode(base64url.decode(part))
  return text === undefined ? undefined : parseJsonObject(text)
}

/** Refused header parameters: keys in the token, and extensions that change the signed text (RFC 7515 §4.1). */
export const FORBIDDEN_PARAMETERS = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c'] as const

/** Media types of JWTs for other purposes, which are never access tokens (RFC 8725 §3.12). */
export const FORBIDDEN_TYPES: ReadonlySet<string> = new Set([
  'aa-agent+jwt',
  'aa-auth+jwt',
  'aa-person+jwt',
  'aa-resource+jwt',
  'agent-assertion+jwt',
  'client-authentication+jwt',
  'dpop+jwt',
  'dpop-nonce+jwt',
  'entity-statement+jwt',
  'jwk-set+jwt',
  'logout+jwt',
  'mcp-session+jwt',
  'oauth-authz-req+jwt',
  'oauth-client-attestation+jwt',
  'oauth-client-attestation-pop+jwt',
  'oauth-id-jag+jwt',
  'secevent+jwt',
  'statuslist+jwt',
  'token-introspection+jwt',
  'txntoken+jwt',
  'wit+jwt',
  'wpt+jwt',
])

const KID = /^[\x21-\x7e]+$/

/** Whether a `kid` is visible ASCII of bounded length. */
export function isKid(kid: unknown): kid is string {
  return typeof kid === 'string' && kid.length <= LIMITS.kidLength && KID.test(kid)
}

/** Whether a token has five parts, as a compact JWE has (RFC 7516 §7.1). Does not check the parts. */
export function hasJweParts(token: string): boolean {
  return token.split('.', 6).length === 5
}

/** The header of a compact JWE with canonical parts. The token must have five parts: see {@link hasJweParts}. */
export function jweHeader(token: string): JsonObject | undefined {
  const parts = token.split('.', 6)
  return parts.every(isCanonicalBase64Url) ? decodeJwsPart(parts[0] ?? '') : undefined
}

/**
 * A media type of `typ` or `cty`, in lower case and without `application/` (RFC 7515 §4.1.9, §4.1.10).
 * @example mediaType('application/AT+JWT') // 'at+jwt'
 */
export function mediaType(text: string): string {
  return text.toLowerCase().replace(/^application\//, '')
}
