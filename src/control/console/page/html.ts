import htm from 'htm'
import { h } from 'preact'
import { printable } from '../../../gate/base/text.ts'

/** Attributes whose text people read. */
const READ = ['aria-label', 'title']

const shown = (child: unknown): unknown => {
  if (Array.isArray(child)) return child.map(shown)
  // The record is JSON on several lines. The line breaks stay.
  return typeof child === 'string' ? child.split('\n').map(printable).join('\n') : child
}

const element = (type: string, given: object | null, ...children: unknown[]) => {
  const props = Object.entries(given ?? {}).map(([name, value]) => [
    name,
    READ.includes(name) ? shown(value) : value,
  ])
  return h(type, Object.fromEntries(props), ...(shown(children) as string[]))
}

/**
 * Builds what a template describes. Agents may have written a text in it. So invisible characters are shown as escapes:
 * none can hide, or reorder the text beside it.
 */
export const html = htm.bind(element)
