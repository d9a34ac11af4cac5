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

/** One use, as loose readers take its name. */
interface Loose {
  readonly use: McpUse
  readonly isPattern: boolean
  readonly literal: string
  /** What it begins with, or is. */
  readonly text: string
}

/**
 * Tells what a template of URIs (RFC 6570) needs. One that is named itself goes by its own use. Any other
 * has to begin as a pattern does, and every URI it makes has to be read alike by all; it needs what the
 * pattern needs, and what everything needs that may be among them and is not configured less closely. What
 * stands in its expressions is not looked at: from the first one on it could be anything. Nothing is told
 * where no use is for it.
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
/** What expressions stand for: text, the rest of an escape, and a further segment. */
const VALUES = ['x', 'aa', '/x']
/** And hosts, ports and all of a URI: one at least has to make what a pattern takes. */
const MAKING = [...VALUES, 'x/', '8080', 'x:x']

/** Whether what a template writes out itself is no step and half an escape, whatever comes between. */
const isPlainTemplate = (template: string, beginning: string): boolean => {
  const filled = (value: string) => template.replace(EXPRESSION, value)
  return (
    VISIBLE.test(template) &&
    isPlainUri(beginning) &&
    VALUES.every((value) => isPlainUri(filled(value))) &&
    MAKING.some((value) => isCanonicalUri(filled(value)))
  )
}

/** Whether a URI that begins so may be this one, or one of those, to a loose reader. */
const mayMake = (beginning: string, one: Loose): boolean => {
  const text = looseText(KIND, beginning)
  if (one.text.startsWith(text)) return true
  // Of a whole name nothing may go on but what loose readers leave away.
  return one.isPattern ? text.startsWith(one.text) : looseNames(KIND, beginning).includes(one.text)
}

/** Whether a pattern is configured less closely than the one with this literal, in every reading. */
const isWider = (one: Loose, literal: string): boolean =>
  one.isPattern &&
  one.literal.length < literal.length &&
  one.text.length < looseText(KIND, literal).length
