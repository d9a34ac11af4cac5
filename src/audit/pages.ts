import type { DecisionPage, LivePage } from '../core/model/audit.ts'
import type { ShardPage, ShardTailed } from './protocol.ts'
import { readRecord, timeOf } from './terms.ts'

/** A cursor has a position for each shard: empty before its first record, and `end` after its last. */
export const END = 'end'
export const POSITION = /^(?:|end|\d{1,15}\.\d{1,9})$/

/** The pages of all shards as one, the latest record first. */
export function merged(
  pages: readonly ShardPage[],
  befores: readonly string[],
  limit: number,
): DecisionPage {
  const taken = pages.map(() => 0)
  const decisions: string[] = []
  while (decisions.length < limit) {
    const heads = pages.flatMap(({ found }, shard) => {
      const record = found[taken[shard] ?? 0]?.record
      return record === undefined ? [] : [{ shard, record, time: timeOf(readRecord(record)) }]
    })
    const [first] = heads.sort((a, b) => b.time - a.time)
    if (!first) break
    taken[first.shard] = (taken[first.shard] ?? 0) + 1
    decisions.push(first.record)
  }
  const positions = pages.map(({ found, next = END }, shard) => {
    const count = taken[shard] ?? 0
    if (count === found.length) return next
    return found[count - 1]?.position ?? befores[shard] ?? ''
  })
  const isEnd = positions.every((one) => one === END)
  const dropped = pages.flatMap((page) => page.dropped ?? [])
  return { decisions, dropped, ...(!isEnd && { cursor: positions.join('~') }) }
}

/** The position of a live reader in a shard. */
export const PLACE = /^\d{1,15}\.\d{1,9}$/

/** The records of all shards as they come, after these positions. Reads ahead one page of each shard at most. */
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
