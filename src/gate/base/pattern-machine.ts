/** Whether one code point is in a set. */
type Accepts = (codePoint: number) => boolean

/** A state. With `accepts` it consumes one code point, without it none. The end state has no successors. */
interface State {
  readonly accepts?: Accepts
  readonly to: State[]
}

type Add = (to: State[], accepts?: Accepts) => State

/** A part of a pattern. It builds its states before `next` and returns the first of them. */
export type Part = (next: State, add: Add) => State

/** Most states of a pattern. Matching makes at most two moves from each per code point. */
export const MAX_STATES = 2_000

/** Matches one code point: this one, or one of `.`, a class or a class escape, by its spelling in ECMA-262. */
export function one(member: number | string): Part {
  const accepts = typeof member === 'string' ? setOf(member) : (code: number) => code === member
  return (next, add) => add([next], accepts)
}

/**
 * The set of a spelling. ASCII is looked up. For other characters the last result is kept: each copy of a repeat tests
 * the same character.
 */
const setOf = (spelling: string): Accepts => {
  const set = new RegExp(`^${spelling}$`, 'u')
  const test: Accepts = (codePoint) => set.test(String.fromCodePoint(codePoint))
  const ascii = Array.from({ length: 128 }, (_, codePoint) => test(codePoint))
  let [last, accepted] = [-1, false]
  return (codePoint) => {
    const known = ascii[codePoint]
    if (known !== undefined) return known
    if (codePoint !== last) [last, accepted] = [codePoint, test(codePoint)]
    return accepted
  }
}

/** Matches parts in order. An empty list matches only the empty text. */
export function sequence(parts: readonly Part[]): Part {
  return (next, add) => parts.reduceRight((after, part) => part(after, add), next)
}

/** Matches any one of the parts. Each fork has two successors, so that states bound the moves. */
export function choice(parts: readonly Part[]): Part {
  return (next, add) =>
    parts.map((part) => part(next, add)).reduceRight((others, first) => add([first, others]))
}

/** The part `min` to `max` times; `max` may be `Infinity`. */
export function repeat(part: Part, min: number, max: number): Part {
  return (next, add) => {
    let first = next
    if (max === Number.POSITIVE_INFINITY) {
      first = add([])
      first.to.push(part(first, add), next)
    } else {
      for (let count = min; count < max; count++) first = add([part(first, add), next])
    }
    for (let count = 0; count < min; count++) first = part(first, add)
    return first
  }
}

/**
 * Builds a machine that follows all readings at once (Thompson 1968). It keeps the set of possible states and never
 * backtracks, so time is bounded by states × code points. `undefined` where the pattern has too many states.
 * `matches`: whether the whole value matches; does not check its length.
 */
export function machineOf(part: Part) {
  let size = 0
  const end: State = { to: [] }
  const first = part(end, (to, accepts) => {
    // Counted but not linked: the states over the limit take no memory.
    size += 1
    if (size > MAX_STATES) return end
    return accepts ? { accepts, to } : { to }
  })
  if (size > MAX_STATES) return undefined
  const start = settled(new Set([first]))
  return {
    states: size,
    matches: (value: string): boolean => {
      let states: ReadonlySet<State> = start
      for (const character of value) {
        states = stepped(states, character.codePointAt(0) ?? 0)
        if (states.size === 0) return false
      }
      return states.has(end)
    },
  }
}

const stepped = (states: ReadonlySet<State>, codePoint: number): ReadonlySet<State> => {
  const reached = new Set<State>()
  for (const { accepts, to } of states) {
    if (accepts?.(codePoint)) for (const state of to) reached.add(state)
  }
  return settled(reached)
}

/** Adds all states that are reached without input. Iterating a Set also visits elements that are added meanwhile. */
const settled = (states: Set<State>): ReadonlySet<State> => {
  for (const { accepts, to } of states) {
    if (!accepts) for (const state of to) states.add(state)
  }
  return states
}
