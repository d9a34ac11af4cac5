import { type CryptoKey, importJWK } from 'jose'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { fail, ok } from '../../src/base/result.ts'
import type { KeySource, TokenMemory, VerificationKey } from '../../src/model/ports.ts'
import { type RememberedToken, seal } from '../../src/model/token.ts'
import { signature } from '../../src/stages/signature.ts'
import { codeOf, credentialOf, ISSUER, issuerOf, noTokens } from '../kit/facts.ts'
import { createKey, type SigningKey, sign } from '../kit/signing.ts'

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
  const verified = async (by: VerificationKey, tokens: TokenMemory = noTokens, of = issuer) => {
    const keys: KeySource = { find: () => ok(by) }
    return signature.run({ issuer: of, credential }, { keys, tokens })
  }
  /** A memory that holds this token as verified by this key, and tells what is asked of it. */
  const memoryOf = async (key: VerificationKey) => {
    const outcome = await verified(key)
    if (!outcome.ok || !outcome.value.token) throw new Error('not verified')
    const held: RememberedToken = { credential, token: outcome.value.token }
    verify.mockClear()
    const asked: string[] = []
    const kept: unknown[] = []
    const tokens: TokenMemory = {
      find(text) {
        asked.push(text)
        return text === TOKEN ? held : undefined
      },
      keep: (one) => void kept.push(one),
    }
    return { tokens, asked, kept, token: held.token }
  }

  it('is not verified again by the same key under the same entry', async () => {
    const key = await keyOf()
    const memory = await memoryOf(key)
    for (let i = 0; i < 3; i++) {
      const outcome = await verified(key, memory.tokens)
      expect(outcome.ok && outcome.value.token).toBe(memory.token)
    }
    expect(verify).not.toHaveBeenCalled()
    expect(memory.asked).toEqual([TOKEN, TOKEN, TOKEN])
  })

  it.each<[string, (key: VerificationKey) => Promise<[VerificationKey, typeof issuer]>]>([
    ['an equal entry of another policy', async (key) => [key, issuerOf()]],
    ['another entry', async (key) => [key, issuerOf({ name: 'other', agentPrefix: 'x/' })]],
    ['the same key, imported again', async () => [await keyOf(), issuer]],
  ])('is verified anew under %s', async (_, change) => {
    const key = await keyOf()
    const memory = await memoryOf(key)
    const [by, of] = await change(key)
    const outcome = await verified(by, memory.tokens, of)
    if (!outcome.ok) throw new Error(outcome.reason.code)
    expect(verify).toHaveBeenCalledTimes(1)
    expect(outcome.value.token).not.toBe(memory.token)
    expect(outcome.value.token?.issuer).toBe(of)
    expect(outcome.value.token?.key).toBe(by)
    expect(outcome.value.token?.claims).toEqual(CLAIMS)
  })

  it('is refused by a key that did not sign it, whatever that is called', async () => {
    const key = await keyOf()
    const memory = await memoryOf(key)
    const other = await keyOf(await createKey('ES256', 'key-1'))
    expect(other.kid).toBe(key.kid)
    expect(codeOf(await verified(other, memory.tokens))).toBe('signature_invalid')
    expect(verify).toHaveBeenCalledTimes(1)
  })

  it.each([
    ['key_unknown', 'unknown'],
    ['keys_unavailable', 'unavailable'],
  ] as const)('is refused with %s once its key is %s', async (code, fault) => {
    const { tokens } = await memoryOf(await keyOf())
    const keys: KeySource = { find: async () => fail(fault) }
    expect(codeOf(await signature.run({ issuer, credential }, { keys, tokens }))).toBe(code)
  })

  it('is not what else may once have been inside the same encrypted text', async () => {
    const key = await keyOf()
    const memory = await memoryOf(key)
    const signed = await tokenOf({ ...CLAIMS, sub: 'mallory' })
    const claimed = credentialOf({ token: signed })
    const needs = {
      issuer,
      credential: { ...claimed, token: TOKEN, opened: { by: issuer, signed } },
    }
    seal(needs.credential, { ...CLAIMS, sub: 'mallory' })
    const keys: KeySource = { find: () => ok(key) }
    const outcome = await signature.run(needs, { keys, tokens: memory.tokens })
    expect(outcome.ok && outcome.value.token?.claims.sub).toBe('mallory')
    expect(verify).toHaveBeenCalledTimes(1)
  })

  it('is no other token, and nothing is kept before the whole line is passed', async () => {
    const key = await keyOf()
    const memory = await memoryOf(key)
    const other = await tokenOf({ ...CLAIMS, sub: 'mallory' })
    const parts = [TOKEN.split('.'), other.split('.')] as const
    for (const [text, code] of [
      [other, 'ok'],
      [[parts[0][0], parts[1][1], parts[0][2]].join('.'), 'signature_invalid'],
      [[parts[0][0], parts[0][1], parts[1][2]].join('.'), 'signature_invalid'],
    ] as const) {
      const needs = { issuer, credential: credentialOf({ token: text }) }
      const keys: KeySource = { find: () => ok(key) }
      const outcome = await signature.run(needs, { keys, tokens: memory.tokens })
      expect(codeOf(outcome)).toBe(code)
      expect(outcome.ok && outcome.value.token?.claims.sub).toBe(code === 'ok' && 'mallory')
    }
    expect(verify).toHaveBeenCalledTimes(3)
    expect(memory.kept).toEqual([])
  })
})
