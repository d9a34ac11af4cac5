import { join, relative, resolve } from 'node:path'
import { build as esbuild } from 'esbuild'
import { build as wranglerBuild } from '../../test/kit/bundle.ts'
import { ROOT } from '../../test/kit/repository.ts'
import type { Row } from './lineup.ts'

/** The module of an audit that stores nothing. */
export const SINK = 'audit-sink'

/** Module of a row, `origin`, or {@link SINK} → path of its bundle, relative to where it was built. */
export type Bundles = Readonly<Record<string, string>>

/**
 * Bundles what the rows need into `directory`: the gate as a deploy does, or not minified
 * where it is to be readable, and `other` as it is.
 */
export const bundleAll = async (
  rows: readonly Row[],
  readable: boolean,
  directory: string,
  other: string | undefined,
): Promise<Bundles> => {
  const bundles: Record<string, string> = {}
  const others = ['origin', SINK] as const
  for (const module of new Set([...others, ...rows.map((one) => one.module)])) {
    if (module === 'other') {
      bundles[module] = relative(directory, resolve(other ?? ''))
    } else if (module === 'gate' && !readable) {
      bundles[module] = relative(directory, await wranglerBuild(join(directory, 'wrangler')))
    } else {
      const source = module === 'gate' ? 'src/worker.ts' : `dev/bench/contenders/${module}.ts`
      bundles[module] = `${module}.js`
      await bundle(join(ROOT, source), join(directory, `${module}.js`), !readable)
    }
  }
  return bundles
}

/** Bundles one file as wrangler does: the conditions of Workers, the platform's modules left out. */
export const bundle = async (source: string, outfile: string, minify: boolean): Promise<void> => {
  await esbuild({
    entryPoints: [source],
    outfile,
    // Comments in the bundle name the files from here.
    absWorkingDir: ROOT,
    minify,
    bundle: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    logLevel: 'error',
  })
}
