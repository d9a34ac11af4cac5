import { createHash } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import process from 'node:process'
import { createSecureContext } from 'node:tls'
import { fail, ok, type Result } from '../../gate/base/result.ts'
import type { Process } from '../base/command.ts'
import { issueLine } from '../base/file-policy.ts'
import { fileReason, readText } from '../base/files.ts'
import { EXIT, type Outcome } from '../base/output.ts'
import { readWranglerFile } from '../base/wrangler-file.ts'
import { check } from '../policy/check.ts'
import { bundleWorker } from './bundle.ts'
import { claimFolder } from './data.ts'
import { gateConfig, type Places, SOCKETS, secretVariable } from './gate-config.ts'
import { readSettings, type Settings } from './settings.ts'
import { findWorkerd, startWorkerd, type Workerd } from './workerd.ts'

/** What a gate is started with. */
export interface StartOptions {
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
}

/** A gate that listens. */
export interface Started {
  readonly workerd: Workerd
  readonly lock: string
  readonly port: number
  /** What it serves, and where. */
  readonly told: string
}

/** What is served: settings, and the absolute path of their file. */
export interface ToServe {
  readonly file: string
  readonly settings: Settings
}

/**
 * Reads what a file has to serve, if `check` finds no mistake in it. `madeUp` gives secrets that are not set. The reason
 * of a failure is what to report.
 */
export async function readServed(
  file: string,
  env: string | undefined,
  around: Pick<Process, 'env' | 'waiting'>,
  madeUp?: (name: string) => string,
): Promise<Result<ToServe, Outcome>> {
  const judged = await check({ file, ...(env !== undefined && { env }) })
  for (const line of judged.exitCode === EXIT.yes ? judged.err : []) around.waiting.tell(line)
  const read = await readWranglerFile(file)
  const environments = read.ok ? read.value : []
  const [environment, top] = [environments.find(({ name }) => name === env), environments[0]]
  if (judged.exitCode !== EXIT.yes || !environment || !top) return fail(judged)
  const settings = await readSettings(file, environment, top, around.env, madeUp)
  if (settings.ok) return ok({ file: resolve(environment.file), settings: settings.value })
  const { issues, unset } = settings.reason
  const where = `Secrets come from this process's environment or .dev.vars; missing there: ${unset.join(', ')}`
  return fail({
    exitCode: EXIT.no,
    json: { valid: false, file, environment: env ?? null, mistakes: issues, unset },
    out: [],
    err: [...issues.map((issue) => issueLine(issue)), ...(unset.length > 0 ? [where] : [])],
  })
}

/**
 * Bundles, locks the data folder and starts workerd. When it returns, workerd listens. With `outbound`, the address of a
 * plain http server, that server gets every request that the gate makes, whatever its host, and the journal is not
 * printed.
 */
export async function startGate(
  file: string,
  settings: Settings,
  options: StartOptions,
  around: Process,
  outbound?: string,
): Promise<Result<Started, string>> {
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
    ...(outbound !== undefined && { outbound }),
  }
  const digest = createHash('sha256').update(text).update(JSON.stringify(settings.vars))
  const config = join(run, 'config.capnp')
  await writeFile(config, gateConfig(settings, places, digest.digest('hex').slice(0, 32)))
  const journal = outbound === undefined ? 'inherit' : 'ignore'
  const workerd = startWorkerd(binary.value, config, SOCKETS, journal, {
    ...around.env,
    ...Object.fromEntries(
      Object.entries(secrets).map(([name, one]) => [secretVariable(name), one]),
    ),
  })
  try {
    const { gate: port = 0 } = await workerd.ports
    const spoken = `${cert === undefined ? 'http' : 'https'}://${listen.replace(/\d+$/, `${port}`)}`
    const told = `${resource} is served at ${spoken}; ${prefix}/health and ${prefix}/ready`
    return ok({ workerd, lock, port, told })
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
  { env, bundle: given }: StartOptions,
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
const readTls = async ({ cert, key }: StartOptions) => {
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
