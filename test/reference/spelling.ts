/** Names that differ only in spelling. docs/mcp/names.md */

/**
 * A name without its spelling: case, full-width letters and invisible characters make no difference, and `ß` equals `ss`.
 */
export function foldName(name: string): string {
  return name
    .normalize('NFKC')
    .replace(/[\p{Default_Ignorable_Code_Point}\p{Cf}]/gu, '')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC')
    .replaceAll('i\u0307', 'i')
}

/** The text with its escapes decoded, or `undefined` if one is malformed or is not UTF-8. */
export function decodeEscapes(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** A URI without its spelling: escapes, case, full-width characters and doubled slashes make no difference. */
export function foldUri(uri: string): string {
  return foldName(decodeEscapes(uri) ?? uri).replace(/[\\/]+/g, '/')
}

/** A folded URI without what some servers ignore at its end: a query, slashes, dots and spaces. */
export function withoutEnd(folded: string): string {
  return folded.replace(/[?#].*$/s, '').replace(/[/.\s]+$/, '')
}
