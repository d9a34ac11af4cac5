import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { subjectKey } from '../../src/gate/model/revocation.ts'
import type { Gate } from '../kit/gate.ts'
import { rare } from '../kit/property.ts'
import { PATIENCE } from '../kit/wait.ts'
import { ALLOWED, clocked } from './keys-setting.ts'
import {
  askGate,
  outcome,
  type Setting,
  type SettingOptions,
  startSetting,
  until,
} from './setting.ts'

const PATH = '/.edgewarden/revocations'
const REVOKE = '/.edgewarden/revoke'
const REPLICAS = ['1', '2', '3'] as const
/** The one that cannot be reached for a while; isolates that know no place pull from it. */
const LOST = '3'
/** Tokens of an agent: enough that each shard is asked about one. */
const TOKENS = 20
/** Milliseconds to wait for what is pending: it is tried again each quarter of a minute at least. */
const LONG = 2 * PATIENCE

const ALL_ALLOWED = [ALLOWED]
const REVOKED = [{ status: 401, code: 'token_revoked' }]
const ALL = { total: 4, acknowledged: 4 }
const ALL_BUT_ONE = { total: 4, acknowledged: 3, pending: [LOST] }

const POLICY = {
  gate: { revocation: { consistency: 'bounded', max_staleness: '1s', shards: 4 } },
  issuer: { admin: 'all' },
  routes: [
    { match: 'GET /bounded/x', scopes: [] },
    { match: 'GET /strict/x', scopes: [], revocation: 'strict' },
  ],
}

/** How far a shard has come. */
interface Head {
  readonly epoch: string
  readonly version: number
}

let directory: string
let options: SettingOptions
let setting: Setting

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'edgewarden-pending-'))
  options = {
    ...POLICY,
    ...(await clocked({ REVOCATIONS: 'TroubledShard' })),
    dataDir: join(directory, 'data'),
    beside: [POLICY, POLICY],
  }
  setting = await startSetting(options)
  // All replicas answer for the set.
  for (const name of REPLICAS) {
    await until(
      () => atShard(setting.gate, name, 'lookup', []),
      (found) => found !== undefined,
      PATIENCE,
    )
  }
})
afterAll(async () => {
  await setting.close()
  await rm(directory, { recursive: true, force: true })
})

const atShard = (gate: Gate, name: string, method: string, ...given: unknown[]) =>
  gate.call('REVOCATIONS', name, method, ...given)

const headOf = async (gate: Gate, name: string) => (await atShard(gate, name, 'head')) as Head

const admin = () => setting.token({ client_id: 'ops', scope: 'edgewarden:revoke edgewarden:read' })

const revoke = async (agent: string) => {
  const response = await setting.ask(PATH, {
    method: 'POST',
    token: await admin(),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'agent', issuer: setting.issuer.issuer, value: agent }),
  })
  const { revocations, shards } = (await response.json()) as {
    revocations: [{ id: string }]
    shards: object
  }
  const location = response.headers.get('location')
  return { status: response.status, id: revocations[0].id, location, shards }
}

const spreadAt = async (gate: Gate, location: string) => {
  const response = await askGate(gate, location, { token: await admin() })
  expect(response.status).toBe(200)
  return ((await response.json()) as { shards: object }).shards
}

const minted = new Map<string, Promise<readonly string[]>>()
/** Many tokens of an agent. */
const tokensOf = (agent: string) => {
  const mint = () => setting.token({ client_id: agent })
  const tokens = minted.get(agent) ?? Promise.all(Array.from({ length: TOKENS }, mint))
  minted.set(agent, tokens)
  return tokens
}

/** What they come to, each kind of answer once. */
const fates = async (gate: Gate, agent: string, path: string) => {
  const answers = await Promise.all(
    (await tokensOf(agent)).map(async (token) =>
      JSON.stringify(await outcome(await askGate(gate, path, { token }))),
    ),
  )
  return [...new Set(answers)].map((one) => ({ code: undefined, ...JSON.parse(one) }))
}

const lose = (gate: Gate, trouble: 'fails' | 'hangs') => atShard(gate, LOST, 'behave', { trouble })
const find = (gate: Gate) => atShard(gate, LOST, 'behave', {})

/** Waits until the shard has come to a version, which only those who lead can bring it to. */
const caughtUp = (gate: Gate, version: number) =>
  until(
    () => headOf(gate, LOST),
    (head) => head.version === version,
    LONG,
  )

describe('with a shard that is out of reach', { timeout: 3 * LONG }, () => {
  it.each([['fails', 0] as const, ...rare(['hangs', 1] as const)])(
    '(%s) a revocation is pending, and holds',
    async (trouble, index) => {
      const { gate } = setting
      const fresh = gate.beside[index] as Gate
      const [lost, other] = [`lost-${trouble}`, `other-${trouble}`]
      expect(await fates(gate, lost, '/strict/x')).toEqual(ALL_ALLOWED)

      await lose(gate, trouble)
      const { status, id, location, shards } = await revoke(lost)
      expect({ status, location, shards }).toEqual({
        status: 202,
        location: `${PATH}/${id}`,
        shards: ALL_BUT_ONE,
      })
      const given = new URLSearchParams({ token: await setting.token({ client_id: lost }) })
      const back = await setting.ask(REVOKE, { method: 'POST', token: await admin(), body: given })
      expect([back.status, await back.json()]).toEqual([
        202,
        { pending: true, shards: ALL_BUT_ONE },
      ])
      // Who would ask that shard asks the one that leads.
      expect(await fates(gate, lost, '/strict/x')).toEqual(REVOKED)
      expect(await fates(gate, other, '/strict/x')).toEqual(ALL_ALLOWED)
      expect(await spreadAt(gate, `${PATH}/${id}`)).toEqual(ALL_BUT_ONE)

      const { version } = await headOf(gate, '0')
      const answered = await atShard(gate, LOST, 'answers')
      await find(gate)
      await caughtUp(gate, version)
      expect(await spreadAt(gate, `${PATH}/${id}`)).toEqual(ALL)
      // An isolate that has never found that shard out of reach asks it.
      expect(await fates(fresh, lost, '/strict/x')).toEqual(REVOKED)
      expect(await fates(fresh, other, '/strict/x')).toEqual(ALL_ALLOWED)
      expect(await atShard(gate, LOST, 'answers')).toBeGreaterThan(Number(answered))
      for (let round = 0; round < 2; round++) {
        expect(await fates(fresh, lost, '/bounded/x')).toEqual(REVOKED)
      }
    },
  )

  it('a crash loses nothing, and what is pending is handed on after it', async () => {
    expect(await revoke('early')).toMatchObject({ status: 200, shards: ALL })
    const before = await headOf(setting.gate, '0')
    await lose(setting.gate, 'fails')
    const { status, location } = await revoke('late')
    await setting.gate.stop('SIGKILL')
    expect(status).toBe(202)

    const gate = await setting.another(options)
    const version = before.version + 1
    await caughtUp(gate, version)
    const keys = ['early', 'late'].map((value) =>
      subjectKey({ kind: 'agent', issuer: setting.issuer.issuer, value }),
    )
    for (const name of ['0', ...REPLICAS]) {
      const found = await atShard(gate, name, 'lookup', keys)
      expect(found).toMatchObject({ epoch: before.epoch, version })
      expect(found).toHaveProperty('entries.length', 2)
    }
    expect(await spreadAt(gate, location ?? '')).toEqual(ALL)
    for (const agent of ['early', 'late']) {
      expect(await fates(gate, agent, '/strict/x')).toEqual(REVOKED)
    }
  })
})
