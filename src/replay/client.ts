import { LIMITS } from '../core/limits.ts'
import type { ReplayStore } from '../core/model/ports.ts'
import { createObjectCalls, type ObjectCalls } from '../platform/calls.ts'

/** An object of `ReplayShard`, as far as the gate needs it. */
interface Shard {
  claim(name: string, expires: number, by: string): PromiseLike<boolean>
  isClaimed(name: string): PromiseLike<boolean>
}

/** What uses are claimed of in a Worker; `objects` are absent where no rule takes a token once. */
export type ReplaysOptions = Partial<Omit<ObjectCalls<Shard>, 'binding'>>

/**
 * Uses behind their objects, one for each first character of a name: 64, evenly filled, and never another
 * number, because a name must be claimed where it was. An object that fails, or does not answer within
 * {@link LIMITS.replayMs}, is asked once more, then the call rejects. A claim whose first answer was lost is
 * known by the second, and still the first.
 */
export function createReplays({
  objects,
  jurisdiction,
  timeout = LIMITS.replayMs,
}: ReplaysOptions): ReplayStore {
  const ask = createObjectCalls<Shard>({ binding: 'REPLAYS', objects, jurisdiction, timeout })
  return {
    claim(name, expires) {
      const by = crypto.randomUUID()
      return ask(name.slice(0, 1), (shard) => shard.claim(name, expires, by))
    },
    isClaimed: (name) => ask(name.slice(0, 1), (shard) => shard.isClaimed(name)),
  }
}

/** The same store for those who only explain: what would be claimed is looked at, and stays. */
export function lookingOnly({ isClaimed }: Pick<ReplayStore, 'isClaimed'>): ReplayStore {
  return {
    claim: async (name) => (await isClaimed(name)) === false,
    isClaimed,
  }
}
