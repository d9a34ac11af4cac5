import { randomBytes } from 'node:crypto'
import { CompactEncrypt } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createProofKey, proofOf } from '../kit/dpop.ts'
import {
  type EncryptionKey,
  encrypt,
  encryptRaw,
  flipped,
  secretOf,
  withPart,
} from '../kit/encryption.ts'
import type { Gate } from '../kit/gate.ts'
import { createKey, type Members } from '../kit/signing.ts'
import { ACME, BETA, DIRECT, ENC, NEXT, RSA, type Sealing, startSealing } from './sealing.ts'
import { askGate, outcome, RESOURCE } from './setting.ts'

let setting: Sealing

beforeAll(async () => {
  const opening = (...keys: readonly EncryptionKey[]) => ({
    secrets: { ACME_KEYS: secretOf(...keys), BETA_KEYS: secretOf(BETA) },
  })
  setting = await startSealing(opening(RSA), opening(NEXT))
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting.close())

const sealed: Sealing['sealed'] = (...given) => setting.sealed(...given)
const around: Sealing['around'] = (inner) => setting.around(inner)
const ask = (token: string, path = '/v1/x') => setting.ask(path, { token })
const codeAt = async (path: string, token: string) => (await outcome(await ask(token, path))).code
const told = () => setting.origin.requests.map((one) => one.header('x-agent-id'))

describe('an encrypted token', () => {
  const ways = ACME.flatMap((key) => ENC.map((enc) => [key.alg, key.kid, enc, key] as const))
  it.each(ways)('passes by %s (%s) and %s, cold and warm', async (_alg, _kid, enc, key) => {
    const token = await sealed(key, { enc })
    for (let i = 0; i < 2; i++) expect((await ask(token)).status).toBe(200)
    expect(told()).toEqual(['acme/agent-1', 'acme/agent-1'])
    for (const request of setting.origin.requests) {
      expect(request.header('authorization')).toBeUndefined()
    }
  })

  it('of another issuer is opened with the key of that one', async () => {
    const token = await encrypt(await setting.beta.mint(), BETA)
    for (const path of ['/v1/x', '/beta', '/optional']) {
      expect((await ask(token, path)).status).toBe(200)
    }
    expect(told()).toEqual(Array(3).fill('beta/agent-1'))
  })

  it('is what goes on where tokens do, and is not read where none is', async () => {
    const token = await sealed()
    expect((await ask(token, '/as-sent')).status).toBe(200)
    expect(setting.origin.requests[0]?.header('authorization')).toBe(`Bearer ${token}`)
    expect((await ask('a.b.c.d.e', '/public')).status).toBe(200)
    expect(told()).toEqual(['acme/agent-1', undefined])
  })

  it('needs its proof, over the token as it was sent', async () => {
    const key = await createProofKey()
    const inner = await setting.token({ cnf: { jkt: key.jkt } })
    const token = await encrypt(inner, RSA)
    const codeOf = async (over: string) => {
      const proof = await proofOf(key, { url: `${RESOURCE}/v1/x`, token: over })
      const headers = { authorization: `DPoP ${token}`, dpop: proof }
      return (await outcome(await setting.ask('/v1/x', { headers }))).code
    }
    for (let i = 0; i < 2; i++) {
      expect(await codeOf(token)).toBeUndefined()
      expect(await codeOf(inner)).toBe('proof_token_mismatch')
    }
    expect(await codeAt('/v1/x', token)).toBe('token_bound')
    expect(setting.origin.requests.map((one) => one.header('x-agent-possession'))).toEqual([
      'dpop',
      'dpop',
    ])
  })

  it('does not have to be: one that is only signed passes as ever', async () => {
    expect((await ask(await setting.token())).status).toBe(200)
    expect((await ask(await setting.beta.mint())).status).toBe(200)
    expect(told()).toEqual(['acme/agent-1', 'beta/agent-1'])
  })

  it('without kid is for the one key that fits, and for none of two', async () => {
    expect((await ask(await sealed(DIRECT, { kid: undefined }))).status).toBe(200)
    expect(await codeAt('/v1/x', await sealed(RSA, { kid: undefined }))).toBe('decryption_failed')
    const alone = await encrypt(await setting.beta.mint(), BETA, { kid: undefined })
    expect(await codeAt('/v1/x', alone)).toBe('decryption_failed')
    expect((await ask(alone, '/beta')).status).toBe(200)
  })
})

/** An attack, the code it is refused with, and the token. */
type Attack = readonly [what: string, code: string, token: () => string | Promise<string>]

const raw = async (header: Members, padding: 'oaep' | 'pkcs1' = 'oaep') =>
  encryptRaw(
    { alg: 'RSA-OAEP-256', enc: 'A256GCM', cty: 'JWT', kid: RSA.kid, ...header },
    await setting.token(),
    RSA,
    padding,
  )
const shared = async (alg: string) =>
  new CompactEncrypt(new TextEncoder().encode(await setting.token()))
    .setProtectedHeader({ alg, enc: 'A256GCM', cty: 'JWT' })
    .encrypt(randomBytes(32))
const withEpk = async (epk: unknown) => {
  const header = { alg: 'ECDH-ES', enc: 'A256GCM', cty: 'JWT', kid: DIRECT.kid, epk }
  const part = Buffer.from(JSON.stringify(header)).toString('base64url')
  return withPart(await sealed(DIRECT), 0, () => part)
}
const { x, y } = DIRECT.publicJwk

const ATTACKS: readonly Attack[] = [
  ['compressed', 'header_forbidden', () => raw({ zip: 'DEF' })],
  ['with a critical extension', 'header_forbidden', () => raw({ crit: ['x'], x: 1 })],
  ['that brings a key', 'header_forbidden', () => raw({ jwk: RSA.publicJwk })],
  ['that names a key elsewhere', 'header_forbidden', () => raw({ jku: 'https://evil.example' })],
  ['under a password', 'header_forbidden', () => shared('PBES2-HS256+A128KW')],
  ['under a shared key', 'encryption_not_accepted', () => shared('dir')],
  ['under a wrapped shared key', 'encryption_not_accepted', () => shared('A256KW')],
  ['by RSA1_5', 'encryption_not_accepted', () => raw({ alg: 'RSA1_5' }, 'pkcs1')],
  ['by an alg that is not listed', 'encryption_not_accepted', () => raw({ alg: 'RSA-OAEP' })],
  ['by an enc that is not listed', 'encryption_not_accepted', () => raw({ enc: 'A192GCM' })],
  [
    'by an enc that only another issuer takes',
    'encryption_not_accepted',
    async () => encrypt(await setting.beta.mint(), BETA, { enc: 'A192CBC-HS384' }),
  ],
  ['without cty', 'encryption_not_accepted', () => raw({ cty: undefined })],
  ['of another cty', 'encryption_not_accepted', () => raw({ cty: 'at+jwt' })],
  ['of an unknown kid', 'decryption_failed', () => raw({ kid: 'nobody' })],
  ['for another key of that kid', 'decryption_failed', () => sealed({ ...BETA, kid: RSA.kid })],
  [
    'for the next key, under the kid of this',
    'decryption_failed',
    () => sealed(NEXT, { kid: RSA.kid }),
  ],
  [
    'with another encrypted key',
    'decryption_failed',
    async () => withPart(await sealed(), 1, flipped),
  ],
  ['with another iv', 'decryption_failed', async () => withPart(await sealed(), 2, flipped)],
  [
    'with another ciphertext',
    'decryption_failed',
    async () => withPart(await sealed(), 3, flipped),
  ],
  ['with another tag', 'decryption_failed', async () => withPart(await sealed(), 4, flipped)],
  ['without its tag', 'decryption_failed', async () => withPart(await sealed(), 4, () => '')],
  [
    'with a point off the curve',
    'decryption_failed',
    () => withEpk({ kty: 'EC', crv: 'P-256', x, y: x }),
  ],
  [
    'with a point of another curve',
    'decryption_failed',
    () => withEpk({ kty: 'EC', crv: 'P-384', x, y }),
  ],
  ['with a point that is none', 'decryption_failed', () => withEpk([])],
  [
    'with a header said twice',
    'token_malformed',
    async () => encryptRaw('{"alg":"RSA-OAEP-256","alg":"dir"}', await setting.token(), RSA),
  ],
  ['with padding', 'token_malformed', async () => `${await sealed()}=`],
  ['of a sixth part', 'token_malformed', async () => `${await sealed()}.AAAA`],
  ['that is too long', 'token_too_long', () => sealed(RSA, {}, { fill: 'x'.repeat(13_000) })],
  ['twice', 'token_malformed', () => around(sealed())],
  ['around nothing', 'token_malformed', () => around('')],
  ['around claims', 'token_malformed', async () => around(JSON.stringify(setting.issuer.claims()))],
  [
    'around what nobody signed',
    'algorithm_forbidden',
    () => around(setting.issuer.unsigned({ alg: 'none', typ: 'at+jwt' }, setting.issuer.claims())),
  ],
  [
    'around what anybody signed',
    'signature_invalid',
    async () =>
      around(setting.issuer.mint({}, { kid: setting.issuer.kid }, { key: await createKey() })),
  ],
  [
    'around an HS256 token',
    'algorithm_forbidden',
    () => {
      const key = Buffer.from(JSON.stringify(setting.issuer.jwk))
      const header = { alg: 'HS256', typ: 'at+jwt', kid: setting.issuer.kid }
      return around(setting.issuer.mintRaw(header, setting.issuer.claims(), key))
    },
  ],
  [
    'around a token of another issuer',
    'encryption_issuer_mismatch',
    () => around(setting.beta.mint()),
  ],
  [
    'around a token of an issuer that encrypts none',
    'encryption_issuer_mismatch',
    () => around(setting.plain.mint()),
  ],
  ['around a token for another key', 'encryption_issuer_mismatch', () => sealed(BETA)],
  ['around an expired token', 'token_expired', () => sealed(RSA, {}, { iat: 1, exp: 2 })],
]

describe('is refused, and the origin hears nothing of it:', () => {
  it.each(ATTACKS)('a token encrypted %s', async (_what, code, make) => {
    const token = await make()
    for (const path of ['/v1/x', '/optional']) expect(await codeAt(path, token)).toBe(code)
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('any token of five parts where no issuer of the rule takes one', async () => {
    for (const token of [
      'a.b.c.d.e',
      await sealed(),
      await encrypt(await setting.plain.mint(), RSA),
    ]) {
      expect(await codeAt('/plain', token)).toBe('token_encrypted')
    }
  })
})

describe('a warm encrypted token', () => {
  it('is opened by its own issuer only, wherever it goes', async () => {
    const token = await sealed()
    for (let i = 0; i < 3; i++) expect((await ask(token)).status).toBe(200)
    for (let i = 0; i < 2; i++) {
      expect(await codeAt('/beta', token)).toBe('decryption_failed')
      expect(await codeAt('/plain', token)).toBe('token_encrypted')
      expect(await codeAt('/admin', token)).toBe('scope_missing')
      expect((await ask(token)).status).toBe(200)
    }
  })

  it('is refused with any part of it changed', async () => {
    const token = await sealed()
    for (let i = 0; i < 2; i++) expect((await ask(token)).status).toBe(200)
    for (const at of [0, 1, 2, 3, 4]) {
      expect((await ask(withPart(token, at, flipped))).status).toBe(401)
    }
    expect((await ask(token)).status).toBe(200)
  })
})

describe('rotation', () => {
  it('is a second key beside the first, then the first one gone', async () => {
    const [old, next] = [await sealed(RSA), await sealed(NEXT)]
    const seen = async (gate: Gate) => {
      const asked = [old, next].map((token) => askGate(gate, '/v1/x', { token }))
      return (await Promise.all(asked)).map(({ status }) => status)
    }
    const [before, after] = setting.gate.beside as [Gate, Gate]
    expect(await Promise.all([before, setting.gate, after].map(seen))).toEqual([
      [200, 401],
      [200, 200],
      [401, 200],
    ])
  })
})
