import { createHash } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join, relative, resolve } from 'node:path'
import process from 'node:process'
import { createSecureContext } from 'node:tls'
import { durationMs } from '../../gate/base/duration.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import { type CommandRow, collect, type Process } from '../base/command.ts'
import { issueLine } from '../base/file-policy.ts'
import { fileReason, readText } from '../base/files.ts'
import { cannotTell, EXIT, type Outcome } from '../base/output.ts'
import { readWranglerFile } from '../base/wrangler-file.ts'
import { check } from '../policy/check.ts'
import { bundleWorker } from './bundle.ts'
import { claimFolder } from './data.ts'
import { gateConfig, type Places, SOCKETS, STOP_PATH, secretVariable } from './gate-config.ts'
import { readSettings, type Settings } from './settings.ts'
import { findWorkerd, startWorkerd, type Workerd } from './workerd.ts'

export interface ServeOptions {
  readonly env?: string
  readonly listen: string
  readonly data: string
  readonly cert?: string
  readonly key?: string
  /** Certificates to trust beside those of the machine. */
  readonly ca?: readonly string[]
  readonly protocolHeader?: string
  /** A bundle that was made before, in place of one that wrangler makes now. */
  readonly bundle?: string
  readonly grace: string
}

export const serveCommand: CommandRow<ServeOptions> = {
  usage: 'serve',
  description: 'Run the gate off Cloudflare: the same bundle, on workerd, with its data on disk.',
  example: 'serve --listen "*:8443" --cert tls.crt --key tls.key',
  help: `
Checks the policy as check does, and does not start where check finds a mistake. Secrets that the policy
names come from the environment of this process, or else from .dev.vars beside the file. A changed policy
needs a restart. SIGTERM ends it: requests in progress may finish within --grace.
Exit status: 0 it was stopped, 1 the policy has a mistake, 2 it cannot run.`,
  options: (command) =>
    command
      .argument('[file]', 'the file with the policy', 'wrangler.toml')
      .option('--env <name>', 'run the policy of this environment')
      .option('--listen <address>', 'host:port, or *:port for every address', '127.0.0.1:8787')
      .option('--data <folder>', 'where revocations, keys and counts are kept', '.edgewarden')
      .option('--cert <file>', 'certificate chain in PEM; with --key it speaks https')
      .option('--key <file>', 'private key of the certificate, in PEM')
      .option('--ca <file>', 'certificates of issuers and origins to trust as well', collect)
      .option(
        '--protocol-header <name>',
        'header with the original scheme, from a proxy that ends TLS: X-Forwarded-Proto',
      )
      .option('--bundle <file>', 'a bundle that wrangler deploy --dry-run made')
      .option('--grace <duration>', 'how long requests may finish after SIGTERM', '25s'),
  run: ([file = 'wrangler.toml'], options, around) => serve(file, options, around),
}

/**
 * Runs the gate until a signal stops it. Starts nothing where the policy has a mistake. Does not look whether
 * issuers and origins answer; `PREFIX/ready` tells.
 */
export async function serve(
  file: string,
  options: ServeOptions,
  around: Process,
): Promise<Outcome> {
  const { env } = options
  const graceMs = durationMs(options.grace)
  if (graceMs === undefined) return cannotTell('--grace must be a duration, such as 25s.')
  const judged = await check({ file, ...(env !== undefined && { env }) })
  for (const line of judged.exitCode === EXIT.yes ? judged.err : []) around.waiting.tell(line)
  const read = await readWranglerFile(file)
  const environments = read.ok ? read.value : []
  const [environment, top] = [environments.find(({ name }) => name === env), environments[0]]
  if (judged.exitCode !== EXIT.yes || !environment || !top) return judged
  const settings = await readSettings(file, environment, top, around.env)
  if (!settings.ok) {
    const { issues, unset } = settings.reason
    const where = `Secrets come from this process's environment or .dev.vars; missing there: ${unset.join(', ')}`
    return {
      exitCode: EXIT.no,
      json: { valid: false, file, environment: env ?? null, mistakes: issues, unset },
      out: [],
      err: [...issues.map((issue) => issueLine(issue)), ...(unset.length > 0 ? [where] : [])],
    }
  }
  const started = await start(resolve(environment.file), settings.value, options, around)
  if (started.ok) return untilStopped(started.value, graceMs, around)
  // Each line of wrangler's output becomes one line of the report.
  return { ...cannotTell(started.reason), err: started.reason.trimEnd().split('\n') }
}

interface Started {
  readonly workerd: Workerd
  readonly lock: string
  /** What it serves, and where. */
  readonly told: string
}

