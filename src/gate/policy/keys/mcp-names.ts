import type { McpKind, McpNames, McpUse } from '../../model/mcp.ts'
import { quote } from '../reading/issues.ts'
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
} from './mcp-spelling.ts'

/** An entry whose name is a pattern. */
interface Pattern {
  /** The text before its `*`. */
  readonly literal: string
  readonly loose: string
  readonly use: McpUse
}

/**
 * Entries by name, compared exactly: a whole name first, else the pattern with the longest literal prefix. A pattern
 * does not match text that is not a name of its kind, nor a URI with `..` or another spelling. It also does not match a
 * name that a reader without regard to case or escapes would take for a more specific entry.
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

/** An entry with its name as loose readers compare it. */
interface Loose {
  readonly use: McpUse
  readonly isPattern: boolean
  readonly literal: string
  /** The text that names of this entry begin with or, for a whole name, are. */
  readonly text: string
}

/**
 * Finds the entries that a URI template (RFC 6570) needs. A template that is itself a configured name needs only its
 * own entry. Any other template must begin like a pattern, and all its URIs must be unambiguous. It needs the entry of
 * that pattern, and all entries its URIs may match that are not less specific. Expressions are not parsed: from the
 * first one on, any text is possible. Empty where no entry is for the template.
 */
const templateUses = (uses: readonly McpUse[]): ((template: string) => readonly McpUse[]) => {
  let all: readonly Loose[] | undefined
  return (template) => {
    const itself = uses.find(({ pattern }) => pattern === template)
    if (itself && !isPattern(template)) return [itself]
    const [beginning = ''] = template.split('{', 1)
    const around = longest(uses.filter(({ pattern }) => isWithin(beginning, pattern)))
    if (!around || !isPlainTemplate(template, beginning)) return []
    all ??= uses.map(looseOf)
    const literal = literalOf(around.pattern)
    const closer = all.filter((one) => mayMake(beginning, one) && !isWider(one, literal))
    return [around, ...closer.flatMap(({ use }) => (use === around ? [] : [use]))]
  }
}

const isWithin = (beginning: string, pattern: string): boolean =>
  isPattern(pattern) && beginning.startsWith(literalOf(pattern))

const longest = (uses: readonly McpUse[]): McpUse | undefined =>
  uses.reduce<McpUse | undefined>(
    (best, use) => (best && best.pattern.length >= use.pattern.length ? best : use),
    undefined,
  )

const looseOf = (use: McpUse): Loose => {
  const literal = literalOf(use.pattern)
  const isAny = isPattern(use.pattern)
  const text = isAny ? looseText(KIND, literal) : looseKey(KIND, literal)
  return { use, isPattern: isAny, literal, text }
}

const KIND = 'resources'
const VISIBLE = /^[\x21-\x7e]*$/
const EXPRESSION = /\{[^}]*\}/g
/** Sample values of expressions: text, the rest of an escape, and a further segment. */
const VALUES = ['x', 'aa', '/x']
/** Further samples: hosts, ports and whole URIs. A URI with one of these samples in it must be canonical. */
const MAKING = [...VALUES, 'x/', '8080', 'x:x']

/** Whether a template's literal text makes no dot segments or broken escapes, whatever its expressions contain. */
const isPlainTemplate = (template: string, beginning: string): boolean => {
  const filled = (value: string) => template.replace(EXPRESSION, value)
  return (
    VISIBLE.test(template) &&
    isPlainUri(beginning) &&
    VALUES.every((value) => isPlainUri(filled(value))) &&
    MAKING.some((value) => isCanonicalUri(filled(value)))
  )
}

/** Whether a URI with this beginning may match an entry, for a loose reader. */
const mayMake = (beginning: string, one: Loose): boolean => {
  const text = looseText(KIND, beginning)
  if (one.text.startsWith(text)) return true
  // After a whole name only characters may follow that loose readers ignore.
  return one.isPattern ? text.startsWith(one.text) : looseNames(KIND, beginning).includes(one.text)
}

/** Whether an entry is a less specific pattern than this literal, exactly and for loose readers. */
const isWider = (one: Loose, literal: string): boolean =>
  one.isPattern &&
  one.literal.length < literal.length &&
  one.text.length < looseText(KIND, literal).length

/** A prefix that ends in the host: other hosts, and user names before an `@`, begin with it too. */
const IN_HOST = /^(?:https?:\/\/[^/]*|[^:]*:\/\/[^/?#]+)$/i
/** Sample text after a prefix. */
const REST = ['', 'x', '/x', '//x/', '///x']

/** The fault of a configured name or pattern, as a sentence; `undefined` where it is well-formed. */
export function nameFault(kind: McpKind, text: string): string | undefined {
  const literal = literalOf(text)
  if (literal.includes('*'))
    return `${quote(text)}: a * is allowed only at the end, where it matches any further characters`
  if (literal === '' && isPattern(text)) return undefined
  // A prefix need not end where a name could, so one character is added.
  if (!isName(kind, isPattern(text) ? `${literal}x` : literal)) {
    return `${quote(text)} is not a valid name: ${describeName(kind)}`
  }
  if (kind !== 'resources') return undefined
  if (!isPlainUri(literal, isPattern(text))) {
    return `${quote(text)} can be read in two ways: no . and .. segments, no escaped control characters`
  }
  if (!isPattern(text)) return undefined
  if (IN_HOST.test(literal)) {
    return `${quote(text)} also matches other hosts that begin like this one: put a / after the host`
  }
  return REST.some((rest) => isCanonicalUri(`${literal}${rest}`))
    ? undefined
    : `${quote(text)} matches nothing: write it as URL parsers do, without default port, user name, needless escapes, empty segments and ;`
}
