import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { deployment } from '../test/kit/repository.ts'
import { type Binding, capnp, type WorkerService } from '../test/kit/workerd-config.ts'
import { type Bundles, bundleAll } from './bundles.ts'
import { type Contender, isGate } from './lineup.ts'
import { MCP_RULE } from './mcp.ts'
import { ISSUER, policyVars, RESOURCE, USUAL_RULES } from './policy.ts'
import type { PublicKey } from './public-key.ts'
import { SET_KEY } from './revocation-set.ts'
import { type Server, serve } from './workerd.ts'

/** One workerd process with every contender in it, each on a port of its own. */
export interface Arena {
  readonly server: Server
  /** The bundle of a contender. */
  bundle(contender: Contender): Promise<string>
  close(): Promise<void>
}

/** How the arena is built. */
export interface ArenaOptions {
  readonly contenders: readonly Contender[]
  readonly keys: readonly PublicKey[]
  /** Readable names for a profiler; else the gate is the minified bundle of a deploy. */
  readonly readable?: boolean
  /** The origin behind a service binding, or over HTTP on this machine. */
  readonly origin?: 'binding' | 'loopback'
  /** The disk that has the large set, for the contenders that want it; else a new one. */
  readonly disk?: string | undefined
  /** Further arguments of `workerd serve`. */
  readonly flags?: readonly string[]
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
    const bundles = await bundleAll(options.contenders, options.readable ?? false, directory)
    const loopback = options.origin === 'loopback' ? await freePort() : undefined
    const [service, origin] =
      loopback === undefined
        ? ['origin', 'service:ORIGIN']
        : ['origin-http', `http://127.0.0.1:${loopback}`]
    const sockets = options.contenders.map(({ id }) => id)
    const config = capnp({
      workers: [
        plainWorker('origin', bundles.origin ?? '', []),
        kvWorker(directory),
        ...options.contenders.map((one) =>
          workerOf(one, options.keys, bundles, { service, origin }),
        ),
      ],
      externals: loopback === undefined ? {} : { [service]: `127.0.0.1:${loopback}` },
      sockets: {
        ...Object.fromEntries(sockets.map((id) => [id, { port: 0, service: id }])),
        ...(loopback !== undefined && { origin: { port: loopback, service: 'origin' } }),
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

const workerOf = (
  contender: Contender,
  keys: readonly PublicKey[],
  bundles: Bundles,
  { service, origin }: { readonly service: string; readonly origin: string },
): WorkerService => {
  const { id, module, gate, rule, largeSet, rules = USUAL_RULES, times = 1, toolCall } = contender
  const bundle = bundles[module] ?? ''
  if (!isGate(contender)) {
    return plainWorker(id, bundle, [
      { name: 'ORIGIN', service },
      { name: 'ISSUER', text: ISSUER },
      { name: 'AUDIENCE', text: RESOURCE },
      { name: 'KEYS', json: keys },
      { name: 'STEP', text: id },
      { name: 'TIMES', json: times },
    ])
  }
  const { durableObjects } = deployment()
  const keyOf = (binding: string, name: string) =>
    largeSet && binding === 'REVOCATIONS' ? SET_KEY : id + name
  const policy = policyVars(keys, rules, { origin, ...gate }, rule)
  // After all others, whose names are numbers.
  const vars = Object.entries({ ...policy, ...(toolCall && { ROUTES_MCP: [MCP_RULE] }) })
  return {
    ...plainWorker(id, bundle, [
      ...vars.map(([name, json]) => ({ name, json })),
      { name: 'ORIGIN', service },
      { name: 'JWKS_CACHE', kvNamespace: 'kv' },
      ...Object.entries(durableObjects).map(([name, durableObjectNamespace]) => ({
        name,
        durableObjectNamespace,
      })),
    ]),
    classes: Object.fromEntries(
      Object.entries(durableObjects).map(([binding, name]) => [name, keyOf(binding, name)]),
    ),
  }
}

const plainWorker = (name: string, module: string, bindings: readonly Binding[]): WorkerService => {
  const { compatibilityDate, compatibilityFlags } = deployment()
  return { name, module, compatibilityDate, compatibilityFlags, bindings, classes: {} }
}

const kvWorker = (directory: string): WorkerService => {
  const source = fileURLToPath(new URL('../test/kit/kv-worker.js', import.meta.url))
  return {
    ...plainWorker('kv', relative(directory, source), [
      { name: 'STORE', durableObjectNamespace: 'KvNamespace' },
    ]),
    classes: { KvNamespace: 'kv' },
  }
}

const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise((done) => server.close(done))
  return typeof address === 'object' && address !== null ? address.port : 0
}
