import { type JsonObject, own, parseJsonObject } from '../../gate/base/json.ts'
import { getOrMake } from '../../gate/base/memo.ts'
import type { Usage, UsageQuery } from '../../gate/model/audit.ts'
import { createQueue, createYielder } from '../../gate/platform/calls.ts'
import { finderOf, timeOf, toolsOf } from '../records/terms.ts'
import type { ShardUsageQuery, Tally, TallyCounts } from './protocol.ts'
import type { Reader } from './reader.ts'

/** Most groups of an answer. */
const MOST_GROUPS = 10_000
/** Most queries that an object counts, or that wait for it. */
const MOST_WAITING = 4

/** The members of a record by which it is grouped. */
const MEMBERS: {
  readonly [By in UsageQuery['by'][number]]: (record: JsonObject, tool?: string) => JsonObject
} = {
  agent: (record) => ({ issuer: own(record, 'issuer'), agent: own(record, 'agent') }),
  subject: (record) => ({ issuer: own(record, 'issuer'), subject: own(record, 'subject') }),
  rule: (record) => ({ rule: own(record, 'route') }),
  code: (record) => ({ code: own(record, 'code') }),
  tool: (_, tool) => ({ tool }),
}

const countsIn = (tally: Tally, group: string): TallyCounts =>
  getOrMake(tally, group, () => ({ decisions: 0, denied: 0, durations: new Map() }))

const add = (durations: Map<number, number>, ms: number, times: number): void =>
  void durations.set(ms, (durations.get(ms) ?? 0) + times)

/**
 * Counts the latest records of a query, as many as may be counted at a time. `since`: the time from which on it has
 * counted; 0 for all. Counts one query after the other, and rejects if many wait: the object that stores records needs
 * its memory and time.
 */
export function createCounter(reader: Pick<Reader, 'countable' | 'recordsOf'>) {
  let waiting = 0
  const inOrder = createQueue()
  return async (query: ShardUsageQuery) => {
    if (waiting >= MOST_WAITING) throw new Error('too many queries are counted')
    waiting++
    return inOrder(() => counted(reader, query)).finally(() => waiting--)
  }
}

const counted = async (
  reader: Pick<Reader, 'countable' | 'recordsOf'>,
  query: ShardUsageQuery,
): Promise<{ readonly tally: Tally; readonly since: number }> => {
  const { rows, since } = reader.countable(query)
  const breathe = createYielder()
  const tallyOf = async (some: typeof rows, since: number) => {
    const from = Math.max(query.from ?? 0, since)
    const find = finderOf({ ...query, from })
    const tally: Tally = new Map()
    for (const [at, { id, last }] of some.entries()) {
      if (last < from) continue
      await breathe()
      for (const text of await reader.recordsOf(id)) {
        const record = find(text)
        if (record) count(tally, record, query)
      }
      if (at > 0 && tally.size > query.most) return { tally, tooMany: { at, id } }
    }
    return { tally }
  }
  const { tally, tooMany } = await tallyOf(rows, since)
  if (!tooMany) return { tally, since }
  // Counts again the records since a time: a later row may have an earlier record.
  const less = await tallyOf(rows.slice(0, tooMany.at), tooMany.id)
  return { tally: less.tally, since: tooMany.id }
}

/** A decision that is not counted by its tools. */
const WHOLE: ReturnType<typeof toolsOf> = new Map([[undefined, 1]])

/** Counts one record, unless it is an act instead of a decision. By tool, each message of a batch is counted. */
function count(tally: Tally, record: JsonObject, { by, every }: UsageQuery): void {
  const decision = own(record, 'decision')
  if (decision === undefined) return
  const time = every && new Date(Math.floor(timeOf(record) / every) * every).toISOString()
  const duration = own(record, 'duration')
  for (const [tool, times] of by.includes('tool') ? toolsOf(record) : WHOLE) {
    const members = by.map((name) => MEMBERS[name](record, tool))
    const counts = countsIn(tally, JSON.stringify(Object.assign({ time }, ...members)))
    counts.decisions += times
    if (decision === 'denied') counts.denied += times
    if (typeof duration === 'number') add(counts.durations, duration, times)
  }
}

/** The groups of all shards in the order of time; for the same time, groups with more decisions first. */
export function usageOf(tallies: readonly Tally[]): Pick<Usage, 'groups' | 'leftOut'> {
  const all: Tally = new Map()
  for (const [group, { decisions, denied, durations }] of tallies.flatMap((one) => [...one])) {
    const counts = countsIn(all, group)
    counts.decisions += decisions
    counts.denied += denied
    for (const [ms, times] of durations) add(counts.durations, ms, times)
  }
  const groups = [...all]
    .sort(([, a], [, b]) => b.decisions - a.decisions)
    .slice(0, MOST_GROUPS)
    .map(([group, { decisions, denied, durations }]) => ({
      ...parseJsonObject(group),
      decisions,
      denied,
      p50: percentile(durations, 0.5),
      p95: percentile(durations, 0.95),
    }))
  const timeIn = (group: JsonObject) => String(own(group, 'time'))
  groups.sort((a, b) => (timeIn(a) < timeIn(b) ? -1 : Number(timeIn(a) > timeIn(b))))
  return { groups, leftOut: all.size - groups.length }
}

/** The smallest duration that this share of all durations does not exceed; `undefined` without durations. */
const percentile = (durations: ReadonlyMap<number, number>, share: number): number | undefined => {
  const sorted = [...durations].sort(([a], [b]) => a - b)
  let rank = Math.ceil(share * sorted.reduce((sum, [, times]) => sum + times, 0))
  for (const [ms, times] of sorted) {
    rank -= times
    if (rank <= 0) return ms
  }
  return undefined
}
