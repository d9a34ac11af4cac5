import { quote, type Report } from './issues.ts'

/** What a scope is said to include: one scope, or every scope with a prefix. */
export interface Included {
  /** As written. */
  readonly text: string
  readonly prefix?: string
}

export type Declared = ReadonlyMap<string, readonly Included[]>

/** From one scope to another, by the entry of its list at this place. */
type Step = readonly [to: string, entry: number]

/** Names of a circle that a message repeats, from either end. */
const TOLD = 5

/**
 * Reports every circle of scopes that include one another, and every scope that names itself,
 * each once and where it begins. A scope may be among those of its own wildcard, and several that
 * are declared alike, word for word, with it: they say the same already.
 */
export function reportCircles(declared: Declared, report: Report): void {
  for (const [scope, entries] of declared) {
    const own = entries.findIndex(({ text, prefix }) => prefix === undefined && text === scope)
    if (own >= 0) report([scope, own], sentence([scope, scope]))
  }
  const stepsOf = stepsIn(declared)
  const told = new Set<string>()
  for (const scope of declared.keys()) {
    const circle = told.has(scope) ? [] : circleOf(scope, stepsOf)
    const [first] = circle
    if (!first) continue
    const names = circle.map(([to]) => to)
    for (const name of names) told.add(name)
    report([scope, first[1]], sentence([scope, ...names]))
  }
}

/** Steps to other scopes, each once; of those that may be among each other's the first stands for all. */
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
  const made = new Map<string, readonly Step[]>()
  return (scope) => {
    const known = made.get(scope)
    if (known) return known
    const steps = new Map<string, number>()
    for (const [i, entry] of (declared.get(scope) ?? []).entries()) {
      for (const one of includedIn(entry)) {
        const to = standIn.get(one)
        if (to !== undefined && to !== standIn.get(scope) && !steps.has(to)) steps.set(to, i)
      }
    }
    const all = [...steps]
    made.set(scope, all)
    return all
  }
}

/** The shortest way from a scope back to it; none where there is no way. */
const circleOf = (scope: string, stepsOf: (scope: string) => readonly Step[]): readonly Step[] => {
  const cameBy = new Map<string, readonly [from: string, step: Step]>()
  const found = new Set([scope])
  for (const at of found) {
    for (const step of stepsOf(at)) {
      const [to] = step
      if (to === scope) return [...wayTo(at, cameBy), step]
      if (!found.has(to)) cameBy.set(to, [at, step])
      found.add(to)
    }
  }
  return []
}

const wayTo = (
  scope: string,
  cameBy: ReadonlyMap<string, readonly [from: string, step: Step]>,
): readonly Step[] => {
  const way: Step[] = []
  for (let last = cameBy.get(scope); last; last = cameBy.get(last[0])) way.unshift(last[1])
  return way
}

const sentence = (names: readonly string[]): string => {
  const quoted = names.map(quote)
  const shown =
    names.length > 2 * TOLD ? [...quoted.slice(0, TOLD), '…', ...quoted.slice(-TOLD)] : quoted
  return `makes a circle: ${shown.join(' → ')}; take a step of it out`
}
