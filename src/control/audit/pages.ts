import type { DecisionPage, LivePage } from '../../gate/model/audit.ts'
import { readRecord, timeOf } from '../records/terms.ts'
import type { ShardPage, ShardTailed } from './protocol.ts'

/** A cursor has a position for each shard: empty before its first record, and `end` after its last. */
export const END = 'end'

/** The pages of all shards as one, the latest record first. `next`: the positions of the next page. */
export function merged(
  pages: readonly ShardPage[],
  befores: readonly string[],
  limit: number,
): Omit<DecisionPage, 'cursor'> & { readonly next?: readonly string[] } {
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
  return { decisions, dropped, ...(!isEnd && { next: positions }) }
}

/** Milliseconds between pages that only have a position. */
const BEAT_MS = 15_000

/**
 * The records of all shards as they come, after these positions. Reads ahead one page of each shard at most. A page
 * without records comes at fixed times, and never because others have new records.
 */
export async function* livePages(
  at: string[],
  read: (shard: number, after: string) => Promise<ShardTailed>,
  seal: (positions: readonly string[]) => Promise<string>,
): AsyncGenerator<LivePage> {
  const beat = () => new Promise<undefined>((done) => setTimeout(done, BEAT_MS))
  const pageOf = async (page?: ShardTailed, shard = 0): Promise<LivePage> => {
    const records: { record: string; position: string }[] = []
    for (const { record, position } of page?.found ?? []) {
      at[shard] = position
      records.push({ record, position: await seal(at) })
    }
    if (page) at[shard] = page.next
    return { records, position: await seal(at), dropped: page?.dropped ?? [] }
  }
  let pause = beat()
  yield pageOf()
  const next = async (shard: number) => ({ shard, page: await read(shard, at[shard] ?? '') })
  const reads = at.map((_, shard) => next(shard))
  for (;;) {
    const read = await Promise.race([...reads, pause])
    const { page, shard = 0 } = read ?? {}
    const live = await pageOf(page, shard)
    if (!read || live.records.length + live.dropped.length > 0) yield live
    if (read) reads[shard] = next(shard)
    else pause = beat()
  }
}
