import { CONNECTIONS } from './kinds.ts'
import { isSentOnce, type Row } from './lineup.ts'
import { load, type Measure } from './load.ts'
import { HOST, RESOURCE, REVOKED_TOKEN } from './policy.ts'
import type { Algorithm } from './public-key.ts'
import { rehearse } from './rehearsal.ts'
import { orderOf } from './statistics.ts'
import type { Credential, Mint } from './tokens.ts'
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

const NONE: Credential = { token: '' }

type Feed = readonly (readonly Credential[])[]
/** By algorithm of the token, or URL of the proof. */
type Feeds = ReadonlyMap<string, Feed>

/** So many credentials for each connection. */
const mintFeeds = async (mint: Mint, rows: readonly Row[], each: number): Promise<Feeds> => {
  const feeds = new Map<string, Feed>()
  for (const row of rows) {
    const name = feedOf(row)
    if (feeds.has(name)) continue
    if (row.kind.hasProof) {
      feeds.set(name, await mint.prove(CONNECTIONS, each, name))
      continue
    }
    const tokens = await mint.mint(algOf(row), each * CONNECTIONS)
    const lists = Array.from({ length: CONNECTIONS }, (_, i) => i * each)
    feeds.set(
      name,
      lists.map((at) => tokens.slice(at, at + each)),
    )
  }
  return feeds
}

const feedOf = (row: Row): string =>
  row.kind.hasProof ? `${row.httpProofs ? `http://${HOST}` : RESOURCE}${row.kind.path}` : algOf(row)

const algOf = ({ alg = 'ES256' }: Row): Algorithm => alg

/**
 * Rehearses, warms up and runs the rounds: in each, every row once, those of one group after another.
 * The rows of a group share the new tokens of a round: each has an isolate, and so a memory, of its own. Throws when
 * one answers wrongly, before or during the load.
 */
export const runMatch = async (
  server: Server,
  mint: Mint,
  { rows, rounds, seconds, warmup, note, onWarm }: MatchOptions,
): Promise<readonly Series[]> => {
  const bodies = new Map<Row, string>()
  for (const row of rows) {
    const [good = NONE] = (await mintFeeds(mint, [row], 1)).get(feedOf(row))?.[0] ?? []
    const [revoked = NONE] = await mint.mint(algOf(row), 1, REVOKED_TOKEN)
    bodies.set(row, await rehearse(row, server.ports[row.id] ?? 0, { good, revoked }))
  }
  const repeated = await mintFeeds(mint, rows, 1)
  const feedFor = (row: Row, fresh: Feeds) => (isSentOnce(row) ? fresh : repeated).get(feedOf(row))
  const measure = (row: Row, fresh: Feeds, duration: number) =>
    load(server, {
      row,
      credentials: feedFor(row, fresh) ?? [],
      seconds: duration,
      expectBody: bodies.get(row) ?? '',
    })
  let fastest = 0
  for (const row of rows) {
    // For each anew: a proof is good for a minute only.
    const own = isSentOnce(row) ? [row] : []
    const warming = await mintFeeds(mint, own, Math.ceil(WARMING / CONNECTIONS))
    const { rate } = await measure(row, warming, warmup)
    if (isSentOnce(row)) fastest = Math.max(fastest, rate)
  }
  note('warm')
  await onWarm?.()
  const each = Math.ceil((fastest * seconds * SPARE) / CONNECTIONS) + 2
  const groups = [...Map.groupBy(rows, ({ group }) => group).values()]
  const all = new Map(rows.map((row) => [row, [] as Measure[]]))
  for (let round = 0; round < rounds; round++) {
    for (const group of orderOf(groups, round)) {
      // For each group anew: a proof is good for a minute, and a round takes longer.
      const fresh = await mintFeeds(mint, group.filter(isSentOnce), each)
      for (const row of orderOf(group, round)) {
        all.get(row)?.push(await measure(row, fresh, seconds))
      }
    }
    note(`round ${round + 1} of ${rounds}`)
  }
  return [...all].map(([row, measures]) => ({ row, measures }))
}
