import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import type { TestProject } from 'vitest/node'
import { deployment, ROOT } from './repository.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the built Worker, one ES module. */
    bundle: string
  }
}

/**
 * Vitest's global setup: builds the Worker once per run, again on each rerun of watch mode, and
 * provides the path as `bundle`. `EDGEWARDEN_BUNDLE` names a bundle to test instead of building.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.EDGEWARDEN_BUNDLE
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-bundle-'))
  const remove = () => rm(directory, { recursive: true, force: true })
  if (given !== undefined) {
    project.provide('bundle', resolve(given))
    return remove
  }
  try {
    project.provide('bundle', await build(directory))
  } catch (error) {
    await remove()
    throw error
  }
  project.onTestsRerun(async () => {
    await build(directory)
  })
  return remove
}

/**
 * Bundles `main` of wrangler.toml as a deploy would, and returns the path of the module. Fails
 * with wrangler's output when it fails, and when it warns that it ignored a key of the file.
 */
export async function build(directory: string, root: string = ROOT): Promise<string> {
  const child = spawn(
    process.execPath,
    [wranglerBin(), 'deploy', '--dry-run', '--minify', '--env=', '--outdir', directory],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        NO_COLOR: '1',
        FORCE_COLOR: '0',
        WRANGLER_SEND_METRICS: 'false',
        CLOUDFLARE_CF_FETCH_ENABLED: 'false',
        WRANGLER_HIDE_BANNER: 'true',
        WRANGLER_LOG_PATH: join(directory, 'log'),
      },
    },
  )
  const exit = new Promise<number | null>((done, fail) => {
    child.once('error', fail)
    child.once('close', done)
  })
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  const { bundleName } = deployment(root)
  const path = join(directory, bundleName)
  const broken =
    code !== 0
      ? `wrangler exited with ${code}`
      : /unexpected fields/i.test(errors + output)
        ? 'wrangler does not know a key of wrangler.toml'
        : existsSync(path)
          ? undefined
          : `wrangler did not write ${bundleName}`
  if (broken !== undefined) {
    throw new Error(`The Worker was not built: ${broken}\n${errors}\n${output}`)
  }
  return path
}

function wranglerBin(): string {
  const manifest = createRequire(import.meta.url).resolve('wrangler/package.json')
  return join(dirname(manifest), 'bin', 'wrangler.js')
}
