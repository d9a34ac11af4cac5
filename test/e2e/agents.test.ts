import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { WITH_AUDIT } from '../audit/support.ts'
import { createProofKey, proofOf } from '../kit/dpop.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import type { Members } from '../kit/signing.ts'
import { withLimits } from './hurried.ts'
import { learned, sightingOf } from './learned.ts'
import { askGate, outcome, RESOURCE, type Setting, startSetting } from './setting.ts'
import { BOUND, fate, hanging, lastEvent, SSE, withShortToken } from './streaming.ts'
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
    durableObjects: WITH_AUDIT,
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
    const agent = newAgent()
    hanging(setting, '/v1/stream', SSE)
    const claims = { act: { sub: 'someone', act: { sub: agent } } }
    const open = async (token: string) =>
      fate(await askGate(other, '/v1/stream', { token, headers: { accept: 'text/event-stream' } }))
    const streams = [open(await tokenOf(agent)), open(await tokenOf('someone', claims))]
    await eventually(async () => expect((await ask(agent, '/v1/x', other)).status).toBe(200))
    await act('suspend', agent)
    for (const { bytes } of await Promise.all(streams)) {
      expect(bytes.toString()).toBe(lastEvent('agent_suspended'))
    }
  })

  it.each(['/v1/approved', '/v1/late'])('needs approval where a rule says so: %s', async (path) => {
    const agent = newAgent()
    const gates = [setting.gate, other]
    const codes = () => Promise.all(gates.map(async (gate) => (await ask(agent, path, gate)).code))
    expect(await codes()).toEqual(['agent_not_approved', 'agent_not_approved'])
    const approval = { body: { status: 'approved', owners: ['team-a'] } }
    const { status } = await call('PUT', at(agent), approval)
    // Its refused requests may have been seen by now.
    if (status === 428) await call('PUT', at(agent), { ...approval, headers: { 'if-match': '*' } })
    await eventually(async () => expect(await codes()).toEqual([undefined, undefined]))
    await act('suspend', agent)
    await eventually(async () =>
      expect(await codes()).toEqual(['agent_suspended', 'agent_suspended']),
    )
    await act('resume', agent)
    await eventually(async () => expect(await codes()).toEqual([undefined, undefined]))
    const { etag } = await call('GET', at(agent))
    const gone = { body: { status: 'discovered' }, headers: { 'if-match': etag } }
    expect((await call('PATCH', at(agent), gone)).status).toBe(200)
    await eventually(async () =>
      expect(await codes()).toEqual(['agent_not_approved', 'agent_not_approved']),
    )
  })

  it('whose approval expires is refused from then on', async () => {
    const agent = await withShortToken(setting.token, async (_, exp) => {
      const one = newAgent()
      const expires = new Date(exp * 1000).toISOString()
      // Refused where a busy machine was too late: then it is tried again.
      if ((await call('PUT', at(one), { body: { expires } })).status !== 200) return undefined
      return (await ask(one, '/v1/approved')).status === 200 ? one : undefined
    })
    await eventually(async () =>
      expect((await ask(agent, '/v1/approved')).code).toBe('agent_not_approved'),
    )
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
    ['PUT', '/entry?agent=a', {}],
    ['PUT', 'own', { owner: 'a' }],
    ['PUT', 'own', { expires: '2001-01-01' }],
    ['PUT', 'own', { review_by: '2031-02-30' }],
    ['PUT', 'own', { owners: [] }],
    ['PUT', 'own', { name: 'x'.repeat(201) }],
    ['PUT', 'own', { status: 'stopped' }],
    ['POST', '/suspend', { agent: 'a' }],
    ['GET', '?needs=money', {}],
    ['GET', '?cursor=x', {}],
    ['GET', '?limit=0', {}],
    ['GET', '?limit=1&limit=2', {}],
  ])(
    'or a list that is not well-formed is refused, with what is wrong: %s %s %j',
    async (method, path, body) => {
      const where = path === 'own' ? at('malformed') : path
      const said = await call(method, where, method === 'GET' ? {} : { body })
      expect(said).toMatchObject({ status: 400, code: 'agent_invalid' })
      expect(said.problems?.length).toBeGreaterThan(0)
    },
  )

  it('of an agent that is not there is refused', async () => {
    const patch = { body: {}, headers: { 'if-match': '*' } }
    expect(await call('PATCH', at('nobody'), patch)).toMatchObject({
      status: 404,
      code: 'agent_unknown',
    })
    expect(await call('GET', at('nobody'))).toMatchObject({ code: 'agent_unknown' })
    expect(await act('resume', 'nobody')).toMatchObject({ code: 'agent_unknown' })
    expect(await act('retire', 'nobody')).toMatchObject({ code: 'agent_unknown' })
  })

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

it('lists agents by status and need, in pages', async () => {
  const names = [newAgent(), newAgent(), newAgent()].sort()
  for (const name of names) {
    await call('PUT', at(name), { body: { owners: ['o'], types: ['paged'] } })
  }
  const found: Entry[] = []
  let cursor: string | undefined
  do {
    const query = new URLSearchParams({ status: 'approved', limit: '1', ...(cursor && { cursor }) })
    const page = (await call('GET', `?${query}`)) as unknown as { agents: Entry[]; cursor?: string }
    expect(page.agents.length).toBeLessThan(2)
    found.push(...page.agents)
    cursor = page.cursor
  } while (cursor !== undefined)
  expect(found.map(({ agent }) => agent).filter((agent) => names.includes(agent))).toEqual(names)
  const needy = await call('GET', '?needs=owner&limit=1000')
  expect(needy.agents.filter(({ agent }) => names.includes(agent))).toEqual([])
  const { agents: any } = await call('GET', '?needs=any&limit=1000')
  expect(any.filter(({ agent }) => names.includes(agent))).toEqual([])
  expect(any.length).toBeGreaterThan(0)
  expect(any.filter(({ needs }) => String(needs) === '')).toEqual([])
})

