import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { makeKey } from '../../../src/gate/assertion/key-material.ts'
import type { AssertionKeyService } from '../../../src/gate/assertion/object.ts'
import type { AssertionKey, Wanted } from '../../../src/gate/assertion/plan.ts'

const { ASSERTION_KEY_SERVICE } = env as unknown as {
  readonly ASSERTION_KEY_SERVICE: DurableObjectNamespace<AssertionKeyService>
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const MADE: Wanted = { algorithm: 'ES256', operatorKeys: [] }

/** Keeps an object from the others of this file. */
const serviceOf = (name: string) => ASSERTION_KEY_SERVICE.getByName(name)

/** What the service says in so many milliseconds. */
const begin = Date.now()
const at = (ms: number) => void vi.spyOn(Date, 'now').mockReturnValue(begin + ms)
afterEach(() => void vi.restoreAllMocks())

const keysIn = (service: DurableObjectStub<AssertionKeyService>) =>
  runInDurableObject(
    service,
    (_, { storage }) => storage.kv.get<readonly AssertionKey[]>('keys') ?? [],
  )

const operatorKey = async () => {
  const { privateJwk: _, signsFrom: __, ...key } = await makeKey('EdDSA', 0)
  return key
}

describe('the service of assertion keys', () => {
  it('makes one key for a hundred callers at once', async () => {
    const service = serviceOf('herd')
    const told = await Promise.all(Array.from({ length: 100 }, () => service.keys(MADE)))
    expect(new Set(told.map(({ signer }) => signer.kid)).size).toBe(1)
    expect(new Set(told.map(({ published }) => JSON.stringify(published))).size).toBe(1)
    expect(told[0]?.published).toHaveLength(1)
  })

  it('has the same key when it was evicted', async () => {
    const { signer } = await serviceOf('evicted').keys(MADE)
    await abortAllDurableObjects()
    expect((await serviceOf('evicted').keys(MADE)).signer).toEqual(signer)
  })

  it('hands the private key to the gate, and publishes none', async () => {
    const { signer, published } = await serviceOf('private').keys(MADE)
    expect(Object.keys(signer.privateJwk ?? {}).sort()).toEqual(['crv', 'd', 'kty', 'x', 'y'])
    expect(published.map((jwk) => Object.keys(jwk).sort())).toEqual([
      ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
    ])
  })

  it('stores nothing private of keys of the operator, and what it made', async () => {
    const key = await operatorKey()
    const service = serviceOf('stored')
    const { published } = await service.keys({ algorithm: 'EdDSA', operatorKeys: [key] })
    const stored = await keysIn(service)
    expect(stored.map(({ kid, privateJwk }) => [kid, privateJwk !== undefined])).toEqual([
      [key.kid, false],
      [published[1]?.kid, true],
    ])
    expect(JSON.stringify(published)).not.toContain('"d"')
    expect((await service.keys({ algorithm: 'EdDSA', operatorKeys: [key] })).signer).toEqual({
      kid: key.kid,
      algorithm: 'EdDSA',
    })
  })

  it('publishes the next key ahead, by its alarm, and signs with it when it is time', async () => {
    const service = serviceOf('alarm')
    at(0)
    const first = await service.keys(MADE)
    expect(first.changesAt).toBe(begin + 30 * DAY - HOUR)
    const alarm = () => runInDurableObject(service, (_, { storage }) => storage.getAlarm())
    expect(await alarm()).toBe(first.changesAt)

    at(30 * DAY - HOUR)
    await runDurableObjectAlarm(service)
    const kids = await runInDurableObject(service, (_, { storage }) =>
      storage.kv.get<readonly { readonly kid: string }[]>('keys')?.map(({ kid }) => kid),
    )
    expect(kids).toHaveLength(2)
    expect(await alarm()).toBe(begin + 30 * DAY)

    at(30 * DAY - 1)
    expect((await service.keys(MADE)).signer.kid).toBe(first.signer.kid)
    at(30 * DAY)
    await runDurableObjectAlarm(service)
    const second = await service.keys(MADE)
    expect(second.signer.kid).toBe(kids?.[1])
    expect(second.published.map(({ kid }) => kid)).toEqual(kids)

    at(30 * DAY + 62 * MINUTE)
    await runDurableObjectAlarm(service)
    expect((await service.keys(MADE)).published.map(({ kid }) => kid)).toEqual([kids?.[1]])
    expect(await alarm()).toBe(begin + 60 * DAY - HOUR)
  })
})

describe('a withdrawn key', () => {
  it('is gone from what is stored, and another signs at once', async () => {
    const service = serviceOf('leak')
    const { signer } = await service.keys(MADE)
    const after = await service.keys({ ...MADE, withdrawn: [signer.kid] })
    expect(after.signer.kid).not.toBe(signer.kid)
    expect(after.published.map(({ kid }) => kid)).toEqual([after.signer.kid])
    const stored = await keysIn(service)
    expect(stored.map(({ kid }) => kid)).toEqual([after.signer.kid])
    expect(JSON.stringify(stored)).not.toContain(signer.privateJwk?.d)
  })

  it('does not come back: for a deployment that does not know, by an alarm, or after an eviction', async () => {
    const service = () => serviceOf('remembered')
    const key = await operatorKey()
    const without: Wanted = { algorithm: 'EdDSA', operatorKeys: [], withdrawn: [key.kid] }
    const knowing: Wanted = { algorithm: 'EdDSA', operatorKeys: [key] }
    expect((await service().keys(knowing)).signer.kid).toBe(key.kid)
    const after = await service().keys(without)
    expect(await service().keys(knowing)).toEqual(after)
    await runDurableObjectAlarm(service())
    await abortAllDurableObjects()
    expect(await service().keys(knowing)).toEqual(after)
    expect(await service().keys({ algorithm: 'EdDSA', operatorKeys: [] })).toEqual(after)
    expect((await keysIn(service())).map(({ kid }) => kid)).toEqual([after.signer.kid])
  })
})
