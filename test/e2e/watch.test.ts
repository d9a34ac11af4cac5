import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as addFormats from 'ajv-formats'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { SIGNALS } from '../../src/gate/model/watch.ts'
import { WITH_AUDIT } from '../audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import { type Receiver, startReceiver } from '../kit/receiver.ts'
import { ROOT } from '../kit/repository.ts'
import type { Members } from '../kit/signing.ts'
import { withLimits } from './hurried.ts'
import { learned } from './learned.ts'
import { askGate, outcome, type Setting, startSetting } from './setting.ts'

const ajv = new Ajv2020({ allErrors: true })
addFormats.default(ajv)
const isRecord = ajv.compile(
  JSON.parse(readFileSync(join(ROOT, 'docs/record.schema.json'), 'utf8')),
)

const WATCH = {
  // The first table that fits counts a request.
  careful: { agent_types: ['careful'], action: 'quarantine', duration: '4s', at_most: 100 },
  slow: { agent_types: ['slow'], action: 'throttle', throttle: 20, duration: '1h', at_most: 100 },
  brief: { agent_types: ['brief'], action: 'throttle', throttle: 1, duration: '4s', at_most: 100 },
  bounded: { agents: ['acme/b-1', 'acme/b-2'], action: 'quarantine', at_most: 0 },
  others: {},
}

const ROUTES = [
  { match: 'GET /v1/{name}', scopes: [] },
  { match: 'GET /other/{name}', scopes: [] },
]

