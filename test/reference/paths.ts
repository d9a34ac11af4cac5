/** Paths in `match`, and the canonical path of a request (docs/configuration/paths.md). */

/** A segment of a path in `match`: text, or a parameter with a fixed end. */
export type PatternSegment = { text: string } | { name: string; suffix: string }

/** A path in `match`. With `rest` it ends in `/*`: everything below, also nothing after the slash. */
export interface PathPattern {
  segments: PatternSegment[]
  rest: boolean
}

/** Reads the path of `match`. */
export function readPattern(path: string): PathPattern {
  const rest = path.endsWith('/*')
  const whole = rest ? path.slice(0, -2) : path
  const texts = whole === '' ? [] : whole.slice(1).split('/')
  return { segments: texts.map(readSegment), rest }
}

function readSegment(text: string): PatternSegment {
  const parameter = /^\{([^}]*)\}(.*)$/.exec(text)
  if (parameter === null) return { text: canonicalPath(text) }
  return { name: parameter[1] ?? '', suffix: parameter[2] ?? '' }
}

/** The segments of a path that begins with a slash. */
export function segmentsOf(path: string): string[] {
  return path.slice(1).split('/')
}

/** How a segment is compared with the text of a pattern. */
export type Comparison = (segment: string, text: string) => boolean

/** Compares as written. */
export const EXACTLY: Comparison = (segment, text) => segment === text

/**
 * Compares segments with a pattern. The parameters of the path, as written in the segments, or `undefined` if
 * the pattern does not match.
 */
export function matchSegments(
  pattern: PathPattern,
  segments: string[],
  equals: Comparison = EXACTLY,
): Record<string, string> | undefined {
  const fixed = pattern.segments.length
  if (pattern.rest ? segments.length <= fixed : segments.length !== fixed) return undefined
  const params: Record<string, string> = {}
  for (const [index, expected] of pattern.segments.entries()) {
    const segment = segments[index] ?? ''
    if ('text' in expected) {
      if (!equals(segment, expected.text)) return undefined
      continue
    }
    const end = segment.length - expected.suffix.length
    if (end < 1 || !equals(segment.slice(end), expected.suffix)) return undefined
    params[expected.name] = segment.slice(0, end)
  }
  return params
}

/** The canonical path: escapes of letters, digits and `-._~` are decoded, and other escapes are in upper case. */
export function canonicalPath(path: string): string {
  return path.replace(/%[0-9A-Fa-f]{2}/g, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
    return /[A-Za-z0-9\-._~]/.test(character) ? character : escaped.toUpperCase()
  })
}

/** Decodes the escapes of a text once; `undefined` if they are not UTF-8. */
export function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** The most characters of a path. */
const LONGEST = 8192

/** Characters that a path has without an escape (RFC 3986 §3.3), and three that the docs accept too. */
const UNESCAPED = /^[A-Za-z0-9\-._~!$&'()*+,;=:@/%|[\]]*$/

/**
 * Whether a path can be read in more than one way whatever the policy is. `%2F` and readings that depend on a
 * rule are not looked at here.
 */
export function isAlwaysAmbiguous(path: string): boolean {
  if (!path.startsWith('/') || path.length > LONGEST || !UNESCAPED.test(path)) return true
  if (path.includes(';') || path.includes('//')) return true
  if (/%(?![0-9A-Fa-f]{2})/.test(path)) return true
  if (/%25[0-9A-Fa-f]{2}/.test(canonicalPath(path))) return true
  const text = decode(path)
  if (text === undefined || /\p{Cc}/u.test(text) || text.includes('\\')) return true
  // Also beside an escaped slash.
  const segments = segmentsOf(canonicalPath(path).replaceAll('%2F', '/'))
  return segments.some((segment) => segment === '.' || segment === '..')
}

/** Whether a canonical path has an encoded slash. */
export function hasEncodedSlash(path: string): boolean {
  return path.includes('%2F')
}

/** Whether every encoded slash of the path is inside a `{name}` of the pattern. */
export function slashesAreInParameters(pattern: PathPattern, path: string): boolean {
  return segmentsOf(path).every((segment, index) => {
    if (!hasEncodedSlash(segment)) return true
    const expected = pattern.segments[index]
    return expected !== undefined && 'name' in expected
  })
}
