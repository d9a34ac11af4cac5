import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { KINDS } from '../../src/gate/model/revocation.ts'
import { administration, SAME, TWO } from './administration.ts'
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

describe('two issuers with one kid', () => {
  it.each(TWO)('a key of %s never verifies a token of %s', async (signer, claimed) => {
    // Both key sets are at hand by now, whichever was fetched first.
    for (const name of [signer, claimed]) expect((await ask(name)).status).toBe(200)
    const { iss } = issuerOf(claimed).claims()
    const forged = await issuerOf(signer).mint({ ...SAME, iss })
    expectDenial(await world.send({ token: forged }), 401, 'signature_invalid')
    expect((await ask(claimed)).status).toBe(200)
  })
})

describe('a revocation', () => {
  const cases = KINDS.flatMap((kind) => TWO.map(([name, other]) => [kind, name, other] as const))

  it.each(cases)('of kind %s in %s leaves %s alone', async (kind, name, other) => {
    const [token, others] = await Promise.all([name, other].map((one) => issuerOf(one).mint(SAME)))
    const use = (one = '') => world.send({ token: one })
    for (const mode of ['block', 'before']) {
      // It is remembered, and refused on the very next request.
      for (let i = 0; i < 2; i++) expect((await use(token)).status).toBe(200)
      world.origin.clear()
      const id = await revoke('ops', { ...entryOf(kind, name), mode })
      expectDenial(await use(token), 401, 'token_revoked')
      expect(world.origin.requests).toEqual([])
      expect((await use(others)).status).toBe(200)
      await call('ops', { method: 'DELETE', target: `${REVOCATIONS}/${id}` })
      expect((await use(token)).status).toBe(200)
    }
  })

  it('of kind session covers the tokens whose claim names the session, and no others', async () => {
    await revoke('ops', { ...entryOf('session', 'acme'), value: 's-2' })
    for (const sid of ['s-1', 's-22', 'S-2', undefined]) {
      expect((await ask('acme', { sid })).status).toBe(200)
    }
    expectDenial(await ask('acme', { sid: 's-2' }), 401, 'token_revoked')
  })

  it.each([7, '', {}, ['s-1']])('cannot be evaded by the session %j', async (sid) => {
    expectDenial(await ask('acme', { sid }), 401, 'claim_malformed')
  })

  it('covers nothing when its parts are put together in another way', async () => {
    const { issuer } = world.acme
    for (const value of [
      `${issuer}","${AGENT}`,
      `${issuer} ${AGENT}`,
      `"${AGENT}"`,
      AGENT.toUpperCase(),
      ` ${AGENT}`,
      `${AGENT}%`,
      '%',
      '*',
    ]) {
      await revoke('ops', { ...entryOf('agent', 'beta'), value })
    }
    for (const name of ['acme', 'beta'] as const) expect((await ask(name)).status).toBe(200)
  })

  it('of an actor holds in the actor’s own issuer only', async () => {
    const actor = 'planner'
    const of = (iss?: string) => ({ act: { sub: actor, ...(iss !== undefined && { iss }) } })
    const id = await revoke('ops', { ...entryOf('agent', 'beta'), value: actor })
    expect((await ask('acme', of())).status).toBe(200)
    expect((await ask('acme', of(world.acme.issuer))).status).toBe(200)
    expectDenial(await ask('acme', of(world.beta.issuer)), 401, 'token_revoked')
    const inner = { act: { sub: 'x', ...of(world.beta.issuer) } }
    expectDenial(await ask('acme', inner), 401, 'token_revoked')
    await call('ops', { method: 'DELETE', target: `${REVOCATIONS}/${id}` })
    await revoke('ops', { ...entryOf('agent', 'acme'), value: actor })
    expect((await ask('acme', of(world.beta.issuer))).status).toBe(200)
    expectDenial(await ask('acme', of()), 401, 'token_revoked')
  })

  it('has another id in each issuer and reach, and the same one when it is made again', async () => {
    const made = [
      await revoke('ops', entryOf('token', 'acme')),
      await revoke('ops', entryOf('token', 'beta')),
      await revoke('acme', entryOf('token', 'acme')),
      await revoke('ops', entryOf('token', 'acme')),
    ]
    expect(made[0]).toBe(made[3])
    expect(new Set(made).size).toBe(3)
    expect((await ids('ops')).sort()).toEqual([...new Set(made)].sort())
  })
})

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
})

describe('an administrator of every issuer', () => {
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
})
