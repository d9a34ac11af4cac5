import type { McpKind, McpNames, McpUse } from '../../core/model/mcp.ts'
import { quote } from '../../policy/issues.ts'
import {
  describeName,
  isCanonicalUri,
  isName,
  isPattern,
  isPlainUri,
  literalOf,
  looseKey,
  looseNames,
  looseText,
  parsedUri,
} from './spelling.ts'
import { templateUses } from './templates.ts'

/** A use whose name is a pattern. */
interface Pattern {
  /** What its names begin with. */
  readonly literal: string
  readonly loose: string
  readonly use: McpUse
}

/**
 * Uses by name, compared as it is written: a whole name is found at once, else the pattern with the
 * longest literal beginning. A pattern takes nothing that cannot be a name of its kind, no URI that
 * steps out of it with `..` or has another spelling, and nothing that a reader who minds neither case nor
 * escapes would take for a name that is configured more closely.
 */
export function namesOf(kind: McpKind, uses: readonly McpUse[]): McpNames {
  const whole = new Map<string, McpUse>()
  const loose = new Map<string, number>()
  const patterns: Pattern[] = []
  for (const use of uses) {
    const literal = literalOf(use.pattern)
    if (isPattern(use.pattern)) patterns.push({ literal, loose: looseText(kind, literal), use })
    else {
      whole.set(literal, use)
      for (const spelling of kind === 'resources' ? [literal, parsedUri(literal)] : [literal]) {
        const key = looseKey(kind, spelling)
        loose.set(key, Math.max(literal.length, spelling.length, loose.get(key) ?? 0))
      }
    }
  }
  patterns.sort((a, b) => b.literal.length - a.literal.length)
  const isCloserTo = (name: string, { literal }: Pattern): boolean => {
    const text = looseText(kind, name)
    const closest = patterns.find((one) => text.startsWith(one.loose))
    return (
      (closest !== undefined && closest.literal.length > literal.length) ||
      looseNames(kind, name).some((one) => (loose.get(one) ?? -1) >= literal.length)
    )
  }
  const find = (name: string): McpUse | undefined => {
    const named = whole.get(name)
    if (named || patterns.length === 0 || !isName(kind, name)) return named
    if (kind === 'resources' && !(isPlainUri(name) && isCanonicalUri(name))) return undefined
    const found = patterns.find(({ literal }) => name.startsWith(literal))
    return found && !isCloserTo(name, found) ? found.use : undefined
  }
  const all = Object.freeze([...uses])
  const template = kind === 'resources' ? templateUses(all) : () => []
  return Object.freeze({ all, find, template })
}

/** A beginning that ends in the host: others, and whoever stands before an `@`, begin so too. */
const IN_HOST = /^(?:https?:\/\/[^/]*|[^:]*:\/\/[^/?#]+)$/i
/** What may go on after a beginning. */
const REST = ['', 'x', '/x', '//x/', '///x']

/** Why a configured name can be no name of its kind, and no pattern of names: a sentence. */
export function nameFault(kind: McpKind, text: string): string | undefined {
  const literal = literalOf(text)
  if (literal.includes('*'))
    return `${quote(text)}: a * stands only at the end, for all that goes on`
  if (literal === '' && isPattern(text)) return undefined
  // What a pattern begins with need not end where a name could.
  if (!isName(kind, isPattern(text) ? `${literal}x` : literal)) {
    return `${quote(text)} is no name: ${describeName(kind)}`
  }
  if (kind !== 'resources') return undefined
  if (!isPlainUri(literal, isPattern(text))) {
    return `${quote(text)} can be read in two ways: no . and .. segments, no escaped control characters`
  }
  if (!isPattern(text)) return undefined
  if (IN_HOST.test(literal)) {
    return `${quote(text)} takes hosts that only begin like this one: put a / after the host`
  }
  return REST.some((rest) => isCanonicalUri(`${literal}${rest}`))
    ? undefined
    : `${quote(text)} takes nothing: write it as parsers of URLs do, without default port, user name, needless escapes, empty segments and ;`
}
