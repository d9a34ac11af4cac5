import { readdirSync, rmSync, statSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CONNECTIONS } from '../kinds.ts'
import { load } from '../load.ts'
import { rehearse } from '../rehearsal.ts'
import type { Mint } from '../tokens.ts'
import { aboveFirst, arenaOf, dealt, gateRow, inSeconds, PASS } from './measure.ts'
import { type Growth, type Means, seriesOf, sizesFor } from './report.ts'

/** Tokens by which a connection is ahead of where it began in the round before. */
const STEP = 300
/** New tokens of one agent, for warming up. */
const WARMING = 4_000
/** Milliseconds after which the audit tells the registry what it has seen. */
const TOLD = 4_000

const bytesOf = (folder: string): number =>
  readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)

/** More and more agents, each with a token of its own, that call in turn. */
export const measureAgents = async (mint: Mint, means: Means): Promise<Growth> => {
  const found = new Map<number, readonly number[]>()
  for (const size of sizesFor(means, 1_000, [10, 1_000, 10_000, 100_000])) {
    found.set(size, await measureSome(mint, means, size))
    means.note(`${size} agents`)
  }
  const lines = [
    { what: 'a request of a known agent', unit: 's' },
    { what: 'the first request of an agent', unit: 's' },
    { what: 'the whole process', unit: 'B' },
    { what: "the registry's object in storage", unit: 'B' },
  ] as const
  return { name: 'agents', of: 'agents', series: seriesOf(lines, found) }
}

const measureSome = async (mint: Mint, means: Means, size: number): Promise<readonly number[]> => {
  const row = gateRow('agents', { vars: { AUDIT: { rows_a_day: 'unlimited' } } })
  const feed = dealt(
    await mint.mintEach(size, (i) => ({ client_id: `agent-${i}`, sub: `agent-${i}@acme.example` })),
  )
  const disk = await mkdtemp(join(tmpdir(), 'edgewarden-bench-agents-'))
  const rows = [PASS, row]
  const arena = await arenaOf(mint, rows, disk)
  try {
    const { server } = arena
    const good = feed[0]?.[0] ?? { token: '' }
    const expectBody = await rehearse(row, server.ports[row.id] ?? 0, { good, revoked: good })
    const once = { ...row, newTokens: true } as const
    const warming = dealt(await mint.mintEach(WARMING, () => ({ client_id: 'agent-0' })))
    await load(server, { row: once, credentials: warming, seconds: 5, expectBody, later: TOLD })
    // Each agent calls once.
    const all = { credentials: feed, seconds: Number.POSITIVE_INFINITY, expectBody, later: TOLD }
    const connections = Math.min(size, CONNECTIONS)
    const credentials = feed.slice(0, connections).map((list) => [good, ...list])
    const first = await load(server, { ...all, row: once, credentials })
    const turned = (round: number) =>
      feed.map((list) => {
        const start = ((round + 2) * STEP) % list.length
        return [...list.slice(start), ...list.slice(0, start)]
      })
    const cases = rows.map((one) => ({ row: one, feed: turned }))
    const [again = 0] = await aboveFirst(server, cases, means)
    const registry = join(disk, `${row.id}AgentRegistry`)
    return [inSeconds(again), first.cpu / 1e6, server.memory(), bytesOf(registry)]
  } finally {
    await arena.close()
    rmSync(disk, { recursive: true, force: true })
  }
}
