import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { importJWK, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { fail, ok } from '../../../src/gate/base/result.ts'
import { signature } from '../../../src/gate/guard/stages/signature.ts'
import { ALGORITHMS, type Algorithm, algorithmOf } from '../../../src/gate/model/issuer.ts'
import type { KeySource } from '../../../src/gate/model/ports.ts'
import type { VerificationKey } from '../../../src/gate/model/token.ts'
import { codeOf, credentialOf, ISSUER, issuerOf } from '../../kit/facts.ts'

const CLAIMS = JSON.stringify({ iss: ISSUER, sub: 'alice' })
const part = (value: string | Uint8Array) => Buffer.from(value).toString('base64url')

interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve })
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })

const PAIRS: Readonly<Record<Algorithm, KeyPair>> = {
  ES256: ec('P-256'),
  ES384: ec('P-384'),
  ES512: ec('P-521'),
  RS256: RSA,
  RS384: RSA,
  RS512: RSA,
  PS256: RSA,
  PS384: RSA,
  PS512: RSA,
  Ed25519: generateKeyPairSync('ed25519'),
  'ML-DSA-44': generateKeyPairSync('ml-dsa-44'),
  'ML-DSA-65': generateKeyPairSync('ml-dsa-65'),
  'ML-DSA-87': generateKeyPairSync('ml-dsa-87'),
}

const privateOf = (algorithm: Algorithm): KeyObject => {
  const pem = PAIRS[algorithm].privateKey.export({ type: 'pkcs8', format: 'pem' })
  return createPrivateKey(pem)
}

/** The public key as a key source gives it: imported for this one algorithm. */
const keyOf = async (algorithm: Algorithm, of: Algorithm = algorithm): Promise<VerificationKey> => {
  const jwk = PAIRS[of].publicKey.export({ format: 'jwk' }) as JWK
  return {
    key: (await importJWK(jwk, algorithm)) as VerificationKey['key'],
    kid: `kid-${algorithm}`,
  }
}

/** One that no key set gives. */
const shortKey = async (): Promise<VerificationKey> => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const jwk = publicKey.export({ format: 'jwk' }) as JWK
  return { key: (await importJWK(jwk, 'RS256')) as VerificationKey['key'] }
}

/** The other half of a key. */
const signingKey = async (): Promise<VerificationKey> => {
  const jwk = PAIRS.ES256.privateKey.export({ format: 'jwk' }) as JWK
  return { key: (await importJWK(jwk, 'ES256')) as VerificationKey['key'] }
}

/** These name no hash of their own. */
const isPure = (algorithm: Algorithm) => algorithm === 'Ed25519' || algorithm.startsWith('ML-DSA')

const signed = (input: string, algorithm: Algorithm, der = false): Uint8Array =>
  sign(isPure(algorithm) ? null : `sha${algorithm.slice(2)}`, Buffer.from(input), {
    key: privateOf(algorithm),
    ...(algorithm.startsWith('PS') && { padding: 6, saltLength: Number(algorithm.slice(2)) / 8 }),
    ...(algorithm.startsWith('ES') && { dsaEncoding: der ? 'der' : 'ieee-p1363' }),
  })

interface Parts {
  readonly header?: object
  readonly payload?: string | Uint8Array
  /** What is written as signature instead of the right one. */
  readonly signature?: Uint8Array
  readonly der?: boolean
}

const tokenOf = (
  algorithm: Algorithm,
  { header, payload = CLAIMS, signature, der }: Parts = {},
) => {
  const input = `${part(JSON.stringify({ alg: algorithm, ...header }))}.${part(payload)}`
  return `${input}.${part(signature ?? signed(input, algorithm, der))}`
}

const keysFrom = (found: ReturnType<KeySource['find']>) => ({
  keys: { find: () => found },
})

const run = async (
  token: string,
  algorithm: Algorithm,
  key: VerificationKey | Promise<VerificationKey> = keyOf(algorithm),
) =>
  signature.run(
    {
      issuer: issuerOf(),
      credential: credentialOf({ token, algorithm }),
      remembered: undefined,
    },
    keysFrom(ok(await key)),
  )

