import { caseless } from '../../base/text.ts'
import { percentDecode } from '../../base/url.ts'
import type { McpKind } from '../../model/mcp.ts'

/** Most characters of a tool's or prompt's name, and of a URI. */
const LONGEST: Readonly<Record<McpKind, number>> = { tools: 128, prompts: 128, resources: 2_048 }

/** Whether a configured name is a pattern: it ends in `*`. */
export function isPattern(text: string): boolean {
  return text.endsWith('*')
}

/** A configured name without its final `*`. */
export function literalOf(text: string): string {
  return isPattern(text) ? text.slice(0, -1) : text
}

/** Invisible characters. */
const HIDDEN = /[\p{C}\p{DI}\p{Zl}\p{Zp}]/u
/** Invisible characters and characters that move others; a space is allowed between words. */
const UNSEEN = new RegExp(`${HIDDEN.source}|[^\\P{Zs} ]|^ | $`, 'u')
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]*$/

/** Whether text can be a name of this kind: visible text, or a URI in ASCII (RFC 3986). */
export function isName(kind: McpKind, text: string): boolean {
  return (
    text !== '' &&
    text.length <= LONGEST[kind] &&
    (kind === 'resources' ? URI.test(text) : text.isWellFormed() && !UNSEEN.test(text))
  )
}

/** The form of names of this kind, for sentences. */
export function describeName(kind: McpKind): string {
  return kind === 'resources'
    ? `an absolute URI of at most ${LONGEST.resources} visible ASCII characters`
    : `1 to ${LONGEST[kind]} characters of visible text`
}

/** A hexadecimal digit, plain or escaped. */
const HEX = '(?:[0-9a-f]|%3[0-9]|%[46][1-6])'
/** An escape of an invisible character or of another escape, or a malformed one. */
const BAD_ESCAPE = new RegExp(`%(?:[01][0-9a-f]|7f|25${HEX}${HEX}|(?![0-9a-f]{2}))`, 'i')
const ASCII_ESCAPE = /%([2-7][0-9a-f])/gi
/** Escapes of characters beyond ASCII. */
const FAR_ESCAPES = /(?:%[89a-f][0-9a-f])+/gi
/** Escapes of unreserved characters (RFC 3986 §2.3): letters, digits, `-`, `.`, `_` and `~`. */
const NEEDLESS_ESCAPE = /%(?:2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e)/i

/** `.` and `..` where a reader could read a dot segment: in a whole path, and in its beginning. */
const STEP = /(?:^|[^A-Za-z0-9._~-])\.{1,2}(?![A-Za-z0-9._~-])/
const STEP_INSIDE = /(?:^|[^A-Za-z0-9._~-])\.{1,2}(?=[^A-Za-z0-9._~-])/

/**
 * A text in the spelling that all its spellings share: no lower case, escapes or doubled slashes. Prefixes stay
 * prefixes.
 * @example looseText('resources', 'file:///a%2Fb//c') // 'FILE:/A/B/C'
 */
export function looseText(kind: McpKind, text: string): string {
  return kind === 'resources'
    ? withoutCase(decoded(unescaped(text)))
        .normalize('NFKD')
        .replace(/[/\\]+/g, '/')
    : withoutCase(text)
}

/** Upper case, since `Σ` has another lower case at the end of a text. Some readers treat `İ` as `i`. */
const withoutCase = (text: string): string =>
  caseless(text).toUpperCase().replaceAll('I\u0307', 'I')

const unescaped = (uri: string): string =>
  uri
    .replace(ASCII_ESCAPE, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replaceAll('\\', '/')

const decoded = (uri: string): string =>
  uri.replace(FAR_ESCAPES, (escapes) => percentDecode(escapes) ?? escapes)

/** ASCII equivalents: full-width dots become dots, letters without an equivalent become `x`. */
const inAscii = (uri: string): string =>
  decoded(uri)
    .normalize('NFKD')
    .replace(/[^ -~]+/g, 'x')

/**
 * Whether all readers resolve a URI to the same path: no `.` or `..` segments in any spelling, no escaped control
 * characters, no escaped escapes. `isBeginning`: more text follows.
 */
export function isPlainUri(uri: string, isBeginning = false): boolean {
  if (BAD_ESCAPE.test(uri)) return false
  const step = isBeginning ? STEP_INSIDE : STEP
  const path = unescaped(uri)
  return !step.test(path) && !step.test(inAscii(path))
}

/**
 * Whether a URI has only one spelling, so that readers find the same resource by text, by parsed URL (WHATWG URL) or by
 * file path. It equals its parsed form, and has no user name and no escapes in its host. Escapes are UTF-8, needed and
 * visible. Segments are not empty and contain neither slashes nor parameters.
 */
export function isCanonicalUri(uri: string): boolean {
  if (uri.includes('\\') || NEEDLESS_ESCAPE.test(uri) || EMPTY_SEGMENT.test(uri)) return false
  try {
    const text = decodeURIComponent(uri)
    const folded = text.normalize('NFKC')
    if (HIDDEN.test(text) || DELIMITED.test(folded) || slashesIn(folded) > slashesIn(uri))
      return false
    const { href, username, password, hostname } = new URL(uri)
    return href === uri && username === '' && password === '' && !ODD_HOST.test(hostname)
  } catch {
    return false
  }
}

/** An empty segment: two slashes in a path. The host is read to its end, so that matching takes linear time. */
const EMPTY_SEGMENT = /^[^:]*:(?:\/\/[^/?#]*(?![^/?#])|(?!\/\/))[^?#]*?\/\//
/**
 * Text that begins parameters of a segment, an escape in full-width characters, or the stream name of a file; also
 * a Windows drive, or a slash after a colon, where a joined path would start again.
 */
const DELIMITED =
  /;|%[0-9a-f]{2}|^file:(?!\/\/\/[a-z]:[^?#:|]*(?:[?#]|$))[^?#]*[:|]|^[^?#]*[^/]\/[a-z][:|]|^(?!file:)[^:?#]*:[^?#]*:\//is

const slashesIn = (text: string): number => text.split(/[/\\]/).length

/** Hosts with a final dot, which resolvers remove, or with escapes, which some readers decode. */
const ODD_HOST = /%|\.$/

/** A URI in its parsed form; other text is unchanged. */
export function parsedUri(uri: string): string {
  try {
    return new URL(uri).href
  } catch {
    return uri
  }
}

/** The names that a loose reader may read in a name: the whole text, and the part before its query. */
export function looseNames(kind: McpKind, name: string): readonly string[] {
  const text = looseText(kind, name)
  if (kind !== 'resources') return [text]
  return [withoutEnd(text), withoutEnd(text.replace(/[?#].*$/s, ''))]
}

/** A configured whole name as a loose reader compares it. */
export function looseKey(kind: McpKind, name: string): string {
  const text = looseText(kind, name)
  return kind === 'resources' ? withoutEnd(text) : text
}

/** Removes the final characters that file systems and parsers ignore. */
const withoutEnd = (text: string): string => {
  let end = text.length
  while (end > 0 && '/. '.includes(text.charAt(end - 1))) end--
  return text.slice(0, end)
}
