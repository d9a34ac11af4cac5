import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { createProofKey, proofOf } from '../kit/dpop.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import type { Members } from '../kit/signing.ts'
import { clocked, gather } from './keys-setting.ts'
import { learned, sightingOf } from './learned.ts'
import { askGate, outcome, RESOURCE, type Setting, startSetting } from './setting.ts'
import { BOUND, endsInTime, fate, hanging, lastEvent, SSE } from './streaming.ts'
import { AGENT, startWorld, type World } from './world.ts'

const AGENTS = '/.edgewarden/agents'
const ROUTES = [
  { match: 'GET /v1/approved', scopes: [], agents: 'approved' },
  { match: 'GET /v1/late', scopes: [], agents: 'approved', revocation: 'bounded' },
  { match: 'GET /v1/files/{id}', scopes: ['files:read'] },
  { match: 'GET,POST /v1/*', scopes: [] },
]

type Entry = Readonly<Record<string, unknown>> & { readonly agent: string; readonly status: string }

let setting: Setting
/** Another gate on the same set, whose rules may be late by five seconds. */
let other: Gate
beforeAll(async () => {
  setting = await startSetting({
    ...(await clocked(WITH_AUDIT)),
    issuer: { admin: 'all', agent_prefix: 'acme/' },
    routes: ROUTES,
    beside: [
      {
        gate: { revocation: { consistency: 'bounded', max_staleness: `${BOUND / 1_000}s` } },
        routes: ROUTES,
      },
    ],
  })
  other = setting.gate.beside[0] as Gate
  await gather(setting.gate, 'soon')
})
afterAll(() => setting.close())

let agents = 0
const newAgent = () => `agent-${++agents}`

const tokenOf = (agent: string, claims: Members = {}) =>
  setting.token({ client_id: agent, sub: agent, ...claims })

const ask = async (agent: string, path = '/v1/x', gate = setting.gate, claims: Members = {}) =>
  outcome(await askGate(gate, path, { token: await tokenOf(agent, claims) }))

