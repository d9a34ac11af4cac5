import type { AuditReads, AuditRule, UsageQuery } from '../../gate/model/audit.ts'
import { createObjectCalls, type Objects } from '../../gate/platform/calls.ts'
import type { Background } from '../../gate/platform/system.ts'
import { SHARD_ANSWERS } from './answers.ts'
import { END, livePages, merged } from './pages.ts'
import type { Shard, ShardPage } from './protocol.ts'
import { createSeal } from './seal.ts'
import { usageOf } from './usage.ts'

/** The dependencies of reading the audit. */
export interface AuditReadsOptions extends Pick<Background, 'waitUntil'> {
  readonly objects: Objects<Shard>
  readonly rule: AuditRule
}

/** The shard that has the key of positions. */
const FIRST = '0'
/** Milliseconds for one attempt to read. */
const CALL_MS = 5_000
/** Milliseconds for one attempt that waits for records, or counts them. */
const LONG_CALL_MS = 25_000
/** Most groups that are counted, in all shards together. */
const MOST_COUNTED = 50_000

/** Reads the audit: its lists merge those of all shards. */
export function createAuditReads({ objects, rule, waitUntil }: AuditReadsOptions): AuditReads {
  const { shards, jurisdiction } = rule
  const ask = createObjectCalls<Shard>({
    binding: 'AUDIT_LOG',
    objects,
    jurisdiction,
    answers: SHARD_ANSWERS,
    timeout: CALL_MS,
    waitUntil,
  })
  const eachShard = <Value>(
    call: (object: Shard, shard: number) => PromiseLike<Value>,
    ms?: number,
  ) =>
    Array.from({ length: shards }, (_, shard) => ask(String(shard), (one) => call(one, shard), ms))
  const seal = createSeal(() => ask(FIRST, (object) => object.positionKey()))
  return {
    async list({ cursor, ...query }) {
      const befores = cursor === undefined ? [] : await seal.open('list', cursor)
      const pages = eachShard(async (object, shard): Promise<ShardPage> => {
        const before = befores[shard] ?? ''
        if (before === END) return { found: [] }
        return await object.list({ ...query, ...(before !== '' && { before }) })
      })
      const { next, ...page } = merged(await Promise.all(pages), befores, query.limit)
      return { ...page, ...(next && { cursor: await seal.close('list', next) }) }
    },
    async get(id) {
      const found = await Promise.all(eachShard((object) => object.get(id)))
      return found.find((one) => one !== undefined)
    },
    async live(query, position) {
      const given = position === undefined ? undefined : await seal.open('live', position)
      // A shard without a position is new.
      const at = eachShard(async (object, shard) =>
        given ? (given[shard] ?? '0.0') : (await object.listAfter(query)).next,
      )
      return livePages(
        await Promise.all(at),
        (shard, after) =>
          ask(String(shard), (one) => one.listAfter({ ...query, after }), LONG_CALL_MS),
        (positions) => seal.close('live', positions),
      )
    },
    async usage(query) {
      const most = Math.ceil(MOST_COUNTED / shards)
      const counted = (asked: UsageQuery) =>
        Promise.all(eachShard((object) => object.usage({ ...asked, most }), LONG_CALL_MS))
      let found = await counted(query)
      const since = Math.max(...found.map((one) => one.since))
      // All shards count from the latest time that one of them has reached.
      if (since > 0 && shards > 1) found = await counted({ ...query, from: since })
      const dropped = found.flatMap((one) => one.dropped)
      return { ...usageOf(found.map(({ tally }) => tally)), since, dropped }
    },
    health: () =>
      Promise.all(eachShard((object) => object.health()).map((one) => one.catch(() => undefined))),
    report: (problems) => ask(FIRST, (object) => object.report(problems)),
    // One shard after the other: the cursor names the shard, and the row to go on with.
    async erase(erasure, act, cursor) {
      const [at = '0'] = cursor === undefined ? [] : await seal.open('erase', cursor)
      const [shard = 0, row] = at.split('.').map(Number)
      if (shard >= shards) throw new RangeError('no cursor')
      const isFirst = cursor === undefined
      const asked = { ...erasure, act, isFirst, ...(row !== undefined && { row }) }
      const { records, next, ...rest } = await ask(String(shard), (one) => one.erase(asked))
      const more = next !== undefined ? `${shard}.${next}` : String(shard + 1)
      const isEnd = next === undefined && shard + 1 >= shards
      return { records, ...rest, ...(!isEnd && { cursor: await seal.close('erase', [more]) }) }
    },
  }
}
