import { afterAll, beforeAll, expect, it } from 'vitest'
import { WITH_AUDIT } from '../audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import type { Members } from '../kit/signing.ts'
import { runHere } from '../tools/cli/kit.ts'
import { learned } from './learned.ts'
import { outcome, type Setting, startSetting } from './setting.ts'

/** Every message of a batch counts: in the registry, for the watch, and in `usage`. */

const MCP = 'POST /mcp'
const FURTHER = '…'

let setting: Setting
beforeAll(async () => {
  setting = await startSetting({
    durableObjects: WITH_AUDIT,
    reaching: true,
    issuer: { admin: 'all' },
    routes: [
      {
        match: MCP,
        resource: 'https://api.example.com/mcp',
        scopes: [],
        mcp: { tools: { 'tool_*': [], delete_all: [] }, revisions: ['2025-03-26', '2025-11-25'] },
      },
    ],
    more: { WATCH: { all: {} }, AUDIT: { rows_a_day: 'unlimited' } },
  })
  setting.origin.on('*', (_, res) => {
    res.setHeader('content-type', 'application/json')
    res.end('[]')
  })
  // The gate has its issuer's keys before all tests begin at once.
  await eventually(async () => {
    const alerts = await setting.ask('/.edgewarden/alerts', { token: await operator() })
    expect(alerts.status).toBe(200)
  })
})
afterAll(() => setting.close())

const calls = (names: readonly string[]) =>
  names.map((name, id) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } }))
const numbered = (count: number, length = 0) =>
  Array.from({ length: count }, (_, i) => `tool_${i}_${'x'.repeat(length)}`)

const send = async (agent: string, body: unknown, claims: Members = {}) => {
  const aud = 'https://api.example.com/mcp'
  const response = await setting.ask('/mcp', {
    method: 'POST',
    token: await setting.token({ client_id: agent, sub: agent, aud, ...claims }),
    headers: { 'content-type': 'application/json', 'mcp-protocol-version': '2025-03-26' },
    body: JSON.stringify(body),
  })
  expect(await outcome(response)).toEqual({ status: 200, code: undefined })
}

const operator = () =>
  setting.token({ client_id: 'operator', scope: 'edgewarden:agents edgewarden:audit:read' })
const call = async (path: string) => {
  const response = await setting.ask(`/.edgewarden${path}`, { token: await operator() })
  return (await response.json()) as {
    readonly agent: { readonly seen: { readonly uses: readonly Members[] } }
    readonly alerts: readonly { readonly agent: string; readonly signal: string; seen: Members }[]
    readonly decisions: readonly Members[]
    readonly usage: readonly Members[]
  }
}
const usesOf = async (agent: string) => {
  const query = new URLSearchParams({ issuer: setting.issuer.issuer, agent })
  return (await call(`/agents/entry?${query}`)).agent.seen.uses
}
const usage = async (agent: string) => {
  const { usage: groups } = await call(`/usage?agent=${agent}&by=tool`)
  return Object.fromEntries(groups.map(({ tool, decisions }) => [tool, decisions]))
}
const recordsOf = async (agent: string, count = 1) =>
  eventually(async () => {
    const { decisions } = await call(`/decisions?agent=${agent}`)
    expect(decisions).toHaveLength(count)
    return decisions
  })

it.concurrent('each tool of a batch is in the registry, and each call in usage', async () => {
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
    ['log', '--agent', 'wide', '--gate', setting.gate.url, '--token-env', 'TOKEN'],
    { TOKEN: await operator() },
  )
  expect(stdout).toContain('tools/call tool_0_ ×10')
})

it.concurrent('a new tool in a batch of usual tools raises an alert, and each call counts as a request', async () => {
  const tools = numbered(30)
  const uses = tools.map((tool) => JSON.stringify([MCP, tool]))
  await learned(setting, 'robbed', 'all', { more: { uses } })
  await send('robbed', calls([...tools, 'delete_all', ...tools.slice(0, 19)]))
  const alert = await eventually(async () => {
    const { alerts } = await call('/alerts')
    const [found] = alerts.filter(({ agent }) => agent === 'robbed')
    expect(found).toMatchObject({ signal: 'new_use' })
    return found
  })
  expect(alert?.seen).toEqual({ use: [JSON.stringify([MCP, 'delete_all'])] })
  await send('counted', calls(tools))
  await eventually(async () => {
    const query = new URLSearchParams({ issuer: setting.issuer.issuer, agent: 'counted' })
    expect((await call(`/agents/entry?${query}`)).agent).toMatchObject({
      watched: [{ requests: 30, rules_and_tools: 30 }],
    })
  })
})

it.concurrent('what a record has no room for is counted and marked, also as a use', async () => {
  const tools = numbered(50, 110)
  await learned(setting, 'hiding', 'all', {
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
    const { alerts } = await call('/alerts')
    expect(alerts.filter(({ agent }) => agent === 'hiding')).toMatchObject([
      { signal: 'new_use', seen: { use: [JSON.stringify([FURTHER])] } },
    ])
  })
})
