import { copyFile, cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { build as esbuild } from 'esbuild'
import type { TestProject } from 'vitest/node'
import { consolePage } from '../../dev/scripts/console-page.ts'
import { bundleWorker } from '../../src/command/serve/bundle.ts'
import { CONFIG, deployment, ROOT } from './repository.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the built Worker, one ES module. */
    bundle: string
    /** Path of the Worker with a console, one ES module. */
    consoleBundle: string
    /** Path of the built command, one ES module. */
    command: string
  }
}

/**
 * Vitest's global setup: builds the Worker and the command once per run, again on each rerun of watch
 * mode, and provides their paths. `EDGEWARDEN_BUNDLE` names a Worker to test instead of building one.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-bundle-'))
  const remove = () => rm(directory, { recursive: true, force: true })
  const given = process.env.EDGEWARDEN_BUNDLE
  const buildAll = () =>
    Promise.all([
      given === undefined ? build(directory) : resolve(given),
      buildCommand(directory),
      buildConsole(directory),
    ])
  try {
    const [bundle, command, consoleBundle] = await buildAll()
    project.provide('bundle', bundle)
    project.provide('consoleBundle', consoleBundle)
    project.provide('command', command)
  } catch (error) {
    await remove()
    throw error
  }
  project.onTestsRerun(async () => {
    await buildAll()
  })
  return remove
}

/**
 * Bundles the command into one module, which starts in a fifth of the time its sources take: tests start
 * it a few hundred times. The package test runs it as it is published.
 */
async function buildCommand(directory: string): Promise<string> {
  // The command reads its version three folders above command/base.
  const outfile = join(directory, 'lib/command/base/main.js')
  await esbuild({
    entryPoints: [join(ROOT, 'src/command/main.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile,
    // Some packages are CommonJS and require what Node brings.
    banner: {
      js: "import { createRequire as r__ } from 'node:module'; const require = r__(import.meta.url)",
    },
  })
  await copyFile(join(ROOT, 'package.json'), join(directory, 'package.json'))
  const templates = join(ROOT, 'src/command/install/templates')
  await cp(templates, join(dirname(outfile), 'templates'), { recursive: true })
  return outfile
}

/** Bundles the Worker with a console, with the page as it is in src. `npm start` has wrangler bundle it. */
async function buildConsole(directory: string): Promise<string> {
  const page = join(directory, 'page-text.js')
  await writeFile(page, await consolePage())
  const outfile = join(directory, 'worker-with-console.js')
  await esbuild({
    entryPoints: [join(ROOT, 'src/worker-with-console.ts')],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    alias: {
      'edgewarden/console-page': page,
      'edgewarden/policy': join(ROOT, 'src/gate/policy/team-rules.ts'),
    },
    outfile,
  })
  return outfile
}

/**
 * Bundles `main` of a wrangler.toml as a deploy would, and returns the path of the module. Fails
 * with wrangler's output when it fails, and when it warns that it ignored a key of the file.
 */
export async function build(directory: string, config: string = CONFIG): Promise<string> {
  const made = await bundleWorker({ config, main: deployment(config).main, directory })
  if (!made.ok) throw new Error(`The Worker was not built: ${made.reason}`)
  const { path, output } = made.value
  if (/unexpected fields/i.test(output)) {
    throw new Error(`wrangler does not know a key of wrangler.toml\n${output}`)
  }
  return path
}
