import { generateKeyPairSync } from 'node:crypto'
import type { JWK } from 'jose'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import type { PolicyEnv } from '../../../src/gate/policy/reading/env.ts'
import { showPolicy } from '../../../src/gate/policy/show.ts'
import { createEncryptionKey, type EncryptionKey, secretOf } from '../../kit/encryption.ts'
import { createKey, type SigningKey } from '../../kit/signing.ts'
import { ACME, ENV, mistakes, policy } from './support.ts'

let rsa: EncryptionKey
let ec: EncryptionKey
let okp: EncryptionKey
let weak: EncryptionKey
let signing: SigningKey

beforeAll(async () => {
  ;[rsa, ec, okp, signing] = await Promise.all([
    createEncryptionKey({ kid: 'rsa-1' }),
    createEncryptionKey({ kid: 'ec-1', alg: 'ECDH-ES+A256KW' }),
    createEncryptionKey({ kid: 'okp-1', alg: 'ECDH-ES', crv: 'X25519' }),
    createKey('ES256', 'sig-1'),
  ])
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2040 })
  const jwk = privateKey.export({ format: 'jwk' }) as JWK
  weak = { ...rsa, privateJwk: { ...jwk, kid: 'weak', use: 'enc' } }
})

const envOf = (secrets: Readonly<Record<string, string>>): PolicyEnv => ({
  has: (kind, name) => (kind === 'secret' ? Object.hasOwn(secrets, name) : ENV.has(kind, name)),
  secret: (name) => secrets[name],
})

const DECRYPT = { secret: 'ACME_KEYS' }
const issuers = (decrypt: unknown = DECRYPT) => ({ ISSUERS: { acme: { ...ACME, decrypt } } })
const read = (secret: string, decrypt?: object) =>
  policy(issuers(decrypt), envOf({ ACME_KEYS: secret })).issuers.get(ACME.issuer)?.decrypt
const wrong = (secret: string, decrypt?: object) =>
  mistakes(issuers(decrypt), envOf({ ACME_KEYS: secret }))

describe('decrypt', () => {
  it('has a default for all but the secret', () => {
    expect(read(secretOf(rsa, ec, okp))).toEqual({
      secret: 'ACME_KEYS',
      keyManagement: ['RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A256KW'],
      contentEncryption: ['A128GCM', 'A256GCM'],
      keys: [
        { kid: 'rsa-1', algorithms: ['RSA-OAEP-256'], load: expect.any(Function) },
        { kid: 'ec-1', algorithms: ['ECDH-ES+A256KW'], load: expect.any(Function) },
        { kid: 'okp-1', algorithms: ['ECDH-ES'], load: expect.any(Function) },
      ],
    })
  })

  it('limits what a key without alg is for', () => {
    const { alg: _, use: __, kid: ___, ...bare } = ec.privateJwk
    const [key] = read(secretOf(bare))?.keys ?? []
    expect(key?.algorithms).toEqual(['ECDH-ES', 'ECDH-ES+A256KW'])
    expect(key).not.toHaveProperty('kid')
    const [one] = read(secretOf(bare), { ...DECRYPT, key_management: ['ECDH-ES'] })?.keys ?? []
    expect(one?.algorithms).toEqual(['ECDH-ES'])
  })

  it('imports each key once, to open with and for nothing else', async () => {
    const keys = read(secretOf(rsa, ec, okp))?.keys ?? []
    const importKey = vi.spyOn(crypto.subtle, 'importKey')
    for (const { load } of keys) {
      const key = await load()
      expect(key).toMatchObject({ type: 'private', extractable: false })
      for (let i = 0; i < 3; i++) expect(await load()).toBe(key)
    }
    expect(importKey).toHaveBeenCalledTimes(3)
    importKey.mockRestore()
  })

  it('takes key_ops that open', () => {
    for (const op of ['decrypt', 'unwrapKey']) {
      expect(wrong(secretOf({ ...rsa.privateJwk, key_ops: [op] }))).toEqual([])
    }
    for (const op of ['deriveKey', 'deriveBits']) {
      expect(wrong(secretOf({ ...ec.privateJwk, key_ops: [op, 'other'] }))).toEqual([])
    }
  })

  it('asks only whether the secret is set where its value is not known', () => {
    const asked: string[] = []
    const env: PolicyEnv = {
      has: (kind, name) => asked.push(`${kind} ${name}`) > 0,
      secret: () => undefined,
    }
    const decrypt = policy(issuers(), env).issuers.get(ACME.issuer)?.decrypt
    expect(decrypt).not.toHaveProperty('keys')
    expect(asked).toContain('secret ACME_KEYS')
  })
})

