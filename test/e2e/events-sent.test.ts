import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import { type Receiver, startReceiver } from '../kit/receiver.ts'
import { askGate, RESOURCE, type Setting, type SettingOptions, startSetting } from './setting.ts'

const OWN = '/.edgewarden'
const AUTHORIZATION = 'Bearer of-the-gate-4d1f0c'
const AUDIENCE = 'https://partner.example'
const SCOPE = 'edgewarden:revoke edgewarden:agents'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'
const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'

let receiver: Receiver
let setting: Setting
let options: SettingOptions
beforeAll(async () => {
  receiver = await startReceiver()
  const partner = { audience: AUDIENCE, endpoint: receiver.url, authorization: 'PARTNER' }
  options = {
    issuer: { admin: 'all' },
    durableObjects: WITH_AUDIT,
    more: { TRANSMIT: { partner } },
    secrets: { PARTNER: AUTHORIZATION },
  }
  setting = await startSetting(options)
})
afterAll(() => Promise.all([setting?.close(), receiver?.close()]))
beforeEach(() => receiver.answer(202))

const at = async (gate: Gate, path: string, body: object | undefined, method = 'POST') => {
  const token = await setting.token({ sub: 'admin', client_id: 'admin', scope: SCOPE })
  return askGate(gate, `${OWN}/${path}`, {
    ...{ token, method, headers: { 'content-type': 'application/json' } },
    ...(body && { body: JSON.stringify(body) }),
  })
}
const revoke = async (value: string, more: object = {}, gate = setting.gate): Promise<string> => {
  const about = { kind: 'subject', issuer: setting.issuer.issuer, value, ...more }
  const answer = await at(gate, 'revocations', about)
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { revocations: [{ id: string }] }).revocations[0].id
}
const lift = async (id: string, gate = setting.gate) =>
  expect((await at(gate, `revocations/${id}`, undefined, 'DELETE')).status).toBe(204)

/** The events about a subject so far, verified with the keys that the gate publishes. */
const eventsOf = async (sub: string, gate = setting.gate) => {
  const keys = createRemoteJWKSet(new URL(`${gate.url}${OWN}/jwks.json`))
  const about = receiver.received.filter(
    ({ body }) => (decodeJwt(body).sub_id as { sub: string }).sub === sub,
  )
  return Promise.all(
    about.map(async ({ headers, body }) => {
      expect(headers).toMatchObject({
        authorization: AUTHORIZATION,
        'content-type': 'application/secevent+jwt',
      })
      const { payload } = await jwtVerify(body, keys, {
        ...{ typ: 'secevent+jwt', algorithms: ['RS256'], issuer: RESOURCE, audience: AUDIENCE },
      })
      return payload as Record<string, unknown> & { jti: string; iat: number }
    }),
  )
}
const namesOf = async (sub: string) =>
  (await eventsOf(sub)).map(({ events }) => Object.keys(events as object)[0])

describe('a revocation by a person', () => {
  it.each(['subject', 'agent'])('of kind %s is sent, and so is its end', async (kind) => {
    const sub = `one-${kind}`
    const id = await revoke(sub, { kind, reason: 'told to nobody' })
    const [first] = await eventually(async () => {
      const found = await eventsOf(sub)
      expect(found).toHaveLength(1)
      return found
    })
    expect(first).toEqual({
      ...{ iss: RESOURCE, aud: AUDIENCE, iat: expect.any(Number), toe: expect.any(Number) },
      ...{ jti: expect.any(String), txn: expect.any(String) },
      sub_id: { format: 'iss_sub', iss: setting.issuer.issuer, sub },
      events: {
        [`${RISC}account-disabled`]: kind === 'agent' ? { subject_kind: 'agent' } : {},
      },
    })
    await lift(id)
    const [, second] = await eventually(async () => {
      const found = await eventsOf(sub)
      expect(found).toHaveLength(2)
      return found
    })
    expect(Object.keys(second?.events as object)).toEqual([`${RISC}account-enabled`])
    expect(second?.iat).toBeGreaterThan(first?.iat ?? 0)
    expect([second?.jti, second?.txn]).not.toEqual([first?.jti, first?.txn])
  })

  it('of tokens issued before is sent as session-revoked', async () => {
    await revoke('sessions', { mode: 'before' })
    const [event] = await eventually(async () => {
      const found = await eventsOf('sessions')
      expect(found).toHaveLength(1)
      return found
    })
    expect(event?.events).toEqual({
      [`${CAEP}session-revoked`]: { event_timestamp: expect.any(Number) },
    })
  })

  it('of a token or a client is not sent, nor an end while another entry revokes', async () => {
    await revoke('a-token', { kind: 'token' })
    await revoke('a-client', { kind: 'client' })
    const id = await revoke('held')
    const sessions = await revoke('held', { mode: 'before' })
    await lift(sessions)
    await lift(id)
    await eventually(async () => expect(await namesOf('held')).toHaveLength(3))
    expect(await namesOf('held')).toEqual([
      `${RISC}account-disabled`,
      `${CAEP}session-revoked`,
      `${RISC}account-enabled`,
    ])
    expect([...(await namesOf('a-token')), ...(await namesOf('a-client'))]).toEqual([])
  })
})

