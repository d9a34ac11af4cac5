import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { explain } from '../../src/gate/answer/explain.ts'
import { recordOf } from '../../src/gate/app/record.ts'
import { createGuard, type Decision } from '../../src/gate/guard/guard.ts'
import { createEncryptionKey, encrypt, secretOf } from '../kit/encryption.ts'
import {
  anyRooms,
  ISSUER,
  NOW,
  noLimits,
  noReplays,
  noSessions,
  noSigning,
  RESOURCE,
  requestTo,
} from '../kit/facts.ts'
import { startLine } from '../kit/line.ts'
import { FOREIGN, keys, minted, TOKEN } from '../line-cases.ts'
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

  it('is the agent that the token inside is', async () => {
    const token = await encrypt(TOKEN, key)
    for (let i = 0; i < 2; i++) {
      const sealed = (await line.ask(POLICY, '/docs/1', token)).known
      const plain = (await line.ask(POLICY, '/docs/1', TOKEN)).known
      expect(sealed.agent).toEqual(plain.agent)
      expect(sealed.access?.claims).toEqual(plain.access?.claims)
    }
    expect(line.kept()).toEqual([token, TOKEN])
  })

  it('does not make its key imported again', async () => {
    for (let i = 0; i < 3; i++) {
      expect(await ask('/docs/1', await encrypt(minted({ jti: `${i}` }), key))).toBe('passed')
    }
    const imported = opening.at(-1)?.mock.calls.filter(([format]) => String(format) === 'jwk') ?? []
    // The ephemeral key of each token comes as a JWK too; those have no private member.
    const own = imported.filter((call) => Object.hasOwn(Object(call[1]), 'd'))
    expect(own.length).toBeLessThanOrEqual(1)
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

  it('is opened and verified anew under an equal policy that was read again', async () => {
    const token = await warm()
    const again = policyWith()
    expect(await ask('/docs/1', token, again)).toBe('passed')
    expect(opened()).toBeGreaterThan(0)
    expect(line.verified()).toBe(1)
    expect(await ask('/docs/1', token, again)).toBe('passed')
    expect(opened()).toBe(0)
  })

  it('is refused while it is revoked, and from its expiry on', async () => {
    const token = await warm()
    const lift = await line.revoke('token', 'token-1')
    for (const one of [token, TOKEN]) expect(await ask('/docs/1', one)).toBe('token_revoked')
    await lift()
    expect(await ask('/docs/1', token)).toBe('passed')
    line.clock.at = (NOW + 605) * 1000
    expect(await ask('/docs/1', token)).toBe('token_expired')
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

describe('an encrypted token is refused', () => {
  it.each<[string, () => Promise<string>]>([
    ['encryption_issuer_mismatch', () => encrypt(minted({ iss: BETA }), RSA)],
    ['encryption_issuer_mismatch', () => encrypt(TOKEN, THEIRS)],
    ['encryption_issuer_mismatch', () => encrypt(minted({ iss: 'https://plain.example' }), RSA)],
    ['encryption_issuer_mismatch', () => encrypt(minted({ iss: 'https://x.example' }), RSA)],
    ['signature_invalid', () => encrypt(minted({}, FOREIGN.privateKey), RSA)],
    ['signature_invalid', () => encrypt(TOKEN.replace(/.{8}$/, 'AAAAAAAA'), RSA)],
    ['algorithm_forbidden', () => encrypt(TOKEN.replace(/^[^.]+/, 'eyJhbGciOiJub25lIn0'), RSA)],
    ['token_expired', () => encrypt(minted({ exp: NOW - 9 }), RSA)],
    ['audience_mismatch', () => encrypt(minted({ aud: 'urn:other' }), RSA)],
    ['token_malformed', async () => encrypt(await encrypt(TOKEN, RSA), RSA)],
  ])('with %s', async (code, make) => {
    const token = await make()
    for (let i = 0; i < 2; i++) expect(await ask('/docs/1', token)).toBe(code)
    expect(line.kept()).toEqual([])
  })
})

describe('what is told of an encrypted token', () => {
  const CONFIDENTIAL = [
    'alice',
    'run-1',
    'docs:read',
    'token-1',
    ISSUER,
    'key-1',
    String(NOW + 600),
  ]
  const told = async (path: string, token: string, under = POLICY) => {
    const guard = createGuard(under, {
      clock: line.clock,
      keys,
      tokens: line.tokens,
      revocations: line.revocations,
      limits: noLimits,
      replays: noReplays,
      signingKeys: noSigning,
      sessions: noSessions,
      bodies: anyRooms,
      onError: () => {},
    })
    const headers = { authorization: `Bearer ${token}` }
    const request = requestTo(under.gate.resource + path, { headers })
    return explain(guard, request)
  }
  const lineOf = (decision: Decision) =>
    JSON.parse(recordOf(decision, { id: 'id', time: 0, requestId: 'request' }))

  it.each(['/docs/1', '/admin', '/beta'])('is nothing of its content (%s)', async (path) => {
    for (const inner of [TOKEN, minted({ exp: NOW - 9 }), minted({ iss: BETA })]) {
      const { explanation } = await told(path, await encrypt(inner, RSA))
      expect(explanation).not.toHaveProperty('agent')
      const { route: _, ...rest } = explanation
      const text = JSON.stringify(rest.steps)
      expect(rest.steps.length).toBeGreaterThan(1)
      for (const part of CONFIDENTIAL) expect(text, part).not.toContain(part)
    }
  })

  it('is what it was where the token is not encrypted', async () => {
    const { explanation } = await told('/docs/1', TOKEN)
    expect(explanation).toHaveProperty('agent')
    expect(JSON.stringify(explanation.steps)).toContain(ISSUER)
  })

  it('is written as a claim never, and as an identity once it is one', async () => {
    const foreign = await encrypt(minted({}, FOREIGN.privateKey), RSA)
    const refused = lineOf((await told('/docs/1', foreign)).decision)
    expect(refused).toMatchObject({ decision: 'denied', code: 'signature_invalid' })
    for (const name of ['claimed_issuer', 'claimed_kid', 'issuer', 'agent', 'jti']) {
      expect(refused[name], name).toBeUndefined()
    }
    const plain = lineOf((await told('/docs/1', minted({}, FOREIGN.privateKey))).decision)
    expect(plain).toMatchObject({ claimed_issuer: ISSUER, claimed_kid: 'key-1' })
    const passed = lineOf((await told('/docs/1', await encrypt(TOKEN, RSA))).decision)
    expect(passed).toMatchObject({ issuer: ISSUER, kid: 'key-1', agent: 'planner', jti: 'token-1' })
  })
})
