import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { administration, type Name } from './administration.ts'
import { expectDenial } from './denied.ts'
import { withLimits } from './hurried.ts'
import { REVOCATIONS, startWorld, type World } from './world.ts'

/** Of these `acme` and `beta` may fill four each, and `ops` the last four. */
const ROOM = 40

let world: World
let worker: Awaited<ReturnType<typeof withLimits>>
beforeAll(async () => {
  worker = await withLimits(inject('bundle'), { revocations: ROOM })
  world = await startWorld({ start: { bundle: worker.path }, issuers: { acme: { admin: 'own' } } })
})
afterEach(async () => {
  for (const by of ['own', 'all']) await lift('ops', `reach=${by}`)
})
afterAll(async () => {
  await world.close()
  await worker.remove()
})

const { issuerOf, ask, call, revoke, list, entryOf } = administration(() => world)

const tokens = (name: Name, count: number, prefix = 'x') => ({
  revocations: Array.from({ length: count }, (_, index) => ({
    kind: 'token',
    issuer: issuerOf(name).issuer,
    value: `${prefix}${index}`,
  })),
})
const post = (by: Name, body: unknown) => call(by, { method: 'POST', body })
const lift = (by: Name, query: string) =>
  call(by, { method: 'DELETE', target: `${REVOCATIONS}?${query}` })
const drop = (by: Name, id: string) =>
  call(by, { method: 'DELETE', target: `${REVOCATIONS}/${id}` })
const lifted = (response: { readonly body: string }) =>
  (JSON.parse(response.body).revocations as { value: string }[]).map(({ value }) => value)

describe('an administrator of one issuer that fills the set', () => {
  it('gets a tenth of it, so that the operator still stops an agent', async () => {
    for (let call = 0; call < ROOM; call += 4) {
      const { status } = await post('acme', tokens('acme', 4, `flood${call}-`))
      expect(status).toBe(call === 0 ? 200 : 507)
    }
    expectDenial(await post('acme', tokens('acme', 1, 'more')), 507, 'revocations_share_full')
    expect((await ask('acme')).status).toBe(200)
    await revoke('ops', entryOf('agent', 'acme'))
    expectDenial(await ask('acme'), 401, 'token_revoked')
    // Neither does it take from another issuer, nor may it not make again what it has made.
    expect((await post('beta', tokens('beta', 4))).status).toBe(200)
    expect((await post('acme', tokens('acme', 4, 'flood0-'))).status).toBe(200)
    expectDenial(await post('beta', tokens('beta', 5)), 507, 'revocations_share_full')
  })

  it('leaves the last tenth to administrators of every issuer', async () => {
    expect((await post('ops', tokens('acme', ROOM - 4))).status).toBe(200)
    expectDenial(await post('acme', tokens('acme', 1)), 507, 'revocations_full')
    expect((await post('ops', tokens('beta', 4))).status).toBe(200)
    expectDenial(await post('ops', tokens('beta', 1, 'more')), 507, 'revocations_full')
  })

  it('is undone by a few calls, and nothing that others made is', async () => {
    await revoke('ops', entryOf('agent', 'acme'))
    await post('acme', {
      revocations: [entryOf('agent', 'acme'), ...tokens('acme', 3).revocations],
    })
    await post('beta', tokens('beta', 1))
    const iss = encodeURIComponent(world.acme.issuer)
    const first = await lift('ops', `issuer=${iss}&reach=own&limit=3`)
    expect(lifted(first)).toHaveLength(3)
    const { cursor } = JSON.parse(first.body)
    const rest = await lift('ops', `issuer=${iss}&reach=own&limit=3&cursor=${cursor}`)
    expect([lifted(rest), JSON.parse(rest.body).cursor]).toEqual([['x2'], undefined])
    expectDenial(await ask('acme'), 401, 'token_revoked')
    expect((await list('ops')).map(({ issuer }) => issuer)).toEqual([
      world.acme.issuer,
      world.beta.issuer,
    ])
    const by = encodeURIComponent(`${world.ops.issuer} admin`)
    expect(lifted(await lift('ops', `created_by=${by}`))).toHaveLength(1)
    expect((await ask('acme')).status).toBe(200)
  })
})

