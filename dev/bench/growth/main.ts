import { writeFileSync } from 'node:fs'
import { machine, versions } from '../machine.ts'
import { createMint, type Mint } from '../tokens.ts'
import { measureAgents } from './agents.ts'
import { measureIssuers, measureRules } from './policies.ts'
import { measureRecords } from './records.ts'
import { GROWTH, type Growth, type GrowthReport, lastGrowth, type Means } from './report.ts'
import { measureRevocations, measureShards } from './sets.ts'
import { measureStreams } from './streams.ts'
import { sentences } from './words.ts'

/** All plots, by name, in the order of the page. */
const PARTS: Readonly<Record<string, (mint: Mint, means: Means) => Promise<Growth>>> = {
  rules: measureRules,
  issuers: measureIssuers,
  revocations: measureRevocations,
  agents: measureAgents,
  shards: measureShards,
  streams: measureStreams,
  records: (_mint, means) => measureRecords(means),
}

/** The names of all plots. */
export const PART_NAMES = Object.keys(PARTS)

/**
 * Measures the named plots, and prints what they show. Unless it is quick, saves them, beside plots of a former run that
 * are not named, and writes all of them into the docs.
 */
export const measureGrowth = async (
  names: readonly string[],
  { quick, note }: Means,
): Promise<void> => {
  const mint = await createMint()
  for (const name of names) {
    const begin = performance.now()
    const growth = await PARTS[name]?.(mint, { quick, note })
    note(`${name}: ${Math.round((performance.now() - begin) / 1000)} s`)
    if (!growth) continue
    console.log(`\n${sentences(growth)}`)
    if (!quick) save(growth)
  }
  if (quick) return
  // With all commands, which other runs do not need.
  const { writeGenerated } = await import('../../scripts/docs.ts')
  writeGenerated((text) => text.endsWith('written') && note(text))
}

/** Saves a plot in place of that of a former run. */
const save = (growth: Growth): void => {
  const plots = [...lastGrowth().plots.filter(({ name }) => name !== growth.name), growth]
  const place = ({ name }: Growth) => PART_NAMES.indexOf(name)
  plots.sort((a, b) => place(a) - place(b))
  const date = new Date().toISOString().slice(0, 10)
  const report: GrowthReport = { date, machine: machine(), versions: versions(), plots }
  writeFileSync(GROWTH, `${JSON.stringify(report)}\n`)
}
