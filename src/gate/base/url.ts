import { LIMITS } from './limits.ts'
import { fail, ok, type Result } from './result.ts'

/**
 * The parts of a URL as text. The address of a request is read once, together with the canonical path: see
 * `readAddress`.
 */
export interface Address {
  readonly scheme: string
  /** Lower-case name or address, without port. */
  readonly host: string
  /** Host with port as sent, lower-case. */
  readonly authority: string
  readonly path: string
  /** With the leading `?`; empty without one. */
  readonly query: string
}

/**
 * The URL of a path at another host, with the scheme and the port of an address. The path is not checked.
 * @example urlAt('b.example', { scheme: 'https', authority: 'a.example:81' }, '/x') // 'https://b.example:81/x'
 */
export function urlAt(
  host: string,
  { scheme, authority }: Pick<Address, 'scheme' | 'authority'>,
  path: string,
): string {
  const port = /:\d+$/.exec(authority)?.[0] ?? ''
  return `${scheme}://${host}${port}${path}`
}

const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/
const URL_PARTS = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\\]*)([^?#]*)(\?[^#]*)?(#.*)?$/is

/**
 * Whether a Host header is one plain name or address with an optional port. On plain workerd `request.url` is Host and
 * request target, joined as text, so another Host could change the path.
 * @example
 * isPlainHost('api.example.com:8443') // true
 * isPlainHost('api.example.com/x') // false
 */
export function isPlainHost(host: string): boolean {
  return HOST.test(host)
}

/**
 * Splits a URL as text. `undefined` where its authority is not plain, or it has a fragment.
 * @example
 * splitUrl('https://API.example.com/a?b')?.host // 'api.example.com'
 * splitUrl('https://API.example.com/a?b')?.query // '?b'
 */
export function splitUrl(url: string): Address | undefined {
  const [, scheme, authority, path, query, fragment] = URL_PARTS.exec(url) ?? []
  if (scheme === undefined || authority === undefined || !isPlainHost(authority)) return undefined
  if (fragment !== undefined) return undefined
  return {
    scheme: scheme.toLowerCase(),
    host: hostOf(authority),
    authority: authority.toLowerCase(),
    path: path || '/',
    query: query ?? '',
  }
}

/** Parses a URL, resolved and normalised; `undefined` for other text. */
export function parseUrl(text: string): URL | undefined {
  // Node 20 has no `URL.parse`.
  return URL.canParse(text) ? new URL(text) : undefined
}

/**
 * An authority without its port, lower-case.
 * @example hostOf('API.example.com:8443') // 'api.example.com'
 */
export function hostOf(authority: string): string {
  return authority.toLowerCase().replace(/:\d+$/, '')
}

/** Why a path is refused; shown in logs and explanations. */
export type PathFault =
  | 'too long'
  | 'character'
  | 'escape'
  | 'utf-8'
  | 'control character'
  | 'empty segment'
  | 'dot segment'
  | 'too many readings'

/** RFC 3986 §3.3 `pchar` and `/`, without `;`. Clients also send `|`, `[` and `]`, which parsers do not change. */
const PATH = /^\/[A-Za-z0-9\-._~!$&'()*+,=:@/%|[\]]*$/
const ESCAPE = /%([0-9A-Fa-f]{2})?/g
const UNRESERVED = /[A-Za-z0-9\-._~]/
/** Escaped backslash, and an escaped percent sign before two hex digits (double encoding). */
const AMBIGUOUS_ESCAPE = /%5C|%25[0-9A-Fa-f]{2}/
/** C0 and C1 control characters and DEL. */
const CONTROL = /\p{Cc}/u
const DOT_SEGMENT = /(?:^|\/|%2F)\.{1,2}(?=$|\/|%2F)/

/**
 * The canonical spelling of a request path: unreserved characters unescaped, other escapes in upper case (RFC 3986
 * §6.2.2). A path that two servers could read differently is a fault. The matched rule decides about `%2F`.
 * @example
 * canonicalPath('/a%7e/%c3%a9') // { ok: true, value: '/a~/%C3%A9' }
 * canonicalPath('/a/../b') // { ok: false, reason: 'dot segment' }
 */
export function canonicalPath(raw: string): Result<string, PathFault> {
  if (raw.length > LIMITS.pathLength) return fail('too long')
  if (!PATH.test(raw)) return fail('character')
  let broken = false
  const path = raw.replace(ESCAPE, (triplet, hex: string | undefined) => {
    if (hex === undefined) broken = true
    const char = String.fromCharCode(Number.parseInt(hex ?? '0', 16))
    return UNRESERVED.test(char) ? char : triplet.toUpperCase()
  })
  if (broken || AMBIGUOUS_ESCAPE.test(path)) return fail('escape')
  const decoded = percentDecode(path)
  if (decoded === undefined) return fail('utf-8')
  if (CONTROL.test(decoded)) return fail('control character')
  if (path.includes('//')) return fail('empty segment')
  if (DOT_SEGMENT.test(path)) return fail('dot segment')
  return ok(path)
}

const FURTHER = '%[89ab][\\da-f]'
/** Text whose escapes are UTF-8 (RFC 3629 §4). An exception of the decoder costs a hundred times as much. */
const DECODABLE = new RegExp(
  `^(?:[^%]|%[0-7][\\da-f]|(?:%(?:c[2-9a-f]|d[\\da-f])|(?:%e0(?=%[ab])|%ed(?=%[89])|%e[1-9a-cef]|(?:%f0(?=%[9ab])|%f4(?=%8)|%f[1-3])${FURTHER})${FURTHER})${FURTHER})*$`,
  'i',
)

/**
 * Percent-decodes as UTF-8; `undefined` for a malformed escape or bytes that are not UTF-8.
 * @example
 * percentDecode('%C3%A9') // 'é'
 * percentDecode('%E9') // undefined
 */
export function percentDecode(text: string): string | undefined {
  if (!text.includes('%')) return text
  return DECODABLE.test(text) ? decodeURIComponent(text) : undefined
}

/**
 * The server of a URL: its host, as a Worker answers on all ports; on loopback, with scheme and port.
 * @example
 * serverOf(new URL('https://api.example.com:8443/x')) // 'api.example.com'
 * serverOf(new URL('http://localhost:8787/x')) // 'http://localhost:8787'
 */
export function serverOf({ hostname, protocol, port }: URL): string {
  const host = hostname.replace(/\.+$/, '')
  return isLoopback(host) ? `${protocol}//${host}:${port}` : host
}

/** Whether only this machine can reach a host (RFC 6761 §6.3, RFC 1122 §3.2.1.3). */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '[::1]' ||
    /^127(?:\.\d{1,3}){3}$/.test(host)
  )
}
