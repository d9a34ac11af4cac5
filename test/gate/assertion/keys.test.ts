import { generateKeyPairSync } from 'node:crypto'
import { type CryptoKey, exportJWK, type JWK, jwtVerify, SignJWT } from 'jose'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeKey, publicKeyOf } from '../../../src/gate/assertion/key-material.ts'
import {
  type AskForKeys,
  createMemoryAssertionKeys,
  type KeptKeys,
} from '../../../src/gate/assertion/key-service.ts'
import { createAssertionKeys, createAssertionMemory } from '../../../src/gate/assertion/keys.ts'
import type {
  AssertionAlgorithm,
  AssertionRule,
  OperatorKey,
} from '../../../src/gate/model/assertion.ts'
import type { SigningKey } from '../../../src/gate/model/ports.ts'
import { NOW } from '../../kit/facts.ts'

const MINUTE = 60_000

beforeEach(
  () => void vi.useFakeTimers({ now: NOW * 1000, toFake: ['Date', 'setTimeout', 'clearTimeout'] }),
)
afterEach(() => void vi.useRealTimers())

const clock = { now: () => Date.now() }

const ruleOf = (changes: Partial<AssertionRule> = {}): AssertionRule => ({
  binding: 'identity',
  algorithm: 'ES256',
  maxBody: 1,
  operatorKeys: [],
  withdrawn: [],
  ...changes,
})

const operatorKey = (algorithm: AssertionAlgorithm, place = 1): OperatorKey => {
  const { privateKey } =
    algorithm === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('ed25519')
  return { place, algorithm, privateJwk: privateKey.export({ format: 'jwk' }) as JWK }
}

/** A service whose answers are counted and can fail or wait. */
const start = ({ service = createMemoryAssertionKeys(clock) as AskForKeys | null } = {}) => {
  const memory = createAssertionMemory()
  const asked: number[] = []
  const logged: Record<string, unknown>[] = []
  const behind: Promise<unknown>[] = []
  const state: { fault?: Error; until?: Promise<unknown> } = {}
  const of = (rule: AssertionRule) =>
    createAssertionKeys({
      memory,
      rule,
      clock,
      log: (event) => void logged.push(event),
      waitUntil: (promise) => void behind.push(promise),
      ...(service && {
        service: async (wanted) => {
          asked.push(clock.now())
          await state.until
          if (state.fault) throw state.fault
          return service(wanted)
        },
      }),
    })
  const settle = async () => {
    while (behind.length > 0) await behind.shift()
  }
  return { of, asked, logged, state, settle, keys: of(ruleOf()) }
}

const signed = async (key: SigningKey | undefined) => {
  if (!key) throw new Error('no key')
  return new SignJWT({}).setProtectedHeader({ alg: key.algorithm, kid: key.kid }).sign(key.key)
}

const verified = async (text: string, published: readonly JWK[]) => {
  const { createLocalJWKSet } = await import('jose')
  const { protectedHeader } = await jwtVerify(text, createLocalJWKSet({ keys: [...published] }))
  return protectedHeader
}

describe('the key to sign with', () => {
  it('is had by one question for many requests at once', async () => {
    const { keys, asked } = start()
    const all = await Promise.all(Array.from({ length: 200 }, () => keys.signing()))
    expect(new Set(all).size).toBe(1)
    expect(asked).toHaveLength(1)
  })

  it.each(['ES256', 'EdDSA'] as const)(
    'signs what is published verifies (%s)',
    async (algorithm) => {
      const keys = start().of(ruleOf({ algorithm }))
      const published = await keys.published()
      expect(await verified(await signed(await keys.signing()), published)).toMatchObject({
        alg: algorithm,
      })
      expect(published).toEqual([
        expect.objectContaining({ alg: algorithm, use: 'sig', kid: (await keys.signing())?.kid }),
      ])
      expect(JSON.stringify(published)).not.toContain('"d"')
    },
  )

  it('cannot be taken out of the isolate', async () => {
    const key = await start().keys.signing()
    expect(key?.key.extractable).toBe(false)
    expect(key?.key.usages).toEqual(['sign'])
    await expect(exportJWK(key?.key as CryptoKey)).rejects.toThrow()
  })
})

