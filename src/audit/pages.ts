import type { DecisionPage } from '../core/model/audit.ts'
import type { ShardPage } from './protocol.ts'
import { readRecord, timeOf } from './terms.ts'

/** A cursor has a position for each shard: empty where its list begins, and `end` where nothing follows. */
export const END = 'end'
export const POSITION = /^(?:|end|\d{1,15}\.\d{1,9})$/

/** The pages of all shards as one: always the latest of their next records. */
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
