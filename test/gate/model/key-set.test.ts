import { generateKeyPairSync } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { ALGORITHMS, type Algorithm } from '../../../src/gate/model/issuer.ts'
import {
  createKeySet,
  type KeyFound,
  type KeySet,
  publicKeys,
} from '../../../src/gate/model/key-set.ts'
import { publicJwk } from '../keys/support.ts'

const rsaOf = (modulusLength: number, over: object = {}): JWK => ({
  ...(generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' }) as JWK),
  ...over,
})

const ES256 = await publicJwk('ES256')
const OTHER_ES256 = await publicJwk('ES256')
const ED25519 = await publicJwk('Ed25519')
const RSA = rsaOf(2048)
const { privateKey } = await generateKeyPair('ES256', { extractable: true })
const PRIVATE = await exportJWK(privateKey)

const setOf = (
  keys: readonly unknown[],
  algorithms: readonly Algorithm[] = ALGORITHMS,
  before?: KeySet,
) => createKeySet(publicKeys({ keys }) ?? [], algorithms, before)

/** The kid of the key that was found, or why there is none. */
const kidOf = (found: KeyFound): string | undefined =>
  typeof found === 'string' ? `(${found})` : found.kid

describe('publicKeys', () => {
  it.each([null, [], { keys: null }, { keys: {} }])(
    'is nothing for %j, which is no JWK set',
    (document) => expect(publicKeys(document)).toBeUndefined(),
  )

  it('keeps no private and no symmetric member', () => {
    const oct = { kty: 'oct', k: 'c2VjcmV0' }
    expect(publicKeys({ keys: [PRIVATE, oct, ES256] })).toEqual([ES256])
  })

  it('keeps the first 64 entries, whatever they are', () => {
    const filler = Array.from({ length: LIMITS.keys - 1 }, () => null)
    expect(publicKeys({ keys: [...filler, ES256, OTHER_ES256] })).toEqual([ES256])
    expect(publicKeys({ keys: [...filler, null, ES256] })).toEqual([])
  })
})

describe('createKeySet', () => {
  it('matches a kid exactly, and a key without kid matches none', async () => {
    const set = setOf([{ ...ES256, kid: 'Key' }, OTHER_ES256])
    for (const kid of ['key', 'Key ', '', 'undefined', '__proto__', 'constructor']) {
      expect(await set.find({ algorithm: 'ES256', kid })).toBe('unknown')
    }
  })
})

const A = { ...ES256, kid: 'a' }
const B = { ...OTHER_ES256, kid: 'b' }
const BROKEN = { ...ES256, y: OTHER_ES256.y, kid: 'a' }

const CHOICES: readonly (readonly [
  name: string,
  keys: readonly object[],
  algorithm: Algorithm,
  kid: string | undefined,
  found: string,
])[] = [
  ['the key of that name', [A, B], 'ES256', 'b', 'b'],
  ['no key of another name', [A, B], 'ES256', 'c', '(unknown)'],
  ['by kid and algorithm', [A, { ...ED25519, kid: 'a' }], 'Ed25519', 'a', 'a'],
  ['two keys of one name', [A, { ...B, kid: 'a' }], 'ES256', 'a', '(ambiguous)'],
  ['two RSA keys of one name', [named(RSA), named(rsaOf(2048))], 'RS256', 'a', '(ambiguous)'],
  ['one RSA key, listed for each algorithm', [rsaFor('RS256'), rsaFor('PS256')], 'PS256', 'a', 'a'],
  ['the very same key twice', [A, { ...A }], 'ES256', 'a', 'a'],
  ['the same key, marked differently', [A, { ...A, use: 'sig', x5t: 'x' }], 'ES256', 'a', 'a'],
  ['the same key, alg left out', [{ ...A, alg: 'ES256' }, A], 'ES256', 'a', 'a'],
  ['a good key beside a broken one', [BROKEN, A], 'ES256', 'a', 'a'],
  ['no name and one key', [A, { ...ED25519, kid: 'e' }], 'ES256', undefined, 'a'],
  ['no name and several keys', [A, B], 'ES256', undefined, '(ambiguous)'],
  ['no name and one key of two names', [A, { ...A, kid: 'c' }], 'ES256', undefined, '(ambiguous)'],
]

describe('a search', () => {
  it.each(CHOICES)('for %s', async (_, keys, algorithm, kid, found) => {
    const set = setOf(keys)
    const header = { algorithm, ...(kid !== undefined && { kid }) }
    expect(kidOf(await set.find(header))).toBe(found)
    // The second answer is at hand, and no other.
    expect(kidOf(set.find(header) as KeyFound)).toBe(found)
  })

  it('imports the key that is meant once, and no other', async () => {
    const set = setOf([A, B])
    const found = await set.find({ algorithm: 'ES256', kid: 'a' })
    expect(set.find({ algorithm: 'ES256', kid: 'a' })).toBe(found)
    expect(set.find({ algorithm: 'ES256', kid: 'b' })).toBeInstanceOf(Promise)
  })
})

describe('a set that follows another', () => {
  const header = { algorithm: 'ES256', kid: 'a' } as const

  it.each<[string, object]>([
    ['the same', { ...A }],
    ['marked differently', { ...A, use: 'sig', key_ops: ['verify'], alg: 'ES256', x5c: ['x'] }],
  ])('keeps the very key that is %s, and has it at once', async (_, entry) => {
    const before = setOf([A])
    const found = await before.find(header)
    const after = setOf([B, entry], ALGORITHMS, before)
    expect(after.find(header)).toBe(found)
    expect(after.size).toBe(2)
    expect(setOf([entry], ALGORITHMS, after).find(header)).toBe(found)
  })
})

function named(jwk: object): object {
  return { ...jwk, kid: 'a' }
}

function rsaFor(alg: string): object {
  return { ...RSA, alg, kid: 'a' }
}
