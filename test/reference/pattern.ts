/** Patterns, claim paths, values of claims, and scopes that include others. The policy is taken to be valid. */
import { inexactMembers, isObject } from './json.ts'
import type { Json, JsonObject } from './types.ts'

/** docs/configuration.md, "Patterns": a value of more than 256 characters (UTF-16 units) never matches. */
const LONGEST = 256

/** Whether a pattern matches the whole text. A text of more than 256 characters never matches. */
export function matchesWhole(pattern: string, text: string): boolean {
  return text.length <= LONGEST && new RegExp(`^(?:${pattern})$`, 'u').test(text)
}

/** Whether a text of at most 256 characters contains the pattern, for `matches` of conditions. `undefined` if it is longer. */
export function containsPattern(pattern: string, text: string): boolean | undefined {
  return text.length <= LONGEST ? new RegExp(pattern, 'u').test(text) : undefined
}

/** The names of a claim path: docs/configuration.md, "Claim paths". */
export function namesOf(path: string): string[] {
  if (path.startsWith('/')) {
    const names = path.slice(1).split('/')
    return names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
  }
  return path.includes('://') ? [path] : path.split('.')
}

/** Reads a claim by its claim path. `undefined` if it is absent. A path cannot name a member of an array. */
export function readClaim(claims: JsonObject, path: string): Json | undefined {
  let value: Json | undefined = claims
  for (const name of namesOf(path)) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

/** Whether one value, not an array, is what the policy says. */
function valueFits(value: Json, expected: unknown): boolean {
  if (Array.isArray(expected)) return expected.some((one) => valueFits(value, one))
  if (isObject(expected)) {
    const { pattern, min, max } = expected
    if (pattern !== undefined) {
      return typeof value === 'string' && matchesWhole(String(pattern), value)
    }
    if (typeof value !== 'number') return false
    if (min !== undefined && !(value >= Number(min))) return false
    return max === undefined || value <= Number(max)
  }
  return value === expected
}

/**
 * Whether the claim at a claim path is what `claims` of the policy says: a value, a list of values, or a table with
 * `pattern`, `min`, `max`. Of an array one member has to be it; an array never fits `min` and `max`. An absent claim and a
 * number that is not exact never fit.
 */
export function claimIs(claims: JsonObject, path: string, expected: unknown): boolean {
  const claim = readClaim(claims, path)
  if (claim === undefined || !isExact(claims, path)) return false
  if (!Array.isArray(claim)) return valueFits(claim, expected)
  if (isObject(expected) && expected.pattern === undefined) return false
  const inexact = inexactMembers(claim)
  return claim.some((member, at) => !inexact.has(String(at)) && valueFits(member, expected))
}

/** Whether what is at a claim path is anything but an inexact number. */
export function isExact(claims: JsonObject, path: string): boolean {
  const names = namesOf(path)
  const last = names.pop() ?? ''
  let container: unknown = claims
  for (const name of names) container = (container as JsonObject)[name]
  return !inexactMembers(container as object).has(last)
}

/** Whether a scope of a list in SCOPES, perhaps with a `*` at its end, covers a scope. */
function covers(included: string, scope: string): boolean {
  if (!included.endsWith('*')) return included === scope
  // "A wildcard never includes the gate's own scopes."
  return !scope.startsWith('edgewarden:') && scope.startsWith(included.slice(0, -1))
}

/** The scopes whose lists name a scope: without a wildcard first, then by the longest wildcard. */
export function includersOf(table: Record<string, string[]>, scope: string): string[] {
  const rows = Object.entries(table).flatMap(([row, list]) =>
    list.filter((one) => covers(one, scope)).map((one) => ({ row, one })),
  )
  const isPlain = ({ one }: { one: string }) => Number(!one.endsWith('*'))
  const inOrder = rows.sort((a, b) => isPlain(b) - isPlain(a) || b.one.length - a.one.length)
  return inOrder.map(({ row }) => row)
}

/** Whether one of the scopes `held` is, or includes by the table SCOPES, the scope `needed`. */
export function scopesInclude(
  table: Record<string, string[]>,
  held: Iterable<string>,
  needed: string,
): boolean {
  const reached = new Set(held)
  // A set that grows while it is read is read to its end.
  for (const scope of reached) {
    if (scope === needed) return true
    const list = Object.hasOwn(table, scope) ? (table[scope] ?? []) : []
    for (const included of list) {
      if (covers(included, needed)) return true
      // Scopes that an included scope includes in turn: of a wildcard, those of every row that it covers.
      for (const row of Object.keys(table)) if (covers(included, row)) reached.add(row)
    }
  }
  return false
}
