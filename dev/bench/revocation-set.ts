import { rmSync } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ObjectWorker, startObjects } from './object-worker.ts'

/** Entries of the large set. One of them revokes the token that is named in `policy.ts`. */
const MILLION = 1_000_000

/** The folder of storage of the large set, below the disk it was made on. */
export const SET_KEY = 'million'

/** Entries written at once: their list is one value of a statement, which has 2 MB at most. */
const BATCH = 10_000

/** The large set, in a workerd of its own until that is stopped, then on a disk for others. */
export interface LargeSet extends ObjectWorker {
  readonly entries: number
  readonly disk: string
  /** Seconds it took to write it. */
  readonly filledIn: number
  /** Ends the workerd, and removes the disk. */
  remove(): Promise<void>
}

/** Starts the object in a workerd of its own, and fills it. */
export const createLargeSet = async (entries: number = MILLION): Promise<LargeSet> => {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-bench-set-'))
  const discard = () => rmSync(directory, { recursive: true, force: true })
  process.once('exit', discard)
  const disk = join(directory, 'data')
  await mkdir(disk)
  const module = 'revocation-set'
  const objects = await startObjects({ module, binding: 'REVOCATIONS', key: SET_KEY, disk })
  const remove = async () => {
    await objects.stop()
    process.off('exit', discard)
    discard()
  }
  try {
    const begin = performance.now()
    // The first batch brings the entry that is there for good.
    for (let from = 0; from < entries - 1; from += BATCH) {
      await objects.ask('fill', from, Math.min(BATCH, entries - 1 - from))
    }
    return { ...objects, entries, disk, filledIn: (performance.now() - begin) / 1000, remove }
  } catch (error) {
    await remove()
    throw error
  }
}
