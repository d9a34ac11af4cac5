import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { KINDS } from '../../src/gate/model/revocation.ts'
import { administration, type Name, SAME, TWO } from './administration.ts'
import { expectDenial } from './denied.ts'
import { ACTORS, AGENT, REVOCATIONS, sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

let world: World
beforeAll(async () => {
  world = await sharedWorld(WORLD)
})
beforeEach(() => world.origin.clear())
afterEach(() => liftAll())

const { issuerOf, ask, call, revoke, list, ids, entryOf, liftAll } = administration(() => world)

describe('an administrator of one issuer', () => {
  it.each(TWO)('of %s cannot revoke in %s', async (name, other) => {
    for (const kind of KINDS) {
      const response = await call(name, { method: 'POST', body: entryOf(kind, other) })
      expectDenial(response, 403, 'admin_reach')
    }
    expect(await list('ops')).toEqual([])
    expect((await ask(other)).status).toBe(200)
  })

  it.each(TWO)('of %s makes nothing of a list that reaches into %s', async (name, other) => {
    const revocations = [entryOf('token', name), entryOf('token', other)]
    for (const body of [{ revocations }, { revocations, force: true }]) {
      expectDenial(await call(name, { method: 'POST', body }), 403, 'admin_reach')
    }
    expect(await list('ops')).toEqual([])
  })

  it.each(TWO)('of %s sees and lifts nothing of %s', async (name, other) => {
    const mine = await revoke(name, entryOf('token', name))
    const theirs = await revoke(other, entryOf('token', other))
    expect(await ids(name)).toEqual([mine])
    const iss = encodeURIComponent(issuerOf(other).issuer)
    expectDenial(await call(name, { target: `${REVOCATIONS}?issuer=${iss}` }), 403, 'admin_reach')
    expect(await list(name, `?value=${SAME.jti}`)).toHaveLength(1)
    for (const method of ['GET', 'DELETE']) {
      const response = await call(name, { method, target: `${REVOCATIONS}/${theirs}` })
      expectDenial(response, 404, 'revocation_unknown')
      expect(response.body).not.toContain(issuerOf(other).issuer)
    }
    expectDenial(await ask(other), 401, 'token_revoked')
    expect((await ids('ops')).sort()).toEqual([mine, theirs].sort())
  })

  it.each(TWO)('of %s learns nothing of what issuers there are beside %s', async (name) => {
    for (const issuer of ['https://nobody.example', world.ops.issuer, `${world.ops.issuer}/`]) {
      const body = { kind: 'token', issuer, value: 'x' }
      expectDenial(await call(name, { method: 'POST', body }), 403, 'admin_reach')
    }
  })

  it('is locked out by its own agent id, not by the other issuer’s', async () => {
    const claims = { agent: { id: AGENT }, client_id: AGENT, sub: AGENT }
    const own = await call('beta', { method: 'POST', body: entryOf('agent', 'beta') }, claims)
    expectDenial(own, 409, 'would_lock_out')
    const other = await call('ops', { method: 'POST', body: entryOf('agent', 'beta') }, claims)
    expect(other.status).toBe(200)
  })
})

describe('the details of ready', () => {
  it.each<[Name, readonly Name[]]>([
    ['acme', ['acme']],
    ['beta', ['beta']],
    ['ops', ['acme', 'beta', 'ops']],
  ])('for an administrator of %s are of %j', async (name, seen) => {
    const token = await issuerOf(name).mint({ scope: 'edgewarden:read' })
    const { body } = await world.send({ target: '/.edgewarden/ready', token })
    const told = (JSON.parse(body).issuers as { issuer: string }[]).map(({ issuer }) => issuer)
    expect(told).toEqual(expect.arrayContaining(seen.map((one) => issuerOf(one).issuer)))
    if (name !== 'ops') expect(told).toHaveLength(1)
  })
})

describe('an administrator of every issuer', () => {
  it('revokes, sees and lifts in all of them', async () => {
    const made = [
      await revoke('ops', entryOf('token', 'acme')),
      await revoke('ops', entryOf('token', 'beta')),
    ]
    expect((await list('ops')).map(({ issuer }) => issuer)).toEqual([
      world.acme.issuer,
      world.beta.issuer,
    ])
    for (const id of made) {
      const lifted = await call('ops', { method: 'DELETE', target: `${REVOCATIONS}/${id}` })
      expect(lifted.status).toBe(204)
    }
  })

  it('revokes actors of an issuer whose tokens are not taken, and nothing else of it', async () => {
    const act = { sub: 'planner', iss: ACTORS }
    expect((await ask('acme', { act })).status).toBe(200)
    const entry = { kind: 'agent', issuer: ACTORS, value: 'planner' }
    expectDenial(await call('acme', { method: 'POST', body: entry }), 403, 'admin_reach')
    await revoke('ops', entry)
    expectDenial(await ask('acme', { act }), 401, 'token_revoked')
    for (const kind of ['token', 'subject', 'client', 'workflow', 'key']) {
      const body = { ...entry, kind }
      expectDenial(await call('ops', { method: 'POST', body }), 400, 'revocation_invalid')
    }
  })

  it('still needs the scope, and the scope needs an issuer that may have it', async () => {
    expectDenial(await call('ops', {}, { scope: 'edgewarden:read' }), 403, 'scope_missing')
    for (const scope of ['edgewarden:*', 'edgewarden', 'Edgewarden:revoke', 'edgewarden:revoke2']) {
      expectDenial(await call('ops', {}, { scope }), 403, 'scope_missing')
    }
    const token = await world.plain.mint({ scope: 'edgewarden:revoke edgewarden:read' })
    expectDenial(await world.send({ target: REVOCATIONS, token }), 403, 'admin_not_allowed')
    const ready = await world.send({ target: '/.edgewarden/ready', token })
    expect(ready.status).toBe(200)
    expect(JSON.parse(ready.body)).not.toHaveProperty('issuers')
  })

  it('is one only under its own key', async () => {
    const forged = await world.acme.mint({ iss: world.ops.issuer, scope: 'edgewarden:revoke' })
    const response = await world.send({ target: REVOCATIONS, token: forged })
    expectDenial(response, 401, 'algorithm_not_accepted')
    const same = await world.beta.mint({ iss: world.acme.issuer, scope: 'edgewarden:revoke' })
    expectDenial(await world.send({ target: REVOCATIONS, token: same }), 401, 'signature_invalid')
  })
})
