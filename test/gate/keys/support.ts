import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { createKeyCache, keyStatus } from '../../../src/gate/keys/cache.ts'
import type { KeyService, Question } from '../../../src/gate/keys/key-service.ts'
import { createMemoryKeyServices } from '../../../src/gate/keys/key-service-client.ts'
import {
  createKeyReader,
  createKeySource,
  type KeySourceOptions,
} from '../../../src/gate/keys/source.ts'
import type { KvLike } from '../../../src/gate/keys/store.ts'
import type { Issuer } from '../../../src/gate/model/issuer.ts'
import { issuerOf as anyIssuer } from '../../kit/facts.ts'

/** An issuer entry of which only what concerns keys matters. */
export const issuerOf = (over: Partial<Issuer>): Issuer =>
  anyIssuer({ issuer: 'https://auth.acme.example', allowInsecureHttp: true, ...over })

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
  /** What a write waits for before it comes to anything. */
  slow: Promise<void> | undefined

  async get(key: string): Promise<unknown> {
    this.gets++
    if (this.down) throw new Error('KV GET failed: 503')
    const value = this.values.get(key)
    return value === undefined ? null : JSON.parse(value)
  }

  async put(key: string, value: string, { expirationTtl }: { expirationTtl: number }) {
    this.puts.push({ key, value, expirationTtl })
    await this.slow
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
    json(path: string, value: unknown, headers: Record<string, string> = {}) {
      const text = JSON.stringify(value)
      paths.set(path, (request, response) => {
        const isHeld =
          headers.etag !== undefined && request.headers['if-none-match'] === headers.etag
        response.writeHead(isHeld ? 304 : 200, { 'content-type': 'application/json', ...headers })
        response.end(isHeld ? '' : text)
      })
    },
    /** Lets a path answer as it does, but only once the promise it is given is there. */
    hold(path: string, until: Promise<void>) {
      const handler = paths.get(path)
      return new Promise<void>((arrived) => {
        paths.set(path, (request, response) => {
          arrived()
          void until.then(() => handler?.(request, response))
        })
      })
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

/** A clock that moves when it is told to. */
export const startClock = (at = 1_000_000_000_000) => {
  const clock = {
    at,
    now: () => clock.at,
    advance(ms: number) {
      clock.at += ms
    },
  }
  return clock
}

/** What the world of one gate is made of, where it is not as usual. */
export interface WorldOptions {
  readonly kv?: KvLike
  readonly random?: () => number
}

/** A service, KV, and isolates that share them and one clock. */
export const startWorld = ({ kv = new MemoryKv(), random = () => 1 }: WorldOptions = {}) => {
  const clock = startClock()
  const events: Record<string, unknown>[] = []
  const left: Promise<unknown>[] = []
  const waitUntil = (promise: Promise<unknown>) => void left.push(promise)
  const log = (event: Record<string, unknown>) => void events.push(event)
  const keepers = createMemoryKeyServices({
    fetch: (url, init) => fetch(url, init),
    clock,
    random,
    kv,
    waitUntil,
    log,
  })
  const world = {
    clock,
    events,
    /** Whether the service can be reached. */
    cut: false,
    /** What isolates asked the service. */
    questions: [] as Question[],
    service: {
      async ask(question) {
        world.questions.push(question)
        if (world.cut) throw new Error('no service')
        // As across a network: plain data, a turn later.
        return structuredClone(await keepers.ask(structuredClone(question)))
      },
    } satisfies KeyService as KeyService,
    /** All work that outlived its request is over. */
    async settle() {
      while (left.length > 0) await Promise.allSettled(left.splice(0))
    },
    /** An isolate that has just started. */
    isolate(over: Partial<KeySourceOptions> = {}) {
      const cache = createKeyCache(clock)
      const options = { cache, kv, service: world.service, clock, waitUntil, log, ...over }
      const source = createKeySource(options)
      const reader = createKeyReader(options)
      const headerOf = (kid: string) => ({ algorithm: 'ES256', kid }) as const
      return {
        cache,
        options,
        find: async (issuer: Issuer, kid: string, caller?: string) =>
          source.find(issuer, headerOf(kid), caller),
        read: async (issuer: Issuer, kid: string) => reader.find(issuer, headerOf(kid)),
        recordSuccess: (issuer: Issuer, caller: string | undefined) =>
          source.recordSuccess?.(issuer, caller),
        status: (issuer: Issuer) => keyStatus(cache, issuer, clock.now()),
      }
    },
  }
  return world
}

/** Outcomes of a search. */
export const FOUND = { ok: true }
export const UNKNOWN = { ok: false, reason: 'unknown' }
export const UNDECIDED = { ok: false, reason: 'undecided' }
export const UNAVAILABLE = { ok: false, reason: 'unavailable' }