/** A call of an administrator; its answer as JSON. */
const call = async (
  method: string,
  path: string,
  { body, headers = {}, claims = {} }: { body?: object; headers?: Members; claims?: Members } = {},
) => {
  const response = await setting.ask(AGENTS + path, {
    method,
    token: await setting.token({
      client_id: 'operator',
      sub: 'maria',
      scope: 'edgewarden:agents edgewarden:audit:read',
      ...claims,
    }),
    headers: { 'content-type': 'application/json', ...(headers as Record<string, string>) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    etag: response.headers.get('etag') ?? '',
    ...(JSON.parse(text) as { agent: Entry; agents: Entry[]; code?: string; problems?: object[] }),
  }
}

const at = (agent: string) =>
  `/entry?${new URLSearchParams({ issuer: setting.issuer.issuer, agent })}`
const act = (what: string, agent: string, more: object = {}) =>
  call('POST', `/${what}`, { body: { issuer: setting.issuer.issuer, agent, ...more } })

describe.concurrent('an agent', () => {
  it('is discovered by its calls, with what it used and whom it acts for', async () => {
    const [agent, parent] = [newAgent(), newAgent()]
    await ask(parent)
    const claims = {
      scope: 'files:read files:delete constructor',
      act: { sub: agent, act: { sub: parent } },
    }
    const key = await createProofKey()
    const token = await tokenOf(agent, { ...claims, cnf: { jkt: key.jkt } })
    const dpop = await proofOf(key, { url: `${RESOURCE}/v1/files/1`, token })
    const headers = { authorization: `DPoP ${token}`, dpop }
    expect((await setting.ask('/v1/files/1', { headers })).status).toBe(200)
    await eventually(async () => {
      const { status, agent: entry } = await call('GET', at(agent))
      expect([status, entry]).toMatchObject([
        200,
        {
          agent,
          agent_name: `acme/${agent}`,
          status: 'discovered',
          needs: ['owner', 'approval'],
          seen: {
            keys: [key.jkt],
            clients: [agent],
            scopes_used: ['files:read'],
            scopes_unused: ['files:delete', 'constructor'],
            uses: [{ rule: 'GET /v1/files/{id}' }],
            parents: [{ issuer: setting.issuer.issuer, agent: parent }],
          },
        },
      ])
    })
    const { agent: of } = await call('GET', at(parent))
    expect(of).toMatchObject({ seen: { children: [{ agent }] } })
  })

  it('that is suspended is refused at once by strict rules, and within the bound at another gate', async () => {
    const agent = newAgent()
    const claims = { act: { sub: 'someone', act: { sub: agent } } }
    expect((await ask(agent)).status).toBe(200)
    expect((await ask(agent, '/v1/x', other)).status).toBe(200)
    const stopped = await act('suspend', agent, { reason: 'odd calls' })
    expect(stopped).toMatchObject({
      status: 200,
      agent: { agent, status: 'suspended', reason: 'odd calls' },
    })
    expect(await ask(agent)).toEqual({ status: 403, code: 'agent_suspended' })
    expect(await ask('someone', '/v1/x', setting.gate, claims)).toMatchObject({
      code: 'agent_suspended',
    })
    const answered = Date.now()
    const passed: number[] = []
    await eventually(async () => {
      const sent = Date.now()
      const { status } = await ask(agent, '/v1/x', other)
      if (status === 200) passed.push(sent - answered)
      expect(status).toBe(403)
    }, 100)
    // No request passes that was sent later than that.
    expect(passed.filter((ms) => ms > BOUND)).toEqual([])
    expect(await act('resume', agent)).toMatchObject({
      status: 200,
      agent: { status: 'discovered' },
    })
    expect((await ask(agent)).status).toBe(200)
    await act('retire', agent)
    expect(await ask(agent)).toEqual({ status: 403, code: 'agent_retired' })
  })

  it('that is suspended has its open streams ended, and those of agents that act for it', async () => {
    hanging(setting, '/v1/stream', SSE)
    const headers = { accept: 'text/event-stream' }
    const open = async (token: string) => {
      const { bytes } = await fate(await askGate(other, '/v1/stream', { token, headers }))
      return bytes.toString()
    }
    const ends = await endsInTime(async () => {
      const agent = newAgent()
      const claims = { act: { sub: 'someone', act: { sub: agent } } }
      const streams = [open(await tokenOf(agent)), open(await tokenOf('someone', claims))]
      await eventually(async () => expect((await ask(agent, '/v1/x', other)).status).toBe(200))
      await act('suspend', agent)
      return Promise.all(streams)
    })
    expect(ends).toEqual(Array(2).fill(lastEvent('agent_suspended')))
  })

  it('needs approval where a rule says so, at once or within the bound', async () => {
    const agent = newAgent()
    const codes = async () => [
      (await ask(agent, '/v1/approved')).code,
      (await ask(agent, '/v1/late', other)).code,
    ]
    const both = (code: string | undefined) =>
      eventually(async () => expect(await codes()).toEqual([code, code]))
    await both('agent_not_approved')
    const approval = { body: { status: 'approved', owners: ['team-a'] } }
    const { status } = await call('PUT', at(agent), approval)
    // Its refused requests may have been seen by now.
    if (status === 428) await call('PUT', at(agent), { ...approval, headers: { 'if-match': '*' } })
    await both(undefined)
    await act('suspend', agent)
    await both('agent_suspended')
    await act('resume', agent)
    const { etag } = await call('GET', at(agent))
    const gone = { body: { status: 'discovered' }, headers: { 'if-match': etag } }
    expect((await call('PATCH', at(agent), gone)).status).toBe(200)
    await both('agent_not_approved')
  })
})

describe.concurrent('a change', () => {
  it('needs the version that it is of', async () => {
    const agent = newAgent()
    const body = { owners: ['a'] }
    const made = await call('PUT', at(agent), { body })
    expect(made).toMatchObject({
      status: 200,
      etag: '"1"',
      agent: { status: 'approved', owners: ['a'] },
    })
    const codeOf = async (method: string, headers: Members = {}, given: object = body) =>
      (await call(method, at(agent), { body: given, headers })).code
    expect(await codeOf('PUT')).toBe('agent_version_missing')
    expect(await codeOf('PATCH')).toBe('agent_version_missing')
    expect(await codeOf('PATCH', { 'if-match': '"9"' })).toBe('agent_changed')
    expect(await codeOf('PATCH', { 'if-match': 'W/"1"' })).toBe('agent_changed')
    const patch = { purpose: 'answers mail', owners: null, review_by: '2031-02-01' }
    const patched = await call('PATCH', at(agent), { body: patch, headers: { 'if-match': '"1"' } })
    expect(patched.agent).toMatchObject({
      purpose: 'answers mail',
      review_by: '2031-02-01T00:00:00Z',
    })
    expect(patched.agent).not.toHaveProperty('owners')
    expect(await codeOf('PATCH', { 'if-match': '"1"' })).toBe('agent_changed')
    await act('suspend', agent)
    const any = { 'if-match': '*' }
    expect((await call('PUT', at(agent), { body, headers: any })).agent.status).toBe('suspended')
    const back = { body: { status: 'approved' }, headers: any }
    expect((await call('PATCH', at(agent), back)).agent.status).toBe('approved')
  })

  it.each<[string, string, object]>([
    ['PUT', '/entry?issuer=https://nobody.example&agent=a', {}],
    ['PUT', 'own', { owner: 'a' }],
    ['PUT', 'own', { expires: '2001-01-01' }],
    ['GET', '?cursor=x', {}],
  ])(
    'or a list that is not well-formed is refused, with what is wrong: %s %s %j',
    async (method, path, body) => {
      const where = path === 'own' ? at('malformed') : path
      const said = await call(method, where, method === 'GET' ? {} : { body })
      expect(said).toMatchObject({ status: 400, code: 'agent_invalid' })
      expect(said.problems?.length).toBeGreaterThan(0)
    },
  )

  it('that would stop its caller is refused unless it is meant', async () => {
    const refused = { status: 409, code: 'would_lock_out' }
    expect(await act('suspend', 'operator')).toMatchObject(refused)
    expect(await call('PUT', at('operator'), { body: { status: 'retired' } })).toMatchObject(
      refused,
    )
    expect((await call('GET', '?limit=1')).status).toBe(200)
  })

  it('is an act of the audit, by whoever made it', async () => {
    const agent = newAgent()
    await act('suspend', agent, { reason: 'drill' })
    const token = await setting.token({ scope: 'edgewarden:audit:read' })
    await eventually(async () => {
      const answer = await setting.ask('/.edgewarden/decisions?kind=act', { token })
      const { decisions } = (await answer.json()) as { decisions: Members[] }
      expect(decisions).toContainEqual(
        expect.objectContaining({
          act: 'suspend',
          subject: 'maria',
          entries: [
            {
              kind: 'agent',
              issuer: setting.issuer.issuer,
              value: agent,
              status: 'suspended',
              reason: 'drill',
            },
          ],
        }),
      )
    })
  })
})

it.concurrent('lists agents by status, need and the beginning of their ids, in pages', async () => {
  const names = ['find-a', 'find-a%', 'find-ab', 'find-b', 'Find-a', 'xfind-a']
  for (const name of names) await call('PUT', at(name), { body: { owners: ['o'], types: ['t'] } })
  const found = async (query: Readonly<Record<string, string>>) => {
    const all: string[] = []
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const asked = new URLSearchParams({ limit: '2', ...query, ...(cursor && { cursor }) })
      const page = await call('GET', `?${asked}`)
      expect(page.agents.length).toBeLessThanOrEqual(Number(asked.get('limit')))
      all.push(...page.agents.map(({ agent }) => agent))
      cursor = (page as { cursor?: string }).cursor
    }
    return all
  }
  expect(await found({ find: 'find-' })).toEqual(names.slice(0, 4).sort())
  expect(await found({ find: 'find-a' })).toEqual(names.slice(0, 3).sort())
  expect(await found({ find: 'find-', status: 'suspended' })).toEqual([])
  for (const find of ['find-_', '%', 'ind-', "' OR 1=1 --"])
    expect(await found({ find })).toEqual([])
  expect(await found({ status: 'approved', limit: '1000' })).toEqual(expect.arrayContaining(names))
  const needy = await found({ needs: 'any', limit: '1000' })
  expect(needy.filter((name) => names.includes(name))).toEqual([])
})

describe('the revocation set', () => {
  it('does not show, list or lift what the registry says', async () => {
    const agent = newAgent()
    const { agent: entry } = await act('suspend', agent)
    const token = await setting.token({ client_id: 'operator', scope: 'edgewarden:revoke' })
    const list = await setting.ask('/.edgewarden/revocations', { token })
    expect(await list.json()).toEqual({ revocations: [] })
    const one = { method: 'DELETE', token }
    expect(await outcome(await setting.ask(`/.edgewarden/revocations/${entry.id}`, one))).toEqual({
      status: 404,
      code: 'revocation_unknown',
    })
    expect((await ask(agent)).code).toBe('agent_suspended')
  })
})

describe('administrators of one issuer', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ start: { durableObjects: WITH_AUDIT, reaching: true } })
  })
  afterAll(() => world.close())

  const send = async (
    by: 'acme' | 'beta' | 'ops' | 'plain',
    method: string,
    target: string,
    body?: object,
    headers: readonly (readonly [string, string])[] = [],
  ) => {
    const token = await world[by].mint({
      sub: 'admin',
      client_id: 'admin',
      agent: { id: 'admin' },
      scope: 'edgewarden:agents',
    })
    const answer = await world.send({
      method,
      target: target.startsWith('/alerts') ? `/.edgewarden${target}` : AGENTS + target,
      token,
      headers: [...headers] as never,
      ...(body && { body: JSON.stringify(body) }),
    })
    return { status: answer.status, ...JSON.parse(answer.body) }
  }
  const entry = (of: 'acme' | 'beta') =>
    `/entry?issuer=${encodeURIComponent(world[of].issuer)}&agent=${AGENT}`
  const key = (of: 'acme' | 'beta') => ({ issuer: world[of].issuer, agent: AGENT })

  it('reach agents of that issuer only, and none that others have stopped', async () => {
    expect((await send('acme', 'PUT', entry('acme'), {})).status).toBe(200)
    expect(await send('acme', 'PUT', entry('beta'), {})).toMatchObject({
      status: 403,
      code: 'admin_reach',
    })
    expect(await send('acme', 'GET', entry('beta'))).toMatchObject({ code: 'admin_reach' })
    expect(await send('acme', 'POST', '/suspend', key('beta'))).toMatchObject({
      code: 'admin_reach',
    })
    expect((await send('plain', 'GET', '')).status).toBe(403)
    expect((await send('beta', 'PUT', entry('beta'), {})).status).toBe(200)
    const { agents } = await send('acme', 'GET', '')
    expect(new Set(agents.map(({ issuer }: Members) => issuer))).toEqual(
      new Set([world.acme.issuer]),
    )
    await send('ops', 'POST', '/suspend', key('acme'))
    for (const what of ['resume', 'suspend', 'retire']) {
      expect(await send('acme', 'POST', `/${what}`, key('acme'))).toMatchObject({
        status: 403,
        code: 'agent_stopped_by_all',
      })
    }
    // It gets back the status from before it was stopped, however often it was stopped.
    await send('ops', 'POST', '/retire', key('acme'))
    expect((await send('ops', 'POST', '/resume', key('acme'))).agent.status).toBe('approved')
  })

  it('read and judge alerts about agents of that issuer only', async () => {
    const beta = { gate: world.gate, issuer: world.beta }
    await learned(beta, AGENT, 'all', { days: 15 })
    const odd = { uses: [JSON.stringify(['DELETE /x'])] }
    const rule = { name: 'all', signals: ['new_use'], action: 'alert', duration: 1, atMost: 0 }
    await world.gate.call(
      ...(['AGENTS', 'registry', 'observe'] as const),
      [sightingOf(beta, AGENT, 'all', Date.now(), odd)],
      {
        ...{ prefix: '/.edgewarden', maxRows: 1_000_000 },
        watch: { rules: [rule], acts: { retention: 1, maxBytes: 1, maxRows: 1 } },
      },
    )
    const [{ id }] = (await send('ops', 'GET', '/alerts')).alerts
    expect((await send('acme', 'GET', '/alerts')).alerts).toEqual([])
    const unknown = { status: 404, code: 'alert_unknown' }
    expect(await send('acme', 'GET', `/alerts/${id}`)).toMatchObject(unknown)
    for (const verdict of ['dismiss', 'release', 'suspend']) {
      expect(await send('acme', 'POST', `/alerts/${id}/${verdict}`)).toMatchObject(unknown)
    }
    const { alert } = await send('beta', 'GET', `/alerts/${id}`)
    expect(alert).toMatchObject({ issuer: world.beta.issuer, agent: AGENT, signal: 'new_use' })
    expect(alert).not.toHaveProperty('verdict')
  })
})
