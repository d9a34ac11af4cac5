import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'
import { CRON, ENTRY } from '../../src/command/serve/gate-config.ts'
import { kvService } from '../../src/command/serve/kv.ts'
import {
  type Binding,
  type ClassOf,
  capnp,
  type WorkerdConfig,
  type WorkerService,
} from '../../src/command/serve/workerd-config.ts'
import type { Gate } from './gate.ts'
import { deployment, KEPT_DATA, usualObjects } from './repository.ts'

/** What a gate under test is made of. */
export interface GateOptions {
  /** The policy: each member is a JSON variable, as wrangler hands over `[vars]`. */
  readonly vars: Readonly<Record<string, unknown>>
  readonly secrets?: Readonly<Record<string, string>>
  /** Binding name → URL of an http server on this machine. */
  readonly services?: Readonly<Record<string, string>>
  /** Binding name → path of another Worker, one ES module, that runs in the same process. */
  readonly workers?: Readonly<Record<string, string>>
  /** Whether `JWKS_CACHE` is bound (true by default), or the gate whose namespace it is. */
  readonly kv?: boolean | Gate
  /** Whether the namespaces of wrangler.toml are bound (the default), or which: name → class. */
  readonly durableObjects?: boolean | Readonly<Record<string, string>>
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
  /** Further gates in the same process, each an isolate of its own, that use the objects of this one. */
  readonly beside?: readonly BesideOptions[]
  /** The header in which the test says what the platform knows of a request (`request.cf`), as JSON. */
  readonly factsHeader?: string
  /** The header in which the test says by which scheme a request has come. */
  readonly protocolHeader?: string
  /** Whether the test may run the cron trigger. */
  readonly cron?: boolean
  /** Whether the test may call the gate's objects itself. */
  readonly reaching?: boolean
}

/** What a gate that is lent its objects may have of its own; the rest is as the other's. */
export interface BesideOptions
  extends Pick<GateOptions, 'vars' | 'secrets' | 'version' | 'bundle' | 'compatibilityFlags'> {
  /** Objects of other classes of the first gate than that gate uses itself: name → class. */
  readonly durableObjects?: Readonly<Record<string, string>>
  /** The bindings to objects of the first gate; it has all others itself. Without it, it is lent all. */
  readonly lent?: readonly string[]
}

/** The deployment a gate is of unless a test says another. */
export const VERSION = 'a3c7f0d2-5b1e-4c88-9d0a-6f2e81b47c35'
const DEPLOYED = '2026-11-02T09:30:00.000Z'

/** Name of the socket and service of a gate beside the first. */
export const besideName = (index: number): string => `gate-${index + 1}`

/** Name of the socket that runs the cron trigger of a gate. */
export const cronName = (gate: string): string => `${gate}-cron`

/**
 * The configuration of a gate and of what it is given along, and the names of its sockets. Paths are
 * relative to `directory`.
 */
export function gateConfig(options: GateOptions, directory: string, disk: string) {
  const { kv = true, beside = [] } = options
  const gates = [
    gateWorker(options, directory),
    ...beside.map((one, index) => besideWorker(one, index, options, directory)),
  ]
  const others = [
    ...(kv === true ? [kvWorker(directory)] : []),
    ...(options.reaching === true ? [objectsWorker(options, directory)] : []),
    ...Object.entries(options.workers ?? {}).map(([name, path]) =>
      neighbour(name, path, directory),
    ),
  ]
  const workers = [...gates, ...others]
  const names = workers.map(({ name }) => name)
  const crons = options.cron ? gates.map(({ name }) => name) : []
  const port = (name: string) => (name === GATE ? (options.port ?? 0) : 0)
  const { protocolHeader } = options
  const protocol = protocolHeader === undefined ? {} : { protocolHeader }
  const config: WorkerdConfig = {
    workers,
    externals: externalsOf(options),
    sockets: Object.fromEntries([
      ...names.map((name) => [
        name,
        { address: `127.0.0.1:${port(name)}`, service: name, ...protocol },
      ]),
      ...crons.map((name) => [
        cronName(name),
        { address: '127.0.0.1:0', service: name, entrypoint: CRON },
      ]),
    ]),
    disk,
  }
  const facts = `http = (cfBlobHeader = ${JSON.stringify(options.factsHeader)}), service`
  const text = capnp(config)
  return {
    text: options.factsHeader ? text.replaceAll('http = (), service', facts) : text,
    sockets: Object.keys(config.sockets),
  }
}

/** Service name → `host:port` of what the gate uses and is not part of its own process. */
const externalsOf = ({ services = {}, kv }: GateOptions) => ({
  ...Object.fromEntries(Object.entries(services).map(([n, url]) => [`to-${n}`, new URL(url).host])),
  ...(typeof kv === 'object' && { kv: hostOf(kv) }),
})