describe('the table', () => {
  it.each<[where: string, change: object, says: string]>([
    ['secret', { secret: 'ACME-KEYS' }, 'must be the name of a secret'],
    ['secret', { secret: 'OTHER_KEYS' }, 'needs the secret `OTHER_KEYS`, which is not set'],
    ...['RSA1_5', 'RSA-OAEP', 'dir', 'A256KW', 'ECDH-ES+A128KW'].map(
      (alg): [string, object, string] => [
        'key_management[0]',
        { key_management: [alg] },
        'unknown value',
      ],
    ),
    ['content_encryption[0]', { content_encryption: ['A192GCM'] }, 'unknown value `A192GCM`'],
  ])('has a mistake at %s: %j', (where, change, says) => {
    const found = wrong(secretOf(rsa, ec), { ...DECRYPT, ...change })
    expect(found).toEqual([expect.stringContaining(`ISSUERS.acme.decrypt.${where}: ${says}`)])
  })
})

describe('mistakes in the secret', () => {
  const like = (key: EncryptionKey, change: object) => () =>
    secretOf({ ...key.privateJwk, ...change } as JWK)
  const none = undefined

  it.each<[string, () => string, string]>([
    ['no JSON', () => 'rsa', 'must be a private JWK set as JSON'],
    ['one JWK alone', () => JSON.stringify(rsa.privateJwk), 'must be a private JWK set'],
    ['no keys', () => '{"keys":[]}', 'with 1 to 64 keys'],
    ['keys said twice', () => `{"keys":[],${secretOf(rsa).slice(1)}`, 'must be a private JWK set'],
    ['too many keys', () => secretOf(...Array(65).fill(rsa)), 'with 1 to 64 keys'],
    ['a key that is none', () => '{"keys":["x"]}', 'must be a JWK'],
    ['a public key', () => secretOf(rsa.publicJwk), 'is public'],
    ['a shared key', () => secretOf({ kty: 'oct', k: 'AAAA' }), 'is symmetric'],
    ['a signing key', () => secretOf(signing.privateJwk), 'use must be enc'],
    ['another alg', () => like(rsa, { alg: 'RSA-OAEP' })(), 'is for none'],
    ['another curve', () => like(ec, { crv: 'P-192' })(), 'one of RSA'],
    ['Ed25519', () => like(okp, { crv: 'Ed25519' })(), 'must be one of RSA'],
    ['no type', () => like(rsa, { kty: none })(), 'must be one of RSA'],
    ['a type that every object has', () => secretOf({ kty: 'constructor', d: '' }), 'one of RSA'],
    ['key_ops to sign', () => like(rsa, { key_ops: ['sign'] })(), 'without decrypt'],
    ['key_ops of another kind', () => like(ec, { key_ops: ['decrypt'] })(), 'derive'],
    ['key_ops that are no list', () => '{"keys":[{"kty":"RSA","d":"AA","key_ops":1}]}', 'key_ops'],
    ['an empty kid', () => like(rsa, { kid: '' })(), 'has a kid'],
    ['a short RSA key', () => secretOf(weak), 'fewer than 2048 bits'],
    ['RSA without its primes', () => like(rsa, { p: none, q: none })(), 'must have n, e'],
    ['RSA of more primes', () => like(rsa, { oth: [] })(), 'must have n, e'],
    ['an EC key without y', () => like(ec, { y: none })(), 'must have x, y, d'],
    ['a short d', () => like(ec, { d: 'AAAA' })(), 'must have x, y, d'],
    ['a padded d', () => like(ec, { d: `${ec.privateJwk.d}=` })(), 'must have x, y'],
    ['one kid twice', () => secretOf(rsa, { ...ec.privateJwk, kid: 'rsa-1' }), 'two keys with one'],
    [
      'no kid',
      () => secretOf(rsa, { ...ec.privateJwk, kid: none } as unknown as JWK),
      'each needs a kid',
    ],
  ])('%s', (_what, secret, says) => {
    const [line = '', ...others] = wrong(secret())
    expect(line).toMatch(/^ISSUERS\.acme\.decrypt\.secret: (key \d+ of )?the secret `ACME_KEYS`/)
    expect(line).toContain(says)
    expect(others).toEqual([])
  })

  it('a key for none of the ways that are allowed', () => {
    const decrypt = { ...DECRYPT, key_management: ['RSA-OAEP-256'] }
    expect(wrong(secretOf(rsa, ec), decrypt)).toEqual([
      'ISSUERS.acme.decrypt.secret: key 2 of the secret `ACME_KEYS` is for none of `RSA-OAEP-256`',
    ])
  })

  it('say nothing of a key, whatever is wrong with it', () => {
    const broken = secretOf(
      weak,
      rsa.publicJwk,
      { ...rsa.privateJwk, use: 'sig' },
      { ...ec.privateJwk, y: 'AAAA' },
      { ...okp.privateJwk, alg: 'dir' },
    )
    const text = [...wrong(broken), ...wrong(`${broken},`)].join('\n')
    expect(text.split('\n')).toHaveLength(6)
    for (const { privateJwk } of [weak, rsa, ec, okp]) {
      for (const name of ['n', 'x', 'y', 'd', 'p', 'q', 'qi'] as const) {
        const value = privateJwk[name]
        if (value !== undefined) expect(text).not.toContain(value.slice(0, 12))
      }
    }
  })
})

