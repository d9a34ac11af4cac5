import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { NOW } from '../kit/facts.ts'
import { type Asked, startLine } from '../kit/line.ts'
import { changedAt, twinOf } from '../kit/variants.ts'
import { FOREIGN, keys, minted, POLICY, TOKEN } from '../line-cases.ts'

let line: ReturnType<typeof startLine>
beforeEach(() => {
  line = startLine({ keys })
  line.verified()
})
afterEach(() => {
  expect(line.errors).toEqual([])
  vi.restoreAllMocks()
})

const ask = async (path: string, token?: string, asked?: Asked) =>
  (await line.ask(POLICY, path, token, asked)).code

describe('a warm token', () => {
  beforeEach(async () => {
    for (let i = 0; i < 2; i++) expect(await ask('/docs/1', TOKEN)).toBe('passed')
    line.verified()
  })
  const isStillWarm = async () => {
    expect(await ask('/docs/1', TOKEN)).toBe('passed')
    expect(line.verified()).toBe(0)
    expect(line.kept()).toEqual([TOKEN])
  }

  it('is refused with any bit of it changed', async () => {
    for (let i = 0; i < TOKEN.length; i += i < TOKEN.length - 6 ? 3 : 1) {
      if (TOKEN[i] === '.') continue
      for (const bit of [1, 32]) {
        const code = await ask('/docs/1', changedAt(TOKEN, i, bit))
        expect(code, `bit ${bit} of character ${i}`).not.toBe('passed')
      }
    }
    line.verified()
    await isStillWarm()
  })

  it('says nothing for its twin, which is verified by itself', async () => {
    const twin = twinOf(TOKEN)
    expect(twinOf(twin)).toBe(TOKEN)
    expect(await ask('/docs/1', twinOf(TOKEN, 'r'))).toBe('signature_invalid')
    expect(line.verified()).toBe(1)
    for (let i = 0; i < 3; i++) expect(await ask('/docs/1', twin)).toBe('passed')
    expect(line.verified()).toBe(1)
    expect(line.kept()).toEqual([TOKEN, twin])
    const lift = await line.revoke('token', 'token-1')
    for (const one of [TOKEN, twin]) expect(await ask('/docs/1', one)).toBe('token_revoked')
    await lift()
    expect(await ask('/docs/1', TOKEN)).toBe('passed')
  })
})

describe('a small memory', () => {
  beforeEach(async () => {
    line = startLine({ keys, entries: 4 })
    expect(await ask('/docs/1', TOKEN)).toBe('passed')
    line.verified()
  })

  /** Tokens that the line refuses, each another one each time. */
  const STRANGERS: readonly (readonly [code: string, make: (i: number) => string])[] = [
    ['token_malformed', (i) => `${TOKEN}.${i}`],
    ['issuer_unknown', (i) => minted({ iss: `https://${i}.example` })],
    ['signature_invalid', (i) => minted({ jti: `${i}` }, FOREIGN.privateKey)],
    ['signature_invalid', (i) => `${minted({ jti: `${i}` }).slice(0, -86)}${TOKEN.slice(-86)}`],
    ['token_expired', (i) => minted({ jti: `${i}`, exp: NOW - 30 })],
    ['audience_mismatch', (i) => minted({ jti: `${i}`, aud: 'urn:other' })],
    ['scope_missing', (i) => minted({ jti: `${i}`, scope: 'chat:write' })],
    ['token_revoked', (i) => minted({ jti: `${i}`, sub: 'mallory' })],
  ]

  it('is moved by no token that does not pass, however many come', async () => {
    await line.revoke('subject', 'mallory')
    for (let i = 0; i < 200; i++) {
      const [code, make] = STRANGERS[i % STRANGERS.length] ?? ['', String]
      const asked = await ask('/docs/1', make(i + 10))
      expect(asked).toBe(code)
    }
    expect(line.kept()).toEqual([TOKEN])
    line.verified()
    expect(await ask('/docs/1', TOKEN)).toBe('passed')
    expect(line.verified()).toBe(0)
  })

  it('keeps a token in use through any number of others that pass', async () => {
    for (let i = 0; i < 40; i++) {
      expect(await ask('/docs/1', minted({ jti: `other-${i}` }))).toBe('passed')
      expect(await ask('/docs/1', TOKEN)).toBe('passed')
      expect(line.tokens.size).toBeLessThanOrEqual(4)
    }
    expect(line.verified()).toBe(40)
  })
})
