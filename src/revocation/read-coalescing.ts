import type { Clock } from '../core/model/ports.ts'
import { isOrphaned, isOverInTime } from '../platform/single-flight.ts'

interface Turn<Value> {
  /** Turns are counted, so that it can be told which began after somebody came. */
  readonly number: number
  readonly startedAt: number
  readonly promise: Promise<Value>
}

/** What turns need of the isolate. */
export interface TurnTerms {
  readonly clock: Clock
  readonly waitUntil: (promise: Promise<unknown>) => void
  /** Milliseconds after which a turn counts as lost. */
  readonly maxAgeMs: number
}

/**
 * Lets one reading of a name go on at a time. Whoever comes meanwhile waits for it to end and shares the
 * next one with all who came: what a caller gets was asked for after it came, and however many come at
 * once, there are two readings. A reading must give plain data, and have a deadline of its own.
 */
export function createTurns<Value>({ clock, waitUntil, maxAgeMs }: TurnTerms) {
  const turns = new Map<string, Turn<Value>>()
  let count = 0

  const going = (name: string): Turn<Value> | undefined => {
    const turn = turns.get(name)
    return turn && clock.now() - turn.startedAt < maxAgeMs ? turn : undefined
  }
  const drop = (name: string, turn: Turn<Value>): void => {
    if (turns.get(name) === turn) turns.delete(name)
  }

  const begin = (name: string, read: () => Promise<Value>): Promise<Value> => {
    count += 1
    const turn: Turn<Value> = { number: count, startedAt: clock.now(), promise: read() }
    turns.set(name, turn)
    const clear = () => drop(name, turn)
    // Part of what outlives the request: one that left would not clear up.
    waitUntil(turn.promise.then(clear, clear))
    return turn.promise
  }

  return async (name: string, read: () => Promise<Value>): Promise<Value> => {
    const came = count
    for (let turn = going(name); turn; turn = going(name)) {
      const isLater = turn.number > came
      try {
        const isOver = await isOverInTime({ ...turn, maxAgeMs }, { clock })
        if (isOver && isLater) return await turn.promise
      } catch (error) {
        if (isLater && !isOrphaned(error)) throw error
      }
      drop(name, turn)
    }
    return begin(name, read)
  }
}
