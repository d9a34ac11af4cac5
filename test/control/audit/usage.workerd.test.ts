import { expect, it } from 'vitest'
import type { ShardUsageQuery } from '../../../src/control/audit/protocol.ts'
import { createCounter } from '../../../src/control/audit/usage.ts'
import { recordAt } from './record.ts'

/** A counter of rows, the latest first: each has the times of its records, which all have a tool of their own. */
const counterOf = (rows: readonly (readonly number[])[], wait?: Promise<void>) => {
  const texts = rows.map((times, row) =>
    times.map((time, at) =>
      recordAt(time, { mcp: { method: 'tools/call', name: `${row}.${at}` } }),
    ),
  )
  return createCounter({
    countable: () => ({
      rows: rows.map((times, row) => ({
        id: 1_000 - row * 100,
        ring: 'known' as const,
        last: Math.max(...times),
        bytes: 1,
      })),
      since: 0,
    }),
    recordsOf: async (id) => {
      await wait
      return texts[(1_000 - id) / 100] ?? []
    },
  })
}

const query = (most: number): ShardUsageQuery => ({ filters: {}, by: ['tool'], most })
const toolsIn = (tally: ReadonlyMap<string, unknown>) =>
  [...tally.keys()].map((group) => JSON.parse(group).tool)

it('counts the latest, where there are more groups than may be', async () => {
  // A row may have records from before the time at which an earlier row was written.
  const count = counterOf([[950, 960], [850, 890], [750, 790, 795], [600]])
  const all = await count(query(8))
  expect([all.tally.size, all.since]).toEqual([8, 0])
  const some = await count(query(5))
  expect([toolsIn(some.tally), some.since]).toEqual([['0.0', '0.1', '1.0', '1.1'], 800])
  const late = counterOf([[950, 790], [890], [780, 781]])
  const cut = await late(query(4))
  expect([toolsIn(cut.tally), cut.since]).toEqual([['0.0', '1.0'], 800])
})

it('counts one query after the other, and rejects further ones where four wait', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const count = counterOf([[950]], promise)
  const four = Array.from({ length: 4 }, () => count(query(1)))
  await expect(count(query(1))).rejects.toThrow('too many')
  resolve()
  expect((await Promise.all(four)).map(({ tally }) => tally.size)).toEqual([1, 1, 1, 1])
  expect((await count(query(1))).tally.size).toBe(1)
})
