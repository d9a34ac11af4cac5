import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type AgentVerifier,
  createAgentVerifier,
  type VerifyOptions,
  verifyAgent,
} from '../../packages/origin/src/index.ts'
import { ASSERTION_TYP } from '../../src/gate/model/assertion.ts'
import type { FaultName } from '../kit/issuer-faults.ts'
import { startOrigin } from '../kit/origin.ts'
import { createKey } from '../kit/signing.ts'
import { AUDIENCE, codeOf, openGate, requestWith, type TestGate } from './support.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

let now: number
let gate: TestGate
let verifier: AgentVerifier
/** Renewals that were left to go on after an answer. */
let behind: Promise<unknown>[]

beforeEach(async () => {
  now = Date.UTC(2026, 0, 1)
  behind = []
  gate = await openGate(() => now)
  gate.issuer.setHeaders({ 'cache-control': 'public, max-age=600' })
  verifier = verifierWith()
})
afterEach(() => gate.close())

const verifierWith = (changes: Partial<VerifyOptions> = {}) =>
  createAgentVerifier({ ...gate.options, clock: { now: () => now }, ...changes })

const settle = async () => {
  while (behind.length > 0) await Promise.all(behind.splice(0))
}
const extras = { waitUntil: (promise: Promise<unknown>) => void behind.push(promise) }
const verify = (assertion: string) => codeOf(verifier(requestWith(assertion), extras))
/** A good assertion of this moment. */
const ask = async () => verify(await gate.assertion())
const askUnknown = async (kid: string) => {
  const key = await createKey('ES256', kid)
  return verify(await gate.assertion({}, {}, { key }))
}
const asked = () => gate.issuer.requests.length
/** Later, with whatever is renewed behind that. */
const later = async (ms: number) => {
  now += ms
  const code = await ask()
  await settle()
  return code
}

describe('keys', () => {
  it('are at the prefix of the gate by default', async () => {
    const server = await startOrigin()
    const key = await createKey()
    server.on('/gate/jwks.json', (_, res) => res.end(JSON.stringify({ keys: [key.jwk] })))
    const iss = `${server.url}/api`
    const options = { gate: iss, audience: AUDIENCE, prefix: '/gate', clock: { now: () => now } }
    const assertion = await gate.assertion({ iss }, {}, { key })
    expect((await verifyAgent(requestWith(assertion), options)).id).toBe('agent-1')
    const without = codeOf(
      verifyAgent(requestWith(assertion), { gate: iss, audience: AUDIENCE, clock: options.clock }),
    )
    expect(await without).toBe('keys_unavailable')
    expect(server.requests.map(({ url }) => url)).toEqual([
      '/gate/jwks.json',
      '/.edgewarden/jwks.json',
    ])
    await server.close()
  })

  it('are fetched once for all who come at once, and not again while they are fresh', async () => {
    const assertions = await Promise.all(Array.from({ length: 20 }, () => gate.assertion()))
    const codes = await Promise.all(assertions.map(verify))
    expect(codes).toEqual(Array(20).fill(undefined))
    expect(await later(4 * MINUTE)).toBeUndefined()
    expect(asked()).toBe(1)
  })

  it('are renewed behind a request in the second half, and awaited after', async () => {
    await ask()
    await settle()
    now += 5 * MINUTE
    expect([await ask(), behind.length]).toEqual([undefined, 1])
    await settle()
    expect(asked()).toBe(2)
    now += 10 * MINUTE
    const codes = await Promise.all([ask(), ask(), ask()])
    expect([codes, asked()]).toEqual([Array(3).fill(undefined), 3])
  })

  it.each<[string, Record<string, string>, freshMs: number]>([
    ['max-age', { 'cache-control': 'max-age=600' }, 10 * MINUTE],
    ['max-age less Age', { 'cache-control': 'max-age=600', age: '300' }, 5 * MINUTE],
    ['an hour at most', { 'cache-control': 'public, max-age=86400' }, HOUR],
    ['a minute at least', { 'cache-control': 'max-age=1' }, MINUTE],
    ['a minute for no-store', { 'cache-control': 'no-store, max-age=600' }, MINUTE],
    ['ten minutes without', {}, 10 * MINUTE],
    ['ten minutes for what is no number', { 'cache-control': 'max-age=soon' }, 10 * MINUTE],
  ])('are fresh for %s', async (_, headers, freshMs) => {
    gate.issuer.setHeaders(headers)
    await ask()
    now += freshMs / 2 - 1
    await ask()
    expect([behind.length, asked()]).toEqual([1, 1])
    now += freshMs / 2 + 1
    await gate.issuer.fail('down')
    // The first one past it has waited for the gate.
    behind = []
    expect([await ask(), behind.length]).toEqual([undefined, 1])
  })

  it('that are unchanged are not imported again', async () => {
    const imported: unknown[] = []
    const { importKey } = crypto.subtle
    crypto.subtle.importKey = ((...args: Parameters<typeof importKey>) => {
      imported.push(args[0])
      return importKey.apply(crypto.subtle, args)
    }) as typeof importKey
    try {
      await ask()
      for (let n = 0; n < 3; n++) await later(11 * MINUTE)
      expect([asked(), imported.length]).toEqual([4, 1])
    } finally {
      crypto.subtle.importKey = importKey
    }
  })
})

