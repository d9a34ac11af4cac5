import { generateKeyPairSync } from 'node:crypto'
import {
  CompactSign,
  type CryptoKey,
  compactVerify,
  exportJWK,
  generateKeyPair,
  type JWK,
} from 'jose'
import { describe, expect, it } from 'vitest'
import { createKeySet, publicKeys } from '../../../src/adapters/keys/set.ts'
import { ALGORITHMS, type Algorithm } from '../../../src/model/issuer.ts'
import { publicJwk } from './support.ts'

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

const setOf = (keys: readonly unknown[], algorithms: readonly Algorithm[] = ALGORITHMS) =>
  createKeySet(publicKeys({ keys }) ?? [], algorithms)

describe('publicKeys', () => {
  it.each([null, undefined, 'x', [], {}, { keys: null }, { keys: {} }, { keys: 'x' }])(
    'is nothing for %j, which is no JWK set',
    (document) => expect(publicKeys(document)).toBeUndefined(),
  )

  it('keeps no private and no symmetric member', () => {
    const oct = { kty: 'oct', k: 'c2VjcmV0' }
    expect(publicKeys({ keys: [PRIVATE, oct, ES256] })).toEqual([ES256])
  })

  it('takes an empty set for what it says', () => expect(publicKeys({ keys: [] })).toEqual([]))
})

interface Row {
  readonly name: string
  readonly key: unknown
  readonly algorithm: Algorithm
}

const row = (name: string, key: unknown, algorithm: Algorithm = 'ES256'): Row => ({
  name,
  key,
  algorithm,
})

const ACCEPTED: readonly Row[] = [
  row('EC P-256', { ...ES256 }),
  row('EC P-384', { ...ES384 }, 'ES384'),
  row('EC P-521', await publicJwk('ES512'), 'ES512'),
  row('RSA 2048', RSA, 'RS256'),
  row('RSA 2048 for PSS', { ...RSA, alg: 'PS256' }, 'PS256'),
  row('RSA with a zero before the modulus', { ...RSA, n: zeroBefore(RSA.n) }, 'RS256'),
  row('Ed25519', ED25519, 'Ed25519'),
  row('Ed25519 with alg EdDSA', { ...ED25519, alg: 'EdDSA' }, 'Ed25519'),
  row('Ed25519 with alg Ed25519', { ...ED25519, alg: 'Ed25519' }, 'Ed25519'),
  row('use sig', { ...ES256, use: 'sig' }),
  row('key_ops with verify', { ...ES256, key_ops: ['sign', 'verify'] }),
  row('members nobody knows', { ...ES256, x5c: ['x'], ext: true, nbf: 1 }),
]

const REFUSED: readonly Row[] = [
  row('RSA 1024', rsaOf(1024), 'RS256'),
  row('RSA 2047', rsaOf(2048 - 1), 'RS256'),
  row('RSA 1024 filled up with zeros', filledUp(rsaOf(1024)), 'RS256'),
  row('RSA with e = 1', { ...RSA, e: 'AQ' }, 'RS256'),
  row('RSA with an even e', { ...RSA, e: 'AQAC' }, 'RS256'),
  row('RSA with an endless e', { ...RSA, e: 'AQAAAAAB' }, 'RS256'),
  row('RSA with e = 0', { ...RSA, e: 'AA' }, 'RS256'),
  row('RSA without n', { ...RSA, n: undefined }, 'RS256'),
  row('RSA whose n is a number', { ...RSA, n: 5 }, 'RS256'),
  row('oct', { kty: 'oct', alg: 'ES256' }),
  row('a private member', PRIVATE),
  row('use enc', { ...ES256, use: 'enc' }),
  row('use null', { ...ES256, use: null }),
  row('key_ops without verify', { ...ES256, key_ops: ['sign'] }),
  row('key_ops that is no array', { ...ES256, key_ops: 'verify' }),
  row('another alg', { ...RSA, alg: 'RS512' }, 'RS256'),
  row('an unknown alg', { ...ES256, alg: 'ES256K' }),
  row('an alg its type does not fit', { ...RSA, alg: 'ES256' }),
  row('P-384 for ES256', ES384),
  row('P-384 that says ES256', { ...ES384, alg: 'ES256' }),
  row('Ed448', { kty: 'OKP', crv: 'Ed448', x: ED25519.x }, 'Ed25519'),
  row('X25519', { ...ED25519, crv: 'X25519' }, 'Ed25519'),
  row('a point that is not on the curve', { ...ES256, y: OTHER_ES256.y }),
  row('no coordinate', { ...ES256, x: undefined }),
]

