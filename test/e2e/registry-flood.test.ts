import { expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { createProofKey } from '../kit/dpop.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import { type AskInit, askGate, outcome, startSetting } from './setting.ts'
import { startWorld } from './world.ts'

/** Whose requests put agents into the registry, and how many rows an issuer uses up. */

const agentsIn = async (gate: Gate): Promise<readonly string[]> => {
  const page = await gate.call('AGENTS', 'registry', 'list', { limit: 1_000 })
  return (page as { agents: { agent: string }[] }).agents.map(({ agent }) => agent)
}

it.concurrent('a refused token discovers no agent, unless it was proved', async () => {
  const setting = await startSetting({
    durableObjects: WITH_AUDIT,
    reaching: true,
    issuer: { claims: { owner: 'acme' } },
    routes: [
      { match: 'GET /v1/shadow', scopes: [], mode: 'shadow' },
      { match: 'GET /v1/pay', scopes: ['pay'] },
      { match: 'GET /v1/*', scopes: [] },
    ],
  })
  const { jkt } = await createProofKey()
  const send = async (agent: string, path: string, claims: object = {}, init: AskInit = {}) => {
    const token = await setting.token({ client_id: agent, sub: agent, owner: 'acme', ...claims })
    return outcome(await askGate(setting.gate, path, { token, ...init }))
  }
  const REFUSED = [
    ['/v1/x', { owner: 'other' }, 'claim_rejected'],
    ['/v1/x', { aud: 'https://other.example' }, 'audience_mismatch'],
    ['/v1/x', { iat: 1, exp: 2 }, 'token_expired'],
    ['/v1/x', { cnf: { jkt } }, 'token_bound'],
  ] as const
  for (const [path, claims, code] of REFUSED) {
    expect(await send(code, path, claims)).toMatchObject({ code })
    // Here the request is allowed, without an identity.
    expect(await send(code, '/v1/shadow', { owner: 'other', ...claims })).toMatchObject({
      status: 200,
    })
  }
  expect(await send('denied', '/v1/pay')).toMatchObject({ code: 'scope_missing' })
  expect(await send('allowed', '/v1/x')).toMatchObject({ status: 200 })
  await eventually(async () => {
    expect([...(await agentsIn(setting.gate))].sort()).toEqual(['allowed', 'denied'])
  })
  await setting.close()
})

it.concurrent('an issuer that makes up agents leaves rows of the day to others', async () => {
  const world = await startWorld({
    // The registry may write an eighth of them.
    start: { durableObjects: WITH_AUDIT, reaching: true, vars: { AUDIT: { rows_a_day: 800 } } },
  })
  const send = async (of: 'acme' | 'beta', agent: string) => {
    const token = await world[of].mint({ client_id: agent, sub: agent })
    return (await world.send({ target: '/v1/any', token })).status
  }
  for (let i = 0; i < 200; i++) expect(await send('acme', `made-up-${i}`)).toBe(200)
  for (let i = 0; i < 5; i++) expect(await send('beta', `theirs-${i}`)).toBe(200)
  await eventually(async () => {
    const agents = await agentsIn(world.gate)
    expect(agents.filter((agent) => agent.startsWith('theirs'))).toHaveLength(5)
  })
  const madeUp = (await agentsIn(world.gate)).filter((agent) => agent.startsWith('made-up'))
  expect([madeUp.length > 30, madeUp.length < 100]).toEqual([true, true])
  await world.close()
})