/** Bundles, locks the data folder and starts workerd. When it returns, workerd listens. */
const start = async (
  file: string,
  settings: Settings,
  options: ServeOptions,
  around: Process,
): Promise<Result<Started, string>> => {
  const { policy, secrets } = settings
  const { resource, insecureHttp, prefix } = policy.gate
  const { listen, cert, protocolHeader, ca = [] } = options
  if (!/^(?:\*|\[[^\]\s]+\]|[^:\s]+):\d{1,5}$/.test(listen)) {
    return fail('--listen must be host:port, or *:port for every address.')
  }
  const tls = await readTls(options)
  if (!tls.ok) return tls
  if (!tls.value && protocolHeader === undefined && !insecureHttp && /^https:/.test(resource)) {
    return fail(
      `${resource} is https and this gate would get plain http, so it would refuse every request (insecure_transport). Give --cert and --key; or --protocol-header X-Forwarded-Proto, where a proxy in front ends TLS and sets it.`,
    )
  }
  if (protocolHeader !== undefined && settings.isAddressAssumed) {
    around.waiting.tell(
      "warning: GATE.client_ip: is the proxy's address; write the name of the header in which the proxy puts the address of its caller",
    )
  }
  if (settings.unusedShards !== undefined) {
    around.waiting.tell(
      `warning: GATE.revocation.shards: is ${settings.unusedShards}, and serve uses 1: more would only copy the set, in the same process and on the same disk`,
    )
  }
  const directory = resolve(file, '..')
  const binary = workerdOf(directory)
  if (!binary.ok) return binary
  // workerd too: files of its objects contain private keys.
  process.umask(0o077)
  const folder = await claimFolder(options.data, around.waiting)
  if (!folder.ok) return folder
  const { run, lock, objects: disk } = folder.value
  const bundle = await bundleOf(file, settings, options, run)
  if (!bundle.ok) return bundle
  const near = (path: string) => relative(run, resolve(path))
  const { path, text } = bundle.value
  const places: Places = {
    bundle: near(path),
    disk,
    lock,
    address: listen,
    trust: ca.map(near),
    ...(tls.value && { tls: { key: near(tls.value.key), cert: near(tls.value.cert) } }),
    ...(protocolHeader !== undefined && { protocolHeader }),
  }
  const digest = createHash('sha256').update(text).update(JSON.stringify(settings.vars))
  const config = join(run, 'config.capnp')
  await writeFile(config, gateConfig(settings, places, digest.digest('hex').slice(0, 32)))
  const workerd = startWorkerd(binary.value, config, SOCKETS, {
    ...around.env,
    ...Object.fromEntries(
      Object.entries(secrets).map(([name, one]) => [secretVariable(name), one]),
    ),
  })
  try {
    const { gate: port } = await workerd.ports
    const spoken = `${cert === undefined ? 'http' : 'https'}://${listen.replace(/\d+$/, `${port}`)}`
    const told = `${resource} is served at ${spoken}; ${prefix}/health and ${prefix}/ready`
    return ok({ workerd, lock, told })
  } catch {
    return fail(`workerd did not start: ${await workerd.ended}`)
  } finally {
    await rm(run, { recursive: true, force: true })
  }
}

const workerdOf = (directory: string): Result<string, string> => {
  try {
    return ok(findWorkerd(directory))
  } catch {
    return fail(
      `workerd is not installed beside the policy, in ${directory}. It comes with wrangler: npm install --save-dev wrangler`,
    )
  }
}

/** The path of the bundle, and its text. */
const bundleOf = async (
  config: string,
  { main }: Settings,
  { env, bundle: given }: ServeOptions,
  run: string,
): Promise<Result<{ readonly path: string; readonly text: string }, string>> => {
  const made =
    given === undefined
      ? await bundleWorker({ config, env, main, directory: run })
      : ok({ path: given })
  if (!made.ok) {
    return fail(
      `${made.reason.trimEnd()}\nTo run a bundle that was made elsewhere, use --bundle FILE.`,
    )
  }
  const { path } = made.value
  const text = await readText(path)
  return text.ok ? ok({ path, text: text.value }) : text
}

/** Both files of TLS, which must match; nothing where neither is given. */
const readTls = async ({ cert, key }: ServeOptions) => {
  if (cert === undefined && key === undefined) return ok(undefined)
  if (cert === undefined || key === undefined) return fail('Give --cert and --key together.')
  try {
    createSecureContext({ cert: await readFile(cert), key: await readFile(key) })
    return ok({ cert, key })
  } catch (error) {
    const isFile = error instanceof Error && 'syscall' in error
    const why = isFile ? fileReason(error) : 'they are not a certificate in PEM and its private key'
    return fail(`Cannot use --cert ${cert} with --key ${key}: ${why}.`)
  }
}

/** Milliseconds after which a stop goes on, even if records are not stored yet. */
const STOP_MS = 5_000
/** Milliseconds between renewals of issuers' keys, as the cron trigger of a deploy has it. */
const CRON_MS = 300_000

/** Calls the cron trigger now and then, and ends workerd at a signal: gently, within `graceMs`. */
const untilStopped = async (
  { workerd, lock, told }: Started,
  graceMs: number,
  { waiting }: Process,
): Promise<Outcome> => {
  const { child, ended } = workerd
  const call = (path = '/') =>
    new Promise<unknown>((done) => {
      request({ socketPath: lock, method: 'POST', path }, (answer) => answer.resume())
        // The gate's own log says what failed.
        .on('error', done)
        .on('close', done)
        .end()
    })
  call()
  const timer = setInterval(call, CRON_MS)
  let stoppedBy: string | undefined
  let kill: NodeJS.Timeout | undefined
  let isEnding = false
  const end = () => {
    if (!isEnding) child.kill('SIGTERM')
    isEnding = true
  }
  const stop = (signal: string) => {
    if (stoppedBy !== undefined) return child.kill('SIGKILL')
    stoppedBy = signal
    waiting.tell(
      `${signal}: records are stored, then the gate stops; requests in progress may finish`,
    )
    kill = setTimeout(() => child.kill('SIGKILL'), graceMs)
    // Records are stored first: workerd does not wait for them.
    const late = setTimeout(end, STOP_MS)
    void call(STOP_PATH)
      .then(() => clearTimeout(late))
      .then(end)
    return true
  }
  process.on('SIGTERM', stop).on('SIGINT', stop)
  waiting.tell(told)
  const how = await ended
  process.off('SIGTERM', stop).off('SIGINT', stop)
  clearInterval(timer)
  clearTimeout(kill)
  if (stoppedBy === undefined) return cannotTell(`workerd ended by itself: ${how}`)
  const isCut = how === 'SIGKILL'
  return {
    exitCode: EXIT.yes,
    json: { stopped: stoppedBy, cut: isCut },
    out: [],
    err: isCut ? ['Not every request finished in time.'] : [],
  }
}