describe('createKeySet', () => {
  it.each(ACCEPTED)('finds $name', async ({ key, algorithm }) => {
    const set = setOf([{ ...(key as object), kid: 'k' }])
    const found = await set.find({ algorithm, kid: 'k' })
    expect(found?.kid).toBe('k')
    expect(found?.key.type).toBe('public')
  })

  it.each(REFUSED)('does not find $name', async ({ key, algorithm }) => {
    const set = setOf([
      { ...(key as object), kid: 'k' },
      { ...ES256, kid: 'good' },
    ])
    expect(await set.find({ algorithm, kid: 'k' })).toBeUndefined()
    expect(await set.find({ algorithm: 'ES256', kid: 'good' })).toBeDefined()
  })

  it.each([null, 'x', 7, [], [ES256], true])('ignores the entry %j', async (odd) => {
    expect(await setOf([odd, ES256]).find({ algorithm: 'ES256' })).toBeDefined()
  })

  it('ignores a key whose kid is no string', async () => {
    expect(setOf([{ ...ES256, kid: 5 }]).size).toBe(0)
  })

  it('gives a key that verifies', async () => {
    const pair = await generateKeyPair('Ed25519', { extractable: true })
    const jws = await new CompactSign(new Uint8Array([1]))
      .setProtectedHeader({ alg: 'EdDSA' })
      .sign(pair.privateKey)
    const jwk = { ...(await exportJWK(pair.publicKey)), alg: 'EdDSA', use: 'sig' }
    const found = await setOf([jwk]).find({ algorithm: 'Ed25519' })
    await expect(compactVerify(jws, found?.key as CryptoKey)).resolves.toBeDefined()
  })

  it('imports a key once', async () => {
    const set = setOf([ES256])
    const first = await set.find({ algorithm: 'ES256' })
    expect((await set.find({ algorithm: 'ES256' }))?.key).toBe(first?.key)
  })

  it('matches a kid exactly, and a key without kid matches none', async () => {
    const set = setOf([{ ...ES256, kid: 'Key' }, OTHER_ES256])
    for (const kid of ['key', 'Key ', '', 'undefined']) {
      expect(await set.find({ algorithm: 'ES256', kid })).toBeUndefined()
    }
  })

  it('serves a token without kid only where one key fits', async () => {
    const several = setOf([
      { ...ES256, kid: 'a' },
      { ...OTHER_ES256, kid: 'b' },
      { ...ED25519, kid: 'c' },
    ])
    expect(await several.find({ algorithm: 'ES256' })).toBeUndefined()
    expect((await several.find({ algorithm: 'Ed25519' }))?.kid).toBe('c')
  })

  it('finds nothing where two keys of one kid fit, and the one that does where one fits', async () => {
    const twice = setOf([
      { ...ES256, kid: 'k' },
      { ...OTHER_ES256, kid: 'k' },
    ])
    expect(await twice.find({ algorithm: 'ES256', kid: 'k' })).toBeUndefined()
    const mixed = setOf([
      { ...ES256, kid: 'k' },
      { ...ED25519, kid: 'k' },
      { ...ES256, y: OTHER_ES256.y, kid: 'k' },
    ])
    expect(await mixed.find({ algorithm: 'ES256', kid: 'k' })).toBeDefined()
    expect(await mixed.find({ algorithm: 'Ed25519', kid: 'k' })).toBeDefined()
  })

  it('binds a key without alg to the first algorithm of the list that it fits', async () => {
    const set = setOf([{ ...RSA, kid: 'k' }], ['ES256', 'PS256', 'RS256'])
    expect(await set.find({ algorithm: 'PS256', kid: 'k' })).toBeDefined()
    expect(await set.find({ algorithm: 'RS256', kid: 'k' })).toBeUndefined()
  })

  it('does not use a key for an algorithm that is not in the list', async () => {
    const set = setOf([{ ...RSA, alg: 'RS512', kid: 'k' }], ['RS256'])
    expect(await set.find({ algorithm: 'RS512', kid: 'k' })).toBeUndefined()
    expect(set.size).toBe(0)
  })

  it('looks at 64 entries', async () => {
    const filler = Array.from({ length: 63 }, () => null)
    const last = { ...ES256, kid: 'last' }
    expect(await setOf([...filler, last]).find({ algorithm: 'ES256', kid: 'last' })).toBeDefined()
    const beyond = setOf([...filler, null, last])
    expect(await beyond.find({ algorithm: 'ES256', kid: 'last' })).toBeUndefined()
  })

  it('reads own members only', async () => {
    const { kty: _, ...rest } = ES256
    const inherits = Object.assign(Object.create({ kty: 'EC' }), rest)
    expect(setOf([inherits]).size).toBe(0)
  })
})

function zeroBefore(n: string | undefined): string {
  const bytes = Buffer.from(n ?? '', 'base64url')
  return Buffer.concat([Buffer.alloc(2), bytes]).toString('base64url')
}

function filledUp(jwk: JWK): JWK {
  const bytes = Buffer.from(jwk.n ?? '', 'base64url')
  return { ...jwk, n: Buffer.concat([Buffer.alloc(128), bytes]).toString('base64url') }
}
