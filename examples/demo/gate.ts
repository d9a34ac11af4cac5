import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'smol-toml'

const START_DEADLINE = 60_000
const WORKER = fileURLToPath(new URL('../../src/worker-with-console.ts', import.meta.url))
/** The page of the console, which `npm run build:lib` makes. */
const PAGE = fileURLToPath(new URL('../../lib/console-page.js', import.meta.url))
const require = createRequire(import.meta.url)

/** A gate under `wrangler dev` that is starting. */
export interface DemoGate {
  readonly url: string
  /** Resolves once it answers; rejects with wrangler's output if it does not come up. */
  readonly up: () => Promise<void>
  /** Ends the gate and removes its folder; may be called at any time. */
  readonly close: () => Promise<void>
}

/**
 * Starts the gate under `wrangler dev` on 127.0.0.1 with the given policy variables, KV and
 * Durable Objects of its own, in a folder of its own. Synchronous, so that whoever starts it can
 * end it from the same moment on.
 */
export function startGate(port: number, vars: Readonly<Record<string, unknown>>): DemoGate {
  const folder = mkdtempSync(join(tmpdir(), 'edgewarden-demo-'))
  const config = join(folder, 'wrangler.toml')
  writeFileSync(
    config,
    stringify({ ...CONFIG, main: WORKER, alias: { 'edgewarden/console-page': PAGE }, vars }),
  )
  const child = spawn(process.execPath, [wrangler(), ...ARGUMENTS, config, '--port', `${port}`], {
    cwd: folder,
    detached: true,
    env: { ...process.env, ...QUIET, WRANGLER_LOG_PATH: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const collect = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-20_000)
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  process.once('exit', () => kill(child))
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    async up() {
      if (await isUp(`${url}/.edgewarden/health`, child)) return
      throw new Error(`the gate did not start:\n${output}`)
    },
    async close() {
      await end(child)
      await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
    },
  }
}

const CONFIG = {
  name: 'edgewarden-demo',
  compatibility_date: '2026-11-01',
  send_metrics: false,
  kv_namespaces: [{ binding: 'JWKS_CACHE' }],
  durable_objects: {
    bindings: [
      { name: 'REVOCATIONS', class_name: 'RevocationShard' },
      { name: 'KEY_SERVICE', class_name: 'KeyService' },
      { name: 'ASSERTION_KEY_SERVICE', class_name: 'AssertionKeyService' },
      { name: 'RATE_LIMITER', class_name: 'RateLimiter' },
      { name: 'REPLAYS', class_name: 'ReplayShard' },
      { name: 'AGENTS', class_name: 'AgentRegistry' },
      { name: 'AUDIT_LOG', class_name: 'AuditLog' },
      { name: 'APPROVALS', class_name: 'ApprovalStore' },
    ],
  },
  version_metadata: { binding: 'CF_VERSION_METADATA' },
  cache: { enabled: false },
  exports: {
    RevocationShard: { type: 'durable-object', storage: 'sqlite' },
    KeyService: { type: 'durable-object', storage: 'sqlite' },
    AssertionKeyService: { type: 'durable-object', storage: 'sqlite' },
    RateLimiter: { type: 'durable-object', storage: 'sqlite' },
    ReplayShard: { type: 'durable-object', storage: 'sqlite' },
    AgentRegistry: { type: 'durable-object', storage: 'sqlite' },
    AuditLog: { type: 'durable-object', storage: 'sqlite' },
    ApprovalStore: { type: 'durable-object', storage: 'sqlite' },
  },
}

const ARGUMENTS = ['dev', '--ip', '127.0.0.1', '--inspector-port', '0', '--config']

const QUIET = {
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_SEND_METRICS: 'false',
  X_LOCAL_OBSERVABILITY: 'false',
}

const wrangler = () => join(require.resolve('wrangler/package.json'), '../bin/wrangler.js')

const isUp = async (health: string, child: ChildProcess): Promise<boolean> => {
  const deadline = Date.now() + START_DEADLINE
  while (Date.now() < deadline && child.exitCode === null) {
    const response = await fetch(health, { signal: AbortSignal.timeout(5_000) }).catch(() => null)
    if (response?.ok) return true
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return false
}

/** wrangler starts processes of its own: the whole group ends. */
const kill = (child: ChildProcess) => {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
  } catch {
    // The group is gone already.
  }
}

const end = async (child: ChildProcess) => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  kill(child)
  await exited
}
