import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordAt } from '../control/audit/record.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import { type Receiver, startReceiver } from '../kit/receiver.ts'
import type { Members } from '../kit/signing.ts'
import { administration, type Name } from './administration.ts'
import { startWorld, type World } from './world.ts'

const ROWS = 100
const MCP = 'POST /v1/mcp'

let receiver: Receiver
let world: World
beforeAll(async () => {
  receiver = await startReceiver()
  world = await startWorld({
    routes: [{ match: MCP, scopes: [], mcp: { tools: { '*': [] }, revisions: ['2025-03-26'] } }],
    start: {
      durableObjects: WITH_AUDIT,
      reaching: true,
      secrets: { ALERTS: JSON.stringify({ url: receiver.url, format: 'slack' }), ORIGIN_KEY: 'x' },
      vars: { AUDIT: { rows_a_day: ROWS } },
    },
  })
})
afterAll(() => Promise.all([world.close(), receiver.close()]))

const { call } = administration(() => world)
const terms = { retention: 86_400, maxBytes: 1e9, maxRows: ROWS, issuers: 6 }

/** Hands over records as isolates do. Each is so long that it takes a row of its own. */
const append = (ring: 'known' | 'strangers', count: number, members: Members = {}) => {
  const one = () => recordAt(Date.now(), { detail: { found: 'x'.repeat(262_200) }, ...members })
  const records = Array.from({ length: count }, one)
  const batch = { id: crypto.randomUUID(), known: [], strangers: [], ...terms, [ring]: records }
  return world.gate.call('AUDIT_LOG', '0', 'append', batch)
}

const read = async (by: Name, query: string) => {
  const { body, status } = await call(
    by,
    { target: `/.edgewarden/decisions?${query}` },
    { scope: 'edgewarden:audit:read' },
  )
  expect(status, body).toBe(200)
  return JSON.parse(body) as { decisions: Members[]; dropped?: Members[] }
}
const metrics = async () => {
  const target = '/.edgewarden/metrics'
  return (await call('ops', { target }, { scope: 'edgewarden:metrics' })).body
}

/** Sends a request of an agent, and waits until its decision is stored. */
const isStored = async (agent: string) => {
  expect((await world.send({ token: await world.token({ client_id: agent }) })).status).toBe(200)
  return eventually(async () => {
    const { decisions } = await read('ops', `agent=${agent}`)
    expect(decisions).toHaveLength(1)
    return decisions[0] as Members
  })
}

it('acts of an administrator of one issuer take the place of no other acts', async () => {
  const revoke = (by: Name, value: string) =>
    call(by, { method: 'POST', body: { kind: 'agent', issuer: world.acme.issuer, value } })
  const acts = (ring: string) => metrics().then((text) => bytesOf(text, ring))
  // Its request makes a key for assertions, which is an act.
  expect((await world.send({ token: await world.token() })).status).toBe(200)
  await eventually(async () => expect(await acts('acts')).toBeGreaterThan(0))
  const made = await acts('acts')
  expect((await revoke('ops', 'of-all')).status).toBe(200)
  await eventually(async () => expect(await acts('acts')).toBeGreaterThan(made))
  const before = await acts('acts')
  expect((await revoke('acme', 'of-one')).status).toBe(200)
  await eventually(async () => expect(await acts('own_acts')).toBeGreaterThan(0))
  expect(await acts('acts')).toBe(before)
  const found = (await read('ops', 'kind=act')).decisions.filter(({ act }) => act === 'revoke')
  expect(found).toHaveLength(2)
})

const bytesOf = (text: string, ring: string) =>
  Number(new RegExp(`stored_bytes\\{shard="0",ring="${ring}"\\} (.*)`).exec(text)?.[1])

it('a record is short however many names a batch has, and counts the messages that it leaves out', async () => {
  const call = (id: number) => {
    const name = `${id} ${crypto.randomUUID().repeat(4)}`.slice(0, 120)
    return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: {} } }
  }
  const response = await world.send({
    method: 'POST',
    target: '/v1/mcp',
    token: await world.token({ client_id: 'agent-with-batches' }),
    headers: [
      ['MCP-Protocol-Version', '2025-03-26'],
      ['Accept', 'application/json, text/event-stream'],
    ],
    body: JSON.stringify(Array.from({ length: 50 }, (_, id) => call(id))),
  })
  expect(response.status, response.body).toBeLessThan(600)
  const record = await eventually(async () => {
    const { decisions } = await read('ops', 'agent=agent-with-batches&limit=1')
    expect(decisions).toHaveLength(1)
    return decisions[0] as Members
  })
  const { batch, left_out: leftOut } = record.mcp as { batch: { name: string }[]; left_out: number }
  expect(batch.length + leftOut).toBe(50)
  expect(batch.map(({ name }) => name.split(' ')[0])).toEqual(batch.map((_, id) => String(id)))
  expect(batch.length).toBeGreaterThan(5)
  expect(JSON.stringify(record).length).toBeLessThan(4_500)
})

/** Hands over a count of records that an isolate could not keep, of whatever issuers. */
const drop = () =>
  world.gate.call('AUDIT_LOG', '0', 'append', {
    ...{ id: crypto.randomUUID(), known: [], strangers: [], ...terms },
    dropped: [{ reason: 'overload', share: 'issuers', records: 7 }],
  })

describe('the rows of a day', () => {
  it('are not used up by strangers, who raise no alert either', async () => {
    for (let i = 0; i < 13; i++) await append('strangers', 4)
    await isStored('agent-beside-strangers')
    const { dropped } = await read('ops', 'limit=1')
    expect(dropped).toMatchObject([{ reason: 'rows_a_day', share: 'strangers' }])
    expect(Number(dropped?.[0]?.records)).toBeGreaterThan(30)
    // What an administrator of one issuer cannot read is not missing for it.
    expect(await read('acme', 'limit=1')).not.toHaveProperty('dropped')
    expect(await metrics()).toContain('edgewarden_problem{shard="0",problem="audit"} 0\n')
    expect(receiver.received).toEqual([])
  })

  it('are not used up by one issuer, whose gap the others do not see', async () => {
    for (let i = 0; i < 13; i++) await append('known', 4, { issuer: world.beta.issuer })
    await isStored('agent-beside-another')
    const gap = { reason: 'rows_a_day', share: 'issuers', issuer: world.beta.issuer }
    expect((await read('ops', 'limit=1')).dropped).toContainEqual(expect.objectContaining(gap))
    expect((await read('beta', 'limit=1')).dropped).toMatchObject([gap])
    expect(await read('acme', 'limit=1')).not.toHaveProperty('dropped')
    expect(await metrics()).toContain(
      `reason="rows_a_day",share="issuers",issuer="${world.beta.issuer}"}`,
    )
    await eventually(() =>
      expect(receiver.received.map(({ body }) => body)).toContainEqual(
        expect.stringMatching(/problem: audit/),
      ),
    )
  })
})

it('a gap of all issuers is told to one of them without its number', async () => {
  await drop()
  const gap = { reason: 'overload', share: 'issuers' }
  const gapsOf = async (by: Name) =>
    (await read(by, 'limit=1')).dropped?.filter(({ reason }) => reason === 'overload')
  expect(await gapsOf('ops')).toMatchObject([{ ...gap, records: 7 }])
  expect(await gapsOf('acme')).toMatchObject([gap])
  expect((await gapsOf('acme'))?.[0]).not.toHaveProperty('records')
})
