import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import { withLimits } from './hurried.ts'
import { clocked } from './keys-setting.ts'
import { askGate, outcome, type Setting, type SettingOptions, startSetting } from './setting.ts'
import { withShards } from './shards.ts'

const AGENTS = '/.edgewarden/agents'
const OPTIONS: SettingOptions = {
  durableObjects: WITH_AUDIT,
  issuer: { admin: 'all' },
  routes: [
    { match: 'GET /v1/approved', scopes: [], agents: 'approved' },
    { match: 'GET /v1/*', scopes: [] },
  ],
}

let setting: Setting

const codeOf = async (gate: Gate, agent: string, path = '/v1/approved') =>
  (await outcome(await askGate(gate, path, { token: await setting.token({ client_id: agent }) })))
    .code

const call = async (gate: Gate, method: string, path: string, body?: object) => {
  const response = await askGate(gate, AGENTS + path, {
    method,
    token: await setting.token({ client_id: 'operator', scope: 'edgewarden:agents' }),
    headers: { 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  return {
    status: response.status,
    ...((await response.json()) as { agents: { agent: string }[] }),
  }
}

const at = (agent: string) =>
  `/entry?${new URLSearchParams({ issuer: setting.issuer.issuer, agent })}`

const decide = async (gate: Gate) => {
  expect(await call(gate, 'PUT', at('good'), {})).toMatchObject({ status: 200 })
  const key = { issuer: setting.issuer.issuer, agent: 'bad' }
  expect(await call(gate, 'POST', '/suspend', key)).toMatchObject({ status: 200 })
}

/** What these agents get where only approved agents are accepted, and the suspended one elsewhere. */
const codes = async (gate: Gate) => [
  await codeOf(gate, 'good'),
  await codeOf(gate, 'other'),
  await codeOf(gate, 'bad', '/v1/x'),
]
const DECIDED = [undefined, 'agent_not_approved', 'agent_suspended']

describe('a registry that does not answer', () => {
  beforeAll(async () => {
    const shards = await withShards(inject('bundle'))
    const beside = { durableObjects: { AGENTS: 'UnreachableShard' }, routes: OPTIONS.routes ?? [] }
    setting = await startSetting({
      ...OPTIONS,
      bundle: shards.path,
      beside: [{ ...beside, issuer: { admin: 'all' } }],
    })
    return shards.remove
  })
  afterAll(() => setting.close())

  it('changes nothing of what is decided, and its endpoints say so', async () => {
    const [without] = setting.gate.beside as [Gate]
    await decide(setting.gate)
    expect(await codes(without)).toEqual(DECIDED)
    const answers = await Promise.all([
      call(without, 'GET', ''),
      call(without, 'GET', at('good')),
      call(without, 'POST', '/suspend', { issuer: setting.issuer.issuer, agent: 'good' }),
    ])
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 503, code: 'agents_unavailable' })
    }
    expect(await codes(without)).toEqual(DECIDED)
  })
})

describe('an object that has lost what it stored', () => {
  let dataDir: string
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-agents-'))
  })
  afterEach(() => rm(dataDir, { recursive: true, force: true }))

  const lose = async (className: string) => {
    const files = await readdir(dataDir, { recursive: true })
    const lost = files.filter((path) => path.includes(className) && path.includes('.sqlite'))
    expect(lost.length).toBeGreaterThan(0)
    await Promise.all(lost.map((path) => rm(join(dataDir, path))))
  }

  it('if it is the registry, leaves what is decided in force, and can be filled again', async () => {
    setting = await startSetting({ ...OPTIONS, dataDir })
    await decide(setting.gate)
    await setting.gate.stop()
    await lose('AgentRegistry')
    const gate = await setting.another({ ...OPTIONS, dataDir })
    expect(await codes(gate)).toEqual(DECIDED)
    await eventually(async () => {
      expect(await call(gate, 'GET', at('bad'))).toMatchObject({ agent: { status: 'discovered' } })
    })
    const key = { issuer: setting.issuer.issuer, agent: 'bad' }
    expect(await call(gate, 'POST', '/resume', key)).toMatchObject({ status: 200 })
    expect(await codeOf(gate, 'bad', '/v1/x')).toBeUndefined()
    await setting.close()
  })

  it('if it is the revocation set, refuses agents until the registry has told it again', async () => {
    setting = await startSetting({ ...OPTIONS, dataDir })
    await decide(setting.gate)
    await setting.gate.stop()
    await lose('RevocationShard')
    const gate = await setting.another({ ...OPTIONS, dataDir })
    expect(await codeOf(gate, 'good')).toBe('agent_not_approved')
    await eventually(async () => expect(await codes(gate)).toEqual(DECIDED))
    await setting.close()
  })
})

it('a set that does not take a suspension in time has it later, and the call says so', async () => {
  setting = await startSetting({
    ...OPTIONS,
    ...(await clocked({ ...WITH_AUDIT, REVOCATIONS: 'TroubledShard' })),
  })
  const { gate } = setting
  const behave = (ways: object) => gate.call('REVOCATIONS', '0', 'behave', ways)
  await decide(gate)
  await gate.call('CLOCK', 'clock', 'stretch', 0.2)
  await behave({ trouble: 'untold' })
  const key = { issuer: setting.issuer.issuer, agent: 'good' }
  const said = await call(gate, 'POST', '/suspend', key)
  expect(said).toMatchObject({ status: 202, pending: true, agent: { status: 'suspended' } })
  await behave({})
  await eventually(async () => expect(await codeOf(gate, 'good')).toBe('agent_suspended'))
  await setting.close()
})

it('administrators write down no more agents than may be discovered', async () => {
  const worker = await withLimits(inject('bundle'), { discoveredAgents: 20 })
  setting = await startSetting({ ...OPTIONS, bundle: worker.path })
  const { gate } = setting
  await decide(gate)
  for (let i = 0; i < 60; i++) {
    const body = { status: 'discovered', owners: ['team-a'] }
    expect(await call(gate, 'PUT', at(`written-${i}`), body)).toMatchObject({ status: 200 })
  }
  const { agents } = await call(gate, 'GET', '?status=discovered')
  expect(agents.length).toBeLessThanOrEqual(21)
  expect(await codes(gate)).toEqual(DECIDED)
  await setting.close()
  await worker.remove()
})

it('a tenant who mints agent ids evicts nobody who was approved or suspended', async () => {
  const worker = await withLimits(inject('bundle'), { discoveredAgents: 20 })
  setting = await startSetting({ ...OPTIONS, bundle: worker.path })
  const { gate } = setting
  await decide(gate)
  for (let i = 0; i < 80; i++) await codeOf(gate, `minted-${i}`, '/v1/x')
  const names = async (query: string) => {
    const { agents } = await call(gate, 'GET', query)
    return agents.map(({ agent }) => agent)
  }
  await eventually(async () => expect(await names('?status=discovered')).toContain('minted-79'))
  const found = await names('?status=discovered')
  expect(found.length).toBeLessThanOrEqual(20)
  expect(found).not.toContain('minted-0')
  expect([await names('?status=approved'), await names('?status=suspended')]).toEqual([
    ['good'],
    ['bad'],
  ])
  expect(await codes(gate)).toEqual(DECIDED)
  await setting.close()
  await worker.remove()
})
