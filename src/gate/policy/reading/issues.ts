import { cut } from '../../base/text.ts'
/** A mistake in the configuration, or a warning about it. Holds no secret's value. */
export interface PolicyIssue {
  /** Where, as the operator wrote it: `ROUTES[3].scopes`. */
  readonly path: string
  readonly message: string
}

/** One issue, if a condition is true. */
export function issueIf(holds: unknown, path: string, message: string): readonly PolicyIssue[] {
  return holds ? [{ path, message }] : []
}

export type Path = readonly (string | number)[]

/** Records one mistake, at a path relative to the reader. */
export type Report = (path: Path, message: string) => void

/** Characters of a configured text that a message repeats. */
const QUOTED = 80

/**
 * Configured text inside a sentence, bounded, on one line.
 * @example quote('a\nb') // '`a\\nb`'
 */
export function quote(text: string): string {
  return `\`${JSON.stringify(cut(text, QUOTED)).slice(1, -1)}\``
}

/**
 * The names a sentence offers.
 * @example quoteAll(['GET', 'POST']) // '`GET`, `POST`'
 */
export function quoteAll(names: readonly string[]): string {
  return names.map(quote).join(', ')
}

/**
 * A path appended to a base, as the operator would write it.
 * @example pathText('ROUTES[3]', ['claims', 'a.b', 0]) // 'ROUTES[3].claims["a.b"][0]'
 */
export function pathText(base: string, path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`
    if (!/^[A-Za-z_][A-Za-z0-9_-]{0,79}$/.test(step))
      return `${text}["${quote(step).slice(1, -1)}"]`
    return text === '' ? step : `${text}.${step}`
  }, base)
}

/** A report that puts further steps before each path. */
export function under(report: Report, ...outer: Path): Report {
  return (path, message) => report([...outer, ...path], message)
}

/**
 * Steps from one name to another: a character more, less or other, or two neighbours swapped
 * (optimal string alignment). `undefined` above `limit`.
 * @example distance('scope', 'scopes', 2) // 1
 */
export function distance(a: string, b: string, limit: number): number | undefined {
  if (Math.abs(a.length - b.length) > limit) return undefined
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  let leastBefore = 0
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    let leastOfRow = i
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
      least = Math.min(least, (last[j - 1] ?? 0) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1)
      }
      row.push(least)
      leastOfRow = Math.min(leastOfRow, least)
    }
    // Each row is made of the two before it, so no later one has fewer steps.
    if (Math.min(leastBefore, leastOfRow) > limit) return undefined
    before = last
    last = row
    leastBefore = leastOfRow
  }
  const steps = last[b.length] ?? 0
  return steps <= limit ? steps : undefined
}

/** For kinds with many names: lists them all on a line of their own, on request. */
const MANY = /^(?:key|function|member of \w+)$/

/**
 * A sentence about a name that is not among the known ones, with the nearest of them.
 * @example unknownName('key', 'scope', ['scopes']) // 'unknown key `scope`; did you mean `scopes`?\nAllowed: `scopes`'
 */
export function unknownName(what: string, name: string, known: readonly string[]): string {
  const limit = name.length < 5 ? 1 : 2
  const plain = (one: string) =>
    one.length > QUOTED ? one : one.toLowerCase().replaceAll('-', '_')
  const written = plain(name)
  let near: string | undefined
  let least = limit + 1
  // Dates and other numbers are never misspelt.
  for (const one of /[a-z]/i.test(name) ? known : []) {
    const steps = distance(written, plain(one), limit)
    if (steps !== undefined && steps < least) [near, least] = [one, steps]
  }
  const guess = near === undefined ? '' : `; did you mean ${quote(near)}?`
  const end = MANY.test(what) ? '\n' : guess === '' ? '. ' : ' '
  const listed = known.length === 0 ? 'none' : quoteAll(known)
  return `unknown ${what} ${quote(name)}${guess}${end}Allowed: ${listed}`
}
