import htm from 'htm'
import { h } from 'preact'
import { printable } from '../../core/text.ts'

/** Attributes that people read. */
const READ = ['aria-label', 'title']

const shown = (child: unknown): unknown => {
  if (Array.isArray(child)) return child.map(shown)
  // Of the record, which is JSON, the lines stay.
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
 * Builds what a template describes. Each text in it, which agents may have written, is shown with its invisible
 * characters as escapes: none can hide, or reorder what stands beside it.
 */
export const html = htm.bind(element)
