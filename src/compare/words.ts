import { cut } from '../gate/base/text.ts'

/** The group of a finding. */
export type Side = 'gains' | 'loses' | 'changes'

/** The most characters of a value. */
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

/** The most names in a sentence. */
const TOLD = 12

/** Names in a sentence; of many, only the first. */
export function firstOf(names: readonly string[], last = 'and'): string {
  return names.length > TOLD
    ? `${names.slice(0, TOLD).join(', ')} and ${names.length - TOLD} more`
    : listed(names, last)
}
