import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Members } from '../kit/signing.ts'
import { administration } from './administration.ts'
import { assertionIn } from './asserting.ts'
import { expectChallenge, expectDenial, expectNoLeak } from './denied.ts'
import { HOST, startWorld, type World } from './world.ts'

/**
 * Two issuers: `acme` issues tokens of the actor profile and counts actors of `beta`; `beta` reads its agents from within
 * `act` as well. What each chain and each rule come to, the second implementation judges.
 */
let world: World
beforeAll(async () => {
  const any = { scopes: [] }
  world = await startWorld({
    gate: { hosts: [HOST, '127.0.0.1'] },
    issuers: {
      acme: {
        profile: 'actor',
        agent_id: ['act.sub', 'client_id'],
        delegation: { issuers: ['beta'] },
      },
      beta: {
        agent_id: ['act.sub', 'client_id'],
        delegation: { issuers: ['acme'] },
      },
    },
    routes: [
      { match: 'GET /d/supervised', ...any, delegation: { actors: ['supervisor'] } },
      { match: 'GET /d/*', ...any },
    ],
  })
})
beforeEach(() => world.origin.clear())
afterAll(() => world.close())

type Name = 'acme' | 'beta'
type Claims = (world: World) => Members

/** An actor of `acme`, with the actors before it inside. */
const act = (world: World, sub: string, ...inner: readonly string[]): Members => ({
  sub,
  iss: world.acme.issuer,
  ...(inner.length > 0 && { act: act(world, inner[0] ?? '', ...inner.slice(1)) }),
})

const chain =
  (sub: string, ...inner: readonly string[]): Claims =>
  (world) => ({ sub: 'alice', act: act(world, sub, ...inner) })

let asked = 0

/** Asks, and holds status and code against what they must be, also in the journal. */
const ask = async (
  { status, code }: { readonly status: number; readonly code?: string },
  target: string,
  claims: Members | Claims,
  by: Name = 'acme',
) => {
  const id = `delegated-${++asked}`
  const token = await world[by].mint(typeof claims === 'function' ? claims(world) : claims)
  const response = await world.send({ target, token, headers: [['X-Request-Id', id]] })
  if (code === undefined) expect(response.status).toBe(status)
  else {
    expectDenial(response, status, code)
    expectChallenge(response, status === 401 ? 'invalid_token' : 'none')
    expectNoLeak(response, world, token)
  }
  expect(world.origin.requests).toHaveLength(code === undefined ? 1 : 0)
  const line = await world.gate.journalLine(({ request_id }) => request_id === id)
  expect(line).toMatchObject({ decision: code === undefined ? 'allowed' : 'denied' })
  expect(line.code).toBe(code)
  return { line, request: world.origin.requests[0] }
}

const OK = { status: 200 }
const bad = (code: string) => ({ status: 401, code })
const refused = (code: string) => ({ status: 403, code })

describe('a chain of actors', () => {
  it('is told to the origin and the journal whole, and the outermost is the agent', async () => {
    const { acme, beta } = world
    const inner = { sub: 'planner', iss: beta.issuer, act: { sub: 'root, 1', iss: acme.issuer } }
    const claims = {
      sub: 'alice',
      client_id: 'app',
      act: { sub: 'worker', iss: acme.issuer, sub_profile: 'ai_agent', act: inner },
    }
    const { line, request } = await ask(OK, '/d/any', claims)
    const header = (name: string) => request?.header(`x-agent-${name}`)
    expect(header('id')).toBe('acme/worker')
    expect(header('issuer')).toBe(acme.issuer)
    expect(header('subject')).toBe('alice')
    expect(header('client-id')).toBe('app')
    expect(header('delegation')).toBe(`worker,${beta.issuer};planner,root%2C%201`)
    const actors = [
      { sub: 'worker', issuer: acme.issuer },
      { sub: 'planner', issuer: beta.issuer },
      { sub: 'root, 1', issuer: acme.issuer },
    ]
    expect(line).toMatchObject({ agent: 'worker', issuer: acme.issuer, client: 'app', actors })
    const { payload } = await assertionIn(world.gate, request, world.origin.url)
    expect(payload).toMatchObject({
      sub: 'acme/worker',
      agent_iss: acme.issuer,
      agent_sub: 'alice',
      agent_type: 'ai_agent',
    })
    expect(payload.act).toEqual({ sub: 'worker', iss: acme.issuer, act: inner })
  })

  it('that is refused is in the journal all the same', async () => {
    const expected = refused('actor_not_allowed')
    const { line } = await ask(expected, '/d/supervised', chain('planner', 'supervisor'))
    expect(line.detail).toMatchObject({ depth: 2, actors: expect.stringContaining('supervisor') })
  })
})

describe('an actor of another issuer', () => {
  const foreign = (by: Name, of: Name): Claims => {
    const inside = by === 'acme' ? { sub_profile: 'ai_agent' } : {}
    return (world) => ({ act: { sub: 'planner', iss: world[of].issuer, ...inside } })
  }

  it.each<[Name, Name]>([
    ['acme', 'beta'],
    ['beta', 'acme'],
  ])('of %s cannot be an agent of %s, though it counts', async (by, of) => {
    await ask(refused('agent_issuer_mismatch'), '/d/any', foreign(by, of), by)
    world.origin.clear()
    const { request } = await ask(OK, '/d/any', foreign(by, by), by)
    expect(request?.header('x-agent-id')).toBe(`${by}/planner`)
    expect(request?.header('x-agent-issuer')).toBe(world[by].issuer)
    expect(request?.header('x-agent-delegation')).toBe('planner')
  })
})

it('an actor is stopped by a revocation of its own issuer, and by none of another', async () => {
  const { acme, beta } = world
  const { call } = administration(() => world)
  const revoke = async (issuer: string) => {
    const body = { kind: 'agent', issuer, value: 'stopped-actor' }
    expect((await call('ops', { method: 'POST', body })).status).toBe(200)
  }
  const inner = { sub: 'stopped-actor', iss: beta.issuer }
  const claims = { sub: 'alice', act: { sub: 'worker', iss: acme.issuer, act: inner } }
  await revoke(acme.issuer)
  await ask(OK, '/d/any', claims)
  world.origin.clear()
  await revoke(beta.issuer)
  await ask(bad('token_revoked'), '/d/any', claims)
})