describe('it is renewed', () => {
  it('behind a request, once five minutes are over', async () => {
    const { keys, asked, settle } = start()
    const key = await keys.signing()
    vi.advanceTimersByTime(5 * MINUTE - 1)
    keys.signing()
    expect(asked).toHaveLength(1)
    vi.advanceTimersByTime(1)
    expect(keys.signing()).toBe(key)
    expect(keys.signing()).toBe(key)
    await settle()
    expect(asked).toHaveLength(2)
    expect((await keys.signing())?.kid).toBe(key?.kid)
  })

  it('when the service says that something changes, if that is sooner', async () => {
    const first = await makeKey('ES256', 0)
    const second = await makeKey('ES256', 0)
    let signer = first
    const { keys, settle } = start({
      service: async (): Promise<KeptKeys> => ({
        signer,
        published: [first.jwk, second.jwk],
        changesAt: clock.now() + MINUTE,
      }),
    })
    expect((await keys.signing())?.kid).toBe(first.kid)
    signer = second
    vi.advanceTimersByTime(MINUTE)
    expect((await keys.signing())?.kid).toBe(first.kid)
    await settle()
    expect((await keys.signing())?.kid).toBe(second.kid)
  })
})

describe('while the service cannot be reached', () => {
  it('is used for fifty-five minutes, and then there is none', async () => {
    const { keys, state, settle, asked, logged } = start()
    const key = await keys.signing()
    state.fault = new Error('unreachable')
    for (let minutes = 1; minutes < 55; minutes++) {
      vi.advanceTimersByTime(MINUTE)
      expect(keys.signing()).toBe(key)
      await settle()
    }
    expect(asked).toHaveLength(51)
    expect(logged).toHaveLength(50)
    expect(logged[0]).toEqual({ event: 'assertion_keys_unavailable', error: 'Error: unreachable' })
    vi.advanceTimersByTime(MINUTE)
    await expect(keys.signing()).rejects.toThrow('unreachable')
    expect(asked).toHaveLength(52)
    await expect(keys.published()).rejects.toThrow('failed a moment ago')
    expect(asked).toHaveLength(52)
    state.fault = undefined as unknown as Error
    vi.advanceTimersByTime(1_000)
    expect((await keys.signing())?.kid).toBe(key?.kid)
  })

  it('is asked again although the clock went back', async () => {
    const { keys, state } = start()
    state.fault = new Error('unreachable')
    await expect(keys.signing()).rejects.toThrow('unreachable')
    state.fault = undefined as unknown as Error
    vi.setSystemTime(Date.now() - 60 * MINUTE)
    expect(await keys.signing()).toBeDefined()
  })
})

describe('another policy', () => {
  it('never gets a key of this one, also where both ask at once', async () => {
    const { of, asked } = start({ service: null })
    const [one, other] = [
      ruleOf({ operatorKeys: [operatorKey('ES256')] }),
      ruleOf({ operatorKeys: [operatorKey('EdDSA')] }),
    ]
    const told = await Promise.all(
      [one, other, one, other].map(async (rule) => [rule, await of(rule).signing()] as const),
    )
    for (const [rule, key] of told) {
      const [own] = rule.operatorKeys
      if (!own) throw new Error('no key')
      expect(key?.kid).toBe((await publicKeyOf(own.privateJwk, own.algorithm)).kid)
    }
    expect(asked).toEqual([])
  })
})