describe('a rotation', () => {
  it('refuses nobody, announced or not', async () => {
    await ask()
    await gate.issuer.rotate()
    now += MINUTE
    expect([await ask(), asked()]).toEqual([undefined, 2])
  })

  it('ends the key that is no longer published', async () => {
    const old = await gate.assertion()
    expect(await verify(old)).toBeUndefined()
    await gate.issuer.rotate({ keep: false })
    now += 31 * SECOND
    expect(await ask()).toBeUndefined()
    expect(await verify(old)).toBe('key_unknown')
  })
})

describe('unknown key ids', () => {
  it('cause one question per cooldown, however many come', async () => {
    await ask()
    const flood = async (name: string) =>
      new Set(await Promise.all(Array.from({ length: 20 }, (_, n) => askUnknown(`${name}-${n}`))))
    expect(await flood('first')).toEqual(new Set(['key_unknown']))
    expect(asked()).toBe(1)
    now += 30 * SECOND
    expect(await flood('second')).toEqual(new Set(['key_unknown']))
    expect(asked()).toBe(2)
    now += 29 * SECOND
    expect(await flood('third')).toEqual(new Set(['key_unknown']))
    expect(asked()).toBe(2)
    expect(await ask()).toBeUndefined()
  })

  it('are not called unknown where the gate was not reached', async () => {
    await ask()
    now += 30 * SECOND
    await gate.issuer.fail(500)
    expect([await askUnknown('a'), await askUnknown('b'), await ask()]).toEqual([
      'keys_unavailable',
      'keys_unavailable',
      undefined,
    ])
    expect(asked()).toBe(2)
  })

  it('are those of keys that cannot be used, too', async () => {
    const { issuer } = gate
    const twin = await createKey('ES256', 'twin')
    const other = await createKey('ES256', 'twin')
    const encrypting = await createKey('ES256', 'encrypting')
    issuer.setKeys([
      issuer.jwk,
      { ...issuer.privateJwk, kid: 'private' },
      { ...encrypting.jwk, use: 'enc' },
      { ...issuer.jwk, kid: undefined },
      'no key',
      twin.jwk,
      twin.jwk,
      other.jwk,
    ])
    const header = (kid: string) => ({ typ: ASSERTION_TYP, alg: 'ES256', kid })
    const signed = (kid: string) => issuer.mintRaw(header(kid), gate.claims())
    for (const kid of ['private', 'undefined']) {
      expect(await verify(await signed(kid))).toBe('key_unknown')
    }
    for (const key of [twin, other, encrypting]) {
      expect(await verify(await gate.assertion({}, {}, { key }))).toBe('key_unknown')
    }
    expect(await ask()).toBeUndefined()
  })
})

describe('an outage', () => {
  it('is bridged for a day, and nobody waits for what is known to fail', async () => {
    await ask()
    await settle()
    await gate.issuer.fail(503)
    now += 11 * MINUTE
    expect([await ask(), asked(), behind.length]).toEqual([undefined, 2, 1])
    behind = []
    // The failure is waited out, then asked about behind a request.
    expect([await ask(), behind.length]).toEqual([undefined, 0])
    now += 5 * SECOND
    expect([await ask(), behind.length]).toEqual([undefined, 1])
    await settle()
    expect(await later(23 * HOUR)).toBeUndefined()
    expect(await later(50 * MINUTE)).toBe('keys_unavailable')
  })

  it('ends when the gate is back', async () => {
    await gate.issuer.fail(503)
    expect([await ask(), await ask()]).toEqual(['keys_unavailable', 'keys_unavailable'])
    expect(asked()).toBe(1)
    await gate.issuer.fail()
    now += 5 * SECOND
    expect([await ask(), asked()]).toEqual([undefined, 2])
  })

  it.each<[FaultName | number, string]>([
    ['down', 'unreachable'],
    ['destroy', 'unreachable'],
    ['elsewhere', 'status 302'],
    ['loop', 'status 307'],
    [404, 'status 404'],
    ['huge', 'too_large'],
    ['broken', 'not a JWK set'],
    ['keyless', 'not a JWK set'],
    ['truncated', 'broken'],
  ])('that shows as %s is told as %s', async (fault, reason) => {
    await gate.issuer.fail(fault)
    const refused = verifier(requestWith(await gate.assertion()))
    await expect(refused).rejects.toMatchObject({
      code: 'keys_unavailable',
      status: 503,
      detail: `${gate.issuer.jwksUri}: ${reason}`,
    })
  })
})
