import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createEncryptionKey, encrypt, secretOf } from '../../kit/encryption.ts'
import { ISSUER, RESOURCE } from '../../kit/facts.ts'
import { startLine } from '../../kit/line.ts'
import { keys, TOKEN } from '../../line-cases.ts'
import { ENV, policy } from '../policy/support.ts'

const BETA = 'https://auth.beta.example'
const [RSA, EC, THEIRS] = await Promise.all([
  createEncryptionKey(),
  createEncryptionKey({ alg: 'ECDH-ES+A256KW' }),
  createEncryptionKey(),
])
const SECRETS: Readonly<Record<string, string>> = {
  ACME_KEYS: secretOf(RSA, EC),
  BETA_KEYS: secretOf(THEIRS),
}
const ROUTES = [
  { match: 'GET /docs/{id}', scopes: ['docs:read'] },
  { match: 'GET /admin', scopes: ['admin:all'] },
  { match: 'GET /beta', scopes: [], issuers: ['beta'] },
  { match: 'GET /plain', scopes: [], issuers: ['plain'] },
]
const policyWith = () =>
  policy(
    {
      GATE: { resource: RESOURCE, origin: 'https://origin.example.net' },
      ISSUERS: {
        acme: {
          issuer: ISSUER,
          agent_prefix: 'acme/',
          audiences: [RESOURCE],
          decrypt: { secret: 'ACME_KEYS' },
        },
        beta: { issuer: BETA, agent_prefix: 'beta/', decrypt: { secret: 'BETA_KEYS' } },
        plain: { issuer: 'https://plain.example', agent_prefix: 'plain/' },
      },
      ROUTES,
    },
    {
      has: (kind, name) => kind !== 'secret' || Object.hasOwn(SECRETS, name) || ENV.has(kind, name),
      secret: (name) => SECRETS[name],
    },
  )
const POLICY = policyWith()

let line: ReturnType<typeof startLine>
const OPENING = ['decrypt', 'unwrapKey', 'deriveBits', 'deriveKey', 'importKey'] as const
const spies = () => OPENING.map((name) => vi.spyOn(crypto.subtle, name as 'decrypt'))
let opening: ReturnType<typeof spies>
/** Calls of WebCrypto that opening a token takes, since this was asked last. */
const opened = () => {
  const calls = opening.reduce((sum, { mock }) => sum + mock.calls.length, 0)
  for (const spy of opening) spy.mockClear()
  return calls
}
beforeEach(() => {
  line = startLine({ keys })
  opening = spies()
})
afterEach(() => {
  expect(line.errors).toEqual([])
  vi.restoreAllMocks()
})

const ask = async (path: string, token?: string, under = POLICY) =>
  (await line.ask(under, path, token)).code

describe.each([
  ['RSA-OAEP-256', RSA],
  ['ECDH-ES+A256KW', EC],
] as const)('a token encrypted with %s', (_alg, key) => {
  it('is opened once and verified once, and then costs neither', async () => {
    const token = await encrypt(TOKEN, key)
    opened()
    expect(await ask('/docs/1', token)).toBe('passed')
    expect(opened()).toBeGreaterThan(0)
    expect(line.verified()).toBe(1)
    for (let i = 0; i < 5; i++) expect(await ask(`/docs/${i}`, token)).toBe('passed')
    expect(opened()).toBe(0)
    expect(line.verified()).toBe(0)
    expect(line.kept()).toEqual([token])
    expect(line.tokens.size).toBe(1)
  })
})

describe('a warm encrypted token', () => {
  const warm = async (by = POLICY) => {
    const token = await encrypt(TOKEN, RSA)
    for (let i = 0; i < 2; i++) expect(await ask('/docs/1', token, by)).toBe('passed')
    opened()
    line.verified()
    return token
  }

  it.each([
    ['token_encrypted', '/plain'],
    ['decryption_failed', '/beta'],
    ['scope_missing', '/admin'],
    ['route_unknown', '/none'],
  ])('is %s on %s, and stays warm where it was', async (code, path) => {
    const token = await warm()
    for (let i = 0; i < 2; i++) expect(await ask(path, token)).toBe(code)
    opened()
    expect(await ask('/docs/1', token)).toBe('passed')
    expect(opened()).toBe(0)
    expect(line.kept()).toEqual([token])
  })

  it('vouches for nothing else: not for the token inside, nor for another around it', async () => {
    await warm()
    expect(await ask('/docs/1', TOKEN)).toBe('passed')
    expect(line.verified()).toBe(1)
    expect(await ask('/docs/1', await encrypt(TOKEN, RSA))).toBe('passed')
    expect(opened()).toBeGreaterThan(0)
    expect(line.verified()).toBe(1)
  })
})