describe('keys of the operator', () => {
  const [first, second] = [operatorKey('EdDSA'), operatorKey('ES256')]
  const rule = ruleOf({ algorithm: 'EdDSA', operatorKeys: [first, second] })

  it('are told to the service without what is private', async () => {
    const wanted: unknown[] = []
    const keeping = createMemoryAssertionKeys(clock)
    const keys = start({
      service: (asked) => {
        wanted.push(asked)
        return keeping(asked)
      },
    }).of(rule)
    await keys.signing()
    const text = JSON.stringify(wanted)
    expect(wanted).toMatchObject([{ algorithm: 'EdDSA', withdrawn: [] }])
    expect(text).toContain(first.privateJwk.x)
    for (const { privateJwk } of rule.operatorKeys) expect(text).not.toContain(privateJwk.d)
  })

  it('are imported and tried once, also where they are asked for again and again', async () => {
    const sign = vi.spyOn(crypto.subtle, 'sign')
    const { of, settle, asked } = start()
    const keys = of(rule)
    const key = await keys.signing()
    for (let i = 0; i < 3; i++) {
      vi.advanceTimersByTime(5 * MINUTE)
      await keys.signing()
      await settle()
    }
    expect(asked).toHaveLength(4)
    expect((await keys.signing())?.key).toBe(key?.key)
    expect(sign).toHaveBeenCalledTimes(2)
    sign.mockRestore()
  })

  it.each<[string, OperatorKey, Partial<JWK>]>([
    ['ES256, another y', second, { y: operatorKey('ES256').privateJwk.y as string }],
    ['EdDSA, another d', first, { d: operatorKey('EdDSA').privateJwk.d as string }],
    ['EdDSA, another x', first, { x: operatorKey('EdDSA').privateJwk.x as string }],
  ])('whose numbers do not belong together are none (%s)', async (_, good, part) => {
    const mixed = { ...good, place: 2, privateJwk: { ...good.privateJwk, ...part } as JWK }
    for (const service of [null, createMemoryAssertionKeys(clock)]) {
      const { of, logged, asked } = start({ service })
      const keys = of(ruleOf({ operatorKeys: [operatorKey('ES256'), mixed] }))
      await expect(keys.signing()).rejects.toThrow()
      await expect(keys.published()).rejects.toThrow()
      expect(logged[0]).toEqual({
        event: 'assertion_keys_unavailable',
        error:
          'Error: key 2 of the secret ASSERTION_KEYS cannot sign: its private and public members do not belong together',
      })
      // Nor does a service hear of them.
      expect(asked).toEqual([])
    }
  })
})

describe('a withdrawn key', () => {
  it('is neither signed with nor published, whatever a service says', async () => {
    const [leaked, good] = [await makeKey('ES256', 0), await makeKey('ES256', 0)]
    let signer = leaked
    const { of, logged } = start({
      service: async () => ({ signer, published: [leaked.jwk, good.jwk], changesAt: 0 }),
    })
    const keys = of(ruleOf({ withdrawn: [leaked.kid] }))
    await expect(keys.signing()).rejects.toThrow()
    expect(logged[0]).toEqual({
      event: 'assertion_keys_unavailable',
      error: 'Error: the key service signs with a withdrawn key',
    })
    signer = good
    vi.advanceTimersByTime(1_000)
    expect((await keys.signing())?.kid).toBe(good.kid)
    expect(await keys.published()).toEqual([good.jwk])
  })

  it('among those of the secret leaves the others, without a service, whatever its halves are', async () => {
    const [first, second] = [operatorKey('ES256', 1), operatorKey('ES256', 2)]
    const { kid } = await publicKeyOf(first.privateJwk, 'ES256')
    const mixed = { ...first, privateJwk: { ...first.privateJwk, d: second.privateJwk.d ?? '' } }
    const keys = start({ service: null }).of(
      ruleOf({ operatorKeys: [mixed, second], withdrawn: [kid] }),
    )
    const other = await publicKeyOf(second.privateJwk, 'ES256')
    expect((await keys.signing())?.kid).toBe(other.kid)
    expect(await keys.published()).toEqual([other.jwk])
  })

  it('that is all of the secret leaves it to the service, and without one to nobody', async () => {
    const only = operatorKey('ES256', 1)
    const { kid } = await publicKeyOf(only.privateJwk, 'ES256')
    const rule = ruleOf({ operatorKeys: [only], withdrawn: [kid] })
    const made = await start().of(rule).signing()
    expect(made?.kid).toMatch(/^[\w-]{43}$/)
    expect(made?.kid).not.toBe(kid)
    const { of, logged } = start({ service: null })
    await expect(of(rule).signing()).rejects.toThrow()
    expect(logged[0]).toMatchObject({ event: 'assertion_keys_unavailable' })
  })
})
