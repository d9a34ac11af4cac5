import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, extname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fail, ok, type Result } from '../../gate/base/result.ts'

/** What is bundled. */
export interface Bundling {
  /** Path of the wrangler.toml. */
  readonly config: string
  /** The environment, as in `[env.x]`; absent for the top level. */
  readonly env?: string | undefined
  /** `main` of that file. */
  readonly main: string
  /** The folder for the bundle. */
  readonly directory: string
}

/** A bundle that was made. */
export interface Bundled {
  /** Path of the module. */
  readonly path: string
  /** What wrangler printed. */
  readonly output: string
}

/**
 * Bundles a Worker as a deploy would: minified, after running the file's `[build]`. Uses the wrangler that is installed
 * beside the file. Needs no network. The reason of a failure is a sentence and wrangler's output.
 */
export async function bundleWorker(bundling: Bundling): Promise<Result<Bundled, string>> {
  const { config, env = '', main, directory } = bundling
  const wrangler = wranglerBeside(config)
  if (wrangler === undefined) {
    return fail(`wrangler is not installed beside ${config}: npm install --save-dev wrangler`)
  }
  const child = spawn(
    process.execPath,
    [
      wrangler,
      ...['deploy', '--dry-run', '--minify', `--env=${env}`],
      ...['--config', basename(config), '--outdir', directory],
    ],
    {
      cwd: dirname(config),
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
  const exit = new Promise<number | null>((done) => {
    child.once('error', () => done(null))
    child.once('close', done)
  })
  const [out, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  const output = `${errors}\n${out}`
  const path = join(directory, `${basename(main, extname(main))}.js`)
  if (code !== 0) return fail(`wrangler exited with ${code}\n${output}`)
  return existsSync(path) ? ok({ path, output }) : fail(`wrangler did not write ${path}\n${output}`)
}

const wranglerBeside = (config: string): string | undefined => {
  try {
    const manifest = createRequire(config).resolve('wrangler/package.json')
    return join(dirname(manifest), 'bin', 'wrangler.js')
  } catch {
    return undefined
  }
}
