/** A strict JSON reader (RFC 8259) that accepts only texts that every parser reads alike. */
import type { Json } from './types.ts'

/** What a text is: a value, or not JSON that can be read in one way only. */
export type Reading = { ok: true; value: Json } | { ok: false }

/** Reads a JSON text. Numbers that a double does not keep are in `inexactMembers` of their object or list. */
export function readJson(_text: string): Reading {
  throw new Error('not written yet')
}

/** Reads JSON from bytes: UTF-8 without a byte order mark. */
export function readJsonBytes(_bytes: Uint8Array): Reading {
  throw new Error('not written yet')
}

/** Names (of a list: indexes, as text) of the numbers directly in this object or list that are not exact. Only for values that `readJson` returned, not for copies. */
export function inexactMembers(_container: object): ReadonlySet<string> {
  throw new Error('not written yet')
}
