import { LIMITS } from '../base/limits.ts'
import { forgottenAt, NOTHING_SPENT, type Spent, takeOne } from '../model/limit.ts'
import type { Clock, Limits } from '../model/ports.ts'
import { createBuckets } from '../platform/buckets.ts'
import { unbound } from '../platform/calls.ts'

/** Names before the first search for outdated ones. */
const FIRST_SWEEP = 1_000

/**
 * Limits in the memory of one process, exact within it. Drops a name once its state equals a fresh one. A limit by a
 * binding rejects, since there are no bindings here.
 * @example
 * ```ts
 * import { createGuard, createMemoryLimits, type Policy } from 'edgewarden'
 *
 * const limits = createMemoryLimits({ clock: { now: () => Date.now() } })
 * export const guardOf = (policy: Policy) => createGuard(policy, { limits })
 * ```
 */
export function createMemoryLimits({ clock }: { readonly clock: Clock }): Limits {
  const counts = new Map<string, Spent>()
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
    ...createAddressLimits({ clock }),
  }
}

/**
 * Limits of network addresses in memory, for at most `most` addresses. A new address replaces the one used longest ago,
 * so many addresses take no more memory. Only `memory` limits are counted; a limit by a binding rejects.
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
