import { type CryptoKey, importJWK } from 'jose'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { fail, ok } from '../../../src/gate/base/result.ts'
import { signature } from '../../../src/gate/guard/stages/signature.ts'
import type { KeySource, RememberedToken } from '../../../src/gate/model/ports.ts'
import type { VerificationKey } from '../../../src/gate/model/token.ts'
import { codeOf, credentialOf, ISSUER, issuerOf } from '../../kit/facts.ts'
import { createKey, type SigningKey, sign } from '../../kit/signing.ts'

const CLAIMS = { iss: ISSUER, sub: 'alice' }
const SIGNER = await createKey('ES256', 'key-1')
const tokenOf = (claims: object = CLAIMS) => sign({ typ: 'at+jwt' }, { ...claims }, SIGNER)

/** A public key as a key source gives it, imported each time. */
const keyOf = async ({ jwk, kid }: SigningKey = SIGNER): Promise<VerificationKey> => ({
  key: (await importJWK(jwk, 'ES256')) as CryptoKey,
  kid,
})
const TOKEN = await tokenOf()

describe('a token that is remembered', () => {
  const verify = vi.spyOn(crypto.subtle, 'verify')
  afterEach(() => verify.mockClear())
  afterAll(() => verify.mockRestore())

  const issuer = issuerOf()
  const credential = credentialOf({ token: TOKEN })
  const verified = async (by: VerificationKey, remembered?: RememberedToken, of = issuer) => {
    const keys: KeySource = { find: () => ok(by) }
    return signature.run({ issuer: of, credential, remembered }, { keys })
  }
  /** This token as it is remembered, verified by this key. */
  const rememberedBy = async (key: VerificationKey): Promise<RememberedToken> => {
    const outcome = await verified(key)
    if (!outcome.ok || !outcome.value.token) throw new Error('not verified')
    verify.mockClear()
    return { credential, token: outcome.value.token, admissions: new Map() }
  }

  it('is not verified again by the same key under the same entry', async () => {
    const key = await keyOf()
    const remembered = await rememberedBy(key)
    for (let i = 0; i < 3; i++) {
      const outcome = await verified(key, remembered)
      expect(outcome.ok && outcome.value.token).toBe(remembered.token)
    }
    expect(verify).not.toHaveBeenCalled()
  })

  it.each<[string, (key: VerificationKey) => Promise<[VerificationKey, typeof issuer]>]>([
    ['an equal entry of another policy', async (key) => [key, issuerOf()]],
    ['another entry', async (key) => [key, issuerOf({ name: 'other', agentPrefix: 'x/' })]],
    ['the same key, imported again', async () => [await keyOf(), issuer]],
  ])('is verified anew under %s', async (_, change) => {
    const key = await keyOf()
    const remembered = await rememberedBy(key)
    const [by, of] = await change(key)
    const outcome = await verified(by, remembered, of)
    if (!outcome.ok) throw new Error(outcome.reason.code)
    expect(verify).toHaveBeenCalledTimes(1)
    expect(outcome.value.token).not.toBe(remembered.token)
    expect(outcome.value.token?.issuer).toBe(of)
    expect(outcome.value.token?.key).toBe(by)
    expect(outcome.value.token?.claims).toEqual(CLAIMS)
  })

  it('is refused by a key that did not sign it, whatever that is called', async () => {
    const key = await keyOf()
    const remembered = await rememberedBy(key)
    const other = await keyOf(await createKey('ES256', 'key-1'))
    expect(other.kid).toBe(key.kid)
    expect(codeOf(await verified(other, remembered))).toBe('signature_invalid')
    expect(verify).toHaveBeenCalledTimes(1)
  })

  it.each([
    ['key_unknown', 'unknown'],
    ['keys_unavailable', 'unavailable'],
  ] as const)('is refused with %s once its key is %s', async (code, fault) => {
    const remembered = await rememberedBy(await keyOf())
    const keys: KeySource = { find: async () => fail(fault) }
    expect(codeOf(await signature.run({ issuer, credential, remembered }, { keys }))).toBe(code)
  })
})
