import { beforeEach, describe, expect, it } from 'vitest'
import {
  codeFor,
  openSession,
  type Session,
  sealedSession,
  sessionGuard,
  sessionOf,
} from '../../../src/control/console/session.ts'
import type { GatePorts } from '../../../src/gate/app/platform/ports.ts'
import { recordOf } from '../../../src/gate/app/record.ts'
import { createMemoryAssertionKeys } from '../../../src/gate/assertion/key-service.ts'
import { createAssertionKeys, createAssertionMemory } from '../../../src/gate/assertion/keys.ts'
import { createMemoryReplays } from '../../../src/gate/model/memory-replays.ts'
import type { AccessToken } from '../../../src/gate/model/token.ts'
import { CHAT, GATE, ITEM, policy as readPolicy } from '../../gate/policy/support.ts'
import { ISSUER, NOW } from '../../kit/facts.ts'
import { createKey } from '../../kit/signing.ts'

const KEY = (await createKey('ES256', 'old')).jwk
const ABOUT = { host: 'ops.example.com' }
const AGENT = { id: 'chief', name: 'acme/chief', issuer: ISSUER, actors: [] }

let now: number
const clock = { now: () => now * 1000 }
let ports: Parameters<typeof sessionOf>[3]
beforeEach(() => {
  now = NOW
  ports = {
    clock,
    replays: createMemoryReplays({ clock }),
    signingKeys: createAssertionKeys({
      memory: createAssertionMemory(),
      rule: {
        binding: 'identity',
        algorithm: 'ES256',
        maxBody: 1,
        operatorKeys: [],
        withdrawn: [],
      },
      service: createMemoryAssertionKeys(clock),
      clock,
      waitUntil: () => {},
      log: () => {},
    }),
  }
})

/** Without members that are `undefined`. */
const defined = (members: object) => JSON.parse(JSON.stringify(members))
const policyOf = (issuer: object = {}) =>
  readPolicy({
    ROUTES: [CHAT, ITEM],
    GATE: { ...GATE, console: ABOUT },
    ISSUERS: { acme: defined({ issuer: ISSUER, admin: 'all', ...issuer }) },
  })
const policy = policyOf()
const codeOf = async () => {
  const entry = policy.issuers.get(ISSUER) as AccessToken['entry']
  const access: AccessToken = {
    claims: { secret: 'of-the-token' },
    issuer: ISSUER,
    entry,
    issuedAt: now,
    expires: now + 60,
    scopes: ['edgewarden:read', 'chat:write'],
  }
  return codeFor({ access, intent: {}, agent: AGENT }, policy, ABOUT, ports)
}
const begin = async () => {
  const session = await sessionOf((await codeOf()).code, policy, ABOUT, ports)
  if (!session.ok) throw new Error(session.reason.code)
  return session.value
}
const seal = async (session: Session, of = policy) => sealedSession(session, of, ABOUT, ports)

describe('a code', () => {
  it('is good for 60 seconds, at its host', async () => {
    const { code, expires } = await codeOf()
    expect(expires).toBe(NOW + 60)
    const take = async (about = ABOUT) => (await sessionOf(code, policy, about, ports)).ok
    expect(await take({ host: 'other.example.com' })).toBe(false)
    now = NOW + 60
    expect(await take()).toBe(false)
    now = NOW + 59
    expect(await take()).toBe(true)
    expect(await take()).toBe(false)
  })

  it('has no claim of the token, and no scope but those of the endpoints', async () => {
    const { code } = await codeOf()
    const text = Buffer.from(code.split('.')[1] ?? '', 'base64url').toString()
    expect(text).not.toMatch(/of-the-token|chat:write/)
    expect(text).toContain('edgewarden:read')
  })

  it('is no session, and a session is no code', async () => {
    const { code } = await codeOf()
    expect(await openSession(code, ABOUT, ports)).toBeUndefined()
    const sealed = await seal(await begin())
    expect((await sessionOf(sealed?.text ?? '', policy, ABOUT, ports)).ok).toBe(false)
  })
})

