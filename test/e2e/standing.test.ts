import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import { askGate, outcome, type Setting, startSetting } from './setting.ts'

const PATH = '/.edgewarden/revocations'
const OPTIONS = {
  issuer: { admin: 'all' },
  routes: [{ match: 'GET,POST /v1/*', scopes: [] }],
}

let setting: Setting
let dataDir: string

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-standing-'))
  setting = await startSetting({ ...OPTIONS, dataDir })
})
afterAll(async () => {
  await setting.close()
  await rm(dataDir, { recursive: true, force: true })
})

interface Entry {
  readonly id: string
}

const admin = () =>
  setting.token({ client_id: 'operator', sub: 'operator', scope: 'edgewarden:revoke' })

const revoke = async (gate: Gate, entry: object): Promise<Entry> => {
  const issuer = setting.issuer.issuer
  const response = await askGate(gate, PATH, {
    method: 'POST',
    token: await admin(),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ issuer, ...entry }),
  })
  expect(response.status).toBe(200)
  const { revocations } = (await response.json()) as { revocations: Entry[] }
  expect(revocations).toHaveLength(1)
  return revocations[0] as Entry
}

const lift = async (gate: Gate, { id }: Entry) => {
  const init = { method: 'DELETE', token: await admin() }
  expect((await askGate(gate, `${PATH}/${id}`, init)).status).toBe(204)
}

const use = async (gate: Gate, token: string) => outcome(await askGate(gate, '/v1/x', { token }))

const ALLOWED = { status: 200, code: undefined }

describe('a revocation counts on the very next request', () => {
  const now = () => Math.floor(Date.now() / 1000)
  const rows: readonly [string, object, () => object, string][] = [
    [
      'a token',
      { client_id: 'a', jti: 'token-a' },
      () => ({ kind: 'token', value: 'token-a' }),
      'token',
    ],
    ['an agent', { client_id: 'agent-b' }, () => ({ kind: 'agent', value: 'agent-b' }), 'agent'],
    [
      'a subject',
      { client_id: 'c', sub: 'subject-c' },
      () => ({ kind: 'subject', value: 'subject-c' }),
      'subject',
    ],
    [
      'a client',
      { client_id: 'client-d' },
      () => ({ kind: 'client', value: 'client-d' }),
      'client',
    ],
    [
      'a workflow',
      { client_id: 'e', workflow_id: 'run-e' },
      () => ({ kind: 'workflow', value: 'run-e' }),
      'workflow',
    ],
    [
      'an agent, for tokens until now',
      { client_id: 'agent-f' },
      () => ({ kind: 'agent', value: 'agent-f', mode: 'before', at: now() }),
      'agent',
    ],
    [
      'an actor',
      { client_id: 'g', act: { sub: 'actor-g' } },
      () => ({ kind: 'agent', value: 'actor-g' }),
      'agent',
    ],
    [
      'an actor far inside',
      { client_id: 'h', act: { sub: 'x', act: { sub: 'actor-h' } } },
      () => ({ kind: 'agent', value: 'actor-h' }),
      'agent',
    ],
  ]
  it.each(rows)('%s', async (_name, claims, entry) => {
    const { gate } = setting
    const token = await setting.token({ ...claims })
    const other = await setting.token({ client_id: 'somebody-else' })
    for (let round = 0; round < 3; round++) {
      expect(await use(gate, token)).toEqual(ALLOWED)
      const before = setting.origin.requests.length
      const made = await revoke(gate, entry())
      const { status, code } = await use(gate, token)
      expect({ status, code }).toEqual({ status: 401, code: expect.stringMatching(/revoked$/) })
      expect(setting.origin.requests).toHaveLength(before)
      expect(await use(gate, other)).toEqual(ALLOWED)
      await lift(gate, made)
    }
    expect(await use(gate, token)).toEqual(ALLOWED)
  })

  it('and who made and who lifted it is in the journal, whatever share of it is written', async () => {
    const gate = await setting.another({ ...OPTIONS, gate: { journal: { allowed: 0 } } })
    const made = await revoke(gate, { kind: 'agent', value: 'agent-journal' })
    const line = await gate.journalLine(({ revocations }) => revocations !== undefined)
    expect(line).toMatchObject({ revocations: [made.id], agent: 'operator', decision: 'allowed' })
    await lift(gate, made)
    const lifted = await gate.journalLine(({ route }) => String(route).includes('DELETE'))
    expect(lifted).toMatchObject({ revocations: [made.id], agent: 'operator' })
    await gate.stop()
  })

  it('an agent, but not for a token issued later', async () => {
    const at = Math.floor(Date.now() / 1000) - 60
    const claims = { client_id: 'agent-i' }
    const old = await setting.token({ ...claims, iat: at - 1 })
    const fresh = await setting.token({ ...claims, iat: at + 10 })
    await revoke(setting.gate, { kind: 'agent', value: 'agent-i', mode: 'before', at })
    expect((await use(setting.gate, old)).status).toBe(401)
    expect(await use(setting.gate, fresh)).toEqual(ALLOWED)
  })

  it('a token until its own end, and for as long as it is taken after that', async () => {
    const gate = await setting.another({ ...OPTIONS, gate: { clock_tolerance: '2s' } })
    const exp = Math.floor(Date.now() / 1000) + 2
    const claims = { client_id: 'agent-y', exp }
    const token = await setting.token({ ...claims, jti: 'until-its-end' })
    const taken = await setting.token({ ...claims, jti: 'taken' })
    await revoke(gate, { kind: 'token', value: 'until-its-end', expires: exp })
    const seen: (string | undefined)[] = []
    let isTaken = true
    while (isTaken) {
      seen.push((await use(gate, token)).code)
      isTaken = (await use(gate, taken)).status === 200
      await wait(50)
    }
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(exp + 2)
    expect(seen.filter((code) => code !== 'token_revoked' && code !== 'token_expired')).toEqual([])
    // It can be revoked as long as it is taken.
    const late = await setting.token({ ...claims, exp: Math.floor(Date.now() / 1000) - 1 })
    expect(await use(gate, late)).toEqual(ALLOWED)
    const { jti } = JSON.parse(atob(late.split('.')[1] ?? '')) as { jti: string; exp: number }
    await revoke(gate, { kind: 'token', value: jti, expires: Math.floor(Date.now() / 1000) - 1 })
    expect((await use(gate, late)).code).toMatch(/^token_(?:revoked|expired)$/)
    await gate.stop()
  })

  it('and outlives a restart, until GATE.lift says that it does not count', async () => {
    const token = await setting.token({ client_id: 'agent-z' })
    const first = await revoke(setting.gate, { kind: 'agent', value: 'agent-z' })
    await setting.gate.stop('SIGKILL')
    const same = await setting.another({ ...OPTIONS, dataDir })
    expect((await use(same, token)).status).toBe(401)
    await same.stop()
    const lifted = await setting.another({ ...OPTIONS, dataDir, gate: { lift: [first.id] } })
    expect(await use(lifted, token)).toEqual(ALLOWED)
    // Only what is named.
    await revoke(lifted, { kind: 'client', value: 'agent-z' })
    expect((await use(lifted, token)).status).toBe(401)
    await lifted.stop()
  })
})
