import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { kvService } from '../../../src/command/serve/kv.ts'
import { capnp, type WorkerService } from '../../../src/command/serve/workerd-config.ts'
import { deployment, ROOT } from '../../../test/kit/repository.ts'
import { policyVars, USUAL_RULES } from '../policy.ts'
import type { PublicKey } from '../public-key.ts'
import { type Server, serve } from '../workerd.ts'
import type { Configuration } from './configurations.ts'

/** An issuer whose keys may come by plain http. */
export const LOCAL_ISSUER = 'https://auth.localhost'

/** The origin and the issuer's key set, in this process: their work is not workerd's. */
export interface Outside {
  readonly port: number
  close(): void
}

const ANSWER = JSON.stringify({ jsonrpc: '2.0', id: 7, result: { status: 'ready', pages: 12 } })

/** Serves the keys at `/jwks`, and a small answer everywhere else, of which `onRequest` is told the path. */
export const startOutside = async (
  keys: readonly PublicKey[],
  onRequest: (path: string) => void = () => {},
): Promise<Outside> => {
  const server = createServer((request, response) => {
    onRequest(request.url ?? '')
    const text = request.url === '/jwks' ? JSON.stringify({ keys }) : ANSWER
    request.resume().once('end', () => {
      const length = Buffer.byteLength(text)
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': length })
      response.end(text)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** A gate in a workerd of its own, with empty storage, and further isolates of it that share its objects. */
export interface CostGate {
  readonly server: Server
  readonly port: number
  /** Ports of the other isolates. */
  readonly others: readonly number[]
  stop(): Promise<void>
}

/** Starts a gate of a configuration, and so many more isolates. Nobody has asked any of them anything yet. */
export const startCostGate = async (
  configuration: Configuration,
  outside: Outside,
  bundle: string,
  others = 0,
): Promise<CostGate> => {
  const directory = await mkdtemp(join(tmpdir(), 'edgewarden-costs-'))
  const disk = join(directory, 'data')
  await mkdir(disk)
  const { compatibilityDate, compatibilityFlags, durableObjects } = deployment()
  const { AUDIT_LOG, AGENTS, ...needed } = durableObjects
  const objects = configuration.hasAudit ? durableObjects : needed
  const vars = Object.entries(varsOf(configuration, outside)).map(([name, json]) => ({
    name,
    json,
  }))
  const worker = (name: string, isFirst: boolean): WorkerService => ({
    name,
    modules: { 'worker.js': { path: relative(directory, bundle) } },
    compatibilityDate,
    compatibilityFlags,
    bindings: [
      ...vars,
      { name: 'JWKS_CACHE', kvNamespace: 'kv' },
      ...Object.entries(objects).map(([binding, className]) => ({
        name: binding,
        durableObjectNamespace: isFirst ? className : { className, serviceName: 'gate' },
      })),
    ],
    classes: isFirst
      ? Object.fromEntries(Object.values(objects).map((className) => [className, className]))
      : {},
  })
  const names = Array.from({ length: others }, (_, i) => `gate-${i + 1}`)
  const { reaches } = configuration
  const reaching: WorkerService = {
    name: 'objects',
    modules: {
      'worker.js': { path: relative(directory, join(ROOT, 'test/kit/objects-worker.js')) },
    },
    compatibilityDate,
    bindings: Object.entries(objects)
      .filter(([binding]) => binding === reaches)
      .map(([name, className]) => ({
        name,
        durableObjectNamespace: { className, serviceName: 'gate' },
      })),
    classes: {},
  }
  const more = reaches === undefined ? [] : [reaching]
  const sockets = ['gate', ...names, ...more.map(({ name }) => name)]
  const path = join(directory, 'config.capnp')
  await writeFile(
    path,
    capnp({
      workers: [
        worker('gate', true),
        ...names.map((name) => worker(name, false)),
        ...more,
        kvService('kv'),
      ],
      externals: {},
      sockets: Object.fromEntries(
        sockets.map((name) => [name, { address: '127.0.0.1:0', service: name }]),
      ),
      disk,
    }),
  )
  const server = await serve(path, sockets)
  return {
    server,
    port: server.ports.gate ?? 0,
    others: names.map((name) => server.ports[name] ?? 0),
    async stop() {
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const varsOf = ({ kind, gate, rule, vars, hasAudit }: Configuration, { port }: Outside) => {
  const url = `http://127.0.0.1:${port}`
  const issuer = { issuer: LOCAL_ISSUER, agent_prefix: 'acme/', jwks_uri: `${url}/jwks` }
  return {
    ...policyVars([], USUAL_RULES, { origin: url, ...gate }, rule),
    ISSUERS: { acme: { ...issuer, allow_insecure_http: true, max_lifetime: '60m' } },
    ...(hasAudit && { AUDIT: {} }),
    ...(kind.rule && { ROUTES_MORE: [kind.rule] }),
    ...vars,
  }
}
