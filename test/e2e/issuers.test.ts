import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { KINDS } from '../../src/gate/model/revocation.ts'
import { administration, SAME, TWO } from './administration.ts'
import { expectDenial } from './denied.ts'
import { AGENT, REVOCATIONS, sharedWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

let world: World
beforeAll(async () => {
  world = await sharedWorld(WORLD)
})
beforeEach(() => world.origin.clear())
afterEach(() => liftAll())

const { issuerOf, ask, call, revoke, ids, entryOf, liftAll } = administration(() => world)

describe('two issuers with one kid', () => {
  it.each(TWO)('a key of %s never verifies a token of %s', async (signer, claimed) => {
    // Both key sets are at hand by now, whichever was fetched first.
    for (const name of [signer, claimed]) expect((await ask(name)).status).toBe(200)
    const { iss } = issuerOf(claimed).claims()
    const forged = await issuerOf(signer).mint({ ...SAME, iss })
    expectDenial(await world.send({ token: forged }), 401, 'signature_invalid')
    expect((await ask(claimed)).status).toBe(200)
  })

  it.each(TWO)('a token of %s under the name of %s is no other issuer’s', async (name, other) => {
    for (const iss of [
      [issuerOf(name).issuer, issuerOf(other).issuer],
      `${issuerOf(name).issuer} ${issuerOf(other).issuer}`,
      `${issuerOf(name).issuer},${issuerOf(other).issuer}`,
    ]) {
      const { status } = await world.send({ token: await issuerOf(name).mint({ iss }) })
      expect(status).toBe(401)
    }
  })

  it('a key that only one has is no key of another', async () => {
    const { plain, acme } = world
    expect((await world.send({ token: await plain.mint() })).status).toBe(200)
    const forged = await plain.mint({ iss: acme.issuer })
    expectDenial(await world.send({ token: forged }), 401, 'key_unknown')
  })
})

describe('a rule that asks for somebody of one issuer', () => {
  it.each([
    ['/v1/for-alice', 403, 'subject_not_allowed'],
    ['/v1/by-planner', 403, 'actor_not_allowed'],
    ['/v1/of/run-1', 401, 'issuer_not_accepted'],
  ])('takes nobody of that name of another: %s', async (target, status, code) => {
    const claims = { ...SAME, act: { sub: 'planner' } }
    const send = async (name: 'acme' | 'beta') =>
      world.send({ target, token: await issuerOf(name).mint(claims) })
    expect((await send('acme')).status).toBe(200)
    expectDenial(await send('beta'), status, code)
  })
})

describe('two issuers with one agent id', () => {
  it('give the origin two identities', async () => {
    for (const name of ['acme', 'beta'] as const) expect((await ask(name)).status).toBe(200)
    const seen = world.origin.requests.map((request) => ({
      id: request.header('x-agent-id'),
      issuer: request.header('x-agent-issuer'),
    }))
    expect(seen).toEqual([
      { id: `acme/${AGENT}`, issuer: world.acme.issuer },
      { id: `beta/${AGENT}`, issuer: world.beta.issuer },
    ])
  })

  it('cannot take the other’s name by its prefix', async () => {
    await ask('acme', { client_id: `beta/${AGENT}` })
    await ask('beta', { client_id: AGENT })
    const [mine, theirs] = world.origin.requests.map((one) => one.header('x-agent-id'))
    expect(mine).toBe(`acme/beta/${AGENT}`)
    expect(theirs).toBe(`beta/${AGENT}`)
  })

  it('cannot name the other in a claim', async () => {
    const claims = { issuer: 'x', agent_iss: 'x', azp: 'x', 'x-agent-issuer': 'x' }
    await ask('acme', { ...claims, act: { sub: AGENT, iss: world.beta.issuer } })
    const [request] = world.origin.requests
    expect(request?.header('x-agent-issuer')).toBe(world.acme.issuer)
    expect(request?.header('x-agent-id')).toBe(`acme/${AGENT}`)
    expect(request?.header('x-agent-delegation')).toBe(`${world.beta.issuer};${AGENT}`)
  })
})

describe('a revocation', () => {
  const cases = KINDS.flatMap((kind) => TWO.map(([name, other]) => [kind, name, other] as const))

  it.each(cases)('of kind %s in %s leaves %s alone', async (kind, name, other) => {
    const id = await revoke('ops', entryOf(kind, name))
    expectDenial(await ask(name), 401, 'token_revoked')
    expect((await ask(other)).status).toBe(200)
    await call('ops', { method: 'DELETE', target: `${REVOCATIONS}/${id}` })
    expect((await ask(name)).status).toBe(200)
  })

  it.each(KINDS)('before now of kind %s leaves another issuer alone', async (kind) => {
    const [[name, other]] = TWO
    await revoke('ops', { ...entryOf(kind, name), mode: 'before' })
    expectDenial(await ask(name), 401, 'token_revoked')
    expect((await ask(other)).status).toBe(200)
  })

  it.each(TWO)('of an agent by its name holds in %s and not in %s', async (name, other) => {
    const { value: _, ...of } = entryOf('agent', name)
    for (const value of [`${name}/${AGENT}`, `${other}/${AGENT}`]) {
      await revoke('ops', { ...of, value })
      expect([(await ask(name)).status, (await ask(other)).status]).toEqual([200, 200])
    }
    await revoke('ops', { ...of, agent_name: `${name}/${AGENT}` })
    expectDenial(await ask(name), 401, 'token_revoked')
    expect((await ask(other)).status).toBe(200)
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

  it('of an agent by its name covers the chains it stands in', async () => {
    const act = { sub: 'planner', iss: world.beta.issuer }
    const { value: _, ...of } = entryOf('agent', 'beta')
    for (const value of ['acme/planner', 'planner/beta', 'beta/planner']) {
      await revoke('ops', { ...of, value })
    }
    expect((await ask('acme', { act })).status).toBe(200)
    await revoke('ops', { ...of, agent_name: 'beta/planner' })
    expectDenial(await ask('acme', { act }), 401, 'token_revoked')
    expectDenial(await ask('acme', { act: { sub: 'x', act } }), 401, 'token_revoked')
    expect((await ask('acme', { act: { sub: 'planner' } })).status).toBe(200)
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

  it('of kind issuer does not reach the administrator of another', async () => {
    await revoke('ops', entryOf('issuer', 'acme'))
    expectDenial(await call('acme', {}), 401, 'token_revoked')
    expect((await call('beta', {})).status).toBe(200)
  })
})
