import { decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isSoak } from '../kit/property.ts'
import { request } from '../kit/request.ts'
import { createKey, type Members, sign } from '../kit/signing.ts'
import { askGate } from './setting.ts'
import {
  BINDINGS,
  type BindingName,
  ORIGINS,
  type OriginName,
  startThreeOrigins,
  type ThreeOrigins,
  type Told,
  urlAt,
} from './three-origins.ts'

let world: ThreeOrigins
let token: string

const CLAIMS = {
  scope: 'docs:read other',
  jti: 'token-1',
  agent_type: 'planner',
  workflow_id: 'Zoë',
  act: { sub: 'planner' },
}

beforeAll(async () => {
  world = await startThreeOrigins()
  token = await world.issuers.acme.mint(CLAIMS)
})
afterAll(() => world.close())

const PATH = '/documents/7'
const BODY = '{"note":"Zoë"}'

type Ask = RequestInit & { readonly path?: string; readonly by?: string }

/** What an origin says, or why it refuses. */
const outcomeOf = async (response: Response) => {
  const { code, agent, assertion, body } = (await response.json()) as Partial<Told> & {
    readonly code?: string
  }
  return { status: response.status, code, agent, assertion, body }
}

/** Asks an origin through a gate. */
const through = async (
  binding: BindingName,
  origin: OriginName,
  { path = PATH, by = token, ...init }: Ask = {},
) => outcomeOf(await askGate(world.gates[binding], `/${origin}${path}`, { token: by, ...init }))

/** Asks an origin itself, past the gate. */
const past = async (
  origin: OriginName,
  assertion: string | undefined,
  { path = PATH, by: _, ...init }: Ask = {},
) => {
  const headers = { ...init.headers, ...(assertion && { 'x-agent-assertion': assertion }) }
  return outcomeOf(await request(world.ports[origin], path, { ...init, headers }))
}

/** An assertion as an origin got it, for what is asked. */
const captured = async (binding: BindingName, origin: OriginName, ask: Ask = {}) => {
  const { status, assertion = '' } = await through(binding, origin, ask)
  expect(status).toBe(200)
  return assertion
}

const refused = (code: string) => ({ status: 401, code })
/** All origins verify by the same code: of a long list, `npm test` asks one of them all, and each other the first. */
const askedOf = <Row>(origin: OriginName, rows: readonly Row[]) =>
  origin === 'express' || isSoak() ? rows : rows.slice(0, 1)
const post = { method: 'POST', body: BODY } as const

