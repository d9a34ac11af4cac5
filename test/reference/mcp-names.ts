/** How a name matches the entries of `mcp.tools`, `mcp.prompts` and `mcp.resources`. docs/mcp/names.md */
import type { Need, Use } from './mcp-types.ts'
import { decodeEscapes, foldName, foldUri, withoutEnd } from './spelling.ts'

/** An entry of the policy. */
export interface Entry {
  name: string
  need: Need
}

/** The text of a pattern before its `*`, or `undefined` if the entry is an exact name. */
function prefixOf(name: string): string | undefined {
  return name.endsWith('*') ? name.slice(0, -1) : undefined
}

/** The name of a tool or prompt has 1 to 128 characters of visible text, with spaces between words. */
function isVisible(name: string): boolean {
  const words = name.split(' ')
  const isWord = (word: string) => !/[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u.test(word)
  return name.length <= 128 && name === name.trim() && name !== '' && words.every(isWord)
}

/** The path of a URI: what follows the authority, without query and fragment. */
function pathOf(uri: string): string {
  return uri.replace(/^[^:]*:(?:\/\/[^/?#]*)?/, '').replace(/[?#].*$/s, '')
}

/** Whether a segment of the path, in any spelling, is one that servers resolve. */
function hasOddSegment(path: string): boolean {
  const segments = path.split('/')
  const isInner = (at: number) => at > 0 && at < segments.length - 1
  return segments.some((segment, at) => {
    const isDots = segment === '.' || segment === '..'
    const isEmpty = segment === '' && isInner(at)
    return isDots || isEmpty || /^[A-Za-z]:$/.test(segment)
  })
}

/** Whether an escape is of a character that needs none, of a control character, or of an escape. */
function hasOddEscape(uri: string): boolean {
  if (/%(?![0-9a-fA-F]{2})/.test(uri)) return true
  if (/%25[0-9a-fA-F]{2}/.test(uri)) return true
  const escapes = uri.match(/%[0-9a-fA-F]{2}/g) ?? []
  return escapes.some((one) => {
    const code = Number.parseInt(one.slice(1), 16)
    return code < 0x20 || code === 0x7f || /[A-Za-z0-9\-._~]/.test(String.fromCharCode(code))
  })
}

/** Whether a server could read the URI as a different one: the table "What no pattern matches". */
export function isOddUri(uri: string): boolean {
  const isUri = /^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]*$/.test(uri) && uri.length <= 2048
  if (!isUri || hasOddEscape(uri)) return true
  const decoded = decodeEscapes(uri)
  if (decoded === undefined || /[\p{C}\p{Default_Ignorable_Code_Point}]/u.test(decoded)) return true
  if (!URL.canParse(uri)) return true
  const url = new URL(uri)
  if (url.href !== uri || url.username || url.password || url.host.includes('%')) return true
  const plain = decoded.normalize('NFKC')
  const escapedSlash =
    /%2f|%5c/i.test(uri) ||
    (plain.match(/[\\/]/g)?.length ?? 0) !== (uri.match(/[\\/]/g)?.length ?? 0)
  if (plain.includes(';') || plain.includes('\\') || escapedSlash) return true
  if (hasOddSegment(pathOf(plain)) || hasOddSegment(pathOf(uri))) return true
  // "A slash after a second colon", and "in a `file:` URI any other colon".
  const rest = plain.slice(plain.indexOf(':') + 1)
  return rest.includes(':/') || (/^file:/i.test(plain) && rest.includes(':'))
}

/** Whether a name is another spelling of an entry that is more specific than a pattern. */
function isSpellingOf(name: string, entry: Entry, isResource: boolean): boolean {
  const prefix = prefixOf(entry.name)
  const fold = isResource ? foldUri : foldName
  if (prefix !== undefined) return fold(name).startsWith(fold(prefix))
  if (!isResource) return fold(name) === fold(entry.name)
  const folded = fold(entry.name)
  return fold(name) === folded || withoutEnd(fold(name)) === withoutEnd(folded)
}

const entriesOf = (table: Record<string, Need>): Entry[] =>
  Object.entries(table).map(([name, need]) => ({ name, need }))

/** The entry that applies to a name: an exact one, or else the pattern with the longest text before its `*`. */
export function findEntry(
  table: Record<string, Need>,
  name: string,
  kind: Use['kind'],
): Entry | undefined {
  const all = entriesOf(table)
  const exact = all.find((entry) => entry.name === name && prefixOf(entry.name) === undefined)
  if (exact) return exact
  const isResource = kind === 'resources'
  if (isResource ? isOddUri(name) : !isVisible(name)) return undefined
  const length = (entry: Entry) => prefixOf(entry.name)?.length ?? Number.POSITIVE_INFINITY
  const [best] = all
    .filter((entry) => name.startsWith(prefixOf(entry.name) ?? `${name} `))
    .sort((a, b) => length(b) - length(a))
  if (!best) return undefined
  const closer = all.filter((entry) => length(entry) > length(best))
  return closer.some((entry) => isSpellingOf(name, entry, isResource)) ? undefined : best
}

/**
 * The entries that a URI template needs: the one that names it; or else the pattern that covers it, and every entry that a
 * URI of the template could match. `undefined` if none covers it.
 */
export function entriesOfTemplate(
  table: Record<string, Need>,
  template: string,
): Entry[] | undefined {
  const all = entriesOf(table)
  const named = all.find((entry) => entry.name === template)
  if (named) return [named]
  // "A template is hidden if its own text is something that no pattern matches": its braces are read as a letter.
  if (isOddUri(template.replace(/\{[^}]*\}/g, 'x'))) return undefined
  const start = template.slice(0, template.indexOf('{'))
  const length = ({ name }: Entry) => name.length
  const [cover] = all
    .filter(({ name }) => start.startsWith(prefixOf(name) ?? `${start} `))
    .sort((one, other) => length(other) - length(one))
  if (!cover) return undefined
  const others = all.filter(({ name }) => name !== cover.name && name.startsWith(start))
  return [cover, ...others]
}
