import { abortAllDurableObjects, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { type InFlight, isInFlight, share } from '../../../../src/gate/base/single-flight.ts'
import { createKeyCache, type KeyCache } from '../../../../src/gate/keys/cache.ts'
import { createMemoryKeyServices } from '../../../../src/gate/keys/key-service-client.ts'
import { createKeySource } from '../../../../src/gate/keys/source.ts'
import type { KvLike } from '../../../../src/gate/keys/store.ts'
import type { Issuer } from '../../../../src/gate/model/issuer.ts'
import { DEFAULT_KEY_TIMES } from '../../../../src/gate/policy/keys/keys.ts'

interface Bindings {
  readonly JWKS_CACHE: KvLike
  readonly REVOCATIONS: DurableObjectNamespace
}
const { JWKS_CACHE, REVOCATIONS } = env as unknown as Bindings

let names = 0
/** An issuer of its own for each test: KV is shared within a file. */
const issuerOf = (over: Partial<Issuer> = {}): Issuer => ({
  name: 'acme',
  profile: 'rfc9068',
  issuer: 'https://auth.acme.example',
  keys: { kind: 'uri', uri: `https://auth.acme.example/jwks/${names++}` },
  keyTimes: DEFAULT_KEY_TIMES,
  allowInsecureHttp: false,
  algorithms: ['ES256', 'RS256', 'PS256', 'Ed25519'],
  types: new Set(['at+jwt']),
  audienceClaim: 'aud',
  maxLifetime: 900,
  requiredClaims: [],
  claims: [],
  clientId: [['client_id'], ['azp']],
  clientRequired: false,
  agentId: [],
  agentPrefix: '',
  agentType: ['agent_type'],
  workflowId: [['workflow_id']],
  sessionId: ['sid'],
  scope: [],
  scopeElse: [],
  admin: false,
  delegation: { maxDepth: 4, requireActor: false, issuers: new Set() },
  ...over,
})

const newKey = async (alg: string, over: object = {}): Promise<JWK> => {
  const { publicKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(publicKey)), ...over }
}

const HEADER = { algorithm: 'ES256', kid: 'a' } as const
const KEYS = { keys: [await newKey('ES256', { kid: 'a' })] }

const clock = { now: () => Date.now() }

/** A service whose issuers all answer this, with the number of times they were asked. */
const startService = (answer = async () => Response.json(KEYS)) => {
  const left: Promise<unknown>[] = []
  const events: Record<string, unknown>[] = []
  const waitUntil = (promise: Promise<unknown>) => void left.push(promise)
  const log = (event: Record<string, unknown>) => void events.push(event)
  const asked: Request[] = []
  const service = createMemoryKeyServices({
    fetch: async (url, init) => {
      asked.push(new Request(url, init))
      return answer()
    },
    clock,
    random: () => 1,
    kv: JWKS_CACHE,
    waitUntil,
    log,
  })
  return {
    asked,
    events,
    /** Requests of one isolate. */
    isolate(cache: KeyCache = createKeyCache(clock)) {
      return () => createKeySource({ cache, kv: JWKS_CACHE, service, clock, waitUntil, log })
    },
    settle: async () => {
      while (left.length > 0) await Promise.allSettled(left.splice(0))
    },
  }
}

describe('keys with the KV binding', () => {
  it('are had by the others when the context that asked for them is torn down', async () => {
    const flights: InFlight = new Map()
    const terms = { clock, maxAgeMs: 300, waitUntil: () => {} }
    let runs = 0
    const work = (ms: number) => async () => {
      runs++
      await new Promise((done) => setTimeout(done, ms))
    }
    const stub = REVOCATIONS.get(REVOCATIONS.idFromName('one that leaves'))
    await runInDurableObject(stub, () => {
      share(flights, 'a', terms, work(60_000)).catch(() => {})
    })
    await abortAllDurableObjects()
    expect(isInFlight(flights, 'a', terms)).toBe(true)
    await Promise.all(Array.from({ length: 5 }, () => share(flights, 'a', terms, work(1))))
    expect(runs).toBe(2)
    expect(flights.size).toBe(0)
  })

  it('serve others when they were fetched and imported in another request', async () => {
    const issuer = issuerOf()
    const { isolate, asked, settle } = startService()
    const request = isolate()
    const stub = REVOCATIONS.get(REVOCATIONS.idFromName('one that stays'))
    await runInDurableObject(stub, async () => {
      await request().find(issuer, HEADER)
      await settle()
    })
    const found = await request().find(issuer, HEADER)
    expect(found).toMatchObject({ ok: true, value: { kid: 'a' } })
    expect(asked).toHaveLength(1)
  })
})