describe.each(ORIGINS)('%s', (origin) => {
  const other = origin === 'hono' ? 'express' : 'hono'

  it.each(BINDINGS)('knows by an assertion of %s who has the token', async (binding) => {
    const { issuer } = world.issuers.acme
    for (const ask of [{}, post, { method: 'POST' }]) {
      const init: Ask = { ...ask, headers: { 'x-agent-id': 'root', 'x-agent-assertion': 'forged' } }
      const { status, agent, body } = await through(binding, origin, init)
      expect({ status, body }).toEqual({ status: 200, body: 'body' in ask ? BODY : '' })
      const { claims, expires, ...who } = agent ?? {}
      expect(who).toEqual({
        id: 'agent-7',
        issuer,
        subject: 'alice',
        clientId: 'agent-7',
        type: 'planner',
        workflowId: 'Zoë',
        scopes: ['docs:read', 'other'],
        grant: ['docs:read'],
        actors: [{ sub: 'planner', issuer }],
        tokenId: 'token-1',
        possession: 'bearer',
        route: 'GET,HEAD,POST /documents/{id}',
        binding,
      })
    }
  })

  it.each(BINDINGS)('answers HEAD with an assertion of %s', async (binding) => {
    const path = `/${origin}${PATH}`
    const { status } = await askGate(world.gates[binding], path, { token, method: 'HEAD' })
    expect(status).toBe(200)
  })

  it('tells one agent id of two issuers apart', async () => {
    const told = []
    for (const { mint } of [world.issuers.acme, world.issuers.beta]) {
      const { agent } = await through('identity', origin, { by: await mint(CLAIMS) })
      told.push({ id: agent?.id, issuer: agent?.issuer })
    }
    expect(told).toEqual([
      { id: 'agent-7', issuer: world.issuers.acme.issuer },
      { id: 'agent-7', issuer: world.issuers.beta.issuer },
    ])
    expect(told[0]?.issuer).not.toBe(told[1]?.issuer)
  })

  it.each<[string, Ask]>([
    ['a request past the gate', {}],
    ['one with the token that the gate accepts', { headers: { authorization: 'Bearer ' } }],
    ['one with the plain headers', { headers: { 'x-agent-id': 'agent-7', 'x-agent-issuer': 'x' } }],
    ['one with a header that looks like it', { headers: { x_agent_assertion: 'forged' } }],
  ])('refuses %s', async (_, { headers = {} }) => {
    const sent = new Headers(headers)
    if (sent.has('authorization')) sent.set('authorization', `Bearer ${token}`)
    const ask = { headers: Object.fromEntries(sent) }
    expect(await past(origin, undefined, ask)).toMatchObject(refused('assertion_missing'))
  })

  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const resigned = async (good: string, header: Members, changes: Members = {}) => {
    const key = await createKey('ES256', String(header.kid ?? decodeProtectedHeader(good).kid))
    const claims = { ...claimsOf(good), ...changes }
    return sign({ ...decodeProtectedHeader(good), kid: key.kid, ...header }, claims, key)
  }
  const claimsOf = (jwt: string): Members =>
    JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString())

  const forgeries: readonly [string, string, (good: string) => string | Promise<string>][] = [
    ['is no JWT', 'assertion_malformed', () => 'agent-7'],
    ['is the token', 'type_wrong', () => token],
    ['is another agent’s, under its signature', 'signature_invalid', changed({ sub: 'root' })],
    ['is longer valid, under its signature', 'signature_invalid', changed({ exp: 9e9 })],
    ['has lost its signature', 'signature_invalid', (good) => good.replace(/[^.]+$/, 'AAAA')],
    ['is signed with nothing', 'algorithm_refused', (good) => unsigned(good)],
    ['is signed with another key', 'key_unknown', (good) => resigned(good, { kid: 'mine' })],
    ['is signed in the name of the gate’s key', 'signature_invalid', (good) => resigned(good, {})],
    ['brings its key along', 'assertion_malformed', (good) => resigned(good, { jwk: {} })],
    ['comes twice', 'assertion_repeated', (good) => `${good}, ${good}`],
  ]
  it.each(askedOf(origin, forgeries))('refuses an assertion that %s', async (_, code, forge) => {
    const good = await captured('identity', origin)
    expect(await past(origin, await forge(good))).toMatchObject(refused(code))
    // It was not the way it came that was refused.
    expect((await past(origin, good)).status).toBe(200)
  })

  function changed(changes: Members) {
    return (good: string) => {
      const [header, , signature] = good.split('.')
      return `${header}.${encoded({ ...claimsOf(good), ...changes })}.${signature}`
    }
  }
  const unsigned = (good: string) =>
    `${encoded({ ...decodeProtectedHeader(good), alg: 'none' })}.${good.split('.')[1]}.`

  it('refuses one beside the name of another agent', async () => {
    const good = await captured('identity', origin)
    for (const headers of [{ 'x-agent-id': 'root' }, { 'x-agent-issuer': 'https://a.example' }]) {
      expect(await past(origin, good, { headers })).toMatchObject(refused('identity_mismatch'))
    }
  })

  it.each(BINDINGS)('refuses one of %s that is for another origin', async (binding) => {
    const foreign = await captured(binding, other, post)
    const { aud } = claimsOf(foreign)
    expect(aud).toBe(urlAt(world.ports[other]))
    expect(await past(origin, foreign, post)).toMatchObject(refused('audience_mismatch'))
  })

  const notes = { path: '/notes/7' }
  const mismatches: readonly [string, BindingName, Ask, Ask, string][] = [
    ['body', 'body', post, { method: 'POST', body: `${BODY} ` }, 'body_mismatch'],
    ['route', 'identity', notes, {}, 'route_mismatch'],
    ['route', 'request', { ...post, ...notes }, post, 'route_mismatch'],
    ['method', 'identity', {}, { method: 'DELETE' }, 'route_mismatch'],
    ['method', 'request', {}, { method: 'POST' }, 'method_mismatch'],
    ['method', 'body', post, { ...post, ...notes, method: 'PUT' }, 'route_mismatch'],
    [
      'method',
      'body',
      { ...post, ...notes },
      { ...post, ...notes, method: 'PUT' },
      'method_mismatch',
    ],
    ['path', 'identity', {}, { path: '/documents/7/8' }, 'route_mismatch'],
    ['path', 'identity', {}, { path: '/documents/%37' }, 'route_mismatch'],
    ['path', 'request', {}, { path: '/documents/8' }, 'url_mismatch'],
    ['path', 'body', post, { ...post, path: '/documents/8' }, 'url_mismatch'],
    ['query', 'request', {}, { path: `${PATH}?all=1` }, 'query_mismatch'],
    ['query', 'request', { path: `${PATH}?a=1` }, { path: `${PATH}?a=2` }, 'query_mismatch'],
    ['query', 'request', { path: `${PATH}?a=1` }, {}, 'query_mismatch'],
    ['query', 'body', { ...post, path: `${PATH}?a` }, post, 'query_mismatch'],
    ['host', 'identity', {}, { headers: { host: 'other.example' } }, 'host_mismatch'],
    ['host', 'request', {}, { headers: { host: 'other.example' } }, 'host_mismatch'],
    ['host', 'body', post, { ...post, headers: { host: '127.0.0.1' } }, 'host_mismatch'],
    ['body', 'body', post, { method: 'POST' }, 'body_mismatch'],
    ['body', 'body', { method: 'POST' }, post, 'body_mismatch'],
  ]
  it.each(askedOf(origin, mismatches))(
    'refuses one that is for another %s (%s, %j, %j)',
    async (_, binding, ask, then, code) => {
      const captive = await captured(binding, origin, ask)
      expect(await past(origin, captive, then)).toMatchObject(refused(code))
    },
  )

  it.each(BINDINGS)('takes one of %s with whatever query is sent', async (binding) => {
    for (const query of ["?a='b'&c=%27|{}`^[]", '?+%c3%A9%zz;', '?', '??a?b', '?%00&=']) {
      const { status } = await through(binding, origin, { path: PATH + query })
      expect(`${query} ${status}`).toBe(`${query} 200`)
    }
  })

  it.each(['request', 'body'] as const)('refuses one of the %s that was used', async (binding) => {
    const used = await captured(binding, origin, post)
    expect(await past(origin, used, post)).toMatchObject(refused('assertion_replayed'))
    // The next one of the same request is another.
    expect(await captured(binding, origin, post)).not.toBe(used)
  })
})
