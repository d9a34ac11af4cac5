import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Members } from '../kit/signing.ts'
import type { Name } from './administration.ts'
import { expectDenial } from './denied.ts'
import { type Ask, GONE, RESOURCE, SECRET, startWorld, type World } from './world.ts'

const POLICY = '/.edgewarden/policy'

let world: World
beforeAll(async () => {
  world = await startWorld({
    routes: [
      {
        match: 'GET /v1/two-headers',
        scopes: [],
        inject: {
          'X-Team': `literal-55aa \${ORIGIN_KEY} literal-55bb`,
          Cookie: `s=\${ORIGIN_KEY}`,
        },
        revocation: { consistency: 'bounded', max_staleness: '90s' },
      },
      {
        match: 'GET /v1/acted',
        scopes: [],
        delegation: {
          issuers: ['acme', 'beta'],
          actors: ['anyone', { issuer: 'acme', sub: 'actor-66cc' }, { issuer: 'beta', sub: 'own' }],
        },
      },
    ],
  })
})
afterAll(() => world.close())

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
    expect(Object.keys(body.issuers).sort()).toEqual(['acme', 'beta', 'gone', 'ops'])
    expect(body.issuers.acme).toMatchObject({
      issuer: world.acme.issuer,
      jwks_uri: world.acme.jwksUri,
      max_lifetime: '900s',
      admin: false,
      delegation: { max_depth: 3, issuers: [world.beta.issuer] },
    })
    expect(body.routes[0].revocation).toEqual({ consistency: 'bounded', max_staleness: '90s' })
    expect(body.routes[2]).toMatchObject({
      revocation: { consistency: 'strict', max_staleness: '5s' },
      match: 'GET,POST /v1/chat/completions',
      scopes: ['chat:write'],
      access: 'required',
      issuers: ['acme', 'beta', 'ops', 'gone'],
      origin: world.origin.url,
      mode: 'enforce',
      timeout: '600s',
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
    // Every rule of this policy takes tokens of beta, or none.
    expect(matches(body.routes)).toEqual(matches(all.routes))
    const named = body.routes.flatMap(({ issuers = [] }: { issuers?: string[] }) => issuers)
    expect(new Set(named)).toEqual(new Set(['beta']))
    for (const other of [world.acme.issuer, world.ops.issuer, GONE, 'acme/', 'ops/', '66cc']) {
      expect(text).not.toContain(other)
    }
    expect(body.routes[1].delegation).toMatchObject({
      actors: ['anyone', { issuer: world.beta.issuer, sub: 'own' }],
      issuers: [world.beta.issuer],
    })
  })

  it('holds header names of injected headers, and nothing of their values', async () => {
    const { body, text } = await shown('ops')
    expect(body.routes[0]).toMatchObject({
      match: 'GET /v1/two-headers',
      inject: { 'x-team': 'redacted', cookie: 'redacted' },
    })
    const injected = body.routes.find(({ match }: Members) => match === 'GET /v1/injected')
    expect(injected.inject).toEqual({ authorization: 'redacted' })
    for (const secret of [SECRET, 'ORIGIN_KEY', 'literal-55', 's=', 'Bearer']) {
      expect(text).not.toContain(secret)
    }
  })

  it('needs a token, with its scope, of an issuer that administers', async () => {
    expectDenial(await world.send({ target: POLICY }), 401, 'credential_missing')
    expectDenial(await ask('ops', {}, { scope: 'edgewarden:revoke' }), 403, 'scope_missing')
    expectDenial(await ask('acme'), 403, 'scope_missing')
  })

  it('is there for GET and HEAD', async () => {
    const head = await ask('ops', { method: 'HEAD' })
    expect([head.status, head.body]).toEqual([200, ''])
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      expectDenial(await ask('ops', { method }), 404, 'route_unknown')
    }
  })
})

it('a policy that is broken is shown to nobody', async () => {
  const broken = await world.another({}, { no_such_key: 1 })
  const token = await world.ops.mint({ scope: 'edgewarden:read' })
  const response = await broken.send({ target: POLICY, token })
  expectDenial(response, 503, 'policy_invalid')
})
