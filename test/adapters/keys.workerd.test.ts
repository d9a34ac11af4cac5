import { abortAllDurableObjects, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { createKeyCache, type KeyCache } from '../../src/adapters/keys/cache.ts'
import { type Flights, isFlying, share } from '../../src/adapters/keys/flight.ts'
import { createKeySource } from '../../src/adapters/keys/source.ts'
import type { KvLike } from '../../src/adapters/keys/store.ts'
import type { Issuer } from '../../src/model/issuer.ts'

interface Bindings {
  readonly JWKS_CACHE: KvLike
  readonly REVOCATIONS: DurableObjectNamespace
}
const { JWKS_CACHE, REVOCATIONS } = env as unknown as Bindings

let names = 0
/** An issuer of its own for each test: KV is shared within a file. */
const issuerOf = (over: Partial<Issuer> = {}): Issuer => ({
  name: 'acme',
  issuer: 'https://auth.acme.example',
  keys: { kind: 'uri', uri: `https://auth.acme.example/jwks/${names++}` },
  allowInsecureHttp: false,
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

const newKey = async (alg: string, over: object = {}): Promise<JWK> => {
  const { publicKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(publicKey)), ...over }
}

const HEADER = { algorithm: 'ES256', kid: 'a' } as const
const KEYS = { keys: [await newKey('ES256', { kid: 'a' })] }

const RSA = await newKey('RS256')
const SORTS = [
  { name: 'RSA', key: RSA, algorithm: 'RS256', ok: true },
  { name: 'RSA with e = 1', key: { ...RSA, e: 'AQ' }, algorithm: 'RS256', ok: false },
  {
    name: 'RSA of 1008 bits',
    key: { ...RSA, n: RSA.n?.slice(0, 168) },
    algorithm: 'RS256',
    ok: false,
  },
  { name: 'P-384 for ES256', key: await newKey('ES384'), algorithm: 'ES256', ok: false },
  {
    name: 'Ed25519 as EdDSA',
    key: await newKey('Ed25519', { alg: 'EdDSA' }),
    algorithm: 'Ed25519',
    ok: true,
  },
  {
    name: 'Ed25519',
    key: await newKey('Ed25519', { alg: 'Ed25519' }),
    algorithm: 'Ed25519',
    ok: true,
  },
] as const

interface Isolate {
  readonly cache?: KeyCache
  readonly answer?: () => Promise<Response>
  readonly waitUntil?: (promise: Promise<unknown>) => void
}

/** Requests of one isolate, with the number of times the issuer was asked. */
const startIsolate = ({ cache = createKeyCache(), ...over }: Isolate = {}) => {
  const left: Promise<unknown>[] = []
  const isolate = {
    asked: 0,
    events: [] as Record<string, unknown>[],
    cache,
    request: (own: Isolate = {}) =>
      createKeySource({
        cache,
        kv: JWKS_CACHE,
        clock: { now: () => Date.now() },
        fetch: async () => {
          isolate.asked++
          return (own.answer ?? over.answer ?? (async () => Response.json(KEYS)))()
        },
        waitUntil:
          own.waitUntil ??
          ((promise) => {
            left.push(promise)
          }),
        log: (event) => {
          isolate.events.push(event)
        },
      }),
    settle: async () => {
      while (left.length > 0) await Promise.allSettled(left.splice(0))
    },
  }
  return isolate
}

describe('keys with the KV binding', () => {
  it('are asked for once by concurrent requests and found in KV by the next isolate', async () => {
    const issuer = issuerOf()
    const first = startIsolate()
    const many = Array.from({ length: 20 }, () => first.request().find(issuer, HEADER))
    for (const found of await Promise.all(many)) expect(found).toMatchObject({ ok: true })
    expect(first.asked).toBe(1)
    await first.settle()
    const second = startIsolate()
    expect(await second.request().find(issuer, HEADER)).toMatchObject({ ok: true })
    expect([second.asked, first.events, second.events]).toEqual([0, [], []])
  })

  it('are fetched with what this runtime accepts', async () => {
    const issuer = issuerOf()
    const isolate = startIsolate()
    const source = createKeySource({
      cache: isolate.cache,
      clock: { now: () => Date.now() },
      fetch: async (url, init) => {
        expect(new Request(url, init).headers.get('accept')).toBe('application/json')
        return Response.json(KEYS)
      },
      waitUntil: () => {},
      log: () => {},
    })
    expect(await source.find(issuer, HEADER)).toMatchObject({ ok: true })
  })

  it('are not taken from a body over the limit', async () => {
    const answer = async () => new Response(`{"keys":[],"x":"${'x'.repeat(70_000)}"}`)
    const isolate = startIsolate({ answer })
    const found = await isolate.request().find(issuerOf(), HEADER)
    expect(found).toEqual({ ok: false, reason: 'unavailable' })
    expect(isolate.events).toMatchObject([{ error: 'too large' }])
  })

  it('are had by the others when the context that asked for them is torn down', async () => {
    const flights: Flights = new Map()
    const terms = { clock: { now: () => Date.now() }, maxAgeMs: 300, waitUntil: () => {} }
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
    expect(isFlying(flights, 'a', terms)).toBe(true)
    await Promise.all(Array.from({ length: 5 }, () => share(flights, 'a', terms, work(1))))
    expect(runs).toBe(2)
    expect(flights.size).toBe(0)
  })

  it('serve others when they were fetched and imported in another request', async () => {
    const issuer = issuerOf()
    const isolate = startIsolate()
    const stub = REVOCATIONS.get(REVOCATIONS.idFromName('one that stays'))
    await runInDurableObject(stub, async () => {
      await isolate.request().find(issuer, HEADER)
      await isolate.settle()
    })
    const found = await isolate.request().find(issuer, HEADER)
    expect(found).toMatchObject({ ok: true, value: { kid: 'a' } })
    expect(isolate.asked).toBe(1)
  })

  it.each(SORTS)('import $name as far as it is sound', async ({ key, algorithm, ok }) => {
    const issuer = issuerOf({ keys: { kind: 'inline', keys: [{ ...key }] } })
    expect(await startIsolate().request().find(issuer, { algorithm })).toMatchObject({ ok })
  })
})
