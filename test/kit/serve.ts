import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { inject } from 'vitest'
import { ROOT } from './repository.ts'
import type { Members } from './signing.ts'
import { changes, PATIENCE } from './wait.ts'

/** A project of somebody who runs the gate off Cloudflare. */
export interface Project {
  readonly directory: string
  /** Writes another wrangler.toml: these variables, and these tables beside those that every gate has. */
  write(vars: Members, more?: Members): Promise<void>
  /** Starts `npx edgewarden serve` with these arguments, on the bundle of this run unless told otherwise. */
  serve(args: readonly string[], env?: Readonly<Record<string, string>>, bundle?: string): Served
  remove(): Promise<void>
}

/** A `serve` that runs or has ended. */
export interface Served {
  readonly child: ChildProcess
  /** All that it wrote: the journal, and what it says to people. */
  stdout(): string
  stderr(): string
  /** Waits for words on stderr; rejects when it ends without them. */
  says(words: string): Promise<void>
  /** Waits for its end, and gives its exit status; `null` where a signal ended it. */
  ended(): Promise<number | null>
}

const CLASSES = {
  REVOCATIONS: 'RevocationShard',
  KEY_SERVICE: 'KeyService',
  ASSERTION_KEY_SERVICE: 'AssertionKeyService',
  RATE_LIMITER: 'RateLimiter',
}

/** The tables of a wrangler.toml with the gate's own classes, and these beside them: binding → class. */
export const objectTables = (more: Readonly<Record<string, string>> = {}) => {
  const classes = { ...CLASSES, ...more }
  return {
    durable_objects: {
      bindings: Object.entries(classes).map(([name, class_name]) => ({ name, class_name })),
    },
    exports: Object.fromEntries(
      Object.values(classes).map((name) => [name, { type: 'durable-object', storage: 'sqlite' }]),
    ),
  }
}

const TABLES = {
  name: 'gate',
  main: join(ROOT, 'src/worker.ts'),
  compatibility_date: '2026-11-01',
  kv_namespaces: [{ binding: 'JWKS_CACHE' }],
  ...objectTables(),
  triggers: { crons: ['*/5 * * * *'] },
  version_metadata: { binding: 'CF_VERSION_METADATA' },
}

/** Makes a project, in which wrangler and workerd are installed unless they are left out. */
export async function createProject({ installed = true } = {}): Promise<Project> {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-serve-'))
  if (installed) await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  else await mkdir(join(directory, 'node_modules'))
  return {
    directory,
    write: (vars, more = {}) =>
      writeFile(join(directory, 'wrangler.toml'), stringify({ ...TABLES, ...more, vars })),
    serve(args, env = {}, bundle = inject('bundle')) {
      const all = ['serve', ...(bundle === '' ? [] : ['--bundle', bundle]), ...args]
      return served(
        spawn(process.execPath, [inject('command'), ...all], {
          cwd: directory,
          env: { ...process.env, NO_COLOR: '1', ...env },
          stdio: ['ignore', 'pipe', 'pipe'],
        }),
      )
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

export function served(child: ChildProcess): Served {
  const news = changes()
  const output = { stdout: '', stderr: '' }
  let end: { readonly code: number | null } | undefined
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
      news.notify()
    })
  }
  // Not `close`: a workerd that is killed a moment later has the same stdout.
  child.once('exit', (code) => {
    end = { code }
    news.notify()
  })
  const all = () => `${output.stdout}\n${output.stderr}`
  return {
    child,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    async says(words) {
      await news.until(
        () => {
          if (output.stderr.includes(words)) return true
          if (end) throw new Error(`serve ended (${end.code})\n${all()}`)
          return undefined
        },
        2 * PATIENCE,
        () => `does not say ${words}\n${all()}`,
      )
    },
    async ended() {
      const { code } = await news.until(
        () => end,
        2 * PATIENCE,
        () => `serve does not end\n${all()}`,
      )
      return code
    },
  }
}
