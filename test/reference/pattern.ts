/** Patterns, claim paths, values of claims, and scopes that include others. */
import type { Json, JsonObject } from './types.ts'

/** Whether the pattern is one of the documented subset. */
export function isPattern(_source: string): boolean {
  throw new Error('not written yet')
}

/** Whether a pattern matches the whole text. A text of more than 256 characters never matches. */
export function matchesWhole(_pattern: string, _text: string): boolean {
  throw new Error('not written yet')
}

/** Reads a claim by its claim path (docs/configuration.md, "Claim paths"). `undefined` if it is absent. */
export function readClaim(_claims: JsonObject, _path: string): Json | undefined {
  throw new Error('not written yet')
}

/** Whether a claim is what `claims` of the policy says: a value, a list of values, or a table with `pattern`, `min`, `max`. An absent claim never fits. */
export function claimFits(_claim: Json | undefined, _expected: unknown): boolean {
  throw new Error('not written yet')
}

/** Whether one of the scopes `held` is, or includes by the table SCOPES, the scope `needed`. */
export function scopesInclude(
  _table: Record<string, string[]>,
  _held: Iterable<string>,
  _needed: string,
): boolean {
  throw new Error('not written yet')
}
