import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../src/gate/base/json.ts'
import { ALGORITHMS, type Algorithm } from '../../../src/gate/model/issuer.ts'
import { publicKeyOf } from '../../../src/gate/model/jwk.ts'

const pair = (type: 'ec' | 'rsa' | 'ed25519' | 'x25519' | 'ed448', options: object = {}) =>
  generateKeyPairSync(type as 'ec', options as { namedCurve: string })
const jwkOf = (...of: Parameters<typeof pair>) => pair(...of).publicKey.export({ format: 'jwk' })

const P256 = jwkOf('ec', { namedCurve: 'P-256' })
const P384 = jwkOf('ec', { namedCurve: 'P-384' })
const RSA = jwkOf('rsa', { modulusLength: 2048 })
const ED25519 = jwkOf('ed25519')
const PRIVATE = pair('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })

const bytesOf = (text: unknown) => Buffer.from(String(text), 'base64url')
const text = (...parts: readonly Uint8Array[]) => Buffer.concat(parts).toString('base64url')
const zeros = (count: number) => Buffer.alloc(count)

/** An odd number of exactly so many bits; no product of primes, which nothing here looks at. */
const modulus = (bits: number): string => {
  const number = randomBytes(Math.ceil(bits / 8))
  const top = (bits - 1) % 8
  number[0] = (1 << top) | ((number[0] ?? 0) & ((1 << top) - 1))
  number[number.length - 1] = (number.at(-1) ?? 0) | 1
  return text(number)
}

const akp = (alg: string, bytes: number) => ({ kty: 'AKP', alg, pub: text(randomBytes(bytes)) })

type Row = readonly [name: string, entry: JsonObject, algorithms?: readonly Algorithm[]]

const READ: readonly (readonly [
  name: string,
  entry: JsonObject,
  algorithm: Algorithm,
  algorithms?: readonly Algorithm[],
])[] = [
  ['RSA by the first of the list it fits', RSA, 'PS384', ['ES256', 'PS384', 'RS256']],
  ['RSA by its alg', { ...RSA, alg: 'RS256' }, 'RS256', ['PS384', 'RS256']],
  ['RSA with the smallest modulus', { ...RSA, n: modulus(2048) }, 'RS256'],
  ['RSA with e = 3', { ...RSA, e: 'Aw' }, 'RS256'],
  ['Ed25519 by its old name', { ...ED25519, alg: 'EdDSA' }, 'Ed25519'],
  ['ML-DSA-65', akp('ML-DSA-65', 1952), 'ML-DSA-65'],
  ['members nobody knows', { ...P256, x5c: ['x'], ext: true, nbf: 1 }, 'ES256'],
  ['an empty kid', { ...P256, kid: '' }, 'ES256'],
]

it.each([
  ['jwt-svid', true],
  ['x509-svid', false],
  ['sig', false],
  [undefined, false],
])('of a SPIFFE bundle a key with use %j is read: %s', (use, isRead) => {
  expect(publicKeyOf({ ...P256, use }, ALGORITHMS, true) !== undefined).toBe(isRead)
})

it('a key for JWT-SVIDs is none of an issuer that is no trust domain', () => {
  expect(publicKeyOf({ ...P256, use: 'jwt-svid' }, ALGORITHMS)).toBeUndefined()
})

const IGNORED: readonly Row[] = [
  ['nothing', {}],
  ['oct that says ES256', { kty: 'oct', alg: 'ES256', k: 'AAAA' }],
  ['a private key', PRIVATE],
  ['a private member that is null', { ...P256, d: null }],
  ['ML-DSA with its seed', { ...akp('ML-DSA-44', 1312), priv: text(zeros(32)) }],

  ['use enc', { ...P256, use: 'enc' }],
  ['use null', { ...P256, use: null }],
  ['key_ops no list', { ...P256, key_ops: 'verify' }],
  ['alg none', { ...P256, alg: 'none' }],
  ['alg a MAC with an RSA key', { ...RSA, alg: 'HS256' }],
  ['alg of another type', { ...RSA, alg: 'ES256' }],
  ['alg of another curve', { ...P384, alg: 'ES256' }],
  ['alg EdDSA with an EC key', { ...P256, alg: 'EdDSA' }],
  ['none allowed', P256, []],

  ['EC with x too short', { ...P256, x: text(bytesOf(P256.x).subarray(1)) }],
  ['EC with P-384 sizes', { ...P384, crv: 'P-256' }],
  ['EC in base64', { ...P256, x: bytesOf(P256.x).fill(0xff).toString('base64') }],
  ['OKP of 31 bytes', { ...ED25519, x: text(bytesOf(ED25519.x).subarray(1)) }],
  ['X25519', jwkOf('x25519')],
  ['RSA of 2047 bits', { ...RSA, n: modulus(2047) }],
  ['RSA of 16385 bits', { ...RSA, n: modulus(16_385) }],
  ['RSA with an even modulus', { ...RSA, n: text(bytesOf(RSA.n).subarray(0, -1), zeros(1)) }],
  ['RSA with a modulus of zeros', { ...RSA, n: text(zeros(256)) }],
  ['RSA whose n is a number', { ...RSA, n: 5 }],
  ['RSA with e = 0', { ...RSA, e: 'AA' }],
  ['RSA with e = 1 behind zeros', { ...RSA, e: 'AAAB' }],
  ['RSA with an even e', { ...RSA, e: 'AQAC' }],
  ['RSA with e of 5 bytes', { ...RSA, e: 'AQAAAAE' }],
  ['RSA with a curve', { ...RSA, crv: 'P-256' }],

  ['ML-DSA without alg', { ...akp('ML-DSA-44', 1312), alg: undefined }],
  ['ML-DSA of another size', akp('ML-DSA-44', 1952)],
  ['ML-DSA of a byte less', akp('ML-DSA-87', 2591)],
  ['ML-DSA as OKP', { ...akp('ML-DSA-44', 1312), kty: 'OKP' }],
]

describe('publicKeyOf', () => {
  it.each(
    READ.map(([name, entry, algorithm, list = ALGORITHMS]) => ({ name, entry, algorithm, list })),
  )('reads $name', ({ entry, algorithm, list }) => {
    const key = publicKeyOf(entry, list)
    expect(key?.algorithm).toBe(algorithm)
    expect(key?.kid).toBe(entry.kid)
    expect(key?.jwk.alg).toBe(algorithm)
  })

  it.each(IGNORED.map(([name, entry, list = ALGORITHMS]) => ({ name, entry, list })))(
    'ignores $name',
    ({ entry, list }) => {
      const present = Object.entries(entry).filter(([, value]) => value !== undefined)
      expect(publicKeyOf(Object.fromEntries(present), list)).toBeUndefined()
    },
  )

  it('takes over what is imported and nothing else', () => {
    const marks = { use: 'sig', key_ops: ['verify'], ext: true, x5t: 'AAAA', __proto__: null }
    expect(publicKeyOf({ ...P256, ...marks, kid: 'k' }, ALGORITHMS)).toEqual({
      algorithm: 'ES256',
      kid: 'k',
      jwk: { ...P256, alg: 'ES256' },
    })
  })

  it('has one spelling for an RSA key, whatever zeros stand before its numbers', () => {
    const padded = { ...RSA, n: text(zeros(2), bytesOf(RSA.n)), e: text(zeros(1), bytesOf(RSA.e)) }
    expect(publicKeyOf(padded, ALGORITHMS)).toEqual(publicKeyOf(RSA, ALGORITHMS))
  })
})
