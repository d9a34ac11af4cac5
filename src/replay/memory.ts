import type { Clock, ReplayStore } from '../core/model/ports.ts'

/** Uses that a process remembers, unless told: a quarter of an hour of some 110 requests a second. */
const USUAL_CAPACITY = 100_000
/** Names that are claimed before those that may be forgotten are looked for. */
const FIRST_SWEEP = 1_000

/**
 * Uses in the memory of one process: no other process knows of them, nor the same one after a restart. Holds
 * `capacity` of them, and throws when it is full rather than forget one that still counts.
 */
export function createMemoryReplays({
  clock,
  capacity = USUAL_CAPACITY,
}: {
  readonly clock: Clock
  readonly capacity?: number
}): ReplayStore {
  const claims = new Map<string, number>()
  let sweepAt = Math.min(FIRST_SWEEP, capacity)
  /** When the first of them may be forgotten: looking for it before is of no use. */
  let due = 0
  const sweep = (now: number) => {
    due = Number.POSITIVE_INFINITY
    for (const [name, expires] of claims) {
      if (expires <= now) claims.delete(name)
      else due = Math.min(due, expires)
    }
    sweepAt = Math.min(Math.max(FIRST_SWEEP, 2 * claims.size), capacity)
  }
  const isClaimed = (name: string, now: number) => (claims.get(name) ?? now) > now
  return {
    claim(name, expires) {
      const now = clock.now() / 1000
      if (claims.size >= sweepAt && due <= now) sweep(now)
      if (expires <= now) return false
      if (isClaimed(name, now)) {
        claims.set(name, Math.max(expires, claims.get(name) ?? expires))
        return false
      }
      if (claims.size >= capacity) throw new RangeError(`more than ${capacity} uses are remembered`)
      claims.set(name, expires)
      due = Math.min(due, expires)
      return true
    },
    isClaimed: (name) => isClaimed(name, clock.now() / 1000),
  }
}
