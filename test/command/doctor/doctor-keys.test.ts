import { exportJWK, generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { keyFactsOf } from '../../../src/command/doctor/keys.ts'
import type { Algorithm } from '../../../src/gate/model/issuer.ts'
import { createKey } from '../../kit/signing.ts'
import { weakRsaKey } from './doctor-kit.ts'

const ec = await createKey('ES256', 'k1')
const other = await createKey('ES256', 'k2')
const rsa = await createKey('RS256', 'r1')
const weak = await weakRsaKey('weak')
const mlDsa = await createKey('ML-DSA-44', 'm')
const p384 = { ...(await exportJWK((await generateKeyPair('ES384')).publicKey)), kid: 'p384' }

const ALGORITHMS: readonly Algorithm[] = ['ES256', 'RS256']
const ISSUER = {
  issuer: 'https://login.example/11111111-2222-3333-4444-555555555555/v2.0',
  algorithms: ALGORITHMS,
}
const of = (...keys: readonly unknown[]) => keyFactsOf({ keys }, ISSUER)
const { kid: _, ...nameless } = ec.jwk

describe('an entry of a key set', () => {
  it.each([
    ['is used', ec.jwk, { kid: 'k1', kty: 'EC', crv: 'P-256', alg: 'ES256', verifies: 'ES256' }],
    ['of RSA has a size', rsa.jwk, { kty: 'RSA', bits: 2048, verifies: 'RS256' }],
    ['without kid is used alone', nameless, { verifies: 'ES256' }],
    ['is private', ec.privateJwk, { kid: 'k1', ignored: 'private' }],
    [
      "is another tenant's",
      { ...ec.jwk, issuer: 'https://login.example/91111111-2222-3333-4444-555555555555/v2.0' },
      { ignored: 'other_tenant' },
    ],
    ['is symmetric', { kty: 'oct', k: 'c2VjcmV0', kid: 'h' }, { ignored: 'private' }],
    [
      'is for encryption',
      { ...rsa.jwk, use: 'enc' },
      { use: 'enc', ignored: 'not_for_signatures' },
    ],
    ['only signs', { ...ec.jwk, key_ops: ['sign'] }, { ignored: 'not_for_signatures' }],
    ['is too small', weak, { bits: 1024, ignored: 'weak_rsa' }],
    ['is of no known type', { kty: 'LMS', kid: 'l' }, { kty: 'LMS', ignored: 'unknown_type' }],
    [
      'is for no known algorithm',
      { ...rsa.jwk, alg: 'RSA-OAEP' },
      { ignored: 'unknown_algorithm' },
    ],
    ['is not allowed', p384, { ignored: 'not_allowed', would: 'ES384' }],
    ['is not allowed as ML-DSA', mlDsa.jwk, { ignored: 'not_allowed', would: 'ML-DSA-44' }],
    ['lacks a member', { ...ec.jwk, y: undefined }, { ignored: 'malformed' }],
    ['is off its curve', { ...ec.jwk, x: 'A'.repeat(43) }, { ignored: 'invalid' }],
    ['has a kid of another type', { ...ec.jwk, kid: 7 }, { ignored: 'kid_unusable' }],
    [
      'has a kid that is too long',
      { ...ec.jwk, kid: 'k'.repeat(257) },
      { ignored: 'kid_unusable' },
    ],
    ['is no object', 'key', { ignored: 'no_object' }],
    ['is null', null, { ignored: 'no_object' }],
  ])('%s', async (_name, entry, expected) => {
    const facts = await of(entry)
    expect(facts?.entries).toMatchObject([{ place: 1, ...expected }])
    const usable = 'verifies' in expected ? 1 : 0
    expect(facts?.usable).toBe(usable)
    expect(facts?.entries[0]?.verifies === undefined).toBe(usable === 0)
  })

  const ignored = async (...keys: readonly unknown[]) =>
    (await of(...keys))?.entries.map((entry) => entry.ignored ?? entry.verifies)

  it('is told from its neighbours', async () => {
    expect(await ignored(ec.jwk, ec.jwk)).toEqual(['ES256', 'repeated'])
    expect(await ignored(ec.jwk, other.jwk)).toEqual(['ES256', 'ES256'])
    expect(await ignored(ec.jwk, { ...other.jwk, kid: 'k1' })).toEqual(['same_kid', 'same_kid'])
    expect(await ignored(ec.jwk, { ...rsa.jwk, kid: 'k1' })).toEqual(['ES256', 'RS256'])
    expect(await ignored(nameless, other.jwk)).toEqual(['no_kid', 'ES256'])
    expect(await ignored({ ...ec.jwk, x: 'A'.repeat(43) }, { ...other.jwk, kid: 'k1' })).toEqual([
      'invalid',
      'ES256',
    ])
  })

  it('is not looked at behind the first 64', async () => {
    const facts = await of(...Array(64).fill({ kty: 'LMS' }), ec.jwk)
    expect(facts).toMatchObject({ usable: 0, beyond: 1 })
    expect(facts?.entries).toHaveLength(64)
  })

  it.each([undefined, {}, { keys: {} }, []])('needs a key set: %j', async (document) => {
    expect(await keyFactsOf(document, ISSUER)).toBeUndefined()
  })

  it('never tells key material', async () => {
    const facts = JSON.stringify(await of(ec.privateJwk, rsa.privateJwk, rsa.jwk))
    for (const secret of [ec.privateJwk.d, rsa.privateJwk.d, rsa.privateJwk.p, rsa.jwk.n]) {
      expect(facts).not.toContain(secret)
    }
  })
})

describe('an entry of a SPIFFE bundle', () => {
  const { use: __, ...useless } = ec.jwk
  it.each([
    ['is used', { ...ec.jwk, use: 'jwt-svid' }, { verifies: 'ES256', use: 'jwt-svid' }],
    ['is for certificates', { ...ec.jwk, use: 'x509-svid' }, { ignored: 'not_svid' }],
    ['is for signatures', ec.jwk, { ignored: 'not_svid' }],
    ['has no use', useless, { ignored: 'not_svid' }],
    ['is private', { ...ec.privateJwk, use: 'x509-svid' }, { ignored: 'private' }],
    ['is not allowed', { ...p384, use: 'jwt-svid' }, { ignored: 'not_allowed', would: 'ES384' }],
    ['is too small', { ...weak, use: 'jwt-svid' }, { ignored: 'weak_rsa' }],
  ])('%s', async (_name, entry, expected) => {
    const issuer = { issuer: 'spiffe://a', algorithms: ALGORITHMS, trustDomain: true } as const
    expect((await keyFactsOf({ keys: [entry] }, issuer))?.entries).toMatchObject([expected])
  })
})