let receiver: Receiver
let setting: Setting
beforeAll(async () => {
  receiver = await startReceiver()
  setting = await startSetting({
    durableObjects: WITH_AUDIT,
    reaching: true,
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
  it('stops the agent, names its alert, and ends by itself', async () => {
    await learn('q-1', 'careful')
    expect((await ask('q-1', '/v1/x', 'careful')).status).toBe(200)
    const begun = performance.now()
    await ask('q-1', '/other/x', 'careful')
    await eventually(async () => {
      expect(await ask('q-1', '/v1/x', 'careful')).toMatchObject({ code: 'token_revoked' })
    })
    // Before it ends, on a busy machine too.
    const { revocations } = await call('GET', '/revocations?kind=agent&value=q-1')
    console.log(`from the request to the refusal: ${Math.round(performance.now() - begun)} ms`)
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
    await eventually(async () => expect((await ask('q-1', '/v1/x', 'careful')).status).toBe(200))
    // Who goes on with it is stopped again.
    await ask('q-1', '/other/x', 'careful')
    await eventually(async () => {
      expect(await ask('q-1', '/v1/x', 'careful')).toMatchObject({ code: 'token_revoked' })
    })
    expect(await alertsOf('q-1')).toHaveLength(2)
  })

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

it.concurrent('counts an agent by its name, not by an id that another name is', async () => {
  await learn('acme/b-2', 'others')
  await ask('acme/b-2', '/other/x')
  expect(await alertOf('acme/b-2')).toMatchObject({ watch: 'others' })
})

describe.concurrent('a throttle', () => {
  const burst = (agent: string, type: string, times: number) =>
    Promise.all(Array.from({ length: times }, () => ask(agent, '/v1/x', type)))

  it('lets few requests of the agent through, over all rules, until a person ends it', async () => {
    await learn('t-1', 'slow')
    await ask('t-1', '/other/x', 'slow')
    const { id, quarantine } = await alertOf('t-1')
    expect(quarantine).toMatchObject({ throttle: 20 })
    const { revocations } = await call('GET', '/revocations?kind=agent&value=t-1')
    expect(revocations).toMatchObject([
      { id: quarantine?.id, mode: 'throttle', limit: 20, reason: `alert ${id}: new_use` },
    ])
    const answers = await eventually(async () => {
      const some = await burst('t-1', 'slow', 30)
      expect(some.map(({ code }) => code)).toContain('agent_throttled')
      return some
    })
    for (const { status, code } of answers) {
      expect([status, code]).toEqual(code ? [429, 'agent_throttled'] : [200, undefined])
    }
    const token = await setting.token(claimsOf('t-1', 'slow'))
    const refused = await setting.ask('/other/x', { token })
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([429, true])
    // One more with each three seconds.
    await eventually(async () => expect((await ask('t-1', '/v1/x', 'slow')).status).toBe(200))
    expect((await ask('t-2', '/v1/x', 'slow')).status).toBe(200)
    expect((await call('POST', `/alerts/${id}/release`)).status).toBe(200)
    const after = await burst('t-1', 'slow', 30)
    expect(new Set(after.map(({ status }) => status))).toEqual(new Set([200]))
  })

  it('ends by itself', async () => {
    await learn('t-3', 'brief')
    await ask('t-3', '/other/x', 'brief')
    const isThrottled = async () =>
      (await burst('t-3', 'brief', 2)).some(({ code }) => code === 'agent_throttled')
    await eventually(async () => expect(await isThrottled()).toBe(true))
    await eventually(async () => expect(await isThrottled()).toBe(false))
  })
})

describe.concurrent('an alert', () => {
  it('is not judged where its agent cannot be suspended', async () => {
    const worker = await withLimits(inject('bundle'), { agentStandings: 0 })
    const gate = await setting.another({
      durableObjects: WITH_AUDIT,
      bundle: worker.path,
      reaching: true,
      issuer: { admin: 'all' },
      routes: ROUTES,
      more: { WATCH },
    })
    await learn('s-2', 'others', gate)
    await askGate(gate, '/other/x', { token: await setting.token(claimsOf('s-2')) })
    const token = await setting.token({ client_id: 'operator', scope: 'edgewarden:agents' })
    const [{ id }] = await eventually(async () => {
      const { alerts } = (await (await askGate(gate, '/.edgewarden/alerts', { token })).json()) as {
        alerts: [Shown]
      }
      expect(alerts).toHaveLength(1)
      return alerts
    })
    const suspend = { method: 'POST', token }
    const said = await askGate(gate, `/.edgewarden/alerts/${id}/suspend`, suspend)
    expect(await outcome(said)).toMatchObject({ code: 'agents_full' })
    const alert = await askGate(gate, `/.edgewarden/alerts/${id}`, { token })
    expect(((await alert.json()) as { alert: Shown }).alert).not.toHaveProperty('verdict')
    await worker.remove()
  })

  it('leads to a suspension, if a person says so', async () => {
    await learn('s-1', 'others')
    await ask('s-1', '/other/x')
    const { id } = await alertOf('s-1')
    expect(await call('POST', `/alerts/${id}/suspend`)).toMatchObject({
      status: 200,
      alert: { verdict: 'suspend' },
      shards: { total: expect.any(Number) },
    })
    expect(await ask('s-1', '/v1/x')).toMatchObject({ status: 403, code: 'agent_suspended' })
    await eventually(async () => {
      const { decisions } = await call('GET', '/decisions?kind=act&subject=maria')
      const entry = { value: 's-1', status: 'suspended', reason: `alert ${id}` }
      expect(decisions).toContainEqual(
        expect.objectContaining({ act: 'suspend', entries: [expect.objectContaining(entry)] }),
      )
    })
  })

  it('does not suspend who judges it', async () => {
    await learn('operator-2', 'others')
    await ask('operator-2', '/other/x')
    const { id } = await alertOf('operator-2')
    const own = { client_id: 'operator-2', sub: 'operator-2' }
    expect(await call('POST', `/alerts/${id}/suspend`, own)).toMatchObject({
      status: 409,
      code: 'would_lock_out',
    })
    expect((await ask('operator-2', '/v1/x')).status).toBe(200)
  })

  it('stays open where its agent may not be suspended', async () => {
    await learn('s-2', 'others')
    await ask('s-2', '/other/x')
    const { id } = await alertOf('s-2')
    const key = { issuer: setting.issuer.issuer, agent: 's-2' }
    const stopped = await setting.ask('/.edgewarden/agents/suspend', {
      method: 'POST',
      token: await setting.token({ client_id: 'operator', scope: 'edgewarden:agents' }),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(key),
    })
    expect(stopped.status).toBe(200)
    const judgement = { id, verdict: 'suspend', by: 'other', issuer: key.issuer }
    expect(await setting.gate.call('AGENTS', 'registry', 'judge', judgement)).toEqual({
      refused: 'agent_stopped_by_all',
    })
    expect((await call('GET', '/alerts?open=true')).alerts.map((one) => one.id)).toContain(id)
  })

  it.each(['/alerts/999999', '/alerts/0', '/alerts/x'])(
    'that is none is a 404: %s',
    async (path) => {
      expect(await call('GET', path)).toMatchObject({ status: 404, code: 'alert_unknown' })
      expect(await call('POST', `${path}/dismiss`)).toMatchObject({ status: 404 })
    },
  )

  it('is read and judged only with the scope', async () => {
    expect(await call('GET', '/alerts', { scope: 'edgewarden:read' })).toMatchObject({
      status: 403,
    })
    expect(await call('GET', '/alerts?open=maybe')).toMatchObject({
      status: 400,
      code: 'agent_invalid',
    })
  })
})
