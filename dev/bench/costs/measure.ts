import { mkdtemp, rm } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { build } from '../../../test/kit/bundle.ts'
import { bundleCounting, type Counts, countingAt } from '../../../test/kit/counting.ts'
import { ask, idle } from '../load.ts'
import { machine, versions } from '../machine.ts'
import { RESOURCE } from '../policy.ts'
import { rounded } from '../statistics.ts'
import { type Credential, createMint, type Mint } from '../tokens.ts'
import { CONFIGURATIONS, type Configuration } from './configurations.ts'
import type { CostLine, CostsReport, Uses } from './costs-report.ts'
import { type CostGate, LOCAL_ISSUER, type Outside, startCostGate, startOutside } from './gate.ts'

/** Requests before the counted ones, and before the timed ones. */
const WARMING = 100
/** Requests a second to each gate. */
const RATE = 50
/** Longer than records wait for others. */
const SETTLED_MS = 2_000

interface Amounts {
  readonly counted: number
  readonly timed: number
  readonly started: number
}
const USUAL: Amounts = { counted: 2_000, timed: 400, started: 20 }
const QUICK: Amounts = { counted: 200, timed: 50, started: 3 }

/** What all measurements share. */
interface Run extends Amounts {
  readonly mint: Mint
  readonly outside: Outside
  /** Paths of the Worker as it is deployed, and of the one that counts. */
  readonly deployed: string
  readonly counting: string
}

/** Counts and times the requests of each configuration. Throws if one is answered otherwise than 200. */
export const measureCosts = async (
  isQuick: boolean,
  note: (text: string) => void,
): Promise<CostsReport> => {
  const amounts = isQuick ? QUICK : USUAL
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-costs-'))
  const mint = await createMint(LOCAL_ISSUER)
  const outside = await startOutside(mint.keys)
  try {
    const deployed = await build(join(directory, 'wrangler'))
    const counting = await bundleCounting(deployed, directory)
    const run = { ...amounts, mint, outside, deployed, counting }
    const counts = await Promise.all(CONFIGURATIONS.map((one) => countUses(one, run)))
    note('counted')
    const lines: CostLine[] = []
    for (const [index, one] of CONFIGURATIONS.entries()) {
      const { id, title } = one
      const uses = counts[index] as Pick<CostLine, 'warm' | 'first'>
      const { warm, cold } = await timeBoth(one, run)
      const { p50, p99 } = timesOf(cold)
      lines.push({ id, title, ...uses, cpu: timesOf(warm), cold: { p50, p99 } })
      note(`timed ${id}`)
    }
    const date = new Date().toISOString().slice(0, 10)
    return { date, machine: machine(), versions: versions(), ...amounts, rate: RATE, lines }
  } finally {
    outside.close()
    await rm(directory, { recursive: true, force: true })
  }
}

/** So many credentials, each for one request. */
const credentialsFor = async (
  { kind, newTokens }: Configuration,
  mint: Mint,
  count: number,
): Promise<readonly Credential[]> => {
  if (kind.hasProof) return (await mint.prove(1, count, RESOURCE + kind.path)).flat()
  const tokens = await mint.mint('ES256', newTokens ? count : 1)
  return newTokens ? tokens : Array.from({ length: count }, () => tokens[0] as Credential)
}

/** Sends requests over a connection to each isolate. */
const createSender = ({ server }: CostGate, { id, kind }: Configuration) => {
  const agent = new Agent({ keepAlive: true })
  return {
    async send(port: number, credential: Credential | undefined): Promise<void> {
      const text = await ask({ agent, host: '127.0.0.1', port, path: kind.path }, kind, credential)
      if (!text.startsWith('{')) throw new Error(`${id} answers ${text}\n${server.errors()}`)
    },
    close: () => agent.destroy(),
  }
}
type Send = ReturnType<typeof createSender>['send']