const hostOf = ({ kvHost }: Gate): string => {
  if (kvHost === undefined) throw new Error('that gate has no KV namespace')
  return kvHost
}

const GATE = 'gate'

function gateWorker(options: GateOptions, directory: string): WorkerService {
  const { compatibilityDate, compatibilityFlags, versionMetadata } = deployment()
  const { version = VERSION, beside = [] } = options
  const objects = objectsOf(options)
  const classes = [objects, ...beside.map((one) => one.durableObjects ?? {})].flatMap((names) =>
    Object.values(names),
  )
  const bindings: Binding[] = [
    ...Object.entries(varsOf(options)).map(([name, json]) => ({ name, json })),
    ...Object.entries(options.secrets ?? {}).map(([name, text]) => ({ name, text })),
    ...Object.keys({ ...options.services, ...options.workers }).map((name) => ({
      name,
      service: `to-${name}`,
    })),
    ...(options.kv === false ? [] : [{ name: 'JWKS_CACHE', kvNamespace: 'kv' }]),
    ...Object.entries(objects).map(([name, durableObjectNamespace]) => ({
      name,
      durableObjectNamespace,
    })),
    ...(versionMetadata !== undefined && version !== false
      ? [{ name: versionMetadata, json: { id: version, tag: '', timestamp: DEPLOYED } }]
      : []),
  ]
  const bundle = { path: relative(directory, options.bundle ?? inject('bundle')) }
  return {
    name: GATE,
    modules: options.cron ? { entry: { text: ENTRY }, gate: bundle } : { 'worker.js': bundle },
    compatibilityDate,
    compatibilityFlags: [...compatibilityFlags, ...(options.compatibilityFlags ?? [])],
    bindings,
    classes: Object.fromEntries(classes.map((name) => [name, `gate-${name}`])),
  }
}

/** With an audit the journal has less, unless its share is written. */
function varsOf({ vars }: GateOptions): GateOptions['vars'] {
  const { GATE } = vars
  if (!KEPT_DATA || typeof GATE !== 'object') return vars
  return {
    AUDIT: { addresses: true },
    ...vars,
    GATE: { journal: { allowed: 1 }, ...GATE },
  }
}

/** Binding name → class name of the gate's own objects. */
function objectsOf({
  durableObjects: wanted = true,
}: GateOptions): Readonly<Record<string, string>> {
  return wanted === true ? usualObjects() : wanted === false ? {} : wanted
}

/** The gate with other variables, which stores what it is lent in objects of the first. */
function besideWorker(
  { vars, durableObjects = {}, lent: some, ...own }: BesideOptions,
  index: number,
  options: GateOptions,
  directory: string,
): WorkerService {
  const { bindings, classes, ...worker } = gateWorker({ ...options, ...own, vars }, directory)
  const lent = lentObjects({
    ...options,
    durableObjects: { ...objectsOf(options), ...durableObjects },
  }).filter(({ name }) => some?.includes(name) ?? true)
  const names = new Set(lent.map(({ name }) => name))
  return {
    ...worker,
    name: besideName(index),
    bindings: [...bindings.filter(({ name }) => !names.has(name)), ...lent],
    classes: some
      ? Object.fromEntries(
          Object.keys(classes).map((name) => [name, `${besideName(index)}-${name}`]),
        )
      : {},
  }
}

/** The gate's own objects, as other Workers are bound to them. */
const lentObjects = (options: GateOptions) =>
  Object.entries(objectsOf(options)).map(([name, className]) => ({
    name,
    durableObjectNamespace: { className, serviceName: GATE } satisfies ClassOf,
  }))

function objectsWorker(options: GateOptions, directory: string): WorkerService {
  return {
    name: 'objects',
    modules: { 'worker.js': { path: inKit(directory, 'objects-worker.js') } },
    compatibilityDate: deployment().compatibilityDate,
    bindings: lentObjects(options),
    classes: {},
  }
}

const neighbour = (name: string, path: string, directory: string): WorkerService => ({
  name: `to-${name}`,
  modules: { 'worker.js': { path: relative(directory, path) } },
  compatibilityDate: deployment().compatibilityDate,
  bindings: [],
  classes: {},
})

/** The KV namespace that `serve` brings, with outages that a test asks for. */
function kvWorker(directory: string): WorkerService {
  const { modules, ...worker } = kvService('kv')
  return {
    ...worker,
    modules: { 'faults.js': { path: inKit(directory, 'kv-faults.js') }, ...modules },
  }
}

const inKit = (directory: string, name: string): string =>
  relative(directory, fileURLToPath(new URL(name, import.meta.url)))
