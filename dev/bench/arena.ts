import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kvService } from '../../src/command/serve/kv.ts'
import { type Binding, capnp, type WorkerService } from '../../src/command/serve/workerd-config.ts'
import { deployment } from '../../test/kit/repository.ts'
import { type Bundles, bundleAll, SINK } from './bundles.ts'
import type { Row } from './lineup.ts'
import { ISSUER, policyVars, RESOURCE, USUAL_RULES } from './policy.ts'
import type { PublicKey } from './public-key.ts'
import { SET_KEY } from './revocation-set.ts'
import { type Server, serve } from './workerd.ts'

/** One workerd process with a Worker for every row in it, each on a port of its own. */
export interface Arena {
  readonly server: Server
  /** The bundle of a row's Worker. */
  bundle(row: Row): Promise<string>
  close(): Promise<void>
}

/** How the arena is built. */
export interface ArenaOptions {
  readonly rows: readonly Row[]
  readonly keys: readonly PublicKey[]
  /** Readable names for a profiler; else the gate is the minified bundle of a deploy. */
  readonly readable: boolean
  /** The file of the other build of the gate, where a row has it. */
  readonly other: string | undefined
  /** The disk that has the large set, for the rows that want it; else a new one. */
  readonly disk: string | undefined
  /** Further arguments of `workerd serve`. */
  readonly flags: readonly string[]
}

/** Builds the Workers and starts the process. Nobody has been asked anything yet. */
export const openArena = async (options: ArenaOptions): Promise<Arena> => {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-bench-'))
  const remove = () => {
    process.off('exit', remove)
    rmSync(directory, { recursive: true, force: true })
  }
  process.once('exit', remove)
  try {
    const disk = options.disk ?? join(directory, 'data')
    await mkdir(disk, { recursive: true })
    const bundles = await bundleAll(options.rows, options.readable, directory, options.other)
    const port = await freePort()
    const sockets = options.rows.map(({ id }) => id)
    const config = capnp({
      workers: [
        plainWorker('origin', bundles.origin ?? '', []),
        { ...plainWorker(SINK, bundles[SINK] ?? '', []), classes: { [AUDIT]: SINK } },
        kvService('kv'),
        ...options.rows.map((row) => workerOf(row, options.keys, bundles, port)),
      ],
      externals: { 'origin-http': `127.0.0.1:${port}` },
      sockets: {
        ...Object.fromEntries(sockets.map((id) => [id, { address: '127.0.0.1:0', service: id }])),
        origin: { address: `127.0.0.1:${port}`, service: 'origin' },
      },
      disk,
    })
    const path = join(directory, 'config.capnp')
    await writeFile(path, config)
    const server = await serve(path, sockets, options.flags)
    return {
      server,
      bundle: ({ module }) => readFile(join(directory, bundles[module] ?? ''), 'utf8'),
      async close() {
        await server.stop()
        remove()
      },
    }
  } catch (error) {
    remove()
    throw error
  }
}

/** The class of the audit. */
const AUDIT = 'AuditLog'

const workerOf = (
  { id, kind, module, gate, rule, largeSet, audit, rules = USUAL_RULES, overHttp, vars: more }: Row,
  keys: readonly PublicKey[],
  bundles: Bundles,
  port: number,
): WorkerService => {
  const bundle = bundles[module] ?? ''
  const service = overHttp ? 'origin-http' : 'origin'
  if (!gate) {
    return plainWorker(id, bundle, [
      { name: 'ORIGIN', service },
      { name: 'ISSUER', text: ISSUER },
      { name: 'AUDIENCE', text: RESOURCE },
      { name: 'KEYS', json: keys },
    ])
  }
  const { AUDIT_LOG: auditClass, ...durableObjects } = deployment().durableObjects
  const own = { ...durableObjects, ...(audit === 'stored' && { AUDIT_LOG: auditClass ?? AUDIT }) }
  const lent = audit === 'dropped' ? { AUDIT_LOG: { className: AUDIT, serviceName: SINK } } : {}
  const keyOf = (binding: string, name: string) =>
    largeSet && binding === 'REVOCATIONS' ? SET_KEY : id + name
  const origin = overHttp ? `http://127.0.0.1:${port}` : 'service:ORIGIN'
  const policy = { ...policyVars(keys, rules, { origin, ...gate }, rule), ...more }
  // After all others, whose names are numbers.
  const vars = Object.entries({ ...policy, ...(kind.rule && { ROUTES_MORE: [kind.rule] }) })
  return {
    ...plainWorker(id, bundle, [
      ...vars.map(([name, json]) => ({ name, json })),
      { name: 'ORIGIN', service },
      { name: 'JWKS_CACHE', kvNamespace: 'kv' },
      { name: 'CF_VERSION_METADATA', json: { id: crypto.randomUUID(), tag: '', timestamp: '' } },
      ...Object.entries({ ...own, ...lent }).map(([name, durableObjectNamespace]) => ({
        name,
        durableObjectNamespace,
      })),
    ]),
    classes: Object.fromEntries(
      Object.entries(own).map(([binding, name]) => [name, keyOf(binding, name)]),
    ),
  }
}

const plainWorker = (name: string, module: string, bindings: readonly Binding[]): WorkerService => {
  const { compatibilityDate, compatibilityFlags } = deployment()
  const modules = { 'worker.js': { path: module } }
  return { name, modules, compatibilityDate, compatibilityFlags, bindings, classes: {} }
}

const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise((done) => server.close(done))
  return typeof address === 'object' && address !== null ? address.port : 0
}
