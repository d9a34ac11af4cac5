import type { LIMITS } from '../core/limits.ts'
import type { Clock, RevocationStore } from '../core/model/ports.ts'
import type { RevocationPlacement } from '../core/model/revocation.ts'
import { inTime } from '../platform/calls.ts'
import { choiceOf, LEADER } from './shard-hash.ts'
import type { Found, SnapshotSource } from './snapshot.ts'

/** Methods as they are called from afar; `undefined` from a shard that does not answer for the set. */
type Remote<Methods> = {
  readonly [Name in keyof Methods]: Methods[Name] extends (
    ...given: infer Given
  ) => Promise<infer Value>
    ? (...given: Given) => PromiseLike<Value>
    : never
}

type Reads = {
  [Name in keyof SnapshotSource]: (
    ...given: [...Parameters<SnapshotSource[Name]>, leaderHint?: string | undefined]
  ) => Promise<Awaited<ReturnType<SnapshotSource[Name]>> | undefined>
} & {
  lookup(
    subjectKeys: readonly string[],
    leaderHint?: string | undefined,
  ): Promise<Found | undefined>
}

export type Shard = Remote<Reads & RevocationStore>

/** A Durable Object namespace of `RevocationShard`, as far as the gate needs it. */
export interface ShardNamespace {
  getByName(name: string, options?: { readonly locationHint?: string }): Shard
  jurisdiction?(jurisdiction: string): ShardNamespace
}

/** A call of a shard, which is told where the one that leads is to be made. */
type Call<Value> = (shard: Shard, leaderHint: string | undefined) => PromiseLike<Value | undefined>

/** Milliseconds that a shard is not asked for after it failed, or did not answer for the set. */
const REST_MS = { failed: 10_000, unanswered: 1_000 }

export type Reach = ReturnType<typeof createReach>

/**
 * The shards of a namespace. A call goes to the one that a text belongs to, and where that fails or does
 * not answer for the set, to the one that leads; it rejects where no try gave an answer. A try that takes
 * longer than {@link LIMITS.revocationReadMs}, unless another time is said, has failed.
 */
export function createReach(
  namespace: ShardNamespace,
  { shards, locations, jurisdiction }: RevocationPlacement,
  clock: Clock,
) {
  const objects = jurisdiction ? namespace.jurisdiction?.(jurisdiction) : namespace
  /** Until when. */
  const resting = new Map<string, number>()

  // A stub of another request cannot be used, and one that has failed may fail for good.
  const shard = (name: string): Shard => {
    if (!objects) throw new Error('this namespace knows no jurisdictions')
    const locationHint = locations[Number(name) % locations.length]
    return locationHint ? objects.getByName(name, { locationHint }) : objects.getByName(name)
  }

  const chosen = (text: string): string => {
    const name = String(choiceOf(text, shards))
    return clock.now() < (resting.get(name) ?? 0) ? LEADER : name
  }

  const firstOf = async <Value>(names: Iterable<string>, call: Call<Value>, ms?: number) => {
    let failure: unknown
    for (const name of names) {
      let rest = REST_MS.unanswered
      try {
        const value = await inTime(() => call(shard(name), locations[0]), ms)
        if (value !== undefined) return value
      } catch (error) {
        failure = error
        rest = REST_MS.failed
      }
      if (name !== LEADER) resting.set(name, clock.now() + rest)
    }
    throw failure ?? new Error('no shard answers for the set')
  }

  return {
    leader: () => shard(LEADER),

    /** Tries twice at most, and the shard that leads among that. */
    read: <Value>(text: string, call: Call<Value>): Promise<Value> =>
      firstOf([chosen(text), LEADER], call),

    /** Tries each shard once; `ms` for a try. */
    pull: <Value>(text: string, call: Call<Value>, ms?: number): Promise<Value> =>
      firstOf(new Set([chosen(text), LEADER]), call, ms),
  }
}
