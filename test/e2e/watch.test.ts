import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as addFormats from 'ajv-formats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SIGNALS } from '../../src/gate/model/watch.ts'
import { WITH_AUDIT } from '../audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import { type Receiver, startReceiver } from '../kit/receiver.ts'
import { ROOT } from '../kit/repository.ts'
import type { Members } from '../kit/signing.ts'
import { clocked, forward } from './keys-setting.ts'
import { learned } from './learned.ts'
import { outcome, type Setting, startSetting } from './setting.ts'

const ajv = new Ajv2020({ allErrors: true })
addFormats.default(ajv)
const isRecord = ajv.compile(
  JSON.parse(readFileSync(join(ROOT, 'docs/record.schema.json'), 'utf8')),
)

const WATCH = {
  // The first table that fits counts a request.
  careful: { agent_types: ['careful'], action: 'quarantine', duration: '1m', at_most: 100 },
  slow: { agent_types: ['slow'], action: 'throttle', throttle: 1, duration: '1h', at_most: 100 },
  bounded: { agents: ['acme/b-1', 'acme/b-2'], action: 'quarantine', at_most: 0 },
  others: {},
}

/** A minute, and a bit more. */
const MINUTE = 65_000

const ROUTES = [
  { match: 'GET /v1/{name}', scopes: [] },
  { match: 'GET /other/{name}', scopes: [] },
]

let receiver: Receiver
let setting: Setting
beforeAll(async () => {
  receiver = await startReceiver()
  setting = await startSetting({
    ...(await clocked(WITH_AUDIT)),
    issuer: { admin: 'all', agent_prefix: 'acme/' },
    routes: ROUTES,
    // What agents learn here takes most of the rows of a day.
    more: { WATCH, AUDIT: { rows_a_day: 'unlimited' } },
    secrets: { ALERTS: JSON.stringify({ url: receiver.url, format: 'slack', gate: 'test' }) },
  })
  // The gate has its issuer's keys before all tests begin at once, with much for this process to do.
  expect((await call('GET', '/alerts')).status).toBe(200)
})
afterAll(() => Promise.all([setting.close(), receiver.close()]))

const claimsOf = (agent: string, type?: string) => ({
  client_id: agent,
  sub: agent,
  ...(type && { agent_type: type }),
})

const learn = (agent: string, watch: string, gate = setting.gate) =>
  learned({ ...setting, gate }, agent, watch)

const ask = async (agent: string, path: string, type?: string) =>
  outcome(await setting.ask(path, { token: await setting.token(claimsOf(agent, type)) }))

interface Shown {
  readonly id: number
  readonly agent: string
  readonly signal: string
  readonly requests: readonly string[]
  readonly quarantine?: Members
}

const call = async (method: string, path: string, claims: Members = {}) => {
  const token = await setting.token({
    client_id: 'operator',
    sub: 'maria',
    scope: 'edgewarden:agents edgewarden:audit:read edgewarden:revoke',
    ...claims,
  })
  const response = await setting.ask(`/.edgewarden${path}`, { method, token })
  const body = (await response.json()) as {
    alerts: Shown[]
    alert: Shown
    agent: Members
    code?: string
    decisions: Members[]
    revocations: Members[]
  }
  return { status: response.status, ...body }
}

const alertsOf = async (agent: string) =>
  (await call('GET', '/alerts')).alerts.filter((one) => one.agent === agent)

/** The alert of an agent, once there is one. */
const alertOf = (agent: string) =>
  eventually(async () => {
    const [alert] = await alertsOf(agent)
    if (!alert) throw new Error('no alert yet')
    return alert
  })

describe.concurrent('an agent that is watched', () => {
  it('is told of when it uses what it never used: by the API, the audit and the webhook', async () => {
    await learn('a-1', 'others')
    expect((await ask('a-1', '/v1/x')).status).toBe(200)
    expect((await ask('a-1', '/other/x')).status).toBe(200)
    const alert = await alertOf('a-1')
    expect(alert).toMatchObject({
      issuer: setting.issuer.issuer,
      agent: 'a-1',
      watch: 'others',
      signal: 'new_use',
      usual: { known: { use: 1 } },
      seen: { use: ['["GET /other/{name}"]'] },
    })
    const { decisions: odd } = await call('GET', '/decisions?agent=a-1&rule=GET+/other/{name}')
    expect(odd).toHaveLength(1)
    expect(alert.requests).toContain(odd[0]?.request_id)
    expect(alert).not.toHaveProperty('quarantine')
    await eventually(async () => {
      const { decisions } = await call('GET', '/decisions?kind=act&agent=a-1')
      expect(decisions).toMatchObject([
        {
          act: 'alert',
          alert: alert.id,
          agent: 'a-1',
          signal: 'new_use',
          requests: alert.requests,
        },
      ])
    })
    await eventually(() => {
      const texts = receiver.received.map(({ body }) => body)
      expect(texts.some((text) => text.includes('agent.alert') && text.includes('a-1'))).toBe(true)
    })
    expect((await ask('a-1', '/other/x')).status).toBe(200)
  })

  it('is not told of by what it does not do for the first time, or while it learns', async () => {
    await learn('a-2', 'others')
    await ask('a-2', '/v1/y')
    await ask('new-1', '/v1/y')
    await ask('new-1', '/other/y')
    // Later than those.
    await learn('a-3', 'others')
    await ask('a-3', '/other/y')
    await alertOf('a-3')
    const entryOf = async (agent: string) => {
      const query = new URLSearchParams({ issuer: setting.issuer.issuer, agent })
      return (await call('GET', `/agents/entry?${query}`)).agent
    }
    const learning = SIGNALS.filter((one) => one !== 'changed')
    const fresh = { watch: 'others', requests: 2, rules_and_tools: 2, countries: 0, learning }
    const known = { watch: 'others', requests_an_hour: 3, rules_and_tools: 1, learning: [] }
    await eventually(async () => {
      expect(await entryOf('new-1')).toMatchObject({ watched: [fresh] })
      expect(await entryOf('a-2')).toMatchObject({ watched: [known] })
    })
    expect([...(await alertsOf('a-2')), ...(await alertsOf('new-1'))]).toEqual([])
  })
})

