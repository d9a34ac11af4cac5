import { describe, expect, it } from 'vitest'
import { type Opener, openToken } from '../../../../src/gate/guard/stages/decryption.ts'
import type { Decryption } from '../../../../src/gate/model/issuer.ts'
import { decryptionOf } from '../../../../src/gate/policy/keys/decrypt.ts'
import {
  createEncryptionKey,
  type EncryptionKey,
  encrypt,
  flipped,
  secretOf,
  withPart,
} from '../../../kit/encryption.ts'
import { ISSUER, issuerOf } from '../../../kit/facts.ts'

const INNER = 'e30.e30.AA'
const [RSA, EC, WRAPPED, OTHER, LARGER] = await Promise.all([
  createEncryptionKey({ kid: 'rsa' }),
  createEncryptionKey({ kid: 'ec', alg: 'ECDH-ES' }),
  createEncryptionKey({ kid: 'wrapped', alg: 'ECDH-ES+A256KW' }),
  createEncryptionKey({ kid: 'rsa' }),
  createEncryptionKey({ alg: 'ECDH-ES', crv: 'P-384' }),
])
const ENC = ['A128GCM', 'A256GCM', 'A128CBC-HS256'] as const

const decryption = (keys: readonly EncryptionKey[], entry: object = {}): Decryption => {
  const env = { has: () => true, secret: () => secretOf(...keys) }
  const mistakes: string[] = []
  const read = decryptionOf({ secret: 'KEYS', content_encryption: ENC, ...entry }, env, (_, text) =>
    mistakes.push(text),
  )
  if (!read || mistakes.length > 0) throw new Error(mistakes.join('; '))
  return read
}

const openerOf = (keys: readonly EncryptionKey[], entry: object = {}, issuer = ISSUER): Opener => ({
  ...issuerOf({ issuer }),
  decrypt: decryption(keys, entry),
})

const ACME = openerOf([RSA, EC, WRAPPED])

/** The code a token is refused with; `ok` where the inner text came out. */
const outcome = async (token: string | Promise<string>, openers: readonly Opener[] = [ACME]) => {
  const opening = await openToken(await token, openers)
  if (!opening.ok) return opening.reason[0]
  expect(opening.value.signed).toBe(INNER)
  return 'ok'
}

describe('a token that one key opens', () => {
  const keys = [RSA, EC, WRAPPED].flatMap((key) => ENC.map((enc) => [key.alg, enc, key] as const))
  it.each(keys)('by %s and %s', async (_alg, enc, key) => {
    const opening = await openToken(await encrypt(INNER, key, { enc }), [ACME])
    expect(opening).toEqual({ ok: true, value: { by: ACME, signed: INNER } })
    expect(opening.ok && opening.value.by).toBe(ACME)
  })

  it.each(['P-256', 'P-384', 'P-521', 'X25519'] as const)('on %s', async (crv) => {
    for (const alg of ['ECDH-ES', 'ECDH-ES+A256KW'] as const) {
      const key = await createEncryptionKey({ alg, crv })
      const { alg: _, ...free } = key.privateJwk
      const openers = [openerOf([{ ...key, privateJwk: free }])]
      expect(await outcome(encrypt(INNER, key), openers)).toBe('ok')
    }
  })
})

describe('the key', () => {
  it('is the one of that kid, for that algorithm, among all issuers', async () => {
    const beta = openerOf([{ ...OTHER, privateJwk: { ...OTHER.privateJwk, kid: 'b' } }], {}, 'b')
    const both = [ACME, beta]
    const opening = await openToken(await encrypt(INNER, OTHER, { kid: 'b' }), both)
    expect(opening.ok && opening.value.by).toBe(beta)
    expect(await outcome(encrypt(INNER, OTHER, { kid: 'rsa' }), both)).toBe('decryption_failed')
    expect(await outcome(encrypt(INNER, RSA, { kid: 'b' }), both)).toBe('decryption_failed')
    expect(await outcome(encrypt(INNER, RSA, { kid: 'ec' }), both)).toBe('decryption_failed')
    expect(await outcome(encrypt(INNER, RSA, { kid: 'nobody' }), both)).toBe('decryption_failed')
    expect(await outcome(encrypt(INNER, RSA, { kid: '__proto__' }), both)).toBe('decryption_failed')
  })

  it('is the only one that fits where none is named', async () => {
    const nameless = encrypt(INNER, RSA, { kid: undefined })
    expect(await outcome(nameless)).toBe('ok')
    const rotating = openerOf([RSA, { ...OTHER, privateJwk: { ...OTHER.privateJwk, kid: 'new' } }])
    expect(await outcome(nameless, [rotating])).toBe('decryption_failed')
    expect(await outcome(encrypt(INNER, RSA), [rotating])).toBe('ok')
    expect(await outcome(encrypt(INNER, OTHER, { kid: 'new' }), [rotating])).toBe('ok')
  })

  it('that is not at hand, or that the runtime cannot use, is no fault of the token', async () => {
    const { keys: _, ...unread } = ACME.decrypt
    const token = await encrypt(INNER, RSA)
    expect(await openToken(token, [{ ...ACME, decrypt: unread }])).toEqual({
      ok: false,
      reason: ['decryption_unavailable', { secret: 'KEYS' }],
    })
    const broken = { ...EC, privateJwk: { ...EC.privateJwk, y: EC.privateJwk.x ?? '' } }
    expect(await outcome(encrypt(INNER, EC), [openerOf([broken])])).toBe('decryption_unavailable')
  })
})

describe('one answer to whatever does not open', () => {
  it.each([1, 2, 3, 4])('part %i of it changed, cut or gone', async (at) => {
    for (const key of [RSA, WRAPPED]) {
      for (const enc of ENC) {
        const token = await encrypt(INNER, key, { enc })
        const cut = (part: string) => part.slice(0, Math.floor(part.length / 8) * 4)
        for (const change of [flipped, cut, () => '']) {
          expect(await outcome(withPart(token, at, change)), enc).toBe('decryption_failed')
        }
      }
    }
  })

  const zeros = Buffer.alloc(32).toString('base64url')
  const { x, y } = EC.publicJwk
  it.each<[string, unknown]>([
    ['text', 'AA'],
    ['off the curve', { kty: 'EC', crv: 'P-256', x, y: x }],
    ['the point at zero', { kty: 'EC', crv: 'P-256', x: zeros, y: zeros }],
    ['on another curve', LARGER.publicJwk],
    ['private', { ...EC.publicJwk, d: zeros }],
    ['on a curve nobody has', { kty: 'EC', crv: 'constructor', x, y }],
  ])('an epk that is %s', async (_what, epk) => {
    const good = await encrypt(INNER, EC)
    const header = { alg: 'ECDH-ES', enc: 'A256GCM', cty: 'JWT', kid: 'ec', epk }
    const forged = withPart(good, 0, () =>
      Buffer.from(JSON.stringify(header)).toString('base64url'),
    )
    expect(await outcome(forged)).toBe('decryption_failed')
  })
})
