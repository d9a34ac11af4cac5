import { expect, it } from 'vitest'
import { createKeyCache, entryOf } from '../../src/adapters/keys/cache.ts'
import { createReadiness } from '../../src/adapters/readiness.ts'
import type { KeyLocation } from '../../src/model/issuer.ts'
import { clock, issuerOf, policyOf } from '../kit/facts.ts'
import { createKey } from '../kit/signing.ts'

const revocations = { lookup: async () => [] }
const discovery: KeyLocation = { kind: 'discovery' }
const inline = async (): Promise<KeyLocation> => {
  const { jwk } = await createKey('ES256')
  return { kind: 'inline', keys: [jwk] }
}

it.each([
  ['inline keys', inline, false, true, { state: 'held', keys: 1 }],
  ['keys nobody has asked for', async () => discovery, false, true, { state: 'unknown', keys: 0 }],
  ['keys that could not be had', async () => discovery, true, false, { state: 'failed', keys: 0 }],
] as const)('with %s', async (_, location, failed, keys, status) => {
  const cache = createKeyCache()
  const issuer = issuerOf({ keys: await location() })
  if (failed) entryOf(cache, issuer).failure = { at: clock.now(), error: 'no answer' }
  const policy = policyOf([], { issuers: [issuer] })
  expect(await createReadiness(cache, clock)(policy, revocations)).toMatchObject({
    keys,
    revocations: true,
    issuers: [{ issuer: issuer.issuer, ...status }],
  })
})

it('says that revocations cannot be read', async () => {
  const lookup = () => Promise.reject(new Error('no answer within 3000 ms'))
  const readiness = await createReadiness(createKeyCache(), clock)(policyOf(), { lookup })
  expect(readiness.revocations).toBe(false)
})
