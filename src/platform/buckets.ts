import { NOTHING_SPENT, type Spent, takeOne } from '../core/model/bucket.ts'
import type { Allowance, Exhausted, Quotas } from '../core/model/limit.ts'
import type { Clock } from '../core/model/ports.ts'
import type { Result } from '../core/result.ts'

/**
 * Token buckets in memory, one for each of at most `most` names. The name that was seen longest ago is
 * forgotten for a new one, and has a full bucket again: what must hold however many names there are needs
 * buckets of its own, under one name.
 */
export function createBuckets({ clock, most }: { readonly clock: Clock; readonly most: number }) {
  const counts = new Map<string, Spent>()
  return (name: string, bucket: NonNullable<Quotas['bucket']>): Result<Allowance, Exhausted> => {
    const before = counts.get(name) ?? NOTHING_SPENT
    const { spent, outcome } = takeOne(before, { bucket }, { time: clock.now() })
    // Also where it is refused, to be the last to be forgotten.
    counts.delete(name)
    dropOldest(counts, most)
    counts.set(name, spent ?? before)
    return outcome
  }
}

/** Makes room for one more among `most` by forgetting what was added first. */
export function dropOldest(held: Map<string, unknown> | Set<string>, most: number): void {
  const oldest = held.size >= most ? held.keys().next().value : undefined
  if (oldest !== undefined) held.delete(oldest)
}
