import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openArena } from './arena.ts'
import { type Contender, PASS_THROUGH } from './lineup.ts'
import { CONNECTIONS } from './load.ts'
import { machine, versions } from './machine.ts'
import { runMatch, type Series } from './match.ts'
import { type Options, readOptions, USAGE } from './options.ts'
import { measurePolicies } from './policy-size.ts'
import { bySelfTime, startProfile } from './profile.ts'
import { linesOf, type Report } from './report.ts'
import { createLargeSet, type LargeSet } from './revocation-set.ts'
import { measureRevocations } from './revocation-size.ts'
import { renderRevocations } from './revocation-table.ts'
import { type StepReport, stepsOf, TURN } from './steps.ts'
import { renderPolicyTable, renderSteps, renderTable } from './table.ts'
import { targetLines, trustLines } from './targets.ts'
import { createMint, type Mint } from './tokens.ts'

const LATEST = fileURLToPath(new URL('results/latest.json', import.meta.url))

const print = (lines: readonly string[]) => console.log(lines.join('\n'))

/** Measures some contenders side by side, and profiles the one that is asked for if it takes part. */
const compete = async (
  mint: Mint,
  contenders: readonly Contender[],
  options: Options & { readonly disk?: string | undefined },
): Promise<readonly Series[]> => {
  const subject = options.profile === undefined ? undefined : profiled(options)
  const watched = contenders.find((one) => one === subject)
  const arena = await openArena({
    ...options,
    contenders,
    keys: mint.keys,
    readable: watched !== undefined,
    flags: watched ? ['--inspector-addr=127.0.0.1:0'] : [],
  })
  let stopProfile: Awaited<ReturnType<typeof startProfile>> | undefined
  try {
    const series = await runMatch(arena.server, mint, {
      ...options,
      contenders,
      note: (text) => console.error(text),
      async onWarm() {
        const { inspector } = arena.server.ports
        if (watched && inspector) stopProfile = await startProfile(inspector, watched.id)
      },
    })
    if (options.profile !== undefined && watched && stopProfile) {
      const found = await stopProfile()
      await writeFile(options.profile, JSON.stringify(found))
      print(bySelfTime(found, await arena.bundle(watched)))
    }
    return series
  } finally {
    await arena.close()
  }
}

const profiled = ({ contenders, steps }: Options): Contender | undefined =>
  contenders[0] ?? steps[0]

/** The same time for each as in the comparison, in shorter turns. */
const turnsIn = ({ rounds, seconds }: Options) => ({
  rounds: Math.ceil((rounds * seconds) / TURN),
  seconds: TURN,
})

const measureSteps = async (mint: Mint, options: Options): Promise<StepReport> => {
  const { steps, algorithms } = options
  if (steps.length === 0) return { lines: [] }
  const series = await compete(mint, [PASS_THROUGH, ...steps], {
    ...options,
    ...turnsIn(options),
    algorithms: algorithms.slice(0, 1),
  })
  return stepsOf(series, PASS_THROUGH.id)
}

/** The large set, where something asks for it. */
const setFor = async ({ contenders, revocations }: Options): Promise<LargeSet | undefined> => {
  if (!revocations && !contenders.some(({ largeSet }) => largeSet)) return undefined
  const set = await createLargeSet()
  console.error(`written: 1,000,000 revocations, in ${Math.round(set.filledIn)} s`)
  return set
}

/** What is measured with the large set, and it is removed. */
const measureWithSet = async (
  mint: Mint,
  options: Options,
): Promise<Pick<Report, 'lines' | 'revocations'>> => {
  const { contenders } = options
  const set = await setFor(options)
  try {
    const revocations = options.revocations && set ? await measureRevocations(set) : undefined
    await set?.stop()
    const series =
      contenders.length > 0 ? await compete(mint, contenders, { ...options, disk: set?.disk }) : []
    return { lines: linesOf(series), ...(revocations && { revocations }) }
  } finally {
    await set?.remove()
  }
}

/** Few take part, so that each can have many. */
const shortRoundsIn = ({ rounds, seconds }: Options) => ({
  rounds: 4 * rounds * seconds,
  seconds: 1,
})

const measureOverHttp = async (mint: Mint, options: Options): Promise<Pick<Report, 'network'>> => {
  const { network, algorithms } = options
  if (network.length === 0) return {}
  const series = await compete(mint, network, {
    ...options,
    ...shortRoundsIn(options),
    algorithms: algorithms.slice(0, 1),
    origin: 'loopback',
  })
  return { network: linesOf(series) }
}

const run = async (options: Options): Promise<void> => {
  const { contenders, steps, network, algorithms, rounds, seconds, origin, json } = options
  const mint = await createMint()
  const lengths = algorithms.map(
    async (alg) => [alg, (await mint.mint(alg, 1))[0]?.length] as const,
  )
  const report: Report = {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    versions: versions(),
    settings: {
      rounds,
      seconds,
      ...(steps.length > 0 && { turns: turnsIn(options) }),
      ...(network.length > 0 && { overHttp: shortRoundsIn(options) }),
      connections: CONNECTIONS,
      origin,
      stdout: '/dev/null',
      tokens: Object.fromEntries(await Promise.all(lengths)),
    },
    ...(await measureWithSet(mint, options)),
    ...(await measureOverHttp(mint, options)),
    steps: await measureSteps(mint, options),
    policy: options.policies ? measurePolicies(mint.keys) : [],
  }
  if (contenders.length > 0) {
    print(['', renderTable(report), '', ...trustLines(report), '', ...targetLines(report)])
  }
  if (steps.length > 0) print(['', renderSteps(report)])
  if (options.policies) print(['', renderPolicyTable(report)])
  if (options.revocations) print(['', renderRevocations(report)])
  if (json === undefined) return
  await mkdir(dirname(json), { recursive: true })
  await writeFile(json, `${JSON.stringify(report, undefined, 2)}\n`)
  console.error(`saved ${json}`)
}

// So that what was started and written is gone, whoever ends the run.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(1))
}

try {
  const options = readOptions(process.argv.slice(2), LATEST)
  if (options) await run(options)
  else console.log(USAGE)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
