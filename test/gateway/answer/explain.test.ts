import { generateKeyPairSync } from 'node:crypto'
import { importJWK, type JWK, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { explain, restricted } from '../../../src/gate/answer/explain.ts'
import { fail, ok } from '../../../src/gate/base/result.ts'
import { createGuard, GUARD, type GuardPorts } from '../../../src/gate/guard/guard.ts'
import type { Policy } from '../../../src/gate/model/policy.ts'
import type { VerificationKey } from '../../../src/gate/model/token.ts'
import {
  anyRooms,
  clock,
  ISSUER,
  issuerOf,
  NOW,
  noLimits,
  noReplays,
  noSessions,
  noSigning,
  noTokens,
  policyOf,
  RESOURCE,
  routeOf,
  scopesOf,
} from '../../kit/facts.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const key = (await importJWK(
  publicKey.export({ format: 'jwk' }) as JWK,
  'ES256',
)) as VerificationKey['key']

const mint = (claims: Record<string, unknown> = {}) =>
  new SignJWT({
    iss: ISSUER,
    aud: RESOURCE,
    sub: 'alice',
    client_id: 'app',
    agent_id: 'planner',
    agent_type: 'crawler',
    workflow_id: 'run-1',
    act: { sub: 'tool' },
    jti: 'token-1',
    scope: 'docs:read',
    iat: NOW - 60,
    exp: NOW + 600,
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'key-1' })
    .sign(privateKey)

const POLICY = policyOf(
  [
    routeOf('GET /docs/{id}', { scopes: scopesOf('any', 'docs:all', 'docs:write:{id}') }),
    routeOf('GET /read', { scopes: scopesOf('all', 'docs:read'), host: 'api.example.com' }),
    routeOf('GET /watched', { scopes: scopesOf('all', 'docs:admin'), mode: 'shadow' }),
    routeOf('GET /open', { access: 'public' }),
  ],
  { issuers: [issuerOf({ agentPrefix: 'acme/' })] },
)

const guardOf = (ports: Partial<GuardPorts> = {}, policy: Policy = POLICY) =>
  createGuard(policy, {
    clock,
    tokens: noTokens,
    keys: { find: () => ok({ key, kid: 'key-1' }) },
    revocations: { lookup: async () => [] },
    limits: noLimits,
    replays: noReplays,
    signingKeys: noSigning,
    sessions: noSessions,
    bodies: anyRooms,
    onError: () => {},
    ...ports,
  })

/** A plain object: the text of its URL is exactly this. */
const request = async (path: string, token?: string) => ({
  method: 'GET',
  url: RESOURCE + path,
  headers: new Headers(token === undefined ? {} : { authorization: `Bearer ${token}` }),
})

const explained = async (path: string, token?: string, guard = guardOf()) =>
  (await explain(guard, await request(path, token))).explanation

