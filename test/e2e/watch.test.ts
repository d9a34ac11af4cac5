import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SIGNALS } from '../../src/gate/model/watch.ts'
import { runHere } from '../command/kit.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import { type Receiver, startReceiver } from '../kit/receiver.ts'
import { isRecord } from '../kit/records.ts'
import type { Members } from '../kit/signing.ts'
import { clocked, forward, gather } from './keys-setting.ts'
import { learned } from './learned.ts'
import { outcome, RESOURCE, type Setting, startSetting } from './setting.ts'

const WATCH = {
  // The first table that fits counts a request.
  careful: { agent_types: ['careful'], action: 'quarantine', duration: '1m', at_most: 100 },
  slow: { agent_types: ['slow'], action: 'throttle', throttle: 1, duration: '1h', at_most: 100 },
  bounded: { agents: ['acme/b-1', 'acme/b-2'], action: 'quarantine', at_most: 0 },
  others: {},
}

/** All signals have learned after so many days. */
const DAYS = 15

/** A minute, and a bit more. */
const MINUTE = 65_000

const MCP = 'POST /mcp'
/** What stands for uses that a record has no room for. */
const FURTHER = '…'

const ROUTES = [
  { match: 'GET /v1/{name}', scopes: [] },
  { match: 'GET /other/{name}', scopes: [] },
  { match: 'GET /asked', scopes: [], approval: { within: '1d' } },
  {
    match: MCP,
    resource: `${RESOURCE}/mcp`,
    scopes: [],
    mcp: { tools: { 'tool_*': [], delete_all: [] }, revisions: ['2025-03-26', '2025-11-25'] },
  },
]

/** Who can approve a call. */
const PEOPLE = {
  issuer: 'https://people.example',
  ...{ agent_prefix: 'people/', admin: 'all', rules: false, person: { client_id: 'gate' } },
}

