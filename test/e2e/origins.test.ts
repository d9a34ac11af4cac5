import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { request } from '../kit/request.ts'
import { askGate } from './setting.ts'
import {
  BINDINGS,
  type BindingName,
  ORIGINS,
  type OriginName,
  startTwoOrigins,
  type Told,
  type TwoOrigins,
  urlAt,
} from './two-origins.ts'

let world: TwoOrigins
let token: string

const CLAIMS = {
  scope: 'docs:read other',
  jti: 'token-1',
  agent_type: 'planner',
  workflow_id: 'Zoë',
  act: { sub: 'planner' },
}

beforeAll(async () => {
  world = await startTwoOrigins()
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
const post = { method: 'POST', body: BODY } as const

describe.each(ORIGINS)('%s', (origin) => {
  const other = origin === 'fetch' ? 'express' : 'fetch'

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

  it.each(BINDINGS)('refuses one of %s that is for another origin', async (binding) => {
    const foreign = await captured(binding, other, post)
    expect(decodeJwt(foreign).aud).toBe(urlAt(world.ports[other]))
    expect(await past(origin, foreign, post)).toMatchObject(refused('audience_mismatch'))
  })

  // What an origin holds against an assertion in detail is judged in its package.
  it.each<[BindingName, Ask, Ask, string]>([
    ['identity', {}, { method: 'DELETE' }, 'route_mismatch'],
    ['identity', {}, { headers: { host: 'other.example' } }, 'host_mismatch'],
    ['request', {}, { path: `${PATH}?all=1` }, 'query_mismatch'],
    ['body', post, { method: 'POST', body: `${BODY} ` }, 'body_mismatch'],
  ])('refuses one of %s for %j with %j', async (binding, ask, then, code) => {
    expect(await past(origin, await captured(binding, origin, ask), then)).toMatchObject(
      refused(code),
    )
  })

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
