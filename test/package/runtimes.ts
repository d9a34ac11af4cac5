import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, realpath, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { capnp } from '../../src/command/serve/workerd-config.ts'
import { deployment } from '../kit/repository.ts'
import type { Members } from '../kit/signing.ts'
import { serve } from '../kit/workerd.ts'
import { hostEnv } from './host.ts'

/** A module's `fetch` that answers on a port. */
export interface Served {
  readonly port: number
  stop(): Promise<void>
}

/** Serves a module by the machine's Node. */
export const onNode = async (
  directory: string,
  module: string,
  { port = 0 }: { readonly port?: number } = {},
): Promise<Served> => {
  const adapter = fileURLToPath(new URL('serve.js', import.meta.url))
  const child = spawn('node', [adapter, module, String(port)], {
    cwd: directory,
    env: hostEnv(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  const lines = createInterface(child.stdout)
  const [line] = await Promise.race([once(lines, 'line'), ended])
  if (typeof line !== 'string') throw new Error(`node ended with ${line}`)
  return {
    port: Number(line),
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Bundles a module with what its project has installed, and serves it by plain workerd. */
export const onWorkerd = async (
  project: string,
  module: string,
  { vars = {}, port = 0 }: { readonly vars?: Members; readonly port?: number } = {},
): Promise<Served> => {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'edgewarden-package-')))
  const disk = join(directory, 'data')
  await mkdir(disk)
  await build({
    entryPoints: [module],
    absWorkingDir: project,
    outfile: join(directory, 'worker.js'),
    bundle: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    logLevel: 'error',
  })
  const config = capnp({
    workers: [
      {
        name: 'example',
        modules: { 'worker.js': { path: 'worker.js' } },
        compatibilityDate: deployment().compatibilityDate,
        bindings: Object.entries(vars).map(([name, json]) => ({ name, json })),
        classes: {},
      },
    ],
    externals: {},
    sockets: { example: { address: `127.0.0.1:${port}`, service: 'example' } },
    disk,
  })
  const path = join(directory, 'config.capnp')
  await writeFile(path, config)
  const workerd = await serve(path, ['example'], directory)
  return { port: workerd.ports.example ?? 0, stop: () => workerd.stop() }
}
