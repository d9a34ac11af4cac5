import { type JWK, SignJWT } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import { createSessions } from '../../../../src/gate/app/platform/sessions.ts'
import { createMemoryAssertionKeys } from '../../../../src/gate/assertion/key-service.ts'
import { createAssertionKeys, createAssertionMemory } from '../../../../src/gate/assertion/keys.ts'
import { decodeJwsPart } from '../../../../src/gate/base/jws.ts'
import { ASSERTION_TYP } from '../../../../src/gate/model/assertion.ts'
import { SESSION_TYP, type SessionHolder } from '../../../../src/gate/model/mcp.ts'
import type { SigningKey, SigningKeys } from '../../../../src/gate/model/ports.ts'
import { ISSUER, NOW, RESOURCE } from '../../../kit/facts.ts'

const clock = { now: () => NOW * 1000 }
const HOLDER: SessionHolder = {
  issuer: ISSUER,
  agent: 'planner',
  subject: 'alice',
  route: 'GET,POST,DELETE /mcp',
  resource: `${RESOURCE}/mcp`,
}

const rule = {
  binding: 'identity',
  algorithm: 'ES256',
  maxBody: 1,
  operatorKeys: [],
  withdrawn: [],
} as const
const newKeys = (algorithm: 'ES256' | 'EdDSA' = 'ES256'): SigningKeys =>
  createAssertionKeys({
    memory: createAssertionMemory(),
    rule: { ...rule, algorithm },
    service: createMemoryAssertionKeys(clock),
    clock,
    waitUntil: () => {},
    log: () => {},
  })

let keys: SigningKeys
beforeEach(() => {
  keys = newKeys()
})
const sessions = (of: Parameters<typeof createSessions>[0]['keys'] = keys) =>
  createSessions({ keys: of, clock })

const signed = async (claims: Record<string, unknown>, header: Record<string, unknown> = {}) => {
  const { kid, algorithm, key } = (await keys.signing()) as SigningKey
  return new SignJWT(claims)
    .setProtectedHeader({ alg: algorithm, typ: SESSION_TYP, kid, ...header })
    .sign(key)
}
const CLAIMS = {
  session: 'abc',
  agent_iss: HOLDER.issuer,
  agent: HOLDER.agent,
  agent_sub: HOLDER.subject,
  route: HOLDER.route,
  resource: HOLDER.resource,
  iat: NOW,
}

describe('a sealed session', () => {
  it.each(['ES256', 'EdDSA'] as const)(
    'opens for its holder, by %s, anywhere',
    async (algorithm) => {
      const both = newKeys(algorithm)
      const sealed = await sessions(both).seal('a~!b'.repeat(128), HOLDER)
      expect(await sessions(both).open(sealed, HOLDER)).toBe('a~!b'.repeat(128))
      expect(decodeJwsPart(sealed.split('.')[0] ?? '')).toMatchObject({
        typ: SESSION_TYP,
        alg: algorithm,
      })
      expect(decodeJwsPart(sealed.split('.')[1] ?? '')).toEqual({
        ...CLAIMS,
        session: 'a~!b'.repeat(128),
      })
      expect(sealed).toMatch(/^[\w.-]+$/)
    },
  )

  it.each<[string, Partial<SessionHolder>]>([
    ['agent', { agent: 'Planner' }],
    ['issuer', { issuer: `${ISSUER}/` }],
    ['subject', { subject: 'bob' }],
    ['route', { route: 'POST /mcp' }],
  ])('does not for another %s, before or after', async (_name, other) => {
    const all = sessions()
    const sealed = await all.seal('abc', HOLDER)
    expect(await all.open(sealed, { ...HOLDER, ...other })).toBeUndefined()
    expect(await all.open(sealed, HOLDER)).toBe('abc')
    expect(await all.open(sealed, { ...HOLDER, ...other })).toBeUndefined()
  })

  it.each<[string, Record<string, unknown>, Record<string, unknown>?]>([
    ['of another type', CLAIMS, { typ: ASSERTION_TYP }],
    ['by an unknown key', CLAIMS, { kid: 'x' }],
    ['without a session', { ...CLAIMS, session: undefined }],
    ['without a subject', { ...CLAIMS, agent_sub: undefined }],
  ])('is nothing %s', async (_name, claims, header = {}) => {
    expect(await sessions().open(await signed(claims, header), HOLDER)).toBeUndefined()
  })

  it('is nothing once any of it is changed', async () => {
    const all = sessions()
    const sealed = await all.seal('abc', HOLDER)
    const [header = '', payload = '', signature = ''] = sealed.split('.')
    const other = (await all.seal('abd', HOLDER)).split('.')
    const forged = [
      '',
      'abc',
      '..',
      `${header}.${other[1]}.${signature}`,
      `${header}.${payload}.${other[2]}`,
      `${header}.${payload}.`,
      `${sealed}=`,
      `${sealed}.`,
      ` ${sealed}`,
      `${sealed}, ${sealed}`,
      `${btoa('{"alg":"none","typ":"mcp-session+jwt"}').replace(/=/g, '')}.${payload}.`,
      'a'.repeat(100_000),
    ]
    for (const one of forged) expect(await all.open(one, HOLDER)).toBeUndefined()
    expect(await all.open(sealed, HOLDER)).toBe('abc')
  })
})

describe('keys', () => {
  it('that sign no more open what they have sealed, as long as they are published', async () => {
    const [old, next] = await Promise.all(
      [keys, newKeys()].map(async (one) => ({
        signer: (await one.signing()) as SigningKey,
        published: (await one.published())[0] as JWK,
      })),
    )
    if (!old || !next) throw new Error('two keys')
    const now = { signer: old.signer, published: [old.published] }
    const all = sessions({ signing: () => now.signer, published: () => now.published })
    const sealed = await all.seal('abc', HOLDER)
    Object.assign(now, { signer: next.signer, published: [next.published, { ...old.published }] })
    expect(await all.open(sealed, HOLDER)).toBe('abc')
    expect(await all.open(await all.seal('new', HOLDER), HOLDER)).toBe('new')
    Object.assign(now, { published: [next.published] })
    expect(await all.open(sealed, HOLDER)).toBeUndefined()
  })
})

describe('a sealed task', () => {
  const TASK: SessionHolder = { kind: 'task', ...HOLDER }

  it.each(['ES256', 'EdDSA'] as const)('is sealed alike each time, by %s', async (algorithm) => {
    const all = sessions(newKeys(algorithm))
    const sealed = await all.seal('abc', TASK)
    expect(await all.seal('abc', TASK)).toBe(sealed)
    expect(await all.open(sealed, TASK)).toBe('abc')
    expect(await all.seal('abd', TASK)).not.toBe(sealed)
    expect(await all.seal('abc', { ...TASK, agent: 'other' })).not.toBe(sealed)
  })

  it('is no session, and a session is no task', async () => {
    const all = sessions()
    expect(await all.open(await all.seal('abc', TASK), HOLDER)).toBeUndefined()
    expect(await all.open(await all.seal('abc', HOLDER), TASK)).toBeUndefined()
  })
})
