import { LIMITS } from '../core/limits.ts'
import type { ReplayStore } from '../core/model/ports.ts'
import { inTime, retryOnce } from '../platform/calls.ts'

/** A Durable Object namespace of `ReplayShard`, as far as the gate needs it. */
export interface ReplayNamespace {
  getByName(name: string): {
    claim(name: string, expires: number, by: string): PromiseLike<boolean>
    isClaimed(name: string): PromiseLike<boolean>
  }
  jurisdiction?(jurisdiction: string): ReplayNamespace
}

/** What uses are claimed of in a Worker. */
export interface ReplaysOptions {
  /** Absent where no rule takes a token once. */
  readonly objects?: ReplayNamespace | undefined
  /** Where the objects are kept, as those of revocations are. */
  readonly jurisdiction?: string | undefined
  /** Milliseconds one try may take. */
  readonly timeout?: number
}

/**
 * Uses behind their objects, one for each first character of a name: 64, evenly filled, and never another
 * number, because a name must be claimed where it was. An object that fails, or does not answer within
 * {@link LIMITS.replayMs}, is asked once more, then the call rejects. A claim whose first answer was lost is
 * known by the second, and still the first.
 */
export function createReplays({
  objects: all,
  jurisdiction,
  timeout = LIMITS.replayMs,
}: ReplaysOptions): ReplayStore {
  const objects = () => (jurisdiction === undefined ? all : all?.jurisdiction?.(jurisdiction))
  type Shard = ReturnType<ReplayNamespace['getByName']>
  const ask = async (name: string, call: (shard: Shard) => PromiseLike<boolean>) => {
    const namespace = objects()
    if (!namespace) throw new Error('REPLAYS is not bound')
    return retryOnce(() =>
      inTime(async () => await call(namespace.getByName(name.slice(0, 1))), timeout),
    )
  }
  return {
    claim(name, expires) {
      const by = crypto.randomUUID()
      return ask(name, (shard) => shard.claim(name, expires, by))
    },
    isClaimed: (name) => ask(name, (shard) => shard.isClaimed(name)),
  }
}

/** The same store for those who only explain: what would be claimed is looked at, and stays. */
export function lookingOnly({ isClaimed }: Pick<ReplayStore, 'isClaimed'>): ReplayStore {
  return {
    claim: async (name) => (await isClaimed(name)) === false,
    isClaimed,
  }
}
