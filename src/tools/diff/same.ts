import { isObject } from '../../core/json.ts'

/** With the names of every table in one order: nothing depends on it. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, one]) => [name, sorted(one)])
}

/** One text for values that are the same, whatever the order of keys in their tables. */
export function sameText(value: unknown): string | undefined {
  return JSON.stringify(sorted(value))
}

/** Whether two settings are equal, whatever the order of their keys. */
export function isSame(one: unknown, other: unknown): boolean {
  return sameText(one) === sameText(other)
}

/** A list of which neither the order counts nor what is written twice. */
export function asSet(texts: Iterable<string>): readonly string[] {
  return [...new Set(texts)].sort()
}