describe('an administrator of one issuer', () => {
  it('lifts what its own administrators made, and nothing that one of all did', async () => {
    const mine = await revoke('acme', entryOf('subject', 'acme'))
    const theirs = await revoke('ops', entryOf('agent', 'acme'))
    const again = await revoke('acme', entryOf('agent', 'acme'))
    const other = await revoke('beta', entryOf('token', 'beta'))
    const absent = await drop('acme', 'A'.repeat(22))
    for (const id of [theirs, other]) {
      const refused = await drop('acme', id)
      expectDenial(refused, 404, 'revocation_unknown')
      const { request_id: _, ...told } = JSON.parse(refused.body)
      const { request_id: __, ...of } = JSON.parse(absent.body)
      expect(told).toEqual(of)
    }
    const iss = encodeURIComponent(world.beta.issuer)
    expectDenial(await lift('acme', `issuer=${iss}`), 403, 'admin_reach')
    expectDenial(await lift('acme', 'reach=all'), 403, 'admin_reach')
    for (const query of ['', 'limit=1', 'kind=token&nothing=1', 'kind=token&kind=agent']) {
      expectDenial(await lift('acme', query), 400, 'revocation_invalid')
    }
    expect((await drop('acme', again)).status).toBe(204)
    expect(lifted(await lift('acme', 'kind=agent'))).toEqual([])
    expect(lifted(await lift('acme', 'kind=subject'))).toEqual(['alice'])
    expectDenial(await drop('acme', mine), 404, 'revocation_unknown')
    expectDenial(await ask('acme'), 401, 'token_revoked')
    expect((await drop('ops', theirs)).status).toBe(204)
    expect((await drop('ops', other)).status).toBe(204)
    expect((await ask('acme')).status).toBe(200)
  })

  it('sees no difference between what is not there and what is out of its reach', async () => {
    const theirs = await revoke('beta', entryOf('token', 'beta'))
    for (const method of ['GET', 'DELETE']) {
      const seen = []
      for (const id of [theirs, 'A'.repeat(22), 'no-id']) {
        const { status, body } = await call('acme', { method, target: `${REVOCATIONS}/${id}` })
        const { request_id: _, ...told } = JSON.parse(body)
        seen.push({ status, ...told })
      }
      expect(seen[0]).toMatchObject({ status: 404, code: 'revocation_unknown' })
      expect(seen).toEqual([seen[0], seen[0], seen[0]])
    }
  })
})

describe('an agent whose issuer has a prefix', () => {
  /** Both as their issuer names them: origins are told `acme/victim` and `acme/acme/victim`. */
  const agents = ['victim', 'acme/victim']
  const blocked = async (ask: (id: string) => Promise<{ readonly status: number }>) => {
    const statuses = await Promise.all(agents.map(async (id) => (await ask(id)).status))
    return agents.filter((_, index) => statuses[index] === 401)
  }
  const asAgent = (id: string) => ask('acme', { client_id: id })
  const asActor = (sub: string) =>
    ask('acme', { act: { sub: 'outer', act: { sub, iss: world.acme.issuer } } })

  it.each([
    [{ value: 'victim' }, 'victim'],
    [{ agent_name: 'acme/victim' }, 'victim'],
    [{ value: 'acme/victim' }, 'acme/victim'],
    [{ agent_name: 'acme/acme/victim' }, 'acme/victim'],
  ])('is one agent by %j', async (named, agent) => {
    const response = await post('ops', { kind: 'agent', issuer: world.acme.issuer, ...named })
    expect(JSON.parse(response.body).revocations).toMatchObject([
      { value: agent, name: `acme/${agent}` },
    ])
    expect(await blocked(asAgent)).toEqual([agent])
    expect(await blocked(asActor)).toEqual([agent])
    const query = { kind: 'agent', issuer: world.acme.issuer, ...named } as Record<string, string>
    expect(await list('ops', `?${new URLSearchParams(query)}`)).toHaveLength(1)
  })
})
