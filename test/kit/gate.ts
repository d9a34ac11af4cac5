import { mkdir, mkdtemp, realpath, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'
import { type Kv, kvAt } from './kv.ts'
import { type RawResponse, sendRaw } from './raw.ts'
import { deployment } from './repository.ts'
import { request } from './request.ts'
import { serve, type Workerd } from './workerd.ts'
import { type Binding, capnp, type WorkerService } from './workerd-config.ts'

/** What a gate under test is made of. */
export interface GateOptions {
  /** The policy: each member is a JSON variable, as wrangler hands over `[vars]`. */
  readonly vars: Readonly<Record<string, unknown>>
  readonly secrets?: Readonly<Record<string, string>>
  /** Binding name → URL of an http server on this machine. */
  readonly services?: Readonly<Record<string, string>>
  /** Whether `JWKS_CACHE` is bound (true by default), or the gate whose namespace it is. */
  readonly kv?: boolean | Gate
  /** Whether the namespaces of wrangler.toml are bound (the default), or which: name → class. */
  readonly durableObjects?: boolean | Readonly<Record<string, string>>
  /** The gate whose keeper of keys serves this one in place of its own, made with `sharing`. */
  readonly keeper?: Gate
  /** Whether other gates may use this one's keeper of keys. */
  readonly sharing?: boolean
  /** Id of the deployment, bound as wrangler.toml says; `false` as on a plain workerd. */
  readonly version?: string | false
  /** Keeps what is stored when the gate stops; for one gate at a time. */
  readonly dataDir?: string
  /** Beside those of wrangler.toml. */
  readonly compatibilityFlags?: readonly string[]
  /** Where to listen, for a policy that names the port (see `freePort`); else any free port. */
  readonly port?: number
  /** Another Worker than the one that was built for this run. */
  readonly bundle?: string
}

/** The deployment a gate is of unless a test says another. */
export const VERSION = 'a3c7f0d2-5b1e-4c88-9d0a-6f2e81b47c35'
const DEPLOYED = '2026-11-02T09:30:00.000Z'

/** A gate that runs in plain workerd, as a self-hosted one does. */
export interface Gate {
  /** `http://127.0.0.1:port`, without a path. */
  readonly url: string
  readonly port: number
  /** `127.0.0.1:port`. */
  readonly host: string
  /** The KV namespace; using it is an error where `kv` is false. */
  readonly kv: Kv
  /** `127.0.0.1:port` of what it shares: KV, and its keeper of keys. */
  readonly shared: Readonly<Record<'kv' | 'keeper', string | undefined>>
  /** Every line of console.log so far that is a JSON object. */
  journal(): readonly Record<string, unknown>[]
  /** The first such line that fits, waited for; a line may come later than its answer. */
  journalLine(
    fits: (line: Record<string, unknown>) => boolean,
    timeoutMs?: number,
  ): Promise<Record<string, unknown>>
  /** All that workerd and the Worker have written. */
  output(): string
  /** See `request`: exact path, settable Host, nothing followed, nothing decompressed. */
  fetch(path: string, init?: RequestInit): Promise<Response>
  /** Sends exactly these bytes over a connection of their own. */
  raw(bytes: string | Uint8Array, timeoutMs?: number): Promise<RawResponse>
  /** Ends the process: gently, or by SIGKILL as a crash would. Twice is fine. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/** Starts a gate; it listens, its code is loaded, and it has seen no request. */
export async function startGate(options: GateOptions): Promise<Gate> {
  const { kv = true } = options
  const externals = externalsOf(options)
  const served = options.sharing === true ? keeperOf(options) : undefined
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'edgewarden-gate-')))
  const disk = resolve(options.dataDir ?? join(directory, 'data'))
  await mkdir(disk, { recursive: true })
  const beside = [
    ...(kv === true ? [kvWorker(directory)] : []),
    ...(served === undefined ? [] : [keeperWorker(served, directory)]),
  ]
  const sockets = ['gate', ...beside.map(({ name }) => name)]
  const port = (name: string) => (name === 'gate' ? (options.port ?? 0) : 0)
  const config = capnp({
    workers: [gateWorker(options, directory), ...beside],
    modules: { [KEEPER_LINK]: inKit(directory, 'keeper-link.js') },
    externals,
    sockets: Object.fromEntries(sockets.map((name) => [name, { port: port(name), service: name }])),
    disk,
  })
  const path = join(directory, 'config.capnp')
  // Secrets stand in it.
  await writeFile(path, config, { mode: 0o600 })
  return gateOf(await serve(path, sockets, directory), kv)
}

/** Service name → `host:port` of what the gate uses and is not part of its own process. */
const externalsOf = ({ services = {}, kv, keeper }: GateOptions) => ({
  ...Object.fromEntries(Object.entries(services).map(([n, url]) => [`to-${n}`, new URL(url).host])),
  ...(typeof kv === 'object' && { kv: hostOf(kv, 'kv') }),
  ...(keeper && { keeper: hostOf(keeper, 'keeper') }),
})