describe('explain', () => {
  it('tells each step of a request that is allowed', async () => {
    const told = await explained('/read', await mint())
    expect(told).toMatchObject({
      allowed: true,
      mode: 'enforce',
      agent: {
        id: 'planner',
        name: 'acme/planner',
        issuer: ISSUER,
        subject: 'alice',
        client_id: 'app',
        type: 'crawler',
        workflow_id: 'run-1',
        actors: [{ sub: 'tool', issuer: ISSUER }],
        scopes: ['docs:read'],
      },
      route: {
        match: 'GET /read',
        host: 'api.example.com',
        resource: RESOURCE,
        access: 'required',
        scopes: ['docs:read'],
        mode: 'enforce',
      },
    })
    expect(told).not.toHaveProperty('denial')
    expect(told.steps.map(({ stage }) => stage)).toEqual(GUARD.stages.map(({ name }) => name))
    expect(new Set(told.steps.map(({ outcome }) => outcome))).toEqual(new Set(['passed']))
    const detailOf = (name: string) => told.steps.find(({ stage }) => stage === name)?.detail
    expect(detailOf('route')).toEqual({ route: 'GET /read', path: '/read', params: {} })
    expect(detailOf('signature')).toEqual({ kid: 'key-1' })
    expect(detailOf('scope')).toEqual({ grant: ['docs:read'] })
  })

  it('is a shape of JSON', async () => {
    const told = await explained('/read', await mint())
    expect(JSON.parse(JSON.stringify(told))).toEqual(told)
  })

  it('says where the line stopped, why, and what to do', async () => {
    const told = await explained('/docs/7', await mint())
    expect(told).toMatchObject({
      allowed: false,
      mode: 'enforce',
      denial: {
        code: 'scope_missing',
        status: 403,
        title: expect.stringMatching(/scope/),
        hint: expect.stringMatching(/scopes/),
        any_of: ['docs:all', 'docs:write:7'],
        challenge: expect.stringMatching(/^Bearer .*error="insufficient_scope"/),
      },
      agent: { id: 'planner' },
      route: { scopes: { any: ['docs:all', 'docs:write:{id}'] } },
    })
    expect(told.steps.at(-1)).toEqual({
      stage: 'scope',
      outcome: 'denied',
      detail: {
        code: 'scope_missing',
        any_of: ['docs:all', 'docs:write:7'],
        held: ['docs:read'],
        hint: told.denial?.hint,
      },
    })
  })

  it('tells what the stage that denied saw', async () => {
    const told = await explained('/read', await mint({ exp: NOW - 6 }))
    expect(told.denial?.code).toBe('token_expired')
    expect(told.steps.at(-1)).toMatchObject({
      stage: 'claims',
      outcome: 'denied',
      detail: { code: 'token_expired', exp: NOW - 6, now: NOW, tolerance: 5 },
    })
    expect(told).not.toHaveProperty('agent')
  })

  it('reads the URL as it was sent', async () => {
    const told = await explained('/docs/../read', await mint())
    expect(told.denial).toMatchObject({ code: 'path_ambiguous', status: 400 })
    expect(told.steps).toEqual([
      {
        stage: 'route',
        outcome: 'denied',
        detail: { fault: 'dot segment', code: 'path_ambiguous', hint: told.denial?.hint },
      },
    ])
    expect(told).not.toHaveProperty('route')
  })

  it('says that shadow mode lets go on what the line denies', async () => {
    const told = await explained('/watched', await mint())
    expect(told).toMatchObject({
      allowed: false,
      mode: 'shadow',
      denial: { code: 'scope_missing', required_scopes: ['docs:admin'] },
      route: { mode: 'shadow' },
    })
    expect(told.steps.at(-1)?.detail).toMatchObject({ required_scopes: ['docs:admin'] })
  })

  it('stops early where no token is read', async () => {
    const told = await explained('/open', 'rubbish')
    expect(told).toMatchObject({ allowed: true, route: { access: 'public', scopes: [] } })
    expect(told.steps.map(({ stage, outcome }) => [stage, outcome])).toEqual([
      ['route', 'passed'],
      ['address', 'passed'],
      ['credential', 'ended'],
    ])
    expect(told).not.toHaveProperty('agent')
  })

  it('says how long a step waited, and nothing where it did not', async () => {
    let now = NOW * 1000
    const guard = guardOf({
      clock: { now: () => now },
      revocations: {
        lookup: async () => {
          await null
          now += 7
          return []
        },
      },
    })
    const { steps } = await explained('/read', await mint(), guard)
    expect(steps.map(({ ms }) => ms)).toEqual([
      ...Array(GUARD.stages.length - 1).fill(undefined),
      7,
    ])
  })

  it('adds the note of the code, and no other', async () => {
    const notes = { key_unknown: 'Nobody was asked', token_expired: 'It is late' }
    const guard = guardOf({ keys: { find: () => fail('unknown') } })
    const asked = await request('/read', await mint())
    const { explanation: told } = await explain(guard, asked, { notes })
    expect(told.steps.at(-1)?.detail).toMatchObject({
      code: 'key_unknown',
      note: 'Nobody was asked',
    })
    const { explanation: other } = await explain(guard, await request('/read'), { notes })
    expect(other.steps.at(-1)?.detail).not.toHaveProperty('note')
  })

  it('tells nothing of an error nobody expected', async () => {
    const boom = () => {
      throw new Error('secret of the inside')
    }
    const told = await explained('/read', await mint(), guardOf({ keys: { find: boom } }))
    expect(told.denial).toMatchObject({ code: 'unavailable', status: 503 })
    expect(JSON.stringify(told)).not.toContain('secret of the inside')
  })
})

describe('restricted', () => {
  it('leaves stages and code', async () => {
    const told = restricted(await explained('/docs/7', await mint()))
    expect(told).toEqual({
      allowed: false,
      denial: { code: 'scope_missing' },
      steps: GUARD.stages
        .slice(0, GUARD.stages.findIndex(({ name }) => name === 'scope') + 1)
        .map(({ name: stage }) => ({ stage, outcome: stage === 'scope' ? 'denied' : 'passed' })),
    })
  })

  it('has no denial where there was none', async () => {
    expect(Object.keys(restricted(await explained('/read', await mint())))).toEqual([
      'allowed',
      'steps',
    ])
  })
})
