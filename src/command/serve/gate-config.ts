import { STOP } from '../../gate/platform/system.ts'
import { kvService } from './kv.ts'
import type { Settings } from './settings.ts'
import { capnp, type Socket, type WorkerService } from './workerd-config.ts'

/** Classes that had another name: their data is stored under it. */
const STORED_AS: Readonly<Record<string, string>> = {
  AssertionKeyService: 'AssertionKeeper',
  KeyService: 'KeyKeeper',
}

/** Where the gate listens, and the files around it; paths are relative to the configuration, but `disk` and `lock`. */
export interface Places {
  /** The bundle of the gate. */
  readonly bundle: string
  /** Absolute path of the folder of Durable Objects. */
  readonly disk: string
  /** Absolute path of the Unix socket that is there as long as workerd runs. */
  readonly lock: string
  /** `host:port` or `*:port`. */
  readonly address: string
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Certificates to trust in addition to those of the machine. */
  readonly trust: readonly string[]
  /** The header in which a proxy says how it was called. */
  readonly protocolHeader?: string
  /** `host:port` of a plain http server that gets all requests of the gate, in place of the network. */
  readonly outbound?: string
}

/** The names of both sockets: of callers, and of this command. */
export const SOCKETS = ['gate', 'lock'] as const

/** The environment variable of workerd that has a secret, so that no secret is written to the disk. */
export function secretVariable(name: string): string {
  return `EDGEWARDEN_SECRET_${name}`
}

/** The export by which the entry is reached over the lock. */
export const CRON = 'edgewardenCron'

/** The path on the lock that announces the end of the process. Every other path is the cron trigger. */
export const STOP_PATH = '/stop'

/**
 * The bundle, and an entry point that runs the bundle's cron trigger, because workerd has no timer for cron triggers.
 * Once the end is announced, an answer waits until its record is stored: workerd ends with the last answer, and waits
 * for nothing else.
 */
export const ENTRY = `import gate from 'gate'
export * from 'gate'
let isStopping = false
const run = (cron, env, ctx) =>
  gate.scheduled?.({ cron, scheduledTime: Date.now(), noRetry() {} }, env, ctx)
export default {
  ...gate,
  async fetch(request, env, ctx) {
    const answer = await gate.fetch(request, env, ctx)
    if (isStopping) await run('${STOP}', env, ctx)
    return answer
  },
}
export const ${CRON} = {
  async fetch({ url }, env, ctx) {
    const isStop = new URL(url).pathname === '${STOP_PATH}'
    isStopping ||= isStop
    await run(isStop ? '${STOP}' : '', env, ctx)
    return new Response(null)
  },
}
`

/** workerd's configuration of one gate. `version` is the deployment's name in the journal. */
export function gateConfig(settings: Settings, places: Places, version: string): string {
  const { tls, protocolHeader, outbound } = places
  const gate: Socket = {
    address: places.address,
    service: 'gate',
    ...(tls && { tls }),
    ...(protocolHeader !== undefined && { protocolHeader }),
  }
  return capnp({
    workers: [gateService(settings, places, version), ...settings.namespaces.map(kvOf)],
    externals: outbound === undefined ? {} : { internet: outbound },
    sockets: {
      gate,
      lock: { address: `unix:${places.lock}`, service: 'gate', entrypoint: CRON },
    },
    internet: { allow: ['public', 'private'], trust: places.trust },
    disk: places.disk,
  })
}

const kvOf = (binding: string): WorkerService => kvService(`kv-${binding}`)

const gateService = (settings: Settings, { bundle }: Places, version: string): WorkerService => {
  const { vars, secrets, objects, namespaces, versionBinding } = settings
  const { compatibilityDate, compatibilityFlags } = settings
  const metadata = { id: version, tag: '', timestamp: new Date().toISOString() }
  return {
    name: 'gate',
    modules: { entry: { text: ENTRY }, gate: { path: bundle } },
    compatibilityDate,
    compatibilityFlags,
    bindings: [
      ...Object.entries(vars).map(([name, json]) => ({ name, json })),
      ...Object.keys(secrets).map((name) => ({ name, fromEnvironment: secretVariable(name) })),
      ...namespaces.map((name) => ({ name, kvNamespace: `kv-${name}` })),
      ...Object.entries(objects).map(([name, durableObjectNamespace]) => ({
        name,
        durableObjectNamespace,
      })),
      ...(versionBinding === undefined ? [] : [{ name: versionBinding, json: metadata }]),
    ],
    classes: Object.fromEntries(
      Object.values(objects).map((name) => [name, `gate-${STORED_AS[name] ?? name}`]),
    ),
  }
}
