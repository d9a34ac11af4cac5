import { generateKeyPairSync } from 'node:crypto'
import { importJWK, type JWK, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import type { Step } from '../../src/gate/base/chain.ts'
import { ok } from '../../src/gate/base/result.ts'
import { createGuard, GUARD, type GuardPorts } from '../../src/gate/guard/guard.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import type { VerificationKey } from '../../src/gate/model/token.ts'
import {
  anyRooms,
  clock,
  ISSUER,
  NOW,
  noLimits,
  noReplays,
  noSessions,
  noSigning,
  noTokens,
  policyOf,
  RESOURCE,
  requestTo,
  routeOf,
  scopesOf,
} from '../kit/facts.ts'
import { mcpOf } from '../mcp/operation/support.ts'
import { compile } from '../policy/conditions/support.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keyFor = async (use: string) =>
  (await importJWK(publicKey.export({ format: 'jwk' }) as JWK, use)) as VerificationKey['key']
const key = await keyFor('ES256')

/** The same key, imported for something else. */
const wrongKey = await keyFor('ECDH-ES')

const tokenWith = (claims: Record<string, unknown> = {}) =>
  new SignJWT({
    iss: ISSUER,
    aud: RESOURCE,
    sub: 'alice',
    client_id: 'app',
    agent_id: 'planner',
    jti: 'token-1',
    scope: 'docs:read other',
    iat: NOW - 60,
    exp: NOW + 600,
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'key-1' })
    .sign(privateKey)

const TOKEN = await tokenWith()

const POLICY = policyOf([
  routeOf('GET /docs/{id}', { scopes: scopesOf('all', 'docs:read') }),
  routeOf('GET /crawl', { agentTypes: new Set(['crawler']) }),
  routeOf('GET /runs/{run}', { workflow: { from: 'path', name: 'run' } }),
  routeOf('GET /detailed', { authorizationDetails: [{ type: 'tool' }] }),
  routeOf('GET /lately', { authentication: { maxAge: 60 } }),
  routeOf('GET /rarely', { when: compile('request.country == "DE"') }),
  routeOf('GET /limited', {
    rateLimit: { kind: 'exact', per: 'agent', quotas: { daily: 9 } },
  }),
  routeOf('GET /once', { singleUse: true }),
  routeOf('GET /mcp', { mcp: mcpOf({ revisions: ['2026-07-28'] }) }),
  routeOf('GET /open', { access: 'public' }),
])

const run = async (
  path: string,
  {
    claims,
    token,
    ports = {},
    policy = POLICY,
  }: {
    claims?: Record<string, unknown>
    token?: string
    ports?: Partial<GuardPorts>
    policy?: Policy
  } = {},
) => {
  const sent = token ?? (claims ? await tokenWith(claims) : TOKEN)
  const errors: [string, unknown][] = []
  const headers: Record<string, string> = sent === '' ? {} : { authorization: `Bearer ${sent}` }
  const steps: Step[] = []
  const guard = createGuard(policy, {
    clock,
    tokens: noTokens,
    keys: { find: () => ok({ key, kid: 'key-1' }) },
    revocations: { lookup: async () => [] },
    limits: noLimits,
    replays: noReplays,
    signingKeys: noSigning,
    sessions: noSessions,
    bodies: anyRooms,
    onError: (stage, error) => void errors.push([stage, error]),
    ...ports,
  })
  const request = requestTo(`${RESOURCE}${path}`, { headers })
  const decision = await guard(request, {
    caller: '192.0.2.1',
    trace: (step) => void steps.push(step),
  })
  return { decision, errors, steps, stages: steps.map(({ stage }) => stage) }
}

const ORDER = [
  'route',
  'address',
  'credential',
  'issuer',
  'signature',
  'claims',
  'agentic_jwt',
  'possession',
  'delegation',
  'agent',
  'workflow',
  'scope',
  'authorization_details',
  'authentication',
  'limit_precheck',
  'in_flight',
  'condition',
  'holding',
  'operation',
  'mcp_access',
  'use_scope',
  'use_condition',
  'signing',
  'revocation_precheck',
  'replay',
  'limit',
  'revocation',
]

describe('the line', () => {
  it('has one order', () => {
    expect(GUARD.stages.map(({ name }) => name)).toEqual(ORDER)
  })

  it('lets an agent pass, with everything it established', async () => {
    const { decision, stages, errors } = await run('/docs/7?q')
    expect(decision).toMatchObject({
      outcome: 'passed',
      known: {
        route: { name: 'GET /docs/{id}' },
        params: new Map([['id', '7']]),
        agent: { id: 'planner', issuer: ISSUER, subject: 'alice' },
        grant: ['docs:read'],
        possession: 'bearer',
        operation: { kind: 'http', method: 'GET' },
      },
    })
    expect(stages).toEqual(ORDER)
    expect(errors).toEqual([])
  })

  const entry = {
    id: 'e',
    kind: 'token',
    issuer: ISSUER,
    value: 'token-1',
    mode: 'block',
    created: NOW,
    createdBy: 'admin',
  } as const

  it('looks for what is revoked before anything is spent, and asks once more at last', async () => {
    const asked: string[] = []
    const ports = (revokedIn: readonly string[]): Partial<GuardPorts> => ({
      revocations: {
        lookup: (_, terms) => {
          const { consistency = '' } = terms ?? {}
          asked.push(consistency)
          return revokedIn.includes(consistency) ? [entry] : []
        },
      },
      limits: {
        ...noLimits,
        take: () => {
          asked.push('take')
          return ok({})
        },
      },
      replays: {
        ...noReplays,
        claim: () => {
          asked.push('claim')
          return true
        },
      },
    })
    const all = async (path: string, ...given: readonly string[]) => {
      asked.length = 0
      const { decision } = await run(path, { ports: ports(given) })
      return [...asked, decision.outcome === 'denied' ? decision.denial.code : decision.outcome]
    }
    expect(await all('/docs/7')).toEqual(['strict', 'passed'])
    expect(await all('/limited')).toEqual(['bounded', 'take', 'strict', 'passed'])
    expect(await all('/once')).toEqual(['bounded', 'claim', 'strict', 'passed'])
    for (const path of ['/limited', '/once']) {
      expect(await all(path, 'bounded', 'strict')).toEqual(['bounded', 'strict', 'token_revoked'])
      expect((await all(path, 'bounded')).slice(0, 2)).toEqual(['bounded', 'strict'])
      expect((await all(path, 'bounded')).at(-1)).toBe('passed')
      expect((await all(path, 'strict')).slice(-2)).toEqual(['strict', 'token_revoked'])
    }
  })

  it('asks for keys only what is worth it, and for revocations only what would pass', async () => {
    const asked: string[] = []
    const ports: Partial<GuardPorts> = {
      keys: {
        find: () => {
          asked.push('keys')
          return ok({ key })
        },
      },
      revocations: {
        lookup: async () => {
          asked.push('revocations')
          return []
        },
      },
    }
    await run('/docs/7', { ports, claims: { iss: 'https://x.example' } })
    expect(asked).toEqual([])
    await run('/docs/7', { ports, claims: { scope: '' } })
    expect(asked).toEqual(['keys'])
  })
})

describe('a stage that throws', () => {
  const broken = new Error('secret of the inside')
  const boom = () => {
    throw broken
  }
  const brokenPolicy: Policy = { ...POLICY, router: { find: boom } }

  it.each<[string, Parameters<typeof run>[1], unknown]>([
    ['route', { policy: brokenPolicy }, broken],
    ['signature', { ports: { keys: { find: boom } } }, broken],
    ['signature', { ports: { keys: { find: () => Promise.reject(broken) } } }, broken],
    ['signature', { ports: { keys: { find: () => ok({ key: wrongKey }) } } }, expect.any(Error)],
    ['scope', { policy: { ...POLICY, includedBy: boom } }, broken],
  ])('denies (%s), and only onError is told why', async (stage, given, error) => {
    const { decision, errors, steps } = await run('/docs/7', given)
    expect(decision).toMatchObject({
      outcome: 'denied',
      denial: { code: 'unavailable', answer: 'unavailable' },
    })
    expect(decision.outcome === 'denied' && decision.denial.detail).toBeUndefined()
    expect(errors).toEqual([[stage, error]])
    expect(steps.at(-1)).toMatchObject({ stage, outcome: 'denied' })
  })
})