const withGate = async <Value>(
  configuration: Configuration,
  gate: CostGate,
  use: (gate: CostGate, send: Send) => Promise<Value>,
): Promise<Value> => {
  const { send, close } = createSender(gate, configuration)
  try {
    return await use(gate, send)
  } finally {
    close()
    await gate.stop()
  }
}

const countUses = async (
  configuration: Configuration,
  { counted, mint, outside, counting }: Run,
): Promise<Pick<CostLine, 'warm' | 'first'>> => {
  const gate = await startCostGate(configuration, outside, counting)
  return withGate(configuration, gate, async ({ port }, send) => {
    const at = countingAt(port)
    const tokens = await credentialsFor(configuration, mint, counted + WARMING)
    const usesFor = async (count: number) => {
      await wait(SETTLED_MS)
      return usesOf(await at.counts(), count, outside)
    }
    await send(port, tokens[0])
    const first = await usesFor(1)
    for (let i = 1; i < WARMING; i++) await send(port, tokens[i])
    await wait(SETTLED_MS)
    await at.reset()
    const began = performance.now()
    for (let i = 0; i < counted; i++) {
      await send(port, tokens[WARMING + i])
      const early = began + ((i + 1) * 1_000) / RATE - performance.now()
      if (early > 0) await wait(early)
    }
    return { first, warm: await usesFor(counted) }
  })
}

const usesOf = ({ calls, rows }: Counts, count: number, { port }: Outside): Uses => {
  const sum = (fits: (name: string) => boolean) => {
    const fitting = Object.entries(calls).filter(([name]) => fits(name))
    return rounded(4, fitting.reduce((all, [, times]) => all + times, 0) / count)
  }
  const isOfObject = (name: string) => name.includes(': ')
  const bindings = new Set(
    Object.keys(calls).flatMap((name) => /^(?:\w+: )?([A-Z_]{3,})\./.exec(name)?.[1] ?? []),
  )
  const issuer = sum((name) => name.includes('fetch') && name.endsWith('/jwks'))
  const rowsOf = (member: 'read' | 'written') =>
    rounded(4, Object.values(rows).reduce((all, one) => all + one[member], 0) / count)
  return {
    subrequests: sum((name) => !isOfObject(name) && name !== `fetch 127.0.0.1:${port}/jwks`),
    kvReads: sum((name) => /\bKV\.get/.test(name)),
    kvWrites: sum((name) => /\bKV\.put/.test(name)),
    issuer,
    objects: Object.fromEntries(
      [...bindings]
        .sort()
        .map((binding) => [binding, sum((name) => new RegExp(`(?:^|: )${binding}\\.`).test(name))]),
    ),
    rowsRead: rowsOf('read'),
    rowsWritten: rowsOf('written'),
  }
}

/**
 * Milliseconds of processor time: of each request to a warm isolate, one at a time, with what goes on behind requests;
 * and of the first request of each other isolate, while the objects are warm.
 */
const timeBoth = async (
  configuration: Configuration,
  { timed, started, mint, outside, deployed }: Run,
): Promise<Readonly<Record<'warm' | 'cold', readonly number[]>>> => {
  const gate = await startCostGate(configuration, outside, deployed, started)
  return withGate(configuration, gate, async ({ server, port, others }, send) => {
    const tokens = await credentialsFor(configuration, mint, 5 * WARMING + timed + started)
    let next = 0
    const timesAt = async (ports: readonly number[]) => {
      const times: number[] = []
      let before = await idle(server)
      for (const one of ports) {
        await send(one, tokens[next++])
        const now = await idle(server)
        times.push((now - before) * 1_000)
        before = now
      }
      return times
    }
    for (; next < 5 * WARMING; next++) await send(port, tokens[next])
    const warm = await timesAt(Array.from({ length: timed }, () => port))
    return { warm, cold: await timesAt(others) }
  })
}

const timesOf = (times: readonly number[]) => {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (part: number) =>
    rounded(3, sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN)
  const mean = rounded(3, times.reduce((sum, time) => sum + time, 0) / times.length)
  return { mean, p50: at(0.5), p99: at(0.99) }
}
