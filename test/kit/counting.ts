import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { request } from './request.ts'

/** What a Worker of {@link bundleCounting} has called and stored since it was reset. */
export interface Counts {
  /** `BINDING.method`, `KV.method` or `fetch HOST/PATH`, behind `CLASS: ` if an object calls → how often. */
  readonly calls: Readonly<Record<string, number>>
  /** Class of an object → rows of its storage, as they are billed. */
  readonly rows: Readonly<Record<string, { readonly read: number; readonly written: number }>>
}

/** How calls of a binding go: they fail, get no answer, or begin after so many milliseconds. */
export type Way = 'fails' | 'hangs' | number

/** Counts and faults of one isolate, and of the objects in it. */
export interface Counting {
  counts(): Promise<Counts>
  reset(): Promise<void>
  /** Without a way the calls of the binding go as usual. */
  behave(binding: string, way?: Way): Promise<void>
  /** Puts the clock of the isolate forward. */
  forward(ms: number): Promise<void>
  /** Has its timers take so many times longer, so that a busy machine is no outage. */
  stretch(times: number): Promise<void>
}

/** Bundles a built Worker with code that counts its calls; `directory` gets the file, and its path is returned. */
export async function bundleCounting(worker: string, directory: string): Promise<string> {
  const outfile = join(directory, 'counting-worker.js')
  await build({
    entryPoints: [fileURLToPath(new URL('counting/worker.js', import.meta.url))],
    plugins: [
      {
        name: 'built-worker',
        setup: ({ onResolve }) =>
          onResolve({ filter: /built-worker\.js$/ }, () => ({ path: resolve(worker) })),
      },
    ],
    bundle: true,
    format: 'esm',
    target: 'es2024',
    external: ['cloudflare:*', 'node:*'],
    outfile,
    logLevel: 'error',
  })
  return outfile
}

/** Speaks to such a Worker on its port. */
export function countingAt(port: number): Counting {
  const call = async (command: string, given: object = {}) => {
    const body = JSON.stringify(given)
    const response = await request(port, `/.counting/${command}`, { method: 'POST', body })
    if (response.status !== 200) throw new Error(`${command}: ${await response.text()}`)
    return response.json()
  }
  return {
    counts: async () => (await call('counts')) as Counts,
    reset: async () => void (await call('reset')),
    behave: async (binding, way) => void (await call('behave', { binding, way })),
    forward: async (ms) => void (await call('forward', { ms })),
    stretch: async (times) => void (await call('stretch', { times })),
  }
}
