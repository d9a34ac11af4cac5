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
export const sameText = (value: unknown): string | undefined => JSON.stringify(sorted(value))

export const isSame = (one: unknown, other: unknown): boolean => sameText(one) === sameText(other)

/** A list of which neither the order counts nor what is written twice. */
export const asSet = (texts: Iterable<string>): readonly string[] => [...new Set(texts)].sort()