describe('a session', () => {
  it('ends after 15 minutes without a renewal, and is of its host', async () => {
    const { text, seconds } = (await seal(await begin())) ?? { text: '', seconds: 0 }
    expect(seconds).toBe(900)
    now = NOW + 899
    expect(await openSession(text, { host: 'other.example.com' }, ports)).toBeUndefined()
    expect(await openSession(text, ABOUT, ports)).toMatchObject({ agent: AGENT })
    now = NOW + 900
    expect(await openSession(text, ABOUT, ports)).toBeUndefined()
  })

  it('is renewed for 8 hours, and no longer', async () => {
    let session: Session | undefined = await begin()
    let last = now
    for (let round = 0; session && round < 100; round++) {
      const sealed = await seal(session)
      last = now + (sealed?.seconds ?? 0)
      now += 600
      session = sealed && (await openSession(sealed.text, ABOUT, ports))
    }
    expect(session).toBeUndefined()
    expect(last).toBe(NOW + 8 * 3600)
  })

  it('is idle for no longer than a token of its issuer may live, and ends with the issuer', async () => {
    const session = await begin()
    expect((await seal(session, policyOf({ max_lifetime: '2m' })))?.seconds).toBe(120)
    expect(await seal(session, policyOf({ issuer: 'https://other.example' }))).toBeUndefined()
  })

  it('does not begin where a browser would drop its cookie', async () => {
    const session = await begin()
    const actors = Array.from({ length: 40 }, () => ({ sub: 'x'.repeat(100), issuer: ISSUER }))
    expect(await seal({ ...session, agent: { ...AGENT, actors } })).toBeUndefined()
  })
})

describe('the guard of a session', () => {
  const decided = async (path: string, issuer: object = {}, session?: Session) => {
    const given = session ?? (await begin())
    const all = {
      ...ports,
      revocations: { lookup: () => [] },
      limits: {},
      onError: (_: string, error: unknown) => {
        throw error
      },
    }
    const guard = sessionGuard(policyOf(issuer), all as unknown as GatePorts, given)
    const url = `https://api.example.com${path}`
    return guard({ method: 'GET', url, headers: new Headers() })
  }
  const decide = async (...given: Parameters<typeof decided>) => {
    const decision = await decided(...given)
    return decision.outcome === 'denied' ? decision.denial.code : decision.outcome
  }
  const OWN = '/.edgewarden/policy'

  it('accepts it at the own endpoints, and at no rule', async () => {
    expect(await decide(OWN)).toBe('passed')
    expect(await decide('/v1/items/7')).toBe('console_session_missing')
    expect(await decide('/.edgewarden/metrics')).toBe('scope_missing')
  })

  it('knows no token, and the journal still has who called and the key', async () => {
    const session = await begin()
    const keyed = { ...session, access: { ...session.access, kid: 'old' } }
    const decision = await decided(OWN, {}, keyed)
    expect(decision.known).not.toHaveProperty('token')
    const line = JSON.parse(recordOf(decision, { id: 'id', time: 0, requestId: 'request' }))
    expect(line).toMatchObject({ issuer: ISSUER, kid: 'old', agent: 'chief' })
  })

  it('refuses it once the policy lacks the issuer, its key, or its right to administer', async () => {
    const jwks = (kid: string) => ({ jwks: { keys: [{ ...KEY, kid }] }, algorithms: ['ES256'] })
    const session = await begin()
    const keyed = { ...session, access: { ...session.access, kid: 'old' } }
    expect(await decide(OWN, jwks('old'), keyed)).toBe('passed')
    expect(await decide(OWN, jwks('new'), keyed)).toBe('console_session_missing')
    expect(await decide(OWN, { issuer: 'https://other.example' })).toBe('console_session_missing')
    expect(await decide(OWN, { admin: undefined })).toBe('console_session_missing')
  })
})
