import { cut } from '../../core/text.ts'

/** Characters of a value that are shown. */
const SHOWN = 120

/** A configured value in a sentence. */
export function valueText(value: unknown): string {
  if (value === undefined) return 'not set'
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'not set')
  return cut(text, SHOWN)
}

const UNITS = [
  [3_600, 'h'],
  [60, 'm'],
] as const

/** Seconds as they would be written. */
export function lifeText(seconds: number): string {
  const [size, unit] = UNITS.find(([one]) => seconds % one === 0) ?? [1, 's']
  return `${seconds / size}${unit}`
}
