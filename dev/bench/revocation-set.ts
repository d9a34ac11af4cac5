import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capnp } from '../../src/command/serve/workerd-config.ts'
import { deployment, ROOT } from '../../test/kit/repository.ts'
import { bundle } from './bundles.ts'
import { serve } from './workerd.ts'

/** Entries of the large set. One of them revokes the token that is named in `policy.ts`. */
const MILLION = 1_000_000

/** The folder of storage of the large set, below the disk it was made on. */
export const SET_KEY = 'million'

/** Entries written at once: their list is one value of a statement, which has 2 MB at most. */
const BATCH = 10_000

/** The large set, in a workerd of its own until that is stopped, then on a disk for others. */
export interface LargeSet {
  readonly entries: number
  readonly disk: string
  /** Seconds it took to write it. */
  readonly filledIn: number
  /** Has the Worker of `contenders/revocation-set.ts` do a task. Throws where it fails. */
  ask<Result>(task: string, ...numbers: readonly number[]): Promise<Result>
  /** Ends the workerd; others may then use the disk. */
  stop(): Promise<void>
  /** Ends it, and removes the disk. */
  remove(): Promise<void>
}

const SOCKET = 'set'

/** Starts the object in a workerd of its own, and fills it. */
export const createLargeSet = async (entries: number = MILLION): Promise<LargeSet> => {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-bench-set-'))
  const discard = () => rmSync(directory, { recursive: true, force: true })
  process.once('exit', discard)
  const disk = join(directory, 'data')
  await mkdir(disk)
  const server = await serve(await configure(directory, disk), [SOCKET])
  const stop = async () => {
    await server.stop()
  }
  const remove = async () => {
    await stop()
    process.off('exit', discard)
    discard()
  }
  const ask = async <Result>(task: string, ...numbers: readonly number[]): Promise<Result> => {
    const query = numbers.map((n) => `n=${n}`).join('&')
    const response = await fetch(`http://127.0.0.1:${server.ports[SOCKET]}/${task}?${query}`)
    if (!response.ok) throw new Error(`${task}: ${response.status}\n${server.errors()}`)
    return (await response.json()) as Result
  }
  try {
    const begin = performance.now()
    // The first batch brings the entry that is there for good.
    for (let from = 0; from < entries - 1; from += BATCH) {
      await ask('fill', from, Math.min(BATCH, entries - 1 - from))
    }
    return { entries, disk, filledIn: (performance.now() - begin) / 1000, ask, stop, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** Writes a configuration with the one Worker, and the Worker; the path of the configuration. */
const configure = async (directory: string, disk: string): Promise<string> => {
  const { compatibilityDate, compatibilityFlags, durableObjects } = deployment()
  const className = durableObjects.REVOCATIONS ?? ''
  const module = 'revocation-set.js'
  await bundle(join(ROOT, 'dev/bench/contenders/revocation-set.ts'), join(directory, module), true)
  const path = join(directory, 'config.capnp')
  const config = capnp({
    workers: [
      {
        name: SOCKET,
        modules: { 'worker.js': { path: module } },
        compatibilityDate,
        compatibilityFlags,
        bindings: [{ name: 'REVOCATIONS', durableObjectNamespace: className }],
        classes: { [className]: SET_KEY },
      },
    ],
    externals: {},
    sockets: { [SOCKET]: { address: '127.0.0.1:0', service: SOCKET } },
    disk,
  })
  await writeFile(path, config)
  return path
}
