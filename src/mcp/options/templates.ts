import type { McpUse } from '../../core/model/mcp.ts'
import {
  isCanonicalUri,
  isPattern,
  isPlainUri,
  literalOf,
  looseKey,
  looseNames,
  looseText,
} from './spelling.ts'

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
 * own entry. Another one must begin like a pattern, and all its URIs must be unambiguous. It needs the entry of that
 * pattern, and all entries its URIs may match that are not less specific. Expressions are not parsed: from the first
 * one on, any text is possible. Empty where no entry is for the template.
 */
export function templateUses(uses: readonly McpUse[]): (template: string) => readonly McpUse[] {
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
/** Further samples: hosts, ports and whole URIs. With at least one the URI must be canonical. */
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
