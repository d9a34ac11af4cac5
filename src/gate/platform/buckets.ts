import type { Result } from '../base/result.ts'
import {
  type Allowance,
  type Exhausted,
  NOTHING_SPENT,
  type Quotas,
  type Spent,
  takeOne,
} from '../model/limit.ts'
import type { Clock } from '../model/ports.ts'

/**
 * Token buckets in memory, for at most `most` names. A new name replaces the one used longest ago, which then has a
 * full bucket again. A limit for all names together needs buckets of its own, with only one name.
 */
export function createBuckets({ clock, most }: { readonly clock: Clock; readonly most: number }) {
  const counts = new Map<string, Spent>()
  return (name: string, bucket: NonNullable<Quotas['bucket']>): Result<Allowance, Exhausted> => {
    const before = counts.get(name) ?? NOTHING_SPENT
    const { spent, outcome } = takeOne(before, { bucket }, { time: clock.now() })
    // Also after a refusal, so that the name becomes the most recent.
    counts.delete(name)
    dropOldest(counts, most)
    counts.set(name, spent ?? before)
    return outcome
  }
}

/** Removes the oldest of `most` entries, to make room for one. */
export function dropOldest(held: Map<string, unknown> | Set<string>, most: number): void {
  const oldest = held.size >= most ? held.keys().next().value : undefined
  if (oldest !== undefined) held.delete(oldest)
}
