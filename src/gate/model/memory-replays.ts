import type { Clock, ReplayStore } from './ports.ts'

/** Default number of uses: 15 minutes with some 110 requests a second. */
const USUAL_CAPACITY = 100_000
/** Names before the first search for expired ones. */
const FIRST_SWEEP = 1_000

/**
 * Records uses in the memory of one process; others do not know them, and a restart loses them. Throws when `capacity`
 * uses are recorded, rather than drop one that is not expired.
 * @example
 * ```ts
 * import { type Clock, createGuard, createMemoryReplays, type Policy } from 'edgewarden'
 *
 * export const guardOf = (policy: Policy, clock: Clock) =>
 *   createGuard(policy, { clock, replays: createMemoryReplays({ clock, capacity: 1_000_000 }) })
 * ```
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
  /** When the first use expires; a search before that is useless. */
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
