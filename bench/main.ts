import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openArena } from './arena.ts'
import { CONNECTIONS } from './load.ts'
import { machine, versions } from './machine.ts'
import { runMatch, type Series } from './match.ts'
import { type Options, readOptions, USAGE } from './options.ts'
import { measurePolicies } from './policy-size.ts'
import { bySelfTime, startProfile } from './profile.ts'
import { linesOf, type Report } from './report.ts'
import { renderPolicyTable, renderTable } from './table.ts'
import { targetLines, trustLines } from './targets.ts'
import { createMint, type Mint } from './tokens.ts'

const LATEST = fileURLToPath(new URL('results/latest.json', import.meta.url))

const print = (lines: readonly string[]) => console.log(lines.join('\n'))

const compete = async (mint: Mint, options: Options): Promise<readonly Series[]> => {
  const { profile, contenders } = options
  const arena = await openArena({
    ...options,
    keys: mint.keys,
    readable: profile !== undefined,
    flags: profile === undefined ? [] : ['--inspector-addr=127.0.0.1:0'],
  })
  const [first] = contenders
  let stopProfile: Awaited<ReturnType<typeof startProfile>> | undefined
  try {
    const series = await runMatch(arena.server, mint, {
      ...options,
      note: (text) => console.error(text),
      async onWarm() {
        const { inspector } = arena.server.ports
        if (first && inspector) stopProfile = await startProfile(inspector, first.id)
      },
    })
    if (profile !== undefined && first && stopProfile) {
      const found = await stopProfile()
      await writeFile(profile, JSON.stringify(found))
      print(bySelfTime(found, await arena.bundle(first)))
    }
    return series
  } finally {
    await arena.close()
  }
}

const run = async (options: Options): Promise<void> => {
  const { algorithms, rounds, seconds, origin, json } = options
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
      connections: CONNECTIONS,
      origin,
      stdout: '/dev/null',
      tokens: Object.fromEntries(await Promise.all(lengths)),
    },
    lines: linesOf(await compete(mint, options)),
    policy: options.policies ? measurePolicies(mint.keys) : [],
  }
  print(['', renderTable(report), '', ...trustLines(report), '', ...targetLines(report)])
  if (options.policies) print(['', renderPolicyTable(report)])
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
