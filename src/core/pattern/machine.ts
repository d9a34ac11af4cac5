import type { Accepts } from './characters.ts'

/** With `accepts` a state takes one code point, without it moves on for free. No way on: the end. */
interface State {
  readonly accepts?: Accepts
  readonly to: State[]
}

type Add = (to: State[], accepts?: Accepts) => State

/** A piece of a pattern: builds its states in front of `next` and returns the first of them. */
export type Part = (next: State, add: Add) => State

/** A pattern that can be run. */
export interface Machine {
  readonly states: number
  /** Whether the whole value is matched. Does not check the value's length. */
  readonly matches: (value: string) => boolean
}

/** States a pattern may unfold to. Matching makes at most two moves from each per code point. */
export const MAX_STATES = 2_000

/** One code point out of a set. */
export function one(accepts: Accepts): Part {
  return (next, add) => add([next], accepts)
}

/** One part after the other. An empty list matches the empty text alone. */
export function sequence(parts: readonly Part[]): Part {
  return (next, add) => parts.reduceRight((after, part) => part(after, add), next)
}

/** Any one of the parts. A fork has two ways, so that moves are bounded by states. */
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
 * Builds the machine that runs all readings of a part at once (Thompson 1968): it keeps the set of
 * states it can be in and never goes back, so time is bounded by states × code points.
 * `undefined` where the part unfolds to too many states.
 */
export function machineOf(part: Part): Machine | undefined {
  let size = 0
  const end: State = { to: [] }
  const first = part(end, (to, accepts) => {
    // Counted, but no longer linked: what is left of an oversized pattern costs no memory.
    size += 1
    if (size > MAX_STATES) return end
    return accepts ? { accepts, to } : { to }
  })
  if (size > MAX_STATES) return undefined
  const start = settled(new Set([first]))
  return {
    states: size,
    matches: (value) => {
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

/** Adds every state that is reached for free. A Set's iteration also visits what is added to it. */
const settled = (states: Set<State>): ReadonlySet<State> => {
  for (const { accepts, to } of states) {
    if (!accepts) for (const state of to) states.add(state)
  }
  return states
}
