import { LIMITS } from '../core/limits.ts'
import { forgottenAt, NOTHING_SPENT, type Spent, takeOne } from '../core/model/bucket.ts'
import type { Clock, Limits } from '../core/model/ports.ts'
import { createBuckets } from '../platform/buckets.ts'
import { unbound } from '../platform/calls.ts'

/** Names that are counted before those that say nothing any more are looked for. */
const FIRST_SWEEP = 1_000

/**
 * Limits in the memory of one process: exact for it, and no other process knows of them. Forgets a
 * name when it is as if nothing had been spent. A limit by a binding rejects: there is none here.
 */
export function createMemoryLimits({ clock }: { readonly clock: Clock }): Limits {
  const counts = new Map<string, Spent>()
  const { takeAddress } = createAddressLimits({ clock })
  let sweepAt = FIRST_SWEEP
  const sweep = () => {
    const now = clock.now()
    for (const [name, spent] of counts) if (forgottenAt(spent) <= now) counts.delete(name)
    sweepAt = Math.max(FIRST_SWEEP, 2 * counts.size)
  }
  return {
    take(limit, name, spend) {
      if (limit.kind === 'approximate') return Promise.reject(unbound(limit.binding))
      if (counts.size >= sweepAt) sweep()
      const before = counts.get(name) ?? NOTHING_SPENT
      const { spent, outcome } = takeOne(before, limit.quotas, { time: clock.now(), spend })
      if (spent) counts.set(name, spent)
      return outcome
    },
    takeAddress,
  }
}

/**
 * Limits of network addresses, in memory and only of so many at once: the one that was seen longest ago
 * is forgotten for a new one, so that a caller of many addresses takes no more memory. `memory` limits
 * only; one by a binding rejects.
 */
export function createAddressLimits({
  clock,
  most = LIMITS.countedAddresses,
}: {
  readonly clock: Clock
  readonly most?: number
}): Pick<Limits, 'takeAddress'> {
  const take = createBuckets({ clock, most })
  return {
    takeAddress: (limit, network) =>
      limit.kind === 'binding' ? Promise.reject(unbound(limit.binding)) : take(network, limit),
  }
}
