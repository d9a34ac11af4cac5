import { getOrMake } from '../../base/memo.ts'
import { fail, ok } from '../../base/result.ts'
import { isScopeToken } from '../../model/scope.ts'
import { text } from '../reading/fields.ts'
import { quote, type Report, under } from '../reading/issues.ts'
import { list, namedEntries, readField } from '../reading/table.ts'
import { readWhole } from './scopes.ts'

/** What a scope is said to include: one scope, or every scope with a prefix. */
interface Included {
  readonly text: string
  readonly prefix?: string
}

type Declared = ReadonlyMap<string, readonly Included[]>

/** From one scope to another, by the entry of its list at this place. */
type Step = readonly [to: string, entry: number]

export interface Includes {
  /** As written: scope → what it includes. */
  readonly scopes: ReadonlyMap<string, readonly string[]>
  /** Every scope that includes a scope, itself first, through any number of steps. */
  readonly includedBy: (scope: string) => readonly string[]
}

/** A prefix that ends in a character no id in a scope has, and one `*`. */
const WILDCARD = /^[^*]*[^A-Za-z0-9._~*-]\*$/

const included = text<Included>((value) => {
  const reading = readWhole(value)
  if (!reading.ok) return reading
  if (!value.includes('*')) return ok({ text: value })
  return WILDCARD.test(value)
    ? ok({ text: value, prefix: value.slice(0, -1) })
    : fail(`${quote(value)}: * can only end a scope, after a character like :, as in documents:*`)
})

/**
 * Reads SCOPES. An entry that ends in `*` includes every scope with what is before it; elsewhere
 * a `*` is a character of a scope like any other. Scopes of the gate's own endpoints cannot be
 * included, by no wildcard either: no prefix of theirs can be written.
 */
export function readIncludes(value: unknown, report: Report): Includes {
  const declared = new Map<string, readonly Included[]>()
  const otherwise = 'must be a table of scope → list of scopes'
  for (const [scope, raw] of namedEntries(value ?? {}, report, otherwise)) {
    if (!isScopeToken(scope) || /[{}]/.test(scope)) {
      report([scope], `${quote(scope)} is not one scope token without templates (RFC 6749 §3.3)`)
    }
    declared.set(scope, readField(list(included), raw, under(report, scope)) ?? [])
  }
  reportCircles(declared, report)
  const scopes = [...declared].map(
    ([scope, entries]) => [scope, Object.freeze(entries.map((entry) => entry.text))] as const,
  )
  return { scopes: new Map(scopes), includedBy: includedByOf(declared) }
}

/**
 * The memory is bounded by the declarations: a scope made from a request's path is declared nowhere, so all that
 * begin with one prefix share an entry.
 */
const includedByOf = (declared: Declared): Includes['includedBy'] => {
  const exact = new Map<string, string[]>()
  const byPrefix = new Map<string, string[]>()
  for (const [scope, entries] of declared) {
    for (const { text, prefix } of entries) {
      const [parents, key] = prefix === undefined ? [exact, text] : [byPrefix, prefix]
      getOrMake(parents, key, () => []).push(scope)
    }
  }
  const prefixes = [...byPrefix.keys()].sort((a, b) => b.length - a.length)
  const parentsOf = (scope: string): readonly string[] => [
    ...(exact.get(scope) ?? []),
    ...prefixes.flatMap((prefix) => (scope.startsWith(prefix) ? (byPrefix.get(prefix) ?? []) : [])),
  ]
  const closures = new Map<string, readonly string[]>()
  const closureOf = (key: string, first: readonly string[]): readonly string[] =>
    getOrMake(closures, key, () => Object.freeze(reachedFrom(first, parentsOf)))
  return (scope) => {
    if (exact.has(scope)) return closureOf(scope, [scope])
    if (prefixes.length === 0) return [scope]
    if (declared.has(scope)) return closureOf(scope, [scope])
    const longest = prefixes.find((prefix) => scope.startsWith(prefix))
    // Wildcards have a key of their own, because a wildcard can also be the name of a scope.
    return longest === undefined ? [scope] : [scope, ...closureOf(`${longest} *`, parentsOf(scope))]
  }
}

/** Everything reached upwards, each once, nearest first. */
const reachedFrom = (
  first: readonly string[],
  parentsOf: (scope: string) => readonly string[],
): string[] => {
  const reached = new Set(first)
  for (const one of reached) {
    for (const parent of parentsOf(one)) reached.add(parent)
  }
  return [...reached]
}

/** Names of a circle that a message repeats, from either end. */
const MOST_NAMES = 5

/**
 * Reports scopes that include one another, and every scope that includes itself. Follows each step once, and reports
 * where a way comes back to a scope on it. Two cases are allowed: a scope may match its own wildcard, and scopes with
 * the same list may match each other's.
 */
const reportCircles = (declared: Declared, report: Report): void => {
  for (const [scope, entries] of declared) {
    const own = entries.findIndex(({ text, prefix }) => prefix === undefined && text === scope)
    if (own >= 0) report([scope, own], sentence([scope, scope]))
  }
  const stepsOf = stepsIn(declared)
  const begun = new Map<string, Iterator<Step>>()
  const ended = new Set<string>()
  const reported = new Set<string>()
  for (const start of declared.keys()) {
    const way = ended.has(start) ? [] : [start]
    for (let at = way.at(-1); at !== undefined; at = way.at(-1)) {
      const from = at
      const step = getOrMake(begun, from, () => stepsOf(from).values()).next()
      if (step.done) {
        ended.add(from)
        way.pop()
        continue
      }
      const [to] = step.value
      if (!begun.has(to)) way.push(to)
      else if (!ended.has(to) && !(reported.has(from) && reported.has(to))) {
        const names = [...way.slice(way.indexOf(to)), to]
        const [, entry = 0] = stepsOf(to).find(([name]) => name === names[1]) ?? []
        for (const name of names) reported.add(name)
        report([to, entry], sentence(names))
      }
    }
  }
}

/** Steps to other scopes, each once; if several may match each other's wildcards, the first represents all. */
const stepsIn = (declared: Declared): ((scope: string) => readonly Step[]) => {
  const first = new Map<string, string>()
  const standIn = new Map<string, string>()
  for (const [scope, entries] of declared) {
    const isOwn = entries.some(({ prefix }) => prefix !== undefined && scope.startsWith(prefix))
    const said = [...new Set(entries.map(({ text }) => text))].sort().join(' ')
    if (isOwn && !first.has(said)) first.set(said, scope)
    standIn.set(scope, (isOwn && first.get(said)) || scope)
  }
  const includedIn = ({ text, prefix }: Included): readonly string[] =>
    prefix === undefined ? [text] : [...declared.keys()].filter((one) => one.startsWith(prefix))
  const stepsFrom = (scope: string): readonly Step[] => {
    const steps = new Map<string, number>()
    for (const [i, entry] of (declared.get(scope) ?? []).entries()) {
      for (const one of includedIn(entry)) {
        const to = standIn.get(one)
        if (to !== undefined && to !== standIn.get(scope) && !steps.has(to)) steps.set(to, i)
      }
    }
    return [...steps]
  }
  const made = new Map<string, readonly Step[]>()
  return (scope) => getOrMake(made, scope, () => stepsFrom(scope))
}

const sentence = (names: readonly string[]): string => {
  const quoted = names.map(quote)
  const shown =
    names.length > 2 * MOST_NAMES
      ? [...quoted.slice(0, MOST_NAMES), '…', ...quoted.slice(-MOST_NAMES)]
      : quoted
  return `makes a circle: ${shown.join(' → ')}; take a step of it out`
}