describe.concurrent('a quarantine', () => {
  it('is ended by a person, who says that it is in order: that is learned', async () => {
    await learn('q-2', 'careful')
    await ask('q-2', '/other/x', 'careful')
    const { id } = await alertOf('q-2')
    const judged = await call('POST', `/alerts/${id}/dismiss`)
    expect(judged).toMatchObject({
      status: 200,
      alert: { verdict: 'dismiss', judged_by: expect.stringContaining('maria') },
    })
    expect((await ask('q-2', '/other/x', 'careful')).status).toBe(200)
    // What is new is told again, what was dismissed is not.
    await learn('q-3', 'careful')
    await ask('q-3', '/other/x', 'careful')
    await alertOf('q-3')
    expect(await alertsOf('q-2')).toHaveLength(1)
    expect((await call('GET', '/alerts?open=true')).alerts.map((one) => one.id)).not.toContain(id)
    await eventually(async () => {
      const { decisions } = await call('GET', '/decisions?kind=act&subject=maria')
      expect(decisions).toContainEqual(expect.objectContaining({ act: 'dismiss', alert: id }))
    })
  })

  it('is not made of more agents than may be, and the alert says so', async () => {
    await learn('b-1', 'bounded')
    await ask('b-1', '/other/x')
    expect(await alertOf('b-1')).toMatchObject({ not_stopped: true })
    expect((await ask('b-1', '/v1/x')).status).toBe(200)
  })
})

// These two move the clock, and so come after the others.
it('a quarantine stops the agent, names its alert, and ends by itself', async () => {
  await learn('q-1', 'careful')
  expect((await ask('q-1', '/v1/x', 'careful')).status).toBe(200)
  await ask('q-1', '/other/x', 'careful')
  await eventually(async () => {
    expect(await ask('q-1', '/v1/x', 'careful')).toMatchObject({ code: 'token_revoked' })
  })
  const { revocations } = await call('GET', '/revocations?kind=agent&value=q-1')
  const alert = await alertOf('q-1')
  await eventually(async () => {
    const { decisions } = await call('GET', '/decisions?kind=act&agent=q-1')
    expect(decisions).toMatchObject([{ quarantine: alert.quarantine?.id }])
    expect(decisions.map((record) => (isRecord(record) ? [] : isRecord.errors))).toEqual([[]])
  })
  expect(revocations).toMatchObject([
    {
      id: alert.quarantine?.id,
      reason: `alert ${alert.id}: new_use`,
      created_by: 'edgewarden watch',
    },
  ])
  await forward(setting.gate, MINUTE)
  expect((await ask('q-1', '/v1/x', 'careful')).status).toBe(200)
  // Who goes on with it is stopped again.
  await ask('q-1', '/other/x', 'careful')
  await eventually(async () => {
    expect(await ask('q-1', '/v1/x', 'careful')).toMatchObject({ code: 'token_revoked' })
  })
  expect(await alertsOf('q-1')).toHaveLength(2)
})

it('a throttle lets few requests of the agent through, over all rules, until a person ends it', async () => {
  const use = (path = '/v1/x') => ask('t-1', path, 'slow')
  await learn('t-1', 'slow')
  await use('/other/x')
  const { id, quarantine } = await alertOf('t-1')
  expect(quarantine).toMatchObject({ throttle: 1 })
  const { revocations } = await call('GET', '/revocations?kind=agent&value=t-1')
  expect(revocations).toMatchObject([
    { id: quarantine?.id, mode: 'throttle', limit: 1, reason: `alert ${id}: new_use` },
  ])
  const refused = { status: 429, code: 'agent_throttled' }
  await eventually(async () => expect(await use()).toEqual(refused))
  expect(await use('/other/x')).toEqual(refused)
  expect((await ask('t-2', '/v1/x', 'slow')).status).toBe(200)
  await forward(setting.gate, MINUTE)
  expect((await use()).status).toBe(200)
  expect(await use()).toEqual(refused)
  expect((await call('POST', `/alerts/${id}/release`)).status).toBe(200)
  for (let i = 0; i < 3; i++) expect((await use()).status).toBe(200)
})
