import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ObjectWorker, startObjects } from '../object-worker.ts'
import { processorTime } from './measure.ts'
import { type Growth, type Means, seriesOf, sizesFor } from './report.ts'

/** Records of a row, as the Worker of `contenders/audit-log.ts` writes them. */
const ROW = 250
/** Rows that are written at once. */
const TOGETHER = 500
/** Calls that are measured together. */
const CALLS = { append: 8, usual: 20, rare: 5 }

/** An object of the audit with more and more records. */
export const measureRecords = async (means: Means): Promise<Growth> => {
  const disk = mkdtempSync(join(tmpdir(), 'edgewarden-bench-audit-'))
  const discard = () => rmSync(disk, { recursive: true, force: true })
  process.once('exit', discard)
  const sizes = sizesFor(means, 100_000, [1_000, 10_000, 100_000, 1_000_000, 10_000_000])
  const all = (sizes.at(-1) ?? 0) / ROW
  const found = new Map<number, readonly number[]>()
  let rows = 0
  const start = () =>
    startObjects({ module: 'audit-log', binding: 'AUDIT_LOG', key: 'audit', disk })
  try {
    for (const size of sizes) {
      const writer = await start()
      while (rows < size / ROW) {
        // The oldest row is another one than those that follow.
        const count = rows === 0 ? 1 : Math.min(TOGETHER, size / ROW - rows)
        await writer.ask('fill', rows, count, all)
        rows += count
      }
      await writer.stop()
      // The object counts its rows when it starts.
      const reader = await start()
      try {
        found.set(size, await measureSome(reader))
      } finally {
        await reader.stop()
      }
      means.note(`${size} records`)
    }
  } finally {
    process.off('exit', discard)
    discard()
  }
  const lines = [
    { what: `storing ${ROW} records`, unit: 's' },
    { what: 'listing 25 records of an agent that calls often', unit: 's' },
    { what: 'listing the records of an agent that called once, long ago,', unit: 's' },
    { what: 'counting usage by agent', unit: 's' },
    { what: 'the start of the object', unit: 's' },
  ] as const
  return { name: 'records', of: 'records', series: seriesOf(lines, found) }
}

const measureSome = async ({ server, ask }: ObjectWorker): Promise<readonly number[]> => {
  const startTime = await processorTime(server, () => ask('bytes'))
  const timeOf = async (task: string, count: number) =>
    (await processorTime(server, () => ask(task, count))) / count
  await ask('append', 1)
  const { append, usual, rare } = CALLS
  const made = await timeOf('make-rows', append)
  const stored = await timeOf('append', append)
  if ((await ask('usual', 1)) !== 25) throw new Error('the agent that calls often is not found')
  if ((await ask('rare', 1)) !== 1) throw new Error('the agent of long ago is not found')
  const times = [await timeOf('usual', usual), await timeOf('rare', rare)]
  const counted = await processorTime(server, () => ask('usage'))
  return [Math.max(stored - made, 1e-6), ...times, counted, startTime]
}