describe('two issuers', () => {
  const BETA = { issuer: 'https://auth.beta.example', agent_prefix: 'beta/' }
  const two = (acme: string, beta: string, name = 'BETA_KEYS') =>
    mistakes(
      {
        ISSUERS: {
          acme: { ...ACME, agent_prefix: 'acme/', decrypt: DECRYPT },
          beta: { ...BETA, decrypt: { secret: name } },
        },
      },
      envOf({ ACME_KEYS: acme, BETA_KEYS: beta }),
    )
  const renamed = (key: EncryptionKey, kid: string | undefined): JWK => {
    const { kid: _, ...jwk } = key.privateJwk
    return kid === undefined ? jwk : { ...jwk, kid }
  }

  it('have keys of their own', () => {
    expect(two(secretOf(rsa), secretOf(renamed(rsa, 'rsa-2')))).toEqual([])
    expect(two(secretOf(rsa), secretOf(renamed(ec, 'rsa-1')))).toEqual([])
  })

  it('share no secret', () => {
    const [first, ...others] = two(secretOf(rsa), secretOf(rsa), 'ACME_KEYS')
    expect(first).toMatch(/^ISSUERS\.beta\.decrypt\.secret: is also that of `acme`/)
    expect(others).toEqual([])
  })

  it.each([
    ['kid', () => [secretOf(rsa), secretOf(renamed(ec, 'x'), renamed(rsa, 'rsa-1'))]],
    [
      'absence of one',
      () => [secretOf(renamed(rsa, undefined)), secretOf(renamed(rsa, undefined))],
    ],
  ] as const)('share no %s for one algorithm', (_what, secrets) => {
    const [acme = '', beta = ''] = secrets()
    expect(two(acme, beta)).toContainEqual(
      expect.stringMatching(
        /^ISSUERS\.beta\.decrypt\.secret: has a key with the same kid as one of/,
      ),
    )
  })
})

describe('a policy in force', () => {
  it('is shown with the kids, and holds nothing else of the keys that could be written out', async () => {
    const env = envOf({ ACME_KEYS: secretOf(rsa, ec) })
    const held = policy(issuers({ ...DECRYPT, content_encryption: ['A256GCM'] }), env)
    expect(showPolicy(held).issuers.acme?.decrypt).toEqual({
      secret: 'ACME_KEYS',
      key_management: ['RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A256KW'],
      content_encryption: ['A256GCM'],
      keys: [{ kid: 'rsa-1' }, { kid: 'ec-1' }],
    })
    expect(showPolicy(policy()).issuers.acme).not.toHaveProperty('decrypt')
    const [issuer] = held.issuers.values()
    await Promise.all(issuer?.decrypt?.keys?.map(({ load }) => load()) ?? [])
    const written = JSON.stringify([showPolicy(held), [...held.issuers.values()]])
    expect(written).toContain('ec-1')
    for (const { privateJwk } of [rsa, ec]) {
      for (const name of ['n', 'x', 'd', 'p'] as const) {
        if (privateJwk[name] !== undefined) expect(written).not.toContain(privateJwk[name])
      }
    }
  })
})
