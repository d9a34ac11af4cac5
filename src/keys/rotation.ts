import { type JsonObject, own } from '../core/json.ts'
import type { KeyRecord, Rotation } from './store.ts'
import { KEY_TIMES } from './times.ts'

/**
 * The rotations of a set once it is `keys`, newest first: one more where a key came, went or became
 * another. Without `keys` nothing changed. The first set is a rotation from nothing.
 */
export function rotated(
  before: KeyRecord | undefined,
  keys: readonly JsonObject[] | undefined,
  at: number,
): readonly Rotation[] {
  const rotations = before?.rotations ?? []
  if (!keys) return rotations
  const old = byText(before?.keys ?? [])
  const now = byText(keys)
  const names = (some: typeof old, others: typeof old) =>
    [...some].filter(([text]) => !others.has(text)).map(([, key]) => nameOf(key))
  const added = names(now, old)
  const removed = names(old, now)
  if (before && added.length + removed.length === 0) return rotations
  return [{ at, added, removed }, ...rotations].slice(0, KEY_TIMES.rotations)
}

/** Servers differ in the order of members, which says nothing. */
const byText = (keys: readonly JsonObject[]) =>
  new Map(keys.map((key) => [JSON.stringify(Object.entries(key).sort()), key]))

const nameOf = (key: JsonObject): string => {
  const kid = own(key, 'kid')
  return typeof kid === 'string' ? kid.slice(0, 64) : '(no kid)'
}