it.concurrent('lists agents whose id begins so, in pages too', async () => {
  const names = ['find-a', 'find-a%', 'find-ab', 'find-b', 'Find-a', 'xfind-a'].map(
    (name) => `${name}\u05d0`,
  )
  for (const name of names) await call('PUT', at(name), { body: {} })
  const found = async (find: string, more = '') => {
    const { agents } = await call('GET', `?find=${encodeURIComponent(find)}&limit=1000${more}`)
    return agents.map(({ agent }) => agent)
  }
  expect(await found('find-')).toEqual(names.slice(0, 4).sort())
  expect(await found('find-a')).toEqual(names.slice(0, 3).sort())
  expect(await found('find-a\u05d0')).toEqual(['find-a\u05d0'])
  expect(await found('find-', '&status=suspended')).toEqual([])
  for (const none of ['find-_', '%', '*', 'ind-', "' OR 1=1 --", '\u0000']) {
    expect([none, await found(none)]).toEqual([none, []])
  }
  const page = (await call('GET', '?find=find-&limit=3')) as unknown as { cursor: string }
  const cursor = encodeURIComponent(page.cursor)
  expect((await call('GET', `?find=find-&limit=3&cursor=${cursor}`)).agents).toHaveLength(1)
  expect(await call('GET', '?find=')).toMatchObject({ status: 400, code: 'agent_invalid' })
})

it.concurrent('lists no more in a page than an answer has room for, however much is said of each', async () => {
  const names = Array.from({ length: 100 }, (_, i) => `long-${i}`)
  const long = Array.from({ length: 50 }, (_, i) => `${i}`.padEnd(500, 'x'))
  const body = { status: 'discovered', owners: long, types: long }
  for (const name of names) expect((await call('PUT', at(name), { body })).status).toBe(200)
  const found: string[] = []
  const sizes: number[] = []
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const query = new URLSearchParams({
      needs: 'approval',
      limit: '1000',
      ...(cursor && { cursor }),
    })
    const page = (await call('GET', `?${query}`)) as unknown as { agents: Entry[]; cursor?: string }
    found.push(...page.agents.map(({ agent }) => agent))
    sizes.push(JSON.stringify(page).length)
    cursor = page.cursor
  }
  expect(found.filter((agent) => agent.startsWith('long-')).sort()).toEqual(names.sort())
  expect(sizes.length).toBeGreaterThan(1)
  expect(Math.max(...sizes)).toBeLessThan(5e6)
})

it.concurrent('adopts what an agent really used as rules of the policy', async () => {
  const agent = newAgent()
  await ask(agent, '/v1/files/1', setting.gate, { scope: 'files:read files:write' })
  await eventually(async () => {
    const adopted = await call('GET', at(agent).replace('entry', 'adopt'))
    expect(adopted).toMatchObject({
      rules: [{ match: 'GET /v1/files/{id}', scopes: ['files:read'] }],
      scopes: { used: ['files:read'], unused: ['files:write'] },
    })
  })
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
    await learned(beta, AGENT, 'all')
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

it.concurrent('has room left to stop agents that no administrators of one issuer fill', async () => {
  const worker = await withLimits(inject('bundle'), { agentStandings: 10 })
  const world = await startWorld({ start: { durableObjects: WITH_AUDIT, bundle: worker.path } })
  const put = async (by: 'acme' | 'ops', of: 'acme' | 'beta', agent: string) => {
    const query = new URLSearchParams({ issuer: world[of].issuer, agent })
    const { body } = await world.send({
      method: 'PUT',
      target: `${AGENTS}/entry?${query}`,
      token: await world[by].mint({ client_id: 'admin', scope: 'edgewarden:agents' }),
      headers: [['content-type', 'application/json']],
      body: '{}',
    })
    return JSON.parse(body).code
  }
  for (let i = 0; i < 9; i++) expect(await put('ops', 'beta', `agent-${i}`)).toBeUndefined()
  expect(await put('acme', 'acme', 'agent')).toBe('agents_full')
  expect(await put('ops', 'acme', 'agent')).toBeUndefined()
  expect(await put('ops', 'acme', 'agent-2')).toBe('agents_full')
  await world.close()
  await worker.remove()
})

it.concurrent('is an unknown path where AGENTS is not bound, and no policy may ask for approved agents', async () => {
  const { AGENTS: _, ...durableObjects } = WITH_AUDIT
  const gate = await setting.another({ durableObjects, issuer: { admin: 'all' } })
  const token = await setting.token({ scope: 'edgewarden:agents' })
  expect((await askGate(gate, AGENTS, { token })).status).toBe(404)
  const wrong = await setting.another({ durableObjects, routes: ROUTES })
  expect(await outcome(await askGate(wrong, '/v1/x', { token }))).toMatchObject({
    code: 'policy_invalid',
  })
})