describe('an agent', () => {
  const namesFor = async (agent: string, ...names: readonly string[]) =>
    eventually(async () => expect(await namesOf(agent)).toEqual(names.map((one) => RISC + one)))

  it('that is suspended and then resumed is told as disabled and enabled, once each', async () => {
    const about = { issuer: setting.issuer.issuer, agent: 'halted', reason: 'x' }
    for (const _ of [1, 2])
      expect((await at(setting.gate, 'agents/suspend', about)).status).toBe(200)
    await namesFor('halted', 'account-disabled')
    expect((await at(setting.gate, 'agents/resume', about)).status).toBe(200)
    await namesFor('halted', 'account-disabled', 'account-enabled')
  })

  it('that stays suspended is not told as enabled when a revocation of it is lifted', async () => {
    const about = { issuer: setting.issuer.issuer, agent: 'twice', reason: 'x' }
    const id = await revoke('twice', { kind: 'agent' })
    expect((await at(setting.gate, 'agents/suspend', about)).status).toBe(200)
    await lift(id)
    await namesFor('twice', 'account-disabled', 'account-disabled')
    expect((await at(setting.gate, 'agents/resume', about)).status).toBe(200)
    await namesFor('twice', 'account-disabled', 'account-disabled', 'account-enabled')
  })

  it('whose revocation expires, as a quarantine does, is told as enabled', async () => {
    await revoke('quarantined', { kind: 'agent', expires: Math.floor(Date.now() / 1000) + 1 })
    await namesFor('quarantined', 'account-disabled', 'account-enabled')
    const [, end] = await eventsOf('quarantined')
    expect(end?.iat).toBeLessThanOrEqual(Math.floor(Date.now() / 1000))
  })
})

describe('a receiver', () => {
  it('that is down gets all events later, in the order of each subject, also after the gate was killed', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-sent-'))
    const first = await setting.another({ ...options, dataDir })
    receiver.answer(503)
    const began = receiver.received.length
    const subjects = ['down-1', 'down-2', 'down-3']
    for (const sub of subjects) await lift(await revoke(sub, {}, first), first)
    await eventually(() => expect(receiver.received.length).toBeGreaterThan(began + 1))
    // Verified while this gate runs: the next one has the same keys.
    const tried = await eventsOf('down-1', first)
    await first.stop('SIGKILL')
    receiver.answer(202)
    const second = await setting.another({ ...options, dataDir })
    // Any request wakes the object if its alarm was due while the gate was down.
    await at(second, 'revocations', undefined, 'GET')
    await eventually(async () => {
      for (const sub of subjects) {
        const last = (await eventsOf(sub, second)).at(-1)
        expect(Object.keys(last?.events as object)).toEqual([`${RISC}account-enabled`])
      }
    })
    for (const sub of subjects) {
      const all = await eventsOf(sub, second)
      const ids = [...new Set(all.map(({ jti }) => jti))]
      expect(ids).toHaveLength(2)
      expect(all.findLastIndex(({ jti }) => jti === ids[0])).toBeLessThan(
        all.findIndex(({ jti }) => jti === ids[1]),
      )
    }
    const kept = (await eventsOf('down-1', second)).map(({ jti }) => jti)
    expect(tried.every(({ jti }) => kept.includes(jti))).toBe(true)
    await second.stop()
    await rm(dataDir, { recursive: true, force: true })
  }, 60_000)

  it('that refuses one event, redirects or hangs gets the others, and the log has no secret', async () => {
    receiver.answer(400, { location: `${receiver.url}/elsewhere` }, 202)
    const id = await revoke('refused-1')
    await revoke('refused-2')
    await lift(id)
    await eventually(async () => {
      expect(new Set(await namesOf('refused-1'))).toEqual(
        new Set([`${RISC}account-disabled`, `${RISC}account-enabled`]),
      )
      expect(await namesOf('refused-2')).not.toEqual([])
    })
    expect(receiver.received.map(({ path }) => path)).not.toContain('/hook/elsewhere')
    const said = { event: 'event_not_sent', receiver: 'partner', jti: expect.any(String) }
    const lines = setting.gate
      .output()
      .split('\n')
      .filter((line) => line.includes(said.event))
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { ...said, error: 'status 400' },
      { ...said, error: 'status 302' },
    ])
    expect(setting.gate.output()).not.toContain(AUTHORIZATION)
  })
})
