/** Counts steps of work, each of about a microsecond, and returns a wait after every part of them. */
export type Pace = (steps: number) => Promise<void> | undefined

/** Steps between two pauses. */
const PART = 5_000

/** A pace that waits by `pause`, so that other work runs between two parts; without `pause` it never waits. */
export function createPace(pause: (() => Promise<void>) | undefined): Pace {
  let steps = 0
  return (more) => {
    steps += more
    if (steps < PART) return undefined
    steps = 0
    return pause?.()
  }
}
