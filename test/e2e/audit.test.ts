import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { reply } from '../kit/answers.ts'
import { eventually } from '../kit/eventually.ts'
import { isRecord } from '../kit/records.ts'
import type { Members } from '../kit/signing.ts'
import { TOKENS } from './attacks/tokens.ts'
import { CASES, GRANTED } from './denial-cases.ts'
import { askGate, outcome } from './setting.ts'
import { AGENT, type Ask, SECRET, startWorld, type World } from './world.ts'
import { WORLD } from './world-settings.ts'

const DECISIONS = '/.edgewarden/decisions'

let world: World
let asked = 0

beforeAll(async () => {
  world = await startWorld({
    ...WORLD,
    issuers: GRANTED.issuers,
    start: {
      durableObjects: WITH_AUDIT,
      vars: {
        GRANTS: GRANTED.grants,
        AUDIT: { path_values: ['id'], addresses: true, claims: ['department', 'org.id', 'x'] },
      },
    },
  })
})
afterAll(() => world.close())

type Record = Readonly<{ [name: string]: unknown }>

const reader = (claims: Members = {}) =>
  world.ops.mint({ scope: 'edgewarden:audit:read', ...claims })
const ownReader = () => world.acme.mint({ scope: 'edgewarden:audit:read' })

const read = async (rest: string, token?: string, headers: Members = {}) =>
  askGate(world.gate, DECISIONS + rest, {
    token: token ?? (await reader()),
    headers: headers as { [name: string]: string },
  })

/** What a query finds, over all pages. */
const list = async (query: Members = {}, token?: string): Promise<readonly Record[]> => {
  const all: Record[] = []
  let cursor: string | undefined
  do {
    const given = { ...(query as { [name: string]: string }), ...(cursor && { cursor }) }
    const response = await read(`?${new URLSearchParams(given)}`, token)
    expect(response.status).toBe(200)
    const page = (await response.json()) as { decisions: Record[]; cursor?: string }
    all.push(...page.decisions)
    cursor = page.cursor
  } while (cursor !== undefined)
  return all
}

/** Sends a request, and gives its one record. */
const recordOf = async (ask: Ask): Promise<Record> => {
  const request_id = `audited-${++asked}`
  await world.send({ ...ask, headers: [...(ask.headers ?? []), ['X-Request-Id', request_id]] })
  return eventually(async () => {
    const found = await list({ request_id })
    expect(found).toHaveLength(1)
    return found[0] as Record
  })
}

