import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { deployment } from '../kit/repository.ts'
import { askGate, outcome, type Setting, startSetting, until } from './setting.ts'
import { withShards } from './shards.ts'

const PATH = '/.edgewarden/revocations'
/** Milliseconds; the patient rule has a bound of its own. */
const BOUND = 1_000
const PATIENCE = 3_000
/** What a slow machine adds to an answer. */
const SLACK = 2_000

const ALLOWED = { status: 200, code: undefined }
const REVOKED = { status: 401, code: 'token_revoked' }
const UNAVAILABLE = { status: 503, code: 'revocations_unavailable' }

let setting: Setting
let shards: Awaited<ReturnType<typeof withShards>>

beforeAll(async () => {
  shards = await withShards(inject('bundle'))
  setting = await startSetting({
    bundle: shards.path,
    durableObjects: { ...deployment().durableObjects, REVOCATIONS: 'FailingShard' },
    gate: { revocation: { consistency: 'bounded', max_staleness: '1s', shards: 1 } },
    issuer: { admin: 'all' },
    routes: [
      { match: 'GET /bounded/*', scopes: [] },
      { match: 'GET /strict/*', scopes: [], revocation: 'strict' },
      {
        match: 'GET /patient/*',
        scopes: [],
        revocation: { consistency: 'bounded', max_staleness: '3s' },
      },
    ],
  })
})
afterAll(async () => {
  await setting.close()
  await shards.remove()
})

const admin = () =>
  setting.token({ client_id: 'operator', sub: 'operator', scope: 'edgewarden:revoke' })

/** Revokes an agent; the id of the entry. */
const revoke = async (agent: string, reason?: string): Promise<string> => {
  const response = await setting.ask(PATH, {
    method: 'POST',
    token: await admin(),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'agent', issuer: setting.issuer.issuer, value: agent, reason }),
  })
  expect(response.status).toBe(200)
  const { revocations } = (await response.json()) as { revocations: [{ id: string }] }
  return revocations[0].id
}

const lift = async (id: string) => {
  const response = await setting.ask(`${PATH}/${id}`, { method: 'DELETE', token: await admin() })
  expect(response.status).toBe(204)
}

const use = async (token: string, path = '/bounded/x') =>
  outcome(await setting.ask(path, { token }))

/** One answer, and when its request was sent. */
const timed = async (token: string, path?: string) => {
  const sentAt = Date.now()
  return { sentAt, ...(await use(token, path)) }
}

/** Asks one time after the other until it is stopped, which gives the answers. */
const poll = (ask: () => ReturnType<typeof timed>) => {
  let isOver = false
  const asking = (async () => {
    const answers = []
    for (; !isOver; await wait(20)) answers.push(await ask())
    return answers
  })()
  return () => {
    isOver = true
    return asking
  }
}

it('of a warm token asks no object, however often it is used', async () => {
  const gate = await setting.another({
    bundle: shards.path,
    durableObjects: { ...deployment().durableObjects, REVOCATIONS: 'CountedShard' },
    gate: { revocation: { consistency: 'bounded', max_staleness: '60s' } },
    routes: [{ match: 'GET /bounded/*', scopes: [] }],
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
    SLACK,
  )
  await ask()
  const before = called().length
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let request = 0; request < 60; request++) await ask()
    }),
  )
  expect(called()).toHaveLength(before)
  await gate.stop()
})

describe('bounded revocation', () => {
  it('counts within the bound, and not a request later', async () => {
    const token = await setting.token({ client_id: 'agent-a' })
    const other = await setting.token({ client_id: 'agent-b' })
    for (let round = 0; round < 3; round++) {
      for (let warm = 0; warm < 3; warm++) expect(await use(token)).toEqual(ALLOWED)
      const stop = poll(() => timed(token))
      const id = await revoke('agent-a')
      const revokedAt = Date.now()
      expect(await use(token, '/strict/x')).toEqual(REVOKED)
      await wait(BOUND + 300)
      const answers = await stop()
      const late = answers.filter(({ sentAt }) => sentAt >= revokedAt + BOUND)
      expect(late.length).toBeGreaterThan(0)
      expect(late.filter(({ code }) => code !== REVOKED.code)).toEqual([])
      expect(await use(other)).toEqual(ALLOWED)

      await lift(id)
      expect(await use(token, '/strict/x')).toEqual(ALLOWED)
      await until(
        () => use(token),
        ({ status }) => status === 200,
        BOUND + SLACK,
      )
    }
  })

  it('goes on while the set cannot be reached, for as long as the bound and no longer', async () => {
    const token = await setting.token({ client_id: 'agent-d' })
    const ask = () => timed(token, '/patient/x')
    expect(await ask()).toMatchObject(ALLOWED)
    const stop = poll(ask)
    await revoke('agent-e', `fails for ${PATIENCE + BOUND} ms`)
    const cutAt = Date.now()
    expect(await use(token, '/strict/x')).toEqual(UNAVAILABLE)
    await wait(PATIENCE + 300)
    const answers = await stop()
    // At half of the bound, and a little, the copy had been renewed.
    const early = answers.filter(({ sentAt }) => sentAt > cutAt && sentAt < cutAt + PATIENCE / 4)
    expect(early.length).toBeGreaterThan(0)
    expect(early.filter(({ status }) => status !== 200)).toEqual([])
    const late = answers.filter(({ sentAt }) => sentAt >= cutAt + PATIENCE)
    expect(late.length).toBeGreaterThan(0)
    expect(late.filter(({ code }) => code !== UNAVAILABLE.code)).toEqual([])
    await until(
      () => use(token),
      ({ status }) => status === 200,
      BOUND + SLACK,
    )
    // What was revoked before the failure counts after it.
    expect(await use(await setting.token({ client_id: 'agent-e' }))).toEqual(REVOKED)
  })
})
