import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { usualObjects } from '../kit/repository.ts'
import { PATIENCE } from '../kit/wait.ts'
import { ALLOWED, clocked, forward, makePatient } from './keys-setting.ts'
import { revoking } from './revoking.ts'
import { askGate, outcome, type Setting, startSetting, until } from './setting.ts'
import { sharedShards } from './shards.ts'

/** Milliseconds that a copy of the set may be old. */
const BOUND = 60_000

const REVOKED = { status: 401, code: 'token_revoked' }
const UNAVAILABLE = { status: 503, code: 'revocations_unavailable' }

const POLICY = {
  gate: { revocation: { consistency: 'bounded', max_staleness: '60s', shards: 1 } },
  issuer: { admin: 'all' },
  routes: [
    { match: 'GET /bounded/*', scopes: [] },
    { match: 'GET /strict/*', scopes: [], revocation: 'strict' },
    // With a bound of its own.
    {
      match: 'GET /patient/*',
      scopes: [],
      revocation: { consistency: 'bounded', max_staleness: '90s' },
    },
  ],
}

let setting: Setting

beforeAll(async () => {
  setting = await startSetting({ ...POLICY, ...(await clocked({ REVOCATIONS: 'TroubledShard' })) })
  await makePatient(setting.gate)
})
afterAll(() => setting.close())

const use = async (token: string, path = '/bounded/x') =>
  outcome(await setting.ask(path, { token }))

/** A test puts the clock forward by less than a token lives. */
const later = (ms: number) => forward(setting.gate, ms)
const shard = (method: string, ...given: unknown[]) =>
  setting.gate.call('REVOCATIONS', '0', method, ...given)

/** Uses a token until the gate has a copy of the set to look into, and asks the set no more. */
const warm = (token: string) =>
  until(
    async () => {
      const before = await shard('answers')
      expect(await use(token)).toEqual(ALLOWED)
      return (await shard('answers')) === before
    },
    (isWarm) => isWarm,
    PATIENCE,
  )

it('of a warm token asks no object, however often it is used', async () => {
  const gate = await setting.another({
    ...POLICY,
    bundle: await sharedShards(),
    durableObjects: { ...usualObjects(), REVOCATIONS: 'CountedShard' },
  })
  const token = await setting.token({ client_id: 'agent-warm' })
  const ask = async () => expect((await askGate(gate, '/bounded/x', { token })).status).toBe(200)
  const called = () =>
    gate.journal().flatMap(({ called }) => (called === undefined ? [] : [called]))
  // The first asks the set itself, while the copy is pulled.
  await until(
    async () => {
      await ask()
      return called()
    },
    (calls) => calls.includes('pullAll'),
    PATIENCE,
  )
  await until(
    async () => {
      const before = called().length
      await ask()
      return called().length - before
    },
    (calls) => calls === 0,
    PATIENCE,
  )
  const before = called().length
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let request = 0; request < 10; request++) await ask()
    }),
  )
  expect(called()).toHaveLength(before)
  await gate.stop()
})

describe('bounded revocation', () => {
  it('counts within the bound, and not a request later', async () => {
    const { revoke, lift } = revoking(setting, setting.gate)
    const token = await setting.token({ client_id: 'agent-a' })
    const other = await setting.token({ client_id: 'agent-b' })
    await warm(token)
    const id = await revoke({ kind: 'agent', value: 'agent-a' })
    expect(await use(token, '/strict/x')).toEqual(REVOKED)
    // The copy is young, so that nobody is asked.
    expect(await use(token)).toEqual(ALLOWED)
    await later(BOUND)
    expect(await use(token)).toEqual(REVOKED)
    expect(await use(other)).toEqual(ALLOWED)

    await lift(id)
    expect(await use(token, '/strict/x')).toEqual(ALLOWED)
    await later(BOUND)
    expect(await use(token)).toEqual(ALLOWED)
  })

  it('goes on while the set cannot be reached, for as long as the bound and no longer', async () => {
    const { revoke } = revoking(setting, setting.gate)
    const token = await setting.token({ client_id: 'agent-d' })
    const fresh = await setting.token({ client_id: 'agent-e' })
    await warm(token)
    await revoke({ kind: 'agent', value: 'agent-e' })
    await shard('behave', { trouble: 'fails' })
    expect(await use(token, '/strict/x')).toEqual(UNAVAILABLE)
    expect(await use(token)).toEqual(ALLOWED)
    // It is to be renewed by now, which fails.
    await later(BOUND * 0.75)
    expect(await use(token)).toEqual(ALLOWED)
    await later(BOUND * 0.25)
    expect(await use(token)).toEqual(UNAVAILABLE)
    expect(await use(token, '/patient/x')).toEqual(ALLOWED)
    await later(BOUND / 2)
    expect(await use(token, '/patient/x')).toEqual(UNAVAILABLE)
    await shard('behave', {})
    expect(await use(token)).toEqual(ALLOWED)
    // What was revoked before the failure counts after it.
    expect(await use(fresh)).toEqual(REVOKED)
  })
})
