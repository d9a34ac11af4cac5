import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { measureApprovals } from './approval-time.ts'
import { openArena } from './arena.ts'
import { renderCosts } from './costs/costs-table.ts'
import { measureCosts } from './costs/measure.ts'
import { measureGrowth } from './growth/main.ts'
import { CONNECTIONS } from './kinds.ts'
import { machine, versions } from './machine.ts'
import { runMatch, type Series } from './match.ts'
import { type Options, readOptions, USAGE } from './options.ts'
import { measurePolicies } from './policy-size.ts'
import { bySelfTime, startProfile } from './profile.ts'
import { measureUploads } from './refused-uploads.ts'
import { linesOf, type Report } from './report.ts'
import { createLargeSet, type LargeSet } from './revocation-set.ts'
import { measureRevocations } from './revocation-size.ts'
import { renderRevocations } from './revocation-table.ts'
import {
  renderApprovals,
  renderParts,
  renderPolicyTable,
  renderTable,
  renderUploads,
} from './table.ts'
import { renderTargets } from './targets.ts'
import { createMint, type Mint } from './tokens.ts'

const LATEST = fileURLToPath(new URL('results/latest.json', import.meta.url))

const COSTS = fileURLToPath(new URL('results/costs.json', import.meta.url))

const print = (lines: readonly string[]) => console.log(lines.join('\n'))

/** Measures the rows side by side, and profiles the first that is no pass-through where that is asked for. */
const compete = async (
  mint: Mint,
  options: Options,
  disk: string | undefined,
): Promise<readonly Series[]> => {
  const { rows, profile, other } = options
  const watched = profile === undefined ? undefined : rows.find(({ name }) => name !== 'a')
  const arena = await openArena({
    rows,
    disk,
    other,
    keys: mint.keys,
    readable: watched !== undefined,
    flags: watched ? ['--inspector-addr=127.0.0.1:0'] : [],
  })
  let stopProfile: Awaited<ReturnType<typeof startProfile>> | undefined
  try {
    // A profiler works all the time, so workerd's processor time says nothing.
    const server = watched ? { ...arena.server, cpu: () => Number.NaN } : arena.server
    const series = await runMatch(server, mint, {
      ...options,
      note: (text) => console.error(text),
      async onWarm() {
        const { inspector } = arena.server.ports
        if (watched && inspector) stopProfile = await startProfile(inspector, watched.id)
      },
    })
    if (profile !== undefined && watched && stopProfile) {
      const found = await stopProfile()
      await writeFile(profile, JSON.stringify(found))
      print(bySelfTime(found, await arena.bundle(watched)))
    }
    return series
  } finally {
    await arena.close()
  }
}

/** The large set, where something asks for it. */
const setFor = async ({ rows, revocations }: Options): Promise<LargeSet | undefined> => {
  if (!revocations && !rows.some(({ largeSet }) => largeSet)) return undefined
  const set = await createLargeSet()
  console.error(`written: 1,000,000 revocations, in ${Math.round(set.filledIn)} s`)
  return set
}

/** What is measured with the large set, and it is removed. */
const measureWithSet = async (
  mint: Mint,
  options: Options,
): Promise<Pick<Report, 'lines' | 'revocations'>> => {
  const set = await setFor(options)
  try {
    const revocations = options.revocations && set ? await measureRevocations(set) : undefined
    await set?.stop()
    const series = options.rows.length > 0 ? await compete(mint, options, set?.disk) : []
    return { lines: linesOf(series), ...(revocations && { revocations }) }
  } finally {
    await set?.remove()
  }
}

const run = async (options: Options): Promise<void> => {
  const { growth, quick } = options
  if (growth.length > 0) {
    return measureGrowth(growth, { quick, note: (text) => console.error(text) })
  }
  const { rows, rounds, seconds, json } = options
  const mint = await createMint()
  const policy = options.policies ? measurePolicies(mint.keys) : []
  const report: Report = {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    versions: versions(),
    settings: { rounds, seconds, connections: CONNECTIONS },
    ...(await measureWithSet(mint, options)),
    policy,
    ...(options.approvals && { approvals: await measureApprovals() }),
    ...(options.uploads && { uploads: await measureUploads() }),
  }
  if (rows.length > 0) {
    print(['', renderTable(report), '', renderParts(report), '', renderTargets(report)])
  }
  if (options.policies) print(['', renderPolicyTable(report)])
  if (options.revocations) print(['', renderRevocations(report)])
  if (options.approvals) print(['', renderApprovals(report)])
  if (options.uploads) print(['', renderUploads(report)])
  if (json === undefined) return
  await mkdir(dirname(json), { recursive: true })
  await writeFile(json, `${JSON.stringify(report)}\n`)
  console.error(`saved ${json}`)
}

/** Measures what a request costs, and saves it unless the run is a quick one. */
const runCosts = async ({ quick, json = quick ? undefined : COSTS }: Options): Promise<void> => {
  const report = await measureCosts(quick, (text) => console.error(text))
  print(['', renderCosts(report)])
  if (json === undefined) return
  await writeFile(json, `${JSON.stringify(report)}\n`)
  console.error(`saved ${json}`)
}

// So that what was started and written is gone, whoever ends the run.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(1))
}

try {
  const options = readOptions(process.argv.slice(2), LATEST)
  if (options?.costs) await runCosts(options)
  else if (options) await run(options)
  else console.log(USAGE)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