let receiver: Receiver
let setting: Setting
beforeAll(async () => {
  receiver = await startReceiver()
  setting = await startSetting({
    ...(await clocked(WITH_AUDIT)),
    issuer: { admin: 'all', agent_prefix: 'acme/' },
    routes: ROUTES,
    gate: { console: { host: 'ops.example.com' } },
    others: { people: PEOPLE },
    // What agents learn here takes most of the rows of a day.
    more: { WATCH, AUDIT: { rows_a_day: 'unlimited' } },
    secrets: { ALERTS: JSON.stringify({ url: receiver.url, format: 'slack', gate: 'test' }) },
  })
  await gather(setting.gate, 'soon')
  setting.origin.on('/mcp', (_, res) => {
    res.setHeader('content-type', 'application/json')
    res.end('[]')
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
  learned({ ...setting, gate }, agent, watch, { days: DAYS })

const ask = async (agent: string, path: string, type?: string) =>
  outcome(await setting.ask(path, { token: await setting.token(claimsOf(agent, type)) }))

interface Shown {
  readonly id: number
  readonly agent: string
  readonly signal: string
  readonly requests: readonly string[]
  readonly seen: Members
  readonly quarantine?: Members
}

const operatorToken = () =>
  setting.token({
    client_id: 'operator',
    sub: 'maria',
    scope: 'edgewarden:agents edgewarden:audit:read edgewarden:revoke',
  })

const call = async (method: string, path: string) => {
  const token = await operatorToken()
  const response = await setting.ask(`/.edgewarden${path}`, { method, token })
  const body = (await response.json()) as {
    alerts: Shown[]
    alert: Shown
    agent: Members & { seen: { uses: readonly Members[] } }
    usage: Members[]
    code?: string
    decisions: Members[]
    revocations: Members[]
  }
  return { status: response.status, ...body }
}

/** Has a call of an agent approved. The state of its approval from then on. */
const approvedFor = async (agent: string, type?: string) => {
  expect((await ask(agent, '/asked', type)).code).toBe('approval_required')
  const approvals = (method: string, ...given: unknown[]) =>
    setting.gate.call('APPROVALS', 'approvals', method, ...given) as Promise<unknown>
  const { approvals: waiting } = (await approvals('list', { state: 'waiting' })) as {
    approvals: { id: string; agent: string }[]
  }
  const { id } = waiting.find((one) => one.agent === agent) ?? {}
  const by = { issuer: PEOPLE.issuer, subject: 'maria' }
  await approvals('decide', id, { by, state: 'granted', digest: 'shown' })
  return async () => ((await approvals('get', id)) as { state: string }).state
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

it.concurrent('counts an agent by its name, not by an id that another name is', async () => {
  await learn('acme/b-2', 'others')
  await ask('acme/b-2', '/other/x')
  expect(await alertOf('acme/b-2')).toMatchObject({ watch: 'others' })
})

it.concurrent('an alert leads to a suspension, if a person says so', async () => {
  await learn('s-1', 'others')
  const approval = await approvedFor('s-1')
  await ask('s-1', '/other/x')
  const { id } = await alertOf('s-1')
  expect(await call('POST', `/alerts/${id}/suspend`)).toMatchObject({
    status: 200,
    alert: { verdict: 'suspend' },
    shards: { total: expect.any(Number) },
  })
  expect(await approval()).toBe('ended')
  expect(await ask('s-1', '/v1/x')).toMatchObject({ status: 403, code: 'agent_suspended' })
  await eventually(async () => {
    const { decisions } = await call('GET', '/decisions?kind=act&subject=maria')
    const entry = { value: 's-1', status: 'suspended', reason: `alert ${id}` }
    expect(decisions).toContainEqual(
      expect.objectContaining({ act: 'suspend', entries: [expect.objectContaining(entry)] }),
    )
  })
})

/** Every message of a batch counts: in the registry, for the watch, and in `usage`. */
describe('a batch for an MCP server', () => {
  const calls = (names: readonly string[]) =>
    names.map((name, id) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } }))
  const numbered = (count: number, length = 0) =>
    Array.from({ length: count }, (_, i) => `tool_${i}_${'x'.repeat(length)}`)

  const send = async (agent: string, body: unknown, claims: Members = {}) => {
    const aud = `${RESOURCE}/mcp`
    const response = await setting.ask('/mcp', {
      method: 'POST',
      token: await setting.token({ client_id: agent, sub: agent, aud, ...claims }),
      headers: { 'content-type': 'application/json', 'mcp-protocol-version': '2025-03-26' },
      body: JSON.stringify(body),
    })
    expect(await outcome(response)).toEqual({ status: 200, code: undefined })
  }

  const usesOf = async (agent: string) => {
    const query = new URLSearchParams({ issuer: setting.issuer.issuer, agent })
    return (await call('GET', `/agents/entry?${query}`)).agent.seen.uses
  }
  const usage = async (agent: string) => {
    const { usage: groups } = await call('GET', `/usage?agent=${agent}&by=tool`)
    return Object.fromEntries(groups.map(({ tool, decisions }) => [tool, decisions]))
  }
  const recordsOf = async (agent: string, count = 1) =>
    eventually(async () => {
      const { decisions } = await call('GET', `/decisions?agent=${agent}`)
      // An alert is an act that names the agent too.
      const own = decisions.filter(({ kind }) => kind !== 'act')
      expect(own).toHaveLength(count)
      return own
    })

  it('each tool of a batch is in the registry, and each call in usage', async () => {
    const tools = numbered(40)
    const ping = { jsonrpc: '2.0', id: 'ping', method: 'ping' }
    await send('wide', [...calls([...tools, ...Array(9).fill('tool_0_')]), ping])
    await recordsOf('wide')
    await eventually(async () => {
      expect(await usesOf('wide')).toEqual(
        expect.arrayContaining(tools.map((tool) => ({ rule: MCP, tool }))),
      )
    })
    const others = Object.fromEntries(tools.slice(1).map((tool) => [tool, 1]))
    // A ping calls no tool.
    expect(await usage('wide')).toEqual({ tool_0_: 10, ...others, undefined: 1 })
    const { stdout } = await runHere(
      ['log', '--agent', 'acme/wide', '--gate', setting.gate.url, '--token-env', 'TOKEN'],
      { TOKEN: await operatorToken() },
    )
    expect(stdout).toContain('tools/call tool_0_ ×10')
  })

  it('a new tool in a batch of usual tools raises an alert, and each call counts as a request', async () => {
    const tools = numbered(30)
    const uses = tools.map((tool) => JSON.stringify([MCP, tool]))
    await learned(setting, 'robbed', 'others', { days: DAYS, more: { uses } })
    await send('robbed', calls([...tools, 'delete_all', ...tools.slice(0, 19)]))
    const alert = await eventually(async () => {
      const { alerts } = await call('GET', '/alerts')
      const [found] = alerts.filter(({ agent }) => agent === 'robbed')
      expect(found).toMatchObject({ signal: 'new_use' })
      return found
    })
    expect(alert?.seen).toEqual({ use: [JSON.stringify([MCP, 'delete_all'])] })
    await send('counted', calls(tools))
    await eventually(async () => {
      const query = new URLSearchParams({ issuer: setting.issuer.issuer, agent: 'counted' })
      expect((await call('GET', `/agents/entry?${query}`)).agent).toMatchObject({
        watched: [{ requests: 30, rules_and_tools: 30 }],
      })
    })
  })

  it('what a record has no room for is counted and marked, also as a use', async () => {
    const tools = numbered(50, 110)
    await learned(setting, 'hiding', 'others', {
      days: DAYS,
      more: { uses: tools.map((tool) => JSON.stringify([MCP, tool])) },
    })
    await send('hiding', calls([...tools.slice(0, 49), `tool_${'y'.repeat(120)}`]))
    const [record] = await recordsOf('hiding')
    expect(JSON.stringify(record?.mcp).length).toBeLessThan(3_200)
    const { batch, left_out: leftOut } = (record as Members).mcp as {
      batch: object[]
      left_out: number
    }
    expect(batch.length + leftOut).toBe(50)
    expect(leftOut).toBeGreaterThan(0)
    expect(await usage('hiding')).toMatchObject({ [FURTHER]: leftOut })
    await eventually(async () => {
      expect(await usesOf('hiding')).toContainEqual({ rule: FURTHER })
      const { alerts } = await call('GET', '/alerts')
      expect(alerts.filter(({ agent }) => agent === 'hiding')).toMatchObject([
        { signal: 'new_use', seen: { use: [JSON.stringify([FURTHER])] } },
      ])
    })
  })

  it('the tools of three seconds are in the registry, or marked', async () => {
    // Two requests: one is gathered with the other.
    await gather(setting.gate, 'as usual')
    await Promise.all([
      send('quick', calls(numbered(50))),
      send('quick', calls(numbered(40).map((name) => `${name}b`))),
    ])
    await recordsOf('quick', 2)
    await eventually(async () => {
      const uses = await usesOf('quick')
      expect(uses.some(({ rule }) => rule === FURTHER) || uses.length === 90).toBe(true)
      expect(uses.length).toBeGreaterThan(60)
    })
    await gather(setting.gate, 'soon')
  })

  it('a record that is cut still has each message', async () => {
    const scope = Array.from({ length: 140 }, (_, i) => `scope:${i}`.padEnd(17, 's')).join(' ')
    // No other member is as long as the messages, and all together are too long.
    const claims = { sub: 's'.repeat(2_000), jti: 'j'.repeat(2_000), scope }
    const tools = [...numbered(29, 50), 'delete_all']
    await send('wordy', calls(tools), claims)
    const [record] = await recordsOf('wordy')
    expect((record as Members).cut).toBeDefined()
    const { batch } = (record as Members).mcp as { batch: readonly Members[] }
    expect(batch.map(({ name }) => name)).toEqual(tools)
  })
})

// These two move the clock, and so come after the others.
it('a quarantine stops the agent, names its alert, and ends by itself', async () => {
  await learn('q-1', 'careful')
  expect((await ask('q-1', '/v1/x', 'careful')).status).toBe(200)
  const approval = await approvedFor('q-1', 'careful')
  await ask('q-1', '/other/x', 'careful')
  await eventually(async () => expect(await approval()).toBe('ended'))
  await eventually(async () => {
    expect(await ask('q-1', '/v1/x', 'careful')).toMatchObject({ code: 'token_revoked' })
  })
  const { revocations } = await call('GET', '/revocations?kind=agent&value=q-1')
  const alert = await alertOf('q-1')
  await eventually(async () => {
    const { decisions } = await call('GET', '/decisions?kind=act&agent=q-1')
    expect(decisions).toMatchObject([{ quarantine: alert.quarantine?.id }, { act: 'ask' }])
    for (const record of decisions) expect(isRecord(record) ? [] : isRecord.errors).toEqual([])
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
