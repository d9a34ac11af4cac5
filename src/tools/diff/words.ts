import { cut } from '../../core/text.ts'

/** Where a finding stands in the answer. */
export type Side = 'gains' | 'loses' | 'changes'

/** Characters of a value that are shown. */
const SHOWN = 120

/** A configured value in a sentence. */
export function valueText(value: unknown): string {
  if (value === undefined) return 'not set'
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'not set')
  return cut(text, SHOWN)
}

/** Names in a sentence. */
export function listed(names: Iterable<string>, last = 'or'): string {
  const all = [...names]
  return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} ${last} ${all.at(-1)}`
}

/** Names that one sentence has. */
const TOLD = 12

/** Names in a sentence, of very many the first. */
export function told(names: readonly string[], last = 'and'): string {
  return names.length > TOLD
    ? `${names.slice(0, TOLD).join(', ')} and ${names.length - TOLD} more`
    : listed(names, last)
}
