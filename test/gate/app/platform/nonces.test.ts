import { type CryptoKey, exportJWK, generateKeyPair, type JWK } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import { createNonces, explainingSeals } from '../../../../src/gate/app/platform/sessions.ts'
import type { SigningKey } from '../../../../src/gate/model/ports.ts'
import { NOW, RESOURCE } from '../../../kit/facts.ts'

const clock = { at: NOW * 1000, now: () => clock.at }
beforeEach(() => {
  clock.at = NOW * 1000
})
const later = (seconds: number) => {
  clock.at = (NOW + seconds) * 1000
}

const keyOf = async (kid: string) => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk: JWK = { ...(await exportJWK(publicKey)), kid, alg: 'ES256' }
  const signing: SigningKey = { kid, algorithm: 'ES256', key: privateKey as CryptoKey }
  return { jwk, signing }
}
const [ONE, TWO] = [await keyOf('one'), await keyOf('two')]
const isolate = (by = ONE, published = [ONE.jwk]) =>
  createNonces({ keys: { signing: () => by.signing, published: () => published }, clock })

describe('a nonce', () => {
  it('is good for five minutes at every isolate with the key, and for one resource', async () => {
    const nonce = await isolate().issue(RESOURCE)
    const other = isolate()
    for (const [seconds, isGood] of [
      [0, true],
      [-30, true],
      [-31, false],
      [300, true],
      [301, false],
    ] as const) {
      later(seconds)
      expect((await other.check(nonce, RESOURCE)).isGood).toBe(isGood)
    }
    later(0)
    expect(await other.check(nonce, 'https://other.example')).toEqual({ isGood: false })
    expect(await isolate(TWO, [TWO.jwk]).check(nonce, RESOURCE)).toEqual({ isGood: false })
  })

  it('is followed by the next one before it ends', async () => {
    const nonces = isolate()
    const nonce = await nonces.issue(RESOURCE)
    later(100)
    expect(await nonces.issue(RESOURCE)).toBe(nonce)
    later(150)
    expect(await nonces.check(nonce, RESOURCE)).toEqual({ isGood: true })
    later(151)
    const { next = '' } = await nonces.check(nonce, RESOURCE)
    expect(next).not.toBe('')
    expect(next).not.toBe(nonce)
    later(400)
    expect((await nonces.check(next, RESOURCE)).isGood).toBe(true)
  })

  it('ends when its key is withdrawn, and the next one is of the new key', async () => {
    const keys = { by: ONE, published: [ONE.jwk, TWO.jwk] }
    const nonces = createNonces({
      keys: { signing: () => keys.by.signing, published: () => keys.published },
      clock,
    })
    const nonce = await nonces.issue(RESOURCE)
    keys.by = TWO
    expect((await nonces.check(nonce, RESOURCE)).isGood).toBe(true)
    keys.published = [TWO.jwk]
    expect((await nonces.check(nonce, RESOURCE)).isGood).toBe(false)
    expect((await nonces.check(await nonces.issue(RESOURCE), RESOURCE)).isGood).toBe(true)
  })

  it('is checked in explanations, and not issued', async () => {
    const { nonces } = explainingSeals({ held: () => [ONE.jwk] }, clock)
    const nonce = await isolate().issue(RESOURCE)
    later(200)
    expect(await nonces.check(nonce, RESOURCE)).toEqual({ isGood: true })
    expect(await nonces.check(await nonces.issue(RESOURCE), RESOURCE)).toEqual({ isGood: false })
  })

  it('is none where there are no keys', async () => {
    const nonces = createNonces({ keys: { signing: () => undefined }, clock })
    await expect(nonces.issue(RESOURCE)).rejects.toThrow()
    await expect(nonces.check(await isolate().issue(RESOURCE), RESOURCE)).rejects.toThrow()
  })
})
