/** Patterns, claim paths, values of claims, and scopes that include others. */
import { inexactMembers, isObject } from './json.ts'
import type { Json, JsonObject } from './types.ts'

/** docs/configuration.md, "Patterns": a value of more than 256 characters (UTF-16 units) never matches. */
const LONGEST = 256

/** Reads a pattern of the documented subset, and throws if it is another one. */
class PatternReader {
  source: string
  at = 0

  constructor(source: string) {
    this.source = source
  }

  rest(): string {
    return this.source.slice(this.at)
  }

  /** Alternatives up to the end or a `)`. Whether one of them has a repeat. */
  alternatives(): boolean {
    let repeats = false
    while (this.at < this.source.length && this.source[this.at] !== ')') {
      if (this.source[this.at] === '|') this.at++
      else repeats = this.piece() || repeats
    }
    return repeats
  }

  /** One character, class or group, with its repeat. Whether it has a repeat. */
  piece(): boolean {
    const repeatsInside = this.atom()
    const repeat = /^(?:[?*+]|\{(\d+)(?:,(\d*))?\})/.exec(this.rest())
    if (!repeat) return repeatsInside
    this.at += repeat[0].length
    if (/^[?*+{]/.test(this.rest())) throw new Error('a lazy repeat, or two repeats')
    // Docs: unclear — whether `?` counts as a repeat inside a repeat. Taken here: it does.
    if (repeatsInside) throw new Error('a repeat inside a repeat')
    const [low, high] = [Number(repeat[1] ?? 0), Number(repeat[2] || (repeat[1] ?? 0))]
    if (low > 256 || high > 256 || high < low) throw new Error('a count over 256')
    return true
  }

  atom(): boolean {
    if (this.source[this.at] === '(') {
      this.at++
      if (this.source[this.at] === '?') {
        if (!this.rest().startsWith('?:')) throw new Error('look-around, a flag or a named group')
        this.at += 2
      }
      const repeats = this.alternatives()
      if (this.source[this.at++] !== ')') throw new Error('an open group')
      return repeats
    }
    const escaped = String.raw`\\(?:[dwsDWStn^$\\.*+?()[\]{}|/-]|u\{[0-9a-fA-F]+\})`
    const one = new RegExp(
      String.raw`^(?:${escaped}|\[(?:${escaped}|[^\]\\])*\]|[^\\*+?{}()[\]|])`,
      'u',
    )
    const text = one.exec(this.rest())?.[0]
    if (text === undefined) throw new Error(`no pattern: ${this.rest()}`)
    this.at += text.length
    return false
  }
}

/** Whether the pattern is one of the documented subset. */
export function isPattern(source: string): boolean {
  try {
    const reader = new PatternReader(source)
    reader.alternatives()
    new RegExp(source, 'u')
    return reader.at === source.length
  } catch {
    return false
  }
}

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
  // A TOML reader may give a whole number as a bigint.
  if (typeof expected === 'bigint') return typeof value === 'number' && BigInt(value) === expected
  return value === expected
}

/**
 * Whether a claim is what `claims` of the policy says: a value, a list of values, or a table with `pattern`, `min`, `max`.
 * Of an array one member has to be it; an array never fits `min` and `max`. An absent claim never fits.
 */
export function claimFits(claim: Json | undefined, expected: unknown): boolean {
  if (claim === undefined) return false
  if (!Array.isArray(claim)) return valueFits(claim, expected)
  if (isObject(expected) && expected.pattern === undefined) return false
  return claim.some((member) => valueFits(member, expected))
}

/** Whether the claim at a claim path is what the policy says. A number that is not exact never is. */
export function claimIs(claims: JsonObject, path: string, expected: unknown): boolean {
  const claim = readClaim(claims, path)
  if (claim === undefined || !isExact(claims, path)) return false
  if (!Array.isArray(claim)) return claimFits(claim, expected)
  const inexact = inexactMembers(claim)
  return claimFits(
    claim.filter((_, at) => !inexact.has(String(at))),
    expected,
  )
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
