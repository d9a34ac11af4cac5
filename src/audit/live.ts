import type { LivePage } from '../core/model/audit.ts'
import type { ShardTailed } from './protocol.ts'

/** Where a live reader goes on in a shard. */
export const PLACE = /^\d{1,15}\.\d{1,9}$/

/**
 * The records of all shards as they come, from these positions on. Each shard is read ahead by one page, however slowly
 * the pages are taken.
 */
export async function* livePages(
  at: string[],
  read: (shard: number, after: string) => Promise<ShardTailed>,
): AsyncGenerator<LivePage> {
  yield { records: [], position: at.join('~'), dropped: [] }
  const next = async (shard: number) => ({ shard, page: await read(shard, at[shard] ?? '') })
  const reads = at.map((_, shard) => next(shard))
  for (;;) {
    const { shard, page } = await Promise.race(reads)
    const records = page.found.map(({ record, position }) => {
      at[shard] = position
      return { record, position: at.join('~') }
    })
    at[shard] = page.next
    yield { records, position: at.join('~'), dropped: page.dropped }
    reads[shard] = next(shard)
  }
}
