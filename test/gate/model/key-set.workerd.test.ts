import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { ALGORITHMS, type Algorithm } from '../../../src/gate/model/issuer.ts'
import { createKeySet, type KeyFound, type KeySet } from '../../../src/gate/model/key-set.ts'

const newKey = async (alg: string): Promise<JWK> => {
  const { publicKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(publicKey)), kid: 'k' }
}

const P256 = await newKey('ES256')
const OTHER = await newKey('ES256')
const akp = (alg: Algorithm, bytes: number) => ({
  kty: 'AKP',
  alg,
  kid: 'k',
  pub: 'A'.repeat(Math.ceil((bytes * 4) / 3)),
})

const setOf = (...keys: readonly JWK[]): KeySet =>
  createKeySet(keys as readonly Record<string, unknown>[], ALGORITHMS)
const found = (key: KeyFound) => (typeof key === 'string' ? key : key.kid)

const KEYS: readonly (readonly [Algorithm, JWK])[] = [
  ['ES256', P256],
  ['ES384', await newKey('ES384')],
  ['ES512', await newKey('ES512')],
  ['RS256', await newKey('RS256')],
  ['PS512', { ...(await newKey('PS512')), alg: 'PS512' }],
  ['Ed25519', await newKey('Ed25519')],
  ['Ed25519', { ...(await newKey('Ed25519')), alg: 'EdDSA' }],
]

describe('a key set in workerd', () => {
  it.each(KEYS)('has a key for %s', async (algorithm, key) => {
    expect(found(await setOf(key).find({ algorithm, kid: 'k' }))).toBe('k')
  })

  it('has no key whose point is not on its curve', async () => {
    const set = setOf({ ...P256, y: OTHER.y ?? '' })
    expect(await set.find({ algorithm: 'ES256', kid: 'k' })).toBe('unknown')
  })

  it.each<[Algorithm, number]>([
    ['ML-DSA-44', 1312],
    ['ML-DSA-65', 1952],
    ['ML-DSA-87', 2592],
  ])('says that it cannot do %s', async (algorithm, bytes) => {
    const set = setOf(akp(algorithm, bytes), P256)
    expect(await set.find({ algorithm, kid: 'k' })).toBe('unsupported')
    expect(set.find({ algorithm })).toBe('unsupported')
    expect(await set.find({ algorithm, kid: 'other' })).toBe('unknown')
    expect(found(await set.find({ algorithm: 'ES256', kid: 'k' }))).toBe('k')
  })
})
