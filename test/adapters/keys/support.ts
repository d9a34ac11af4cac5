import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { createKeyCache } from '../../../src/adapters/keys/cache.ts'
import { createKeySource } from '../../../src/adapters/keys/source.ts'
import type { KvLike } from '../../../src/adapters/keys/store.ts'
import type { Issuer } from '../../../src/model/issuer.ts'

/** An issuer entry of which only what concerns keys matters. */
export const issuerOf = (over: Partial<Issuer>): Issuer => ({
  name: 'acme',
  issuer: 'https://auth.acme.example',
  keys: { kind: 'discovery' },
  allowInsecureHttp: true,
  algorithms: ['ES256', 'RS256', 'PS256', 'Ed25519'],
  types: new Set(['at+jwt']),
  maxLifetime: 900,
  requiredClaims: [],
  claims: [],
  agentId: [],
  agentPrefix: '',
  agentType: ['agent_type'],
  workflowId: ['workflow_id'],
  scope: [],
  admin: false,
  delegation: { maxDepth: 4, requireActor: false, issuers: new Set() },
  ...over,
})

/** A public JWK of a new key pair. */
export const publicJwk = async (alg: string, over: object = {}): Promise<JWK> => {
  const { publicKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(publicKey)), ...over }
}

/** KV as a map, with what was asked of it. */
export class MemoryKv implements KvLike {
  readonly values = new Map<string, string>()
  readonly puts: { key: string; value: string; expirationTtl: number }[] = []
  gets = 0
  down = false

  async get(key: string): Promise<unknown> {
    this.gets++
    if (this.down) throw new Error('KV GET failed: 503')
    const value = this.values.get(key)
    return value === undefined ? null : JSON.parse(value)
  }

  async put(key: string, value: string, { expirationTtl }: { expirationTtl: number }) {
    this.puts.push({ key, value, expirationTtl })
    if (this.down) throw new Error('KV PUT failed: 429')
    this.values.set(key, value)
  }
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A server on loopback whose paths answer what a test puts there. */
export const startServer = async () => {
  const paths = new Map<string, Handler>()
  const requests: string[] = []
  const heard: IncomingMessage['headers'][] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    requests.push(path)
    heard.push(request.headers)
    const handler = paths.get(path)
    if (handler) return handler(request, response)
    response.writeHead(404).end()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    origin,
    paths,
    requests,
    heard,
    json(path: string, value: unknown) {
      paths.set(path, (_, response) => response.end(JSON.stringify(value)))
    },
    status(path: string, status: number, headers: Record<string, string> = {}) {
      paths.set(path, (_, response) => response.writeHead(status, headers).end())
    },
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

/** One isolate: its memory, its clock, and what its requests left to be done. */
export const startIsolate = (kv?: KvLike, now = 1_000_000_000_000) => {
  const cache = createKeyCache()
  const events: Record<string, unknown>[] = []
  const left: Promise<unknown>[] = []
  const clock = {
    at: now,
    now: () => clock.at,
    advance(ms: number) {
      clock.at += ms
    },
  }
  return {
    cache,
    clock,
    events,
    request: (over: Partial<Parameters<typeof createKeySource>[0]> = {}) =>
      createKeySource({
        cache,
        ...(kv && { kv }),
        fetch: (url, init) => fetch(url, init),
        clock,
        waitUntil: (promise) => {
          left.push(promise)
        },
        log: (event) => {
          events.push(event)
        },
        ...over,
      }),
    /** All work that outlived its request is over. */
    async settle() {
      while (left.length > 0) await Promise.allSettled(left.splice(0))
    },
  }
}