describe('signature', () => {
  it.each(ALGORITHMS)('takes %s, and refuses it once a bit is changed', async (algorithm) => {
    const token = tokenOf(algorithm)
    expect(await run(token, algorithm)).toEqual({
      ok: true,
      value: {
        token: { claims: JSON.parse(CLAIMS), issuer: issuerOf(), key: await keyOf(algorithm) },
      },
    })
    const [header, , signed] = token.split('.')
    const payload = part(CLAIMS.replace('alice', 'mallory'))
    expect(codeOf(await run(`${header}.${payload}.${signed}`, algorithm))).toBe('signature_invalid')
    const bytes = Buffer.from(signed ?? '', 'base64url')
    bytes[10] = (bytes[10] ?? 0) ^ 1
    expect(codeOf(await run(tokenOf(algorithm, { signature: bytes }), algorithm))).toBe(
      'signature_invalid',
    )
  })

  it('takes the old name of Ed25519', async () => {
    const token = tokenOf('Ed25519', { header: { alg: 'EdDSA' } })
    expect(algorithmOf('EdDSA')).toBe('Ed25519')
    expect(codeOf(await run(token, 'Ed25519'))).toBe('ok')
  })

  it.each<[string, Algorithm, string]>([
    ['no signature', 'ES256', tokenOf('ES256', { signature: new Uint8Array() })],
    ['r = s = 0', 'ES256', tokenOf('ES256', { signature: new Uint8Array(64) })],
    ['r = s = 0', 'ES384', tokenOf('ES384', { signature: new Uint8Array(96) })],
    ['r = s = 0', 'ES512', tokenOf('ES512', { signature: new Uint8Array(132) })],
    ['r = s = all ones', 'ES256', tokenOf('ES256', { signature: new Uint8Array(64).fill(255) })],
    ['DER', 'ES256', tokenOf('ES256', { der: true })],
    ['DER', 'ES384', tokenOf('ES384', { der: true })],
    ['zeros', 'Ed25519', tokenOf('Ed25519', { signature: new Uint8Array(64) })],
    ['zeros', 'ML-DSA-44', tokenOf('ML-DSA-44', { signature: new Uint8Array(2420) })],
    ['no signature', 'ML-DSA-65', tokenOf('ML-DSA-65', { signature: new Uint8Array() })],
    ['ML-DSA-44 as ML-DSA-65', 'ML-DSA-65', tokenOf('ML-DSA-44', { header: { alg: 'ML-DSA-65' } })],
    ['zeros', 'RS256', tokenOf('RS256', { signature: new Uint8Array(256) })],
    ['PS256 as RS256', 'RS256', tokenOf('PS256', { header: { alg: 'RS256' } })],
    ['RS256 as PS256', 'PS256', tokenOf('RS256', { header: { alg: 'PS256' } })],
    ['RS256 as RS512', 'RS512', tokenOf('RS256', { header: { alg: 'RS512' } })],
    ['ES384 as ES256', 'ES256', tokenOf('ES384', { header: { alg: 'ES256' } })],
    ['none', 'ES256', tokenOf('ES256', { header: { alg: 'none' }, signature: new Uint8Array() })],
    ['doubled claims', 'ES256', tokenOf('ES256', { payload: '{"sub":"a","sub":"b"}' })],
    ['a list of claims', 'ES256', tokenOf('ES256', { payload: '[]' })],
    ['no claims', 'ES256', tokenOf('ES256', { payload: '' })],
    [
      'bytes that are no text',
      'ES256',
      tokenOf('ES256', { payload: Uint8Array.of(0x7b, 0xff, 0x7d) }),
    ],
    ['a byte order mark', 'ES256', tokenOf('ES256', { payload: '\ufeff{}' })],
  ])('refuses %s (%s)', async (_, algorithm, token) => {
    expect(codeOf(await run(token, algorithm))).toBe('signature_invalid')
  })

  it("refuses another issuer's key", async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
    const key = (await importJWK(
      other.export({ format: 'jwk' }) as JWK,
      'ES256',
    )) as VerificationKey['key']
    expect(codeOf(await run(tokenOf('ES256'), 'ES256', { key }))).toBe('signature_invalid')
  })

  it.each<[Algorithm, string, Promise<VerificationKey>]>([
    ['RS256', 'imported for another algorithm', keyOf('PS256', 'RS256')],
    ['RS256', 'imported for another hash', keyOf('RS512', 'RS256')],
    ['ES256', 'of another curve', keyOf('ES384')],
    ['ES256', 'of another kind', keyOf('Ed25519')],
    ['RS256', 'of 1,024 bits', shortKey()],
    ['ES256', 'that signs', signingKey()],
  ])('never verifies %s with a key %s', async (algorithm, _, key) => {
    await expect(run(tokenOf(algorithm), algorithm, key)).rejects.toThrow(`not one of ${algorithm}`)
  })

  it.each([
    ['key_unknown', 'unknown'],
    ['key_ambiguous', 'ambiguous'],
    ['algorithm_unsupported', 'unsupported'],
    ['keys_unavailable', 'unavailable'],
  ] as const)('%s where the key is %s', async (code, fault) => {
    const needs = { issuer: issuerOf(), credential: credentialOf(), remembered: undefined }
    const outcome = await signature.run(needs, keysFrom(fail(fault)))
    expect(codeOf(outcome)).toBe(code)
  })

  it('asks for a key of that issuer only, by algorithm and kid', async () => {
    const asked: unknown[] = []
    const issuer = issuerOf()
    const find: KeySource['find'] = (of, { algorithm, kid }) => {
      asked.push([of, algorithm, kid])
      return fail('unknown')
    }
    await signature.run(
      { issuer, credential: credentialOf({ kid: '../x' }), remembered: undefined },
      { keys: { find } },
    )
    expect(asked).toEqual([[issuer, 'ES256', '../x']])
  })
})
