import type { Pulled } from '../contenders/revocation-copy.ts'
import { KINDS, type Kind } from '../kinds.ts'
import type { Row } from '../lineup.ts'
import { REVOKED_TOKEN } from '../policy.ts'
import { createLargeSet, type LargeSet } from '../revocation-set.ts'
import { median } from '../statistics.ts'
import type { Mint } from '../tokens.ts'
import { aboveFirst, arenaOf, dealt, gateRow, inSeconds, PASS, processorTime } from './measure.ts'
import { type Growth, type Means, seriesOf, sizesFor } from './report.ts'

/** What grows with the revocation set and its shards. */

const ROUNDS = 5
/** Known tokens: enough for each of 64 shards to have some. */
const TOKENS = 256

/** A GET that meets a strict rule, in a policy that is bounded else. */
const STRICT: Kind = {
  ...KINDS.get,
  path: '/v1/accounts/7f3a9c',
  rule: {
    match: 'GET /v1/accounts/{id}',
    scopes: ['documents:read'],
    revocation: 'strict',
  },
}

/** What requests of some rows take above the pass-through, in seconds. Rows of one id are one Worker, that of the last. */
const requestsTo = async (
  mint: Mint,
  means: Means,
  rows: readonly Row[],
  disk?: string,
): Promise<readonly number[]> => {
  const known = dealt(await mint.mint('ES256', TOKENS))
  const [revoked = { token: '' }] = await mint.mint('ES256', 1, REVOKED_TOKEN)
  const all = [PASS, ...rows]
  const workers = new Map(all.map((row) => [row.id, row]))
  const arena = await arenaOf(mint, [...workers.values()], disk)
  try {
    const cases = all.map((row) => ({ row, revoked, feed: () => known }))
    return (await aboveFirst(arena.server, cases, means)).map(inSeconds)
  } finally {
    await arena.close()
  }
}

const bounded = { consistency: 'bounded', max_staleness: '5s' } as const

/** The set with more and more entries. */
export const measureRevocations = async (mint: Mint, means: Means): Promise<Growth> => {
  const found = new Map<number, readonly number[]>()
  for (const entries of sizesFor(means, 10_000, [0, 1_000, 10_000, 100_000, 1_000_000])) {
    const set = await createLargeSet(entries)
    try {
      const first: number[] = []
      for (let round = 0; round < ROUNDS; round++) first.push((await set.ask<Pulled>('all')).ms)
      await set.stop()
      const row = gateRow('set', {
        gate: { revocation: { ...bounded, shards: 1 } },
        kind: STRICT,
        ...(entries > 0 && { largeSet: true }),
      })
      const requests = await requestsTo(mint, means, [{ ...row, kind: KINDS.get }, row], set.disk)
      found.set(entries, [...requests, median(first) / 1000])
    } finally {
      await set.remove()
    }
    means.note(`${entries} revocations`)
  }
  const lines = [
    { what: 'a request with a bounded rule', unit: 's' },
    { what: 'a request with a strict rule', unit: 's' },
    { what: 'the first pull of an isolate', unit: 's' },
  ] as const
  return { name: 'revocations', of: 'revocations', series: seriesOf(lines, found) }
}

/** Entries of the set that shards copy. */
const COPIED = 1_000
/** Pulls and revocations that are measured together. */
const TOGETHER = { pulls: 500, revoked: 50 }

/** The set with more and more shards, all in one process. */
export const measureShards = async (mint: Mint, means: Means): Promise<Growth> => {
  const found = new Map<number, readonly number[]>()
  for (const shards of sizesFor(means, 64, means.quick ? [1, 64] : [1, 4, 16, 64])) {
    const revocation = { ...bounded, consistency: 'strict', shards }
    const row = gateRow(`shards-${shards}`, { gate: { revocation } })
    const strict = await requestsTo(mint, means, [row])
    const set = await createLargeSet(COPIED)
    try {
      found.set(shards, [...strict, ...(await callsTo(set, shards))])
    } finally {
      await set.remove()
    }
    means.note(`${shards} shards`)
  }
  const lines = [
    { what: 'a request with a strict rule', unit: 's' },
    { what: 'a pull of an isolate', unit: 's' },
    { what: 'a revocation, written into all shards,', unit: 's' },
  ] as const
  return { name: 'shards', of: 'shards', series: seriesOf(lines, found) }
}

/** Processor time of a pull and of a revocation, in seconds. */
const callsTo = async (set: LargeSet, shards: number): Promise<readonly number[]> => {
  const { pulls, revoked } = TOGETHER
  await set.ask('enrol', shards)
  const timeOf = async (task: string, first: number, count: number) => {
    const once = () => set.ask(task, first, count)
    return (await processorTime(set.server, once)) / count
  }
  // The first time warms up.
  const times = [0, 1].map((time) => async () => [
    await timeOf('pulls', shards - 1, pulls),
    await timeOf('revoke', 10 * COPIED + time * revoked, revoked),
  ])
  let last: readonly number[] = []
  for (const one of times) last = await one()
  return last
}