describe('a record', () => {
  it('says who did what for whom', async () => {
    world.origin.on('/v1/docs/file-7', reply(206, { 'x-request-id': 'origin-7' }, 'x'))
    const token = await world.token({
      sub: 'alice',
      jti: 'token-7',
      agent_type: 'planner',
      sid: 'session-7',
      workflow_id: 'run-7',
      scope: 'docs:read other',
      act: { sub: 'agent-7', iss: world.beta.issuer },
      nbf: 1_000_000,
      department: ['sales', 'x'.repeat(200)],
      org: { id: 7 },
    })
    const record = await recordOf({ target: '/v1/docs/file-7?secret=1', token })
    expect(record).toMatchObject({
      v: 1,
      decision: 'allowed',
      route: 'GET /v1/docs/{id}',
      method: 'GET',
      host: 'api.example.com',
      path_values: { id: 'file-7' },
      issuer: world.acme.issuer,
      agent: AGENT,
      agent_name: `acme/${AGENT}`,
      agent_types: ['planner'],
      subject: 'alice',
      session: 'session-7',
      workflow: 'run-7',
      jti: 'token-7',
      actors: [{ sub: 'agent-7', issuer: world.beta.issuer }],
      grant: ['docs:read'],
      token_scopes: ['docs:read', 'other'],
      aud: ['https://api.example.com'],
      nbf: 1_000_000,
      claims: { department: `["sales","${'x'.repeat(118)}`, 'org.id': 7 },
      origin_status: 206,
      origin_request_id: 'origin-7',
      network: '127.0.0.0/24',
      policy: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
    expect(record.duration).toBeGreaterThanOrEqual(0)
    expect(Number(record.exp)).toBeGreaterThan(Number(record.iat))
    // The origin's id finds it, too.
    expect((await list({ request_id: 'origin-7' }))[0]?.id).toBe(record.id)
    // Allowed decisions are not written to the console as well.
    expect(world.gate.journal().some(({ id }) => id === record.id)).toBe(false)
  })

  it('names nobody before the signature is verified', async () => {
    const [head, payload] = (await world.token({ jti: 'forged-7' })).split('.')
    const record = await recordOf({ token: `${head}.${payload}.${'A'.repeat(86)}` })
    expect(record).toMatchObject({ code: 'signature_invalid', claimed_issuer: world.acme.issuer })
    for (const name of ['issuer', 'agent', 'client', 'jti', 'subject', 'token_scopes', 'aud']) {
      expect(record).not.toHaveProperty(name)
    }
  })
})

describe('GET /decisions', () => {
  it('filters, and has pages', async () => {
    const agent = 'agent-paged'
    const token = await world.token({ client_id: agent, sub: 'paula' })
    for (let i = 0; i < 5; i++) await world.send({ target: `/v1/page-${i}`, token })
    await world.send({ target: '/v1/admin/users', token })
    await eventually(async () => expect(await list({ agent })).toHaveLength(6))
    expect(await list({ agent, limit: '2' })).toEqual(await list({ agent }))
    const name = `acme/${agent}`
    expect(await list({ agent_name: name, issuer: world.acme.issuer })).toHaveLength(6)
    expect(await list({ agent: name, issuer: world.acme.issuer })).toEqual([])
    expect(await list({ agent, decision: 'denied', code: 'scope_missing' })).toHaveLength(1)
    expect(await list({ subject: 'paula', rule: 'GET /v1/admin/users' })).toHaveLength(1)
    const [last] = await list({ agent })
    expect(last?.code).toBe('scope_missing')
    expect(await list({ agent, from: String(last?.time) })).toEqual([last])
    expect(await list({ agent, until: String(last?.time) })).toHaveLength(5)
    expect(await list({ agent: 'nobody' })).toEqual([])
  })

  it('has lines of JSON, and the next page in Link', async () => {
    const token = await world.token({ client_id: 'agent-lines' })
    for (let i = 0; i < 3; i++) await world.send({ token })
    await eventually(async () => expect(await list({ agent: 'agent-lines' })).toHaveLength(3))
    const all: Record[] = []
    let rest: string | undefined = '?agent=agent-lines&limit=2'
    while (rest !== undefined) {
      const page: Response = await read(rest, undefined, { accept: 'application/x-ndjson' })
      expect(page.headers.get('content-type')).toBe('application/x-ndjson')
      const text = await page.text()
      all.push(
        ...text
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line)),
      )
      rest = /^<\/\.edgewarden\/decisions(\?.+)>; rel="next"$/.exec(
        page.headers.get('link') ?? '',
      )?.[1]
    }
    expect(all).toEqual(await list({ agent: 'agent-lines' }))
  })

  it('has one decision by its id, with the rule of that time', async () => {
    const record = await recordOf({ target: '/v1/docs/x', token: await world.token() })
    const response = await read(`/${record.id}`)
    expect(await response.json()).toEqual({
      decision: record,
      rule: expect.objectContaining({ match: 'GET /v1/docs/{id}' }),
      today: {
        policy: record.policy,
        version: record.version,
        changed: false,
        rule: expect.objectContaining({ match: 'GET /v1/docs/{id}' }),
        revocations: [],
      },
    })
  })

  it('shows administrators of one issuer its decisions only', async () => {
    const own = await recordOf({ token: await world.token() })
    const other = await recordOf({ token: await world.beta.mint() })
    const stranger = await recordOf({})
    const token = await ownReader()
    const issuers = new Set((await list({}, token)).map(({ issuer }) => issuer))
    expect([...issuers]).toEqual([world.acme.issuer])
    const status = async (rest: string) => (await read(rest, token)).status
    expect(await status(`/${own.id}`)).toBe(200)
    const told = await (await read(`/${own.id}?policy=true`, token)).json()
    expect(told).not.toHaveProperty('rule')
    expect(told).not.toHaveProperty('policy')
    expect(await status(`/${other.id}`)).toBe(404)
    expect(await status(`/${stranger.id}`)).toBe(404)
    expect(await status(`?issuer=${encodeURIComponent(world.beta.issuer)}`)).toBe(403)
  })

  it('is erased by administrators of one issuer for subjects of that issuer only', async () => {
    const token = await world.beta.mint({ sub: 'bea' })
    const { id } = await recordOf({ token })
    const erase = async (issuer: string) =>
      askGate(world.gate, '/.edgewarden/audit/erase', {
        method: 'POST',
        token: await world.acme.mint({ scope: 'edgewarden:audit:erase' }),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ subject: 'bea', issuer }),
      })
    const refused = await erase(world.beta.issuer)
    expect(await outcome(refused)).toEqual({ status: 403, code: 'decision_reach' })
    expect((await erase(world.acme.issuer)).status).toBe(200)
    expect(await list({ subject: 'bea' })).toMatchObject([{ id }])
  })

  it('has the status of its code, also where JSON-RPC says the denial with 200', async () => {
    const record = await recordOf({
      token: await world.token({ scope: 'mcp:connect' }),
      method: 'POST',
      target: '/mcp',
      headers: [['MCP-Protocol-Version', '2025-11-25']],
      body: JSON.stringify({
        ...{ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'drop_table' } },
      }),
    })
    expect(record).toMatchObject({ decision: 'denied', code: 'tool_not_allowed', status: 403 })
  })

  it('has the status of its code, also where gRPC has a status of its own', async () => {
    const record = await recordOf({
      token: await world.token(),
      method: 'POST',
      target: '/v1/kit.Agents/Get',
      headers: [['Content-Type', 'application/grpc']],
      body: 'x',
    })
    expect(record).toMatchObject({ decision: 'denied', code: 'grpc_unsupported', status: 415 })
  })

  it('is for who may, and is in the audit itself', async () => {
    expect((await askGate(world.gate, DECISIONS)).status).toBe(401)
    expect((await read('', await reader({ scope: 'edgewarden:revoke' }))).status).toBe(403)
    expect(
      (await read('', await world.plain.mint({ scope: 'edgewarden:audit:read' }))).status,
    ).toBe(403)
    const jti = 'reading-7'
    await read('', await reader({ jti }))
    await eventually(async () => {
      const found = await list({ rule: 'GET /.edgewarden/decisions', agent: 'operator' })
      expect(found.map((one) => one.jti)).toContain(jti)
    })
  })

  it.each(['?limit=1001', '?from=2026-02-31T00:00:00Z', '?nope=1', '?code=a&code=b', '?cursor=x'])(
    'refuses %s',
    async (rest) => {
      expect(await outcome(await read(rest))).toEqual({
        status: 400,
        code: 'decision_query_invalid',
      })
    },
  )

  it('goes on with no cursor that the gate did not make', async () => {
    await recordOf({ token: await world.token() })
    await recordOf({ token: await world.token() })
    const { cursor } = (await (await read('?limit=1')).json()) as { cursor: string }
    const changed = `${cursor.slice(0, -2)}${cursor.endsWith('AA') ? 'BA' : 'AA'}`
    for (const [given, status] of [
      [cursor, 200],
      [changed, 400],
      [`${Date.now()}.999999999`, 400],
    ] as const) {
      expect((await read(`?cursor=${given}`)).status).toBe(status)
    }
  })
})