const hostOf = ({ shared }: Gate, what: keyof Gate['shared']): string => {
  const host = shared[what]
  if (host === undefined) throw new Error(`that gate shares no ${what}`)
  return host
}

/** A port nobody listens on now. Another process may take it first. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise((done) => server.close(done))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function gateOf(workerd: Workerd, kv: boolean | Gate): Gate {
  const { gate: port = 0, kv: kvPort, keeper: keeperPort } = workerd.ports
  const at = (port: number | undefined) => (port === undefined ? undefined : `127.0.0.1:${port}`)
  const lines: Record<string, unknown>[] = []
  let read = 0
  const journal = () => {
    for (; read < workerd.lines.length; read++) {
      const line = objectOf(workerd.lines[read] ?? '')
      if (line !== undefined) lines.push(line)
    }
    return lines
  }
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    host: `127.0.0.1:${port}`,
    get kv() {
      if (typeof kv === 'object') return kv.kv
      if (kvPort === undefined) throw new Error('this gate has no KV namespace')
      return kvAt(kvPort)
    },
    shared: { kv: at(kvPort), keeper: at(keeperPort) },
    journal,
    journalLine: (fits, timeoutMs = 3_000) =>
      workerd.until(
        () => journal().find(fits),
        timeoutMs,
        () => `no such line in the journal\n${workerd.output()}`,
      ),
    output: workerd.output,
    fetch: (path, init) => request(port, path, init),
    raw: (bytes, timeoutMs) => sendRaw(port, bytes, timeoutMs),
    stop: workerd.stop,
  }
}

function gateWorker(options: GateOptions, directory: string): WorkerService {
  const { compatibilityDate, compatibilityFlags, versionMetadata } = deployment()
  const { version = VERSION } = options
  const objects = objectsOf(options)
  const bindings: Binding[] = [
    ...Object.entries(options.vars).map(([name, json]) => ({ name, json })),
    ...Object.entries(options.secrets ?? {}).map(([name, text]) => ({ name, text })),
    ...Object.keys(options.services ?? {}).map((name) => ({ name, service: `to-${name}` })),
    ...(options.kv === false ? [] : [{ name: 'JWKS_CACHE', kvNamespace: 'kv' }]),
    ...Object.entries(objects).map(([name, durableObjectNamespace]) => ({
      name,
      durableObjectNamespace,
    })),
    ...(options.keeper
      ? [{ name: KEEPER, wrapped: { moduleName: KEEPER_LINK, service: 'keeper' } }]
      : []),
    ...(versionMetadata !== undefined && version !== false
      ? [{ name: versionMetadata, json: { id: version, tag: '', timestamp: DEPLOYED } }]
      : []),
  ]
  return {
    name: 'gate',
    module: relative(directory, options.bundle ?? inject('bundle')),
    compatibilityDate,
    compatibilityFlags: [...compatibilityFlags, ...(options.compatibilityFlags ?? [])],
    bindings,
    classes: Object.fromEntries(Object.values(objects).map((name) => [name, `gate-${name}`])),
  }
}

/** Binding name → class name of the gate's own objects. */
function objectsOf({ durableObjects: wanted = true, keeper }: GateOptions) {
  const all = wanted === true ? deployment().durableObjects : wanted === false ? {} : wanted
  return Object.fromEntries(Object.entries(all).filter(([name]) => !keeper || name !== KEEPER))
}

function kvWorker(directory: string): WorkerService {
  return {
    name: 'kv',
    module: inKit(directory, 'kv-worker.js'),
    compatibilityDate: deployment().compatibilityDate,
    bindings: [{ name: 'STORE', durableObjectNamespace: 'KvNamespace' }],
    classes: { KvNamespace: 'kv' },
  }
}

const KEEPER = 'KEY_KEEPER'
const KEEPER_LINK = 'kit:keeper-link'

/** The class of the gate's own keeper of keys. */
function keeperOf(options: GateOptions): string {
  const className = objectsOf(options)[KEEPER]
  if (className === undefined) throw new Error(`this gate has no ${KEEPER}`)
  return className
}

/** Serves the gate's keeper of keys to the gates that are linked to it. */
function keeperWorker(className: string, directory: string): WorkerService {
  return {
    name: 'keeper',
    module: inKit(directory, 'keeper-worker.js'),
    compatibilityDate: deployment().compatibilityDate,
    bindings: [{ name: KEEPER, durableObjectNamespace: { className, serviceName: 'gate' } }],
    classes: {},
  }
}

const inKit = (directory: string, name: string): string =>
  relative(directory, fileURLToPath(new URL(name, import.meta.url)))

function objectOf(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
