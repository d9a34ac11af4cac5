import { rmSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capnp } from '../../src/command/serve/workerd-config.ts'
import { deployment, ROOT } from '../../test/kit/repository.ts'
import { bundle } from './bundles.ts'
import { type Server, serve } from './workerd.ts'

/** A Worker of `contenders/` with objects of one class of the gate, in a workerd of its own. */
export interface ObjectWorker {
  readonly server: Server
  /** Has the Worker do a task. Throws where it fails. */
  ask<Result>(task: string, ...numbers: readonly number[]): Promise<Result>
  /** Ends the workerd; others may then use the disk. */
  stop(): Promise<void>
}

/** What a Worker of objects is started with. */
export interface ObjectWorkerOptions {
  /** The file of `contenders/`. */
  readonly module: string
  readonly binding: string
  /** The folder of the objects' storage, below the disk. */
  readonly key: string
  readonly disk: string
}

const SOCKET = 'objects'

/** Bundles the Worker and starts it. */
export const startObjects = async (options: ObjectWorkerOptions): Promise<ObjectWorker> => {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-bench-objects-'))
  const discard = () => {
    process.off('exit', discard)
    rmSync(directory, { recursive: true, force: true })
  }
  process.once('exit', discard)
  try {
    const server = await serve(await configure(directory, options), [SOCKET])
    return {
      server,
      async ask<Result>(task: string, ...numbers: readonly number[]) {
        const query = numbers.map((n) => `n=${n}`).join('&')
        const response = await fetch(`http://127.0.0.1:${server.ports[SOCKET]}/${task}?${query}`)
        if (!response.ok) throw new Error(`${task}: ${response.status}\n${server.errors()}`)
        return (await response.json()) as Result
      },
      async stop() {
        await server.stop()
        discard()
      },
    }
  } catch (error) {
    discard()
    throw error
  }
}

/** Writes the Worker and a configuration that has it alone; the path of the configuration. */
const configure = async (
  directory: string,
  { module, binding, key, disk }: ObjectWorkerOptions,
): Promise<string> => {
  const { compatibilityDate, compatibilityFlags, durableObjects } = deployment()
  const className = durableObjects[binding] ?? ''
  await bundle(
    join(ROOT, `dev/bench/contenders/${module}.ts`),
    join(directory, `${module}.js`),
    true,
  )
  const path = join(directory, 'config.capnp')
  const config = capnp({
    workers: [
      {
        name: SOCKET,
        modules: { 'worker.js': { path: `${module}.js` } },
        compatibilityDate,
        compatibilityFlags,
        bindings: [{ name: binding, durableObjectNamespace: className }],
        classes: { [className]: key },
      },
    ],
    externals: {},
    sockets: { [SOCKET]: { address: '127.0.0.1:0', service: SOCKET } },
    disk,
  })
  await writeFile(path, config)
  return path
}
