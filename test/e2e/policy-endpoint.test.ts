import { beforeAll, describe, expect, it } from 'vitest'
import type { Members } from '../kit/signing.ts'
import type { Name } from './administration.ts'
import { expectDenial } from './denied.ts'
import { ACTORS, type Ask, GONE, RESOURCE, SECRET, sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

const POLICY = '/.edgewarden/policy'

let world: World
beforeAll(async () => {
  world = await sharedWorld(WORLD)
})

const ask = async (by: Name, more: Ask = {}, claims: Members = {}) =>
  world.send({
    target: POLICY,
    token: await world[by].mint({ scope: 'edgewarden:read', ...claims }),
    ...more,
  })

const shown = async (by: Name) => {
  const response = await ask(by)
  expect(response.status).toBe(200)
  expect(response.header('content-type')).toMatch(/^application\/json/)
  expect(response.header('cache-control')).toBe('no-store')
  return { text: response.raw.toString(), body: JSON.parse(response.body) }
}

const ruleOf = ({ routes }: { routes: Members[] }, path: string): Members =>
  routes.find(({ match }) => String(match).endsWith(` ${path}`)) ?? {}

describe('the policy in force', () => {
  it('is shown whole to who administers everything', async () => {
    const { body } = await shown('ops')
    expect(Object.keys(body)).toEqual(['gate', 'issuers', 'routes', 'scopes'])
    expect(body.gate).toMatchObject({
      resource: RESOURCE,
      insecure_http: true,
      prefix: '/.edgewarden',
      clock_tolerance: '5s',
      revocation: { consistency: 'strict', max_staleness: '5s' },
      client_ip: 'connection',
    })
    expect(body.issuers.acme).toMatchObject({
      issuer: world.acme.issuer,
      jwks_uri: world.acme.jwksUri,
      max_lifetime: '900s',
      admin: 'own',
      delegation: { max_depth: 3, issuers: [world.beta.issuer, ACTORS] },
    })
    expect(ruleOf(body, '/v1/chat/completions')).toMatchObject({
      revocation: { consistency: 'strict', max_staleness: '5s' },
      match: 'GET,POST /v1/chat/completions',
      scopes: ['chat:write'],
      access: 'required',
      issuers: ['acme', 'beta', 'ops', 'plain', 'agentic', 'gone'],
      origin: world.origin.url,
      mode: 'enforce',
      on_revocation: 'end-streams',
      on_expiry: 'cut',
    })
    expect(body.routes.at(-1)).toMatchObject({ match: '* /tools/*', strip_prefix: '/tools' })
    expect(body.routes.map(({ match }: Members) => match)).not.toContain(`GET ${POLICY}`)
    expect(body.scopes).toEqual({ 'chat:admin': ['chat:write'] })
  })

  it('is shown to who administers one issuer as far as that goes', async () => {
    const { body, text } = await shown('beta')
    expect(Object.keys(body.issuers)).toEqual(['beta'])
    const all = (await shown('ops')).body
    expect(body.gate).toEqual(all.gate)
    const matches = (routes: readonly Members[]) => routes.map(({ match }) => match)
    // Every other rule of this policy takes tokens of beta, or none.
    const [others, own] = [all, body].map(({ routes }) => matches(routes))
    expect(own).toEqual(others?.filter((match) => match !== 'GET /v1/of/{run}'))
    const named = body.routes.flatMap(({ issuers = [] }: { issuers?: string[] }) => issuers)
    expect(new Set(named)).toEqual(new Set(['beta']))
    for (const other of [world.acme.issuer, world.ops.issuer, GONE, 'acme/', 'ops/', '66cc']) {
      expect(text).not.toContain(other)
    }
    expect(ruleOf(body, '/v1/acted').delegation).toMatchObject({
      actors: ['anyone', { issuer: world.beta.issuer, sub: 'own' }],
      issuers: [world.beta.issuer],
    })
  })

  it('shows no values of rules that other issuers share to who administers one issuer', async () => {
    const [all, own] = [(await shown('ops')).body, (await shown('beta')).body]
    const [tenant, conditional] = ['/v1/tenant', '/v1/conditional']
    expect(ruleOf(all, tenant).claims).toEqual({ tenant: 'blue' })
    expect(ruleOf(own, tenant).claims).toEqual({ tenant: 'redacted' })
    expect(ruleOf(all, conditional).when).toBe('token.amount <= 100')
    expect(ruleOf(own, conditional).when).toBe('redacted')
  })

  it('needs a token, with its scope, of an issuer that administers', async () => {
    expectDenial(await world.send({ target: POLICY }), 401, 'credential_missing')
    expectDenial(await ask('ops', {}, { scope: 'edgewarden:revoke' }), 403, 'scope_missing')
    expectDenial(await ask('plain'), 403, 'admin_not_allowed')
  })

  it('holds header names of injected headers, and nothing of their values', async () => {
    const { body, text } = await shown('ops')
    expect(ruleOf(body, '/v1/two-headers')).toMatchObject({
      inject: { 'x-team': 'redacted', cookie: 'redacted' },
    })
    expect(ruleOf(body, '/v1/injected').inject).toEqual({ authorization: 'redacted' })
    for (const secret of [SECRET, 'ORIGIN_KEY', 'literal-55', 's=', 'Bearer']) {
      expect(text).not.toContain(secret)
    }
  })
})
