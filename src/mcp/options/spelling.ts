import type { McpKind } from '../../core/model/mcp.ts'
import { caseless } from '../../core/text.ts'

/** Characters of the name of a tool or prompt, and of a URI. */
const LONGEST: Readonly<Record<McpKind, number>> = { tools: 128, prompts: 128, resources: 2_048 }

/** Whether a configured name stands for all names that begin with it. */
export function isPattern(text: string): boolean {
  return text.endsWith('*')
}

/** A configured name without the `*` at its end. */
export function literalOf(text: string): string {
  return isPattern(text) ? text.slice(0, -1) : text
}

/** What cannot be seen. */
const HIDDEN = /[\p{C}\p{DI}\p{Zl}\p{Zp}]/u
/** What cannot be seen, or moves what can; a space may stand between words. */
const UNSEEN = new RegExp(`${HIDDEN.source}|[^\\P{Zs} ]|^ | $`, 'u')
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]*$/

/** Whether a thing of this kind can have such a name: visible text, or the ASCII of a URI (RFC 3986). */
export function isName(kind: McpKind, text: string): boolean {
  return (
    text !== '' &&
    text.length <= LONGEST[kind] &&
    (kind === 'resources' ? URI.test(text) : text.isWellFormed() && !UNSEEN.test(text))
  )
}

/** What names of this kind are, for sentences. */
export function describeName(kind: McpKind): string {
  return kind === 'resources'
    ? `an absolute URI of at most ${LONGEST.resources} visible ASCII characters`
    : `1 to ${LONGEST[kind]} characters of visible text`
}

/** A hexadecimal digit, as it is or escaped. */
const HEX = '(?:[0-9a-f]|%3[0-9]|%[46][1-6])'
/** An escape that stands for no visible character, or hides another escape, or is none. */
const BAD_ESCAPE = new RegExp(`%(?:[01][0-9a-f]|7f|25${HEX}${HEX}|(?![0-9a-f]{2}))`, 'i')
const ASCII_ESCAPE = /%([2-7][0-9a-f])/gi
/** Of characters beyond ASCII. */
const FAR_ESCAPES = /(?:%[89a-f][0-9a-f])+/gi
/** Of characters that need none (RFC 3986 §2.3): letters, digits, `-`, `.`, `_` and `~`. */
const NEEDLESS_ESCAPE = /%(?:2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e)/i

/** `.` and `..` where a reader could take them for a step: in a path, and in what follows it. */
const STEP = /(?:^|[^A-Za-z0-9._~-])\.{1,2}(?![A-Za-z0-9._~-])/
const STEP_INSIDE = /(?:^|[^A-Za-z0-9._~-])\.{1,2}(?=[^A-Za-z0-9._~-])/

/**
 * How a reader takes text who minds neither case nor escapes nor doubled slashes. What something begins with
 * is so taken for the beginning of it.
 */
export function looseText(kind: McpKind, text: string): string {
  return kind === 'resources'
    ? withoutCase(decoded(unescaped(text)))
        .normalize('NFKD')
        .replace(/[/\\]+/g, '/')
    : withoutCase(text)
}

/** In upper case, as `Σ` has a lower case of its own where a text ends. To some `İ` is `i`. */
const withoutCase = (text: string): string =>
  caseless(text).toUpperCase().replaceAll('I\u0307', 'I')

const unescaped = (uri: string): string =>
  uri
    .replace(ASCII_ESCAPE, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replaceAll('\\', '/')

const decoded = (uri: string): string =>
  uri.replace(FAR_ESCAPES, (escapes) => {
    try {
      return decodeURIComponent(escapes)
    } catch {
      return escapes
    }
  })

/** In ASCII, as far as it stands for that: full-width dots are dots, and other letters an `x`. */
const inAscii = (uri: string): string =>
  decoded(uri)
    .normalize('NFKD')
    .replace(/[^ -~]+/g, 'x')

/**
 * Whether everyone who reads a URI comes to the same place: no `.` and `..` segments in any spelling,
 * no escaped control characters, no escapes of escapes. `isBeginning`: text goes on after it.
 */
export function isPlainUri(uri: string, isBeginning = false): boolean {
  if (BAD_ESCAPE.test(uri)) return false
  const step = isBeginning ? STEP_INSIDE : STEP
  const path = unescaped(uri)
  return !step.test(path) && !step.test(inAscii(path))
}

/**
 * Whether a URI has one spelling only, so that who looks it up by its text, who parses it first (WHATWG
 * URL) and who takes its path for one of files find the same: it is written as parsers write it, with nobody's
 * name before its host and no escapes in it, escapes are of UTF-8, needed and of what can be seen, and segments
 * are not empty, hold no slashes and have no parameters.
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

/** Two slashes in a path. */
const EMPTY_SEGMENT = /^[^:]*:(?:\/\/[^/?#]*|(?!\/\/))[^?#]*?\/\//
/**
 * Parameters of a segment, an escape that letters of other widths make, the name of a stream of a file, and
 * where a joined path begins anew: a drive of Windows, and a slash after a colon.
 */
const DELIMITED =
  /;|%[0-9a-f]{2}|^file:(?!\/\/\/[a-z]:[^?#:|]*(?:[?#]|$))[^?#]*[:|]|^[^?#]*[^/]\/[a-z][:|]|^(?!file:)[^:?#]*:[^?#]*:\//is

const slashesIn = (text: string): number => text.split(/[/\\]/).length

/** What resolvers leave away at the end of a host, and escapes, which some undo. */
const ODD_HOST = /%|\.$/

/** A URI as parsers write it; as it is where it is none. */
export function parsedUri(uri: string): string {
  try {
    return new URL(uri).href
  } catch {
    return uri
  }
}

/** The names that loose readers may take a name for: as it is, and what is before a query. */
export function looseNames(kind: McpKind, name: string): readonly string[] {
  const text = looseText(kind, name)
  if (kind !== 'resources') return [text]
  return [withoutEnd(text), withoutEnd(text.replace(/[?#].*$/s, ''))]
}

/** How a loose reader takes a whole name that is configured. */
export function looseKey(kind: McpKind, name: string): string {
  const text = looseText(kind, name)
  return kind === 'resources' ? withoutEnd(text) : text
}

/** Without what file systems and parsers leave away at the end. */
const withoutEnd = (text: string): string => {
  let end = text.length
  while (end > 0 && '/. '.includes(text.charAt(end - 1))) end--
  return text.slice(0, end)
}
