import { generateKeyPairSync } from 'node:crypto'
import { CompactSign, compactVerify, exportJWK, generateKeyPair, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../src/gate/base/json.ts'
import { LIMITS } from '../../../src/gate/base/limits.ts'
import { ALGORITHMS, type Algorithm } from '../../../src/gate/model/issuer.ts'
import { publicKeyOf } from '../../../src/gate/model/jwk.ts'
import {
  createKeySet,
  type KeyFound,
  type KeySet,
  keyIdentity,
  publicKeys,
} from '../../../src/gate/model/key-set.ts'
import type { VerificationKey } from '../../../src/gate/model/token.ts'
import { publicJwk } from '../../keys/support.ts'

const rsaOf = (modulusLength: number, over: object = {}): JWK => ({
  ...(generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' }) as JWK),
  ...over,
})

const ES256 = await publicJwk('ES256')
const OTHER_ES256 = await publicJwk('ES256')
const ES384 = await publicJwk('ES384')
const ED25519 = await publicJwk('Ed25519')
const RSA = rsaOf(2048)
const { privateKey } = await generateKeyPair('ES256', { extractable: true })
const PRIVATE = await exportJWK(privateKey)

const setOf = (
  keys: readonly unknown[],
  algorithms: readonly Algorithm[] = ALGORITHMS,
  before?: KeySet,
) => createKeySet(publicKeys({ keys }) ?? [], algorithms, before)

const keyIn = (found: KeyFound): VerificationKey => {
  if (typeof found === 'string') throw new Error(found)
  return found
}

/** The kid of the key that was found, or why there is none. */
const kidOf = (found: KeyFound): string | undefined =>
  typeof found === 'string' ? `(${found})` : found.kid

describe('publicKeys', () => {
  it.each([null, undefined, 'x', [], {}, { keys: null }, { keys: {} }, { keys: 'x' }])(
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

  it('takes an empty set for what it says', () => expect(publicKeys({ keys: [] })).toEqual([]))
})

interface Row {
  readonly name: string
  readonly key: object
  readonly algorithm: Algorithm
}

const row = (name: string, key: object, algorithm: Algorithm = 'ES256'): Row => ({
  name,
  key,
  algorithm,
})

/** Imported for real; what is read at all is the model's to say. */
const ACCEPTED: readonly Row[] = [
  row('EC P-256', ES256),
  row('EC P-384', ES384, 'ES384'),
  row('EC P-521', await publicJwk('ES512'), 'ES512'),
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const).map((alg) =>
    row(`RSA for ${alg}`, { ...RSA, alg }, alg),
  ),
  row('RSA with a zero before the modulus', { ...RSA, n: zeroBefore(RSA.n) }, 'RS256'),
  row('Ed25519', ED25519, 'Ed25519'),
  row('Ed25519 with alg EdDSA', { ...ED25519, alg: 'EdDSA' }, 'Ed25519'),
  row('Ed25519 with alg Ed25519', { ...ED25519, alg: 'Ed25519' }, 'Ed25519'),
  ...(await Promise.all(
    (['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'] as const).map(async (alg) =>
      row(alg, await publicJwk(alg), alg),
    ),
  )),
  row('use and key_ops', { ...ES256, use: 'sig', key_ops: ['verify'] }),
]

const IGNORED: readonly Row[] = [
  row('RSA 1024', rsaOf(1024), 'RS256'),
  row('a private member', PRIVATE),
  row('use enc', { ...ES256, use: 'enc' }),
  row('another alg', { ...RSA, alg: 'RS512' }, 'RS256'),
  row('P-384 that says ES256', { ...ES384, alg: 'ES256' }),
  row('a point that is not on the curve', { ...ES256, y: OTHER_ES256.y }),
  row('a point that is not on P-384', { ...ES384, y: ES384.x }, 'ES384'),
]

describe('createKeySet', () => {
  it.each(ACCEPTED)('finds $name', async ({ key, algorithm }) => {
    const set = setOf([{ ...key, kid: 'k' }])
    const found = keyIn(await set.find({ algorithm, kid: 'k' }))
    expect(found.kid).toBe('k')
    expect(found.key.type).toBe('public')
    expect(found.key.usages).toEqual(['verify'])
  })

  it.each(IGNORED)('does not find $name', async ({ key, algorithm }) => {
    const set = setOf([
      { ...key, kid: 'k' },
      { ...ES256, kid: 'good' },
    ])
    expect(await set.find({ algorithm, kid: 'k' })).toBe('unknown')
    expect(kidOf(await set.find({ algorithm: 'ES256', kid: 'good' }))).toBe('good')
  })

  it.each([null, 'x', 7, [], [ES256], true])('ignores the entry %j', async (odd) => {
    const set = setOf([odd, { ...ES256, kid: 'k' }])
    expect(kidOf(await set.find({ algorithm: 'ES256' }))).toBe('k')
  })

  it.each(['Ed25519', 'ML-DSA-44'] as const)('gives a key that verifies %s', async (algorithm) => {
    const pair = await generateKeyPair(algorithm, { extractable: true })
    const jws = await new CompactSign(new Uint8Array([1]))
      .setProtectedHeader({ alg: algorithm })
      .sign(pair.privateKey)
    const jwk = { ...(await exportJWK(pair.publicKey)), alg: algorithm, use: 'sig' }
    const { key } = keyIn(await setOf([jwk]).find({ algorithm }))
    await expect(compactVerify(jws, key, { algorithms: [algorithm] })).resolves.toBeDefined()
    const other = keyIn(await setOf([await publicJwk(algorithm)]).find({ algorithm }))
    await expect(compactVerify(jws, other.key)).rejects.toThrow('signature verification failed')
  })

  it('matches a kid exactly, and a key without kid matches none', async () => {
    const set = setOf([{ ...ES256, kid: 'Key' }, OTHER_ES256])
    for (const kid of ['key', 'Key ', '', 'undefined', '__proto__', 'constructor']) {
      expect(await set.find({ algorithm: 'ES256', kid })).toBe('unknown')
    }
  })

  it('binds a key without alg to the first algorithm of the list that it fits', async () => {
    const set = setOf([{ ...RSA, kid: 'k' }], ['ES256', 'PS256', 'RS256'])
    expect(kidOf(await set.find({ algorithm: 'PS256', kid: 'k' }))).toBe('k')
    expect(await set.find({ algorithm: 'RS256', kid: 'k' })).toBe('unknown')
  })

  it('does not use a key for an algorithm that is not in the list', async () => {
    const set = setOf([{ ...RSA, alg: 'RS512', kid: 'k' }], ['RS256'])
    expect(await set.find({ algorithm: 'RS512', kid: 'k' })).toBe('unknown')
    expect(set.size).toBe(0)
  })

  it('looks at 64 entries', async () => {
    const filler = Array.from({ length: 63 }, () => null)
    const last = { ...ES256, kid: 'last' }
    const header = { algorithm: 'ES256', kid: 'last' } as const
    expect(kidOf(await setOf([...filler, last]).find(header))).toBe('last')
    expect(await setOf([...filler, null, last]).find(header)).toBe('unknown')
  })
})

const A = { ...ES256, kid: 'a' }
const B = { ...OTHER_ES256, kid: 'b' }
const BROKEN = { ...ES256, y: OTHER_ES256.y, kid: 'a' }
const PADDED = { ...RSA, n: zeroBefore(RSA.n) }

const CHOICES: readonly (readonly [
  name: string,
  keys: readonly object[],
  algorithm: Algorithm,
  kid: string | undefined,
  found: string,
])[] = [
  ['the key of that name', [A, B], 'ES256', 'b', 'b'],
  ['no key of another name', [A, B], 'ES256', 'c', '(unknown)'],
  ['none in an empty set', [], 'ES256', 'a', '(unknown)'],
  ['none of another algorithm', [A], 'ES384', 'a', '(unknown)'],
  ['by kid and algorithm', [A, { ...ED25519, kid: 'a' }], 'Ed25519', 'a', 'a'],
  ['two keys of one name', [A, { ...B, kid: 'a' }], 'ES256', 'a', '(ambiguous)'],
  ['two RSA keys of one name', [named(RSA), named(rsaOf(2048))], 'RS256', 'a', '(ambiguous)'],
  ['one RSA key, listed for each algorithm', [rsaFor('RS256'), rsaFor('PS256')], 'PS256', 'a', 'a'],
  ['the very same key twice', [A, { ...A }], 'ES256', 'a', 'a'],
  ['the same key, marked differently', [A, { ...A, use: 'sig', x5t: 'x' }], 'ES256', 'a', 'a'],
  ['the same key, alg left out', [{ ...A, alg: 'ES256' }, A], 'ES256', 'a', 'a'],
  ['the same key, spelled twice', [named(RSA), named(PADDED)], 'RS256', 'a', 'a'],
  ['a good key beside a broken one', [BROKEN, A], 'ES256', 'a', 'a'],
  ['a good key beside a private one', [A, { ...PRIVATE, kid: 'a' }], 'ES256', 'a', 'a'],
  ['no name and one key', [A, { ...ED25519, kid: 'e' }], 'ES256', undefined, 'a'],
  ['no name and the same key twice', [A, { ...A }], 'ES256', undefined, 'a'],
  ['no name and several keys', [A, B], 'ES256', undefined, '(ambiguous)'],
  ['no name and one key of two names', [A, { ...A, kid: 'c' }], 'ES256', undefined, '(ambiguous)'],
  ['no name, a key with and one without', [A, OTHER_ES256], 'ES256', undefined, '(ambiguous)'],
  ['no name and one good key', [A, { ...BROKEN, kid: 'x' }], 'ES256', undefined, 'a'],
  ['no name and only a broken key', [BROKEN], 'ES256', undefined, '(unknown)'],
]

it.each<[string, object, boolean]>([
  ['itself, marked differently', { ...ES256, kid: 'a', use: 'sig', alg: 'ES256' }, true],
  ['its material under another name', { ...ES256, kid: 'b' }, false],
  ['its material without a name', ES256, false],
  ['another key of its name', { ...OTHER_ES256, kid: 'a' }, false],
])('the identity of a key, and of %s', (_, entry, same) => {
  const of = (one: object) => {
    const key = publicKeyOf(one as JsonObject, ALGORITHMS)
    return key && keyIdentity(key)
  }
  const identity = of({ ...ES256, kid: 'a' })
  expect(identity).toBeTypeOf('string')
  expect(of(entry) === identity).toBe(same)
  expect([...setOf([{ ...ES256, kid: 'a' }]).candidates.keys()]).toEqual([identity])
})

describe('a search', () => {
  it.each(CHOICES)('for %s', async (_, keys, algorithm, kid, found) => {
    const set = setOf(keys)
    const header = { algorithm, ...(kid !== undefined && { kid }) }
    expect(kidOf(await set.find(header))).toBe(found)
    // The second answer is at hand, and no other.
    expect(kidOf(set.find(header) as KeyFound)).toBe(found)
  })

  it('finds a key that has no name for a token that has none', async () => {
    expect(keyIn(await setOf([ES256]).find({ algorithm: 'ES256' })).kid).toBeUndefined()
  })

  it('imports the key that is meant once, and no other', async () => {
    const set = setOf([A, B])
    const found = await set.find({ algorithm: 'ES256', kid: 'a' })
    expect(set.find({ algorithm: 'ES256', kid: 'a' })).toBe(found)
    expect(set.find({ algorithm: 'ES256', kid: 'b' })).toBeInstanceOf(Promise)
  })

  it('gives one key to all, however their searches overlap', async () => {
    for (let lead = 0; lead < 12; lead++) {
      const set = setOf([A])
      const first = set.find({ algorithm: 'ES256', kid: 'a' })
      for (let turn = 0; turn < lead; turn++) await Promise.resolve()
      const second = set.find({ algorithm: 'ES256' })
      const key = keyIn(await first)
      expect(await second).toBe(key)
      expect(set.find({ algorithm: 'ES256', kid: 'a' })).toBe(key)
    }
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

  it.each<[string, object, Algorithm]>([
    ['other material under its name', { ...B, kid: 'a' }, 'ES256'],
    ['another algorithm', { ...named(RSA), alg: 'PS256' }, 'PS256'],
  ])('does not keep a key that has %s', async (_, entry, algorithm) => {
    const before = setOf([A, named(RSA)])
    const old = [keyIn(await before.find(header))]
    old.push(keyIn(await before.find({ algorithm: 'RS256', kid: 'a' })))
    const found = keyIn(await setOf([entry], ALGORITHMS, before).find({ algorithm, kid: 'a' }))
    for (const { key } of old) expect(found.key).not.toBe(key)
  })

  it('does not keep a key under another name', async () => {
    const before = setOf([A])
    const old = keyIn(await before.find(header))
    const after = setOf([{ ...A, kid: 'c' }], ALGORITHMS, before)
    expect(await after.find(header)).toBe('unknown')
    const found = keyIn(await after.find({ algorithm: 'ES256', kid: 'c' }))
    expect(found).not.toBe(old)
    expect(found.kid).toBe('c')
  })

  it('does not have what was withdrawn', async () => {
    const before = setOf([A, B])
    await before.find(header)
    expect(await setOf([B], ALGORITHMS, before).find(header)).toBe('unknown')
  })

  it('finds no key for an algorithm that is allowed no more', async () => {
    const before = setOf([A])
    await before.find(header)
    expect(setOf([A], ['RS256'], before).size).toBe(0)
  })

  it('keeps what is imported only later, too', async () => {
    const before = setOf([A])
    const after = setOf([A], ALGORITHMS, before)
    const found = await before.find(header)
    expect(after.find(header)).toBe(found)
  })
})

function named(jwk: object): object {
  return { ...jwk, kid: 'a' }
}

function rsaFor(alg: string): object {
  return { ...RSA, alg, kid: 'a' }
}

function zeroBefore(n: string | undefined): string {
  const bytes = Buffer.from(n ?? '', 'base64url')
  return Buffer.concat([Buffer.alloc(2), bytes]).toString('base64url')
}