describe('all that is stored', () => {
  const MARKS = [
    'query-secret-71',
    'body-secret-71',
    'header-secret-71',
    'argument-secret-71',
    'path-secret-71',
  ]

  it('is of the schema, and has no token, secret, query, body or argument', async () => {
    const tokens: string[] = []
    const send = async (ask: Ask) => {
      const { target = '/v1/any', headers = [], ...rest } = ask
      if (ask.token !== undefined) tokens.push(ask.token)
      const marked = `${target}${target.includes('?') ? '&' : '?'}x=query-secret-71`
      const marks = [...headers, ['X-Mark', 'header-secret-71'] as const]
      await Promise.all([
        world.send({ ...rest, target, headers }),
        world.send({ ...rest, target: marked, headers: marks }),
      ])
    }
    for (const { at = 'main', ask } of Object.values(CASES)) {
      if (at === 'main') await send(await ask(world))
    }
    await Promise.all(TOKENS.map(async ([, , forge]) => send({ token: await forge(world) })))
    const token = await world.token({ scope: 'docs:read mcp:connect files:read weather:read' })
    await send({ token, method: 'POST', body: '{"a":"body-secret-71"}' })
    await send({ token, target: '/v1/injected' })
    await send({ token, target: '/v1/watched' })
    await send({ token, target: `/v1/any?access_token=${token}` })
    for (const params of [
      { name: 'get_weather', arguments: { city: 'argument-secret-71' } },
      { name: 'pay', arguments: { amount: 500, to: 'argument-secret-71' } },
      { name: 'read_file', arguments: { path: 'argument-secret-71' } },
      { uri: 'docs://public/a?x=query-secret-71' },
    ]) {
      const method = 'uri' in params ? 'resources/read' : 'tools/call'
      await send({
        token,
        method: 'POST',
        target: '/mcp',
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
        headers: [['MCP-Protocol-Version', '2025-11-25']],
      })
    }
    for (const target of ['tools/path-secret-71', 'runs/path-secret-71/log', 'x/path-secret-71']) {
      await send({ token, target: `/v1/${target}` })
    }
    await askGate(world.gate, '/.edgewarden/audit/erase', {
      method: 'POST',
      token: await world.ops.mint({ scope: 'edgewarden:audit:erase' }),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ subject: 'paula', issuer: world.acme.issuer }),
    })
    const last = await recordOf({ token })
    const all = await eventually(async () => {
      const found = await list({ limit: '1000' })
      expect(found.map(({ id }) => id)).toContain(last.id)
      return found
    })
    expect(all.length).toBeGreaterThan(200)
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
    const stored = JSON.stringify(all)
    for (const mark of [SECRET, 'eyJ', ...MARKS])
      expect([mark, stored.includes(mark)]).toEqual([mark, false])
    const parts = new Set(tokens.flatMap((one) => one.split('.')).filter((one) => one.length > 20))
    expect([...parts].filter((part) => stored.includes(part))).toEqual([])
    for (const record of all) expect(isRecord(record) ? [] : [isRecord.errors, record]).toEqual([])
    const seen = new Set(all.flatMap((record) => Object.keys(record)))
    const unseen = Object.keys((isRecord.schema as { properties: object }).properties).filter(
      (name) => !seen.has(name),
    )
    // Plain workerd has no data centre and no country. Tests of their own have alerts (`watch`), long records
    // (`audit-shares`), new tokens for WebSockets (`renewal`), paths (`audit-path`), operators (`operators`),
    // deployments (`audit-deployments`), security events (`audit-acts`) and approvals (`approvals`).
    const ofAlerts = ['alert', 'quarantine', 'requests', 'seen', 'signal', 'usual', 'watch']
    const elsewhere = [
      'approval',
      'approved_by',
      'before',
      'colo',
      'country',
      'cut',
      'decided_by',
      'event',
      'operator',
      'path',
      'renews',
      'shown_digest',
      'until',
      'url',
      'uses',
    ]
    expect(unseen.sort()).toEqual([...elsewhere, ...ofAlerts].sort())
    // Lines of the journal are of it, too.
    for (const line of world.gate.journal()) {
      if ('v' in line) expect(isRecord(line) ? [] : [isRecord.errors, line]).toEqual([])
    }
  })
})
