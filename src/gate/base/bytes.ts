import { base64url } from 'jose'

/** Strict conversions of bytes and text: decoders return `undefined` where two readers could differ. */

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** Text to UTF-8; a lone surrogate becomes U+FFFD. */
export function utf8Encode(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text) as Uint8Array<ArrayBuffer>
}

/** UTF-8 to text; `undefined` for bytes that are not UTF-8. A byte order mark is kept. */
export function utf8Decode(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return undefined
  }
}

const BASE64URL = /^[A-Za-z0-9_-]*$/
/** The last characters allowed where 2 or 3 characters remain: their unused bits are zero. */
const LAST: Readonly<Record<number, RegExp>> = { 0: /^/, 2: /[AQgw]$/, 3: /[AEIMQUYcgkosw048]$/ }

/**
 * Whether text is canonical base64url (RFC 4648 §5), without padding. So each token has only one spelling.
 * @example
 * isCanonicalBase64Url('YQ') // true
 * isCanonicalBase64Url('YR') // false
 */
export function isCanonicalBase64Url(text: string): boolean {
  return BASE64URL.test(text) && (LAST[text.length % 4]?.test(text) ?? false)
}

/**
 * Canonical base64url to bytes, `undefined` for any other text.
 * @example base64UrlDecode('YWI') // new Uint8Array([97, 98])
 */
export function base64UrlDecode(text: string): Uint8Array<ArrayBuffer> | undefined {
  return isCanonicalBase64Url(text)
    ? (base64url.decode(text) as Uint8Array<ArrayBuffer>)
    : undefined
}

/**
 * Bit length of an unsigned big-endian number; leading zeros are ignored.
 * @example bitLength(new Uint8Array([0, 1, 255])) // 9
 */
export function bitLength(bytes: Uint8Array): number {
  const first = bytes.findIndex((byte) => byte !== 0)
  return first < 0 ? 0 : (bytes.length - first) * 8 - Math.clz32(bytes[first] ?? 0) + 24
}

/** SHA-256 of the text's UTF-8. */
export async function sha256(text: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', utf8Encode(text)))
}

/** 32 bits of FNV-1a: spread evenly, but anybody can make a text of the same hash. */
export function shortHash(text: string, seed = 0x811c9dc5): number {
  let hash = seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** SHA-256 of the text's UTF-8, in base64url: a name of fixed length. */
export async function sha256Name(text: string): Promise<string> {
  return base64url.encode(await sha256(text))
}
