import { CONNECTIONS } from './kinds.ts'
import type { Row } from './lineup.ts'
import { load, type Measure } from './load.ts'
import { REVOKED_TOKEN } from './policy.ts'
import { ALGORITHMS, type Algorithm } from './public-key.ts'
import { rehearse } from './rehearsal.ts'
import { orderOf } from './statistics.ts'
import type { Mint } from './tokens.ts'
import type { Server } from './workerd.ts'

/** Who, how long and how often. */
export interface MatchOptions {
  readonly rows: readonly Row[]
  readonly rounds: number
  /** Of one measurement. */
  readonly seconds: number
  /** Of warming up one row, before the first round. */
  readonly warmup: number
  readonly note: (text: string) => void
  /** Awaited once, when everyone is warm. */
  readonly onWarm?: () => Promise<void>
}

/** All measures of one row, in the order of the rounds. */
export interface Series {
  readonly row: Row
  readonly measures: Measure[]
}

/** New tokens for warming up. */
const WARMING = 4_000
/** More new tokens than expected: a measurement whose tokens run out ends early. */
const SPARE = 2

type Feeds = ReadonlyMap<Algorithm, readonly (readonly string[])[]>

/** So many tokens for each connection. */
const mintFeeds = async (mint: Mint, rows: readonly Row[], each: number): Promise<Feeds> => {
  const feeds = new Map<Algorithm, string[][]>()
  for (const alg of ALGORITHMS.filter((alg) => rows.some((row) => algOf(row) === alg))) {
    const tokens = await mint.mint(alg, each * CONNECTIONS)
    feeds.set(
      alg,
      Array.from({ length: CONNECTIONS }, (_, i) => tokens.slice(i * each, (i + 1) * each)),
    )
  }
  return feeds
}

const algOf = ({ alg = 'ES256' }: Row): Algorithm => alg

/**
 * Rehearses, warms up and runs the rounds: in each, every row once, those of one group after another.
 * All rows share the new tokens of a round: each has an isolate, and so a memory, of its own. Throws when
 * one answers wrongly, before or during the load.
 */
export const runMatch = async (
  server: Server,
  mint: Mint,
  { rows, rounds, seconds, warmup, note, onWarm }: MatchOptions,
): Promise<readonly Series[]> => {
  const bodies = new Map<Row, string>()
  for (const row of rows) {
    const [good = ''] = await mint.mint(algOf(row), 1)
    const [revoked = ''] = await mint.mint(algOf(row), 1, REVOKED_TOKEN)
    bodies.set(row, await rehearse(row, server.ports[row.id] ?? 0, { good, revoked }))
  }
  const newcomers = rows.filter(({ newTokens }) => newTokens)
  const repeated = await mintFeeds(mint, rows, 1)
  const measure = (row: Row, fresh: Feeds, duration: number) =>
    load(server, {
      row,
      tokens: (row.newTokens ? fresh : repeated).get(algOf(row)) ?? [],
      seconds: duration,
      expectBody: bodies.get(row) ?? '',
    })
  let fastest = 0
  const warming = await mintFeeds(mint, newcomers, Math.ceil(WARMING / CONNECTIONS))
  for (const row of rows) {
    const { rate } = await measure(row, warming, warmup)
    if (row.newTokens) fastest = Math.max(fastest, rate)
  }
  note('warm')
  await onWarm?.()
  const each = Math.ceil((fastest * seconds * SPARE) / CONNECTIONS) + 2
  const groups = [...Map.groupBy(rows, ({ group }) => group).values()]
  const all = new Map(rows.map((row) => [row, [] as Measure[]]))
  for (let round = 0; round < rounds; round++) {
    const fresh = await mintFeeds(mint, newcomers, each)
    for (const row of orderOf(groups, round).flatMap((group) => orderOf(group, round))) {
      all.get(row)?.push(await measure(row, fresh, seconds))
    }
    note(`round ${round + 1} of ${rounds}`)
  }
  return [...all].map(([row, measures]) => ({ row, measures }))
}
