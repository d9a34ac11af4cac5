import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  inject,
  it,
  onTestFinished,
} from 'vitest'
import { runHere } from '../../command/kit.ts'
import { call, JSON_TYPE, MCP } from '../../e2e/mcp-asking.ts'
import { revoking } from '../../e2e/revoking.ts'
import {
  askGate,
  RESOURCE,
  type Setting,
  type SettingOptions,
  startSetting,
  withGate,
} from '../../e2e/setting.ts'
import type { Gate } from '../../kit/gate.ts'
import { isRecord } from '../../kit/records.ts'
import { createKey, type Members, type SigningKey } from '../../kit/signing.ts'
import { WITH_AUDIT } from '../audit/support.ts'
import { CONSOLE } from './console-setting.ts'
import { askPage, type People, startPeople } from './people.ts'

const APPROVE = 'edgewarden:approve'
const OWN = '/.edgewarden'
const SHOWS = { shows: ['arguments.amount', 'arguments.to'] }
const ROUTES = [
  { match: 'POST /v1/refunds/{id}', scopes: [], approval: { within: '30m' } },
  { match: 'POST /v1/other/{id}', scopes: [], approval: {} },
  {
    match: 'POST /v1/wires/{id}',
    scopes: [],
    approval: { shows: ['body.amount', 'body.to.iban'] },
  },
  {
    ...{ match: 'POST /mcp', resource: MCP, scopes: [] },
    mcp: {
      tools: {
        refund: { scopes: [], approval: SHOWS },
        credit: { scopes: [], approval: SHOWS },
        close: { scopes: [], approval: {} },
        wire: { scopes: [], approval: { shows: ['arguments.to.iban'] } },
      },
      revisions: ['2025-11-25'],
      refusals: 'http',
    },
  },
]

let setting: Setting
let people: People
let file: SigningKey
let options: SettingOptions

beforeAll(async () => {
  ;[people, file] = await Promise.all([startPeople('people'), createKey('ES256', 'file-key')])
  const gateKey = await createKey('ES256', 'gate-key')
  options = {
    bundle: inject('consoleBundle'),
    durableObjects: WITH_AUDIT,
    secrets: { ASSERTION_KEYS: JSON.stringify({ keys: [gateKey.privateJwk] }) },
    issuer: { admin: 'all', agent_prefix: 'acme/' },
    others: {
      people: { ...people.table, agent_prefix: 'people/' },
      file: {
        ...{ issuer: 'https://keys.example', jwks: { keys: [file.jwk] }, agent_prefix: 'file/' },
        ...{ admin: 'all', rules: false },
      },
    },
    gate: {
      ...{ assertion: 'identity', console: { host: CONSOLE }, client_ip: 'x-caller' },
      revocation: { consistency: 'strict', max_staleness: '1s' },
    },
    routes: ROUTES,
    reaching: true,
  }
  setting = await startSetting(options)
})
beforeEach(() => setting.origin.clear())
afterAll(async () => {
  await setting.close()
  await people.close()
})

interface Told {
  readonly status: number
  readonly code?: string
  readonly approval: Members & { readonly id: string }
  readonly approvals: readonly (Members & { readonly id: string })[]
  readonly shown_digest: string
}

const read = async (answer: Promise<Response>) => {
  const response = await answer
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json')
  const body = isJson ? JSON.parse(text) : {}
  // An MCP client gets code and id in an error of JSON-RPC.
  const [, id] = /approvals\/([0-9a-f-]+)/.exec(body.error?.message ?? '') ?? []
  const code = body.error?.data?.code
  const told = code !== undefined && { code, approval: { id } }
  return { ...body, ...told, status: response.status } as Members & Told
}

/** An agent of its own, and how it calls. */
let agents = 0
const nextAgent = (gate: Gate = setting.gate, sub = `agent-${++agents}`) => {
  const tokenOf = (claims: Members = {}) =>
    setting.token({ aud: [RESOURCE, MCP], sub, client_id: sub, ...claims })
  const send = async (path: string, body: string, claims?: Members) =>
    read(
      askGate(gate, path, {
        ...{ method: 'POST', body, token: await tokenOf(claims) },
        headers: {
          ...JSON_TYPE,
          ...{ accept: 'application/json, text/event-stream' },
          'mcp-protocol-version': '2025-11-25',
        },
      }),
    )
  const codeOf = async (asked: Promise<Told>) => {
    const { status, code } = await asked
    return code ?? status
  }
  const refund = (path = '/v1/refunds/7', body = '{"amount":5}', claims?: Members) =>
    codeOf(send(path, body, claims))
  const use = (args: object, { name = 'refund', more = {}, claims = {} as Members } = {}) =>
    codeOf(send('/mcp', call('tools/call', { name, arguments: args, ...more }), claims))
  return { sub, tokenOf, send, refund, use }
}
type Agent = ReturnType<typeof nextAgent>

const signIn = (subject: string, scopes = APPROVE) => people.signIn(setting.gate, subject, scopes)
const page = (cookie: string, path: string, body?: unknown, method?: string) =>
  read(askPage(setting.gate, cookie, path, body, method))

/** The id of the approval that an agent's call waits for. */
const waitingOf = async (
  { send }: Agent,
  path = '/v1/refunds/7',
  body = '{"amount":5}',
  claims?: Members,
) => (await send(path, body, claims)).approval.id
const TOOL = (args: object, name = 'refund') =>
  ['/mcp', call('tools/call', { name, arguments: args })] as const

const STANDING = { uses: 10, for: '8h' }
const decide = async (cookie: string, id: string, decision: Members = {}) => {
  const { shown_digest } = await page(cookie, `approvals/${id}`)
  return page(cookie, `approvals/${id}`, {
    ...{ decision: 'approve', shown_digest, reason: 'the weekly run', standing: STANDING },
    ...decision,
  })
}
const withdraw = (cookie: string, id: string) => page(cookie, `approvals/${id}`, {}, 'DELETE')
const standing = async (cookie: string) =>
  (await page(cookie, 'approvals?state=standing')).approvals

const keyToken = (claims: Members = {}) =>
  setting.issuer.mint(
    { iss: 'https://keys.example', sub: 'maria', client_id: 'cli', scope: APPROVE, ...claims },
    { kid: file.kid },
    { key: file },
  )

/** What the command lists. */
const listed = async () => {
  const argv = ['approvals', 'list', '--standing', '--gate', setting.gate.url]
  const run = await runHere([...argv, '--token-env', 'TOKEN'], { TOKEN: await keyToken() })
  return run.stdout
}

describe('a standing approval', () => {
  it('is for calls of a tool with the same values of `shows`, and no others', async () => {
    const [bob, agent] = [await signIn('bob'), nextAgent()]
    const args = { amount: 5, to: { iban: 'X' }, note: 'a' }
    const id = await waitingOf(agent, ...TOOL(args))
    expect(await decide(bob, id)).toMatchObject({
      ...{ status: 200, state: 'granted', standing: { uses: 10, used: 0 } },
    })
    expect(await agent.use(args)).toBe(200)
    expect(await agent.use({ ...args, note: 'b' })).toBe(200)
    expect(await agent.use({ to: { iban: 'X' }, amount: 5 })).toBe(200)
    expect(await agent.use(args, { claims: { workflow_id: 'run-2' } })).toBe(200)
    expect(setting.origin.requests).toHaveLength(4)
    const asks = async (asked: Promise<number | string>) =>
      expect(await asked).toBe('approval_required')
    for (const other of [{ amount: 6 }, { amount: '5' }, { to: { iban: 'Y' } }, { to: null }]) {
      await asks(agent.use({ ...args, ...other }))
    }
    await asks(agent.use({ amount: 5 }))
    await asks(agent.use(args, { name: 'credit' }))
    await asks(agent.use(args, { more: { _meta: { tenant: 'other' } } }))
    await asks(agent.use(args, { claims: { act: { sub: 'another' } } }))
    await asks(agent.use(args, { claims: { client_id: 'another' } }))
    await asks(nextAgent().use(args))
    expect(setting.origin.requests).toHaveLength(4)
    expect(await page(bob, `approvals/${id}`)).toMatchObject({ standing: { uses: 10, used: 4 } })
    expect(await listed()).toMatch(
      new RegExp(`^${id} .* POST /mcp tool refund .* 4 of 10 uses`, 'm'),
    )
  })

  it('of a value inside of an argument is for the same list or text in its place', async () => {
    const [bob, agent] = [await signIn('bob'), nextAgent()]
    const wire = (to: unknown) => agent.use({ to }, { name: 'wire' })
    const id = await waitingOf(agent, ...TOOL({ to: [{ iban: 'A' }] }, 'wire'))
    expect((await decide(bob, id)).shown).toMatchObject({
      ...{ values: [['arguments.to', { text: '[{"iban":"A"}]' }]], not_shown: [] },
    })
    expect(await wire([{ iban: 'A' }])).toBe(200)
    const others = [[{ iban: 'B' }], 'B', null, {}, { iban: [{ iban: 'A' }] }, undefined]
    for (const to of others) expect(await wire(to)).toBe('approval_required')
    const within = await waitingOf(agent, ...TOOL({ to: { iban: 'A', via: 'B' } }, 'wire'))
    expect((await page(bob, `approvals/${within}`)).shown).toMatchObject({
      ...{ values: [['arguments.to.iban', { text: '"A"' }]], not_shown: [{ text: 'to.via' }] },
    })
  })

  it('of a tool without `shows` is for calls with all the same arguments', async () => {
    const [bob, agent] = [await signIn('bob'), nextAgent()]
    await decide(bob, await waitingOf(agent, ...TOOL({ account: 1 }, 'close')))
    for (let i = 0; i < 2; i++) expect(await agent.use({ account: 1 }, { name: 'close' })).toBe(200)
    expect(await agent.use({ account: 2 }, { name: 'close' })).toBe('approval_required')
  })

  it('of a rule is for its method, path and query, with any body', async () => {
    const [bob, agent] = [await signIn('bob'), nextAgent()]
    await decide(bob, await waitingOf(agent))
    expect(await agent.refund()).toBe(200)
    expect(await agent.refund('/v1/refunds/7', '{"amount":6}')).toBe(200)
    for (const path of ['/v1/refunds/8', '/v1/refunds/7?a=1', '/v1/other/7']) {
      expect(await agent.refund(path)).toBe('approval_required')
    }
    expect(setting.origin.requests).toHaveLength(2)
  })

  it('of a rule with `shows` is for bodies with the same values there', async () => {
    const [bob, agent] = [await signIn('bob'), nextAgent()]
    const body = { amount: 5, to: { iban: 'X', name: 'x' }, note: 'a' }
    const wire = (other: object = {}, path = '/v1/wires/7') =>
      agent.refund(path, JSON.stringify({ ...body, ...other }))
    const id = await waitingOf(agent, '/v1/wires/7', JSON.stringify(body))
    expect((await decide(bob, id)).shown).toMatchObject({
      values: [
        ['body.amount', { text: '5' }],
        ['body.to.iban', { text: '"X"' }],
      ],
      not_shown: [{ text: 'to.name' }, { text: 'note' }],
    })
    for (const same of [{}, { note: 'b' }, { to: { iban: 'X' } }, { more: [1] }]) {
      expect(await wire(same)).toBe(200)
    }
    for (const other of [
      ...[6, '5', null, [5], undefined].map((amount) => ({ amount })),
      ...[{ iban: 'Y' }, { iban: ['X'] }, {}, 'X', ['X'], undefined].map((to) => ({ to })),
    ]) {
      expect(await wire(other)).toBe('approval_required')
    }
    for (const path of ['/v1/wires/8', '/v1/wires/7?a=1']) {
      expect(await wire({}, path)).toBe('approval_required')
    }
    // Another reader would take this amount.
    expect(await wire({ Amount: 6 })).toBe('approval_invalid')
    expect(setting.origin.requests).toHaveLength(4)
    expect(await page(bob, `approvals/${id}`)).toMatchObject({ standing: { uses: 10, used: 4 } })
    expect(await listed()).toMatch(new RegExp(`^${id} .* POST /v1/wires/\\{id\\} .* 4 of 10`, 'm'))
  })

  it('has so many uses: then a person is asked again', async () => {
    const [bob, agent] = [await signIn('bob'), nextAgent()]
    const id = await waitingOf(agent)
    await decide(bob, id, { standing: { uses: 2, for: '1m' } })
    for (const expected of [200, 200, 'approval_required']) {
      expect(await agent.refund()).toBe(expected)
    }
    expect(await page(bob, `approvals/${id}`)).toMatchObject({
      ...{ state: 'taken', standing: { uses: 2, used: 2 } },
    })
    expect((await standing(bob)).map((one) => one.id)).not.toContain(id)
  })

  it('with ten uses left lets ten of fifty calls at once through', async () => {
    const [bob, agent] = [await signIn('bob'), nextAgent()]
    await decide(bob, await waitingOf(agent), { standing: { uses: 11, for: '1h' } })
    expect(await agent.refund()).toBe(200)
    const sent = Array.from({ length: 50 }, (_, i) => agent.refund('/v1/refunds/7', `{"n":${i}}`))
    const codes = await Promise.all(sent)
    expect(codes.filter((code) => code === 200)).toHaveLength(10)
    const others = new Set(codes.filter((code) => code !== 200))
    // Those that were covered when they asked, those that were not, and those for which no room was left.
    const known = ['approval_over', 'approval_required', 'approvals_full']
    for (const code of others) expect(known).toContain(code)
    expect(setting.origin.requests).toHaveLength(11)
  })

  it('does not overrule a refusal, and a call that it lets through waits no longer', async () => {
    const [bob, agent] = [await signIn('bob'), nextAgent()]
    const [one, refused, waits] = [
      await waitingOf(agent, '/v1/refunds/7', '{"n":1}'),
      await waitingOf(agent, '/v1/refunds/7', '{"n":2}'),
      await waitingOf(agent, '/v1/refunds/7', '{"n":3}'),
    ]
    await decide(bob, refused, { decision: 'refuse', standing: undefined })
    await decide(bob, one)
    expect(await agent.refund('/v1/refunds/7', '{"n":2}')).toBe('approval_refused')
    expect(await agent.refund('/v1/refunds/7', '{"n":3}')).toBe(200)
    expect(await page(bob, `approvals/${waits}`)).toMatchObject({ state: 'taken' })
  })

  it('is not good under another policy', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-standing-'))
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
    const codesUnder = async (within: string, use: (agent: Agent, gate: Gate) => unknown) => {
      const routes = [{ match: 'POST /v1/refunds/{id}', scopes: [], approval: { within } }]
      await withGate(setting, { ...options, routes, dataDir }, async (gate) => {
        await use(nextAgent(gate, 'agent-of-policies'), gate)
      })
    }
    await codesUnder('30m', async (agent, gate) => {
      await gate.call('APPROVALS', 'approvals', 'decide', await waitingOf(agent), {
        ...{ by: { issuer: people.issuer.issuer, subject: 'bob' }, digest: 'shown' },
        ...{ state: 'granted', reason: 'weekly', standing: { uses: 9, ms: 600_000 } },
      })
      expect(await agent.refund()).toBe(200)
    })
    await codesUnder('31m', async (agent) => {
      expect(await agent.refund()).toBe('approval_required')
    })
    await codesUnder('30m', async (agent) => expect(await agent.refund()).toBe(200))
  })

  it('ends when its agent is revoked, and stays ended', async () => {
    const [bob, agent] = [await signIn('bob'), nextAgent()]
    const id = await waitingOf(agent)
    await decide(bob, id)
    const { revoke, lift } = revoking(setting, setting.gate)
    await lift(await revoke({ kind: 'agent', value: agent.sub }))
    expect(await page(bob, `approvals/${id}`)).toMatchObject({ state: 'ended' })
    await expect.poll(() => agent.refund()).toBe('approval_required')
  })
})

describe('people', () => {
  it('list standing approvals and end them; each is an act, and records name them', async () => {
    const bob = await signIn('bob', `${APPROVE} edgewarden:audit:read`)
    const agent = nextAgent()
    const id = await waitingOf(agent)
    await decide(bob, id)
    expect(await agent.refund()).toBe(200)
    const mine = async () => (await standing(bob)).filter((one) => one.id === id)
    expect(await mine()).toMatchObject([{ state: 'granted', standing: { uses: 10, used: 1 } }])
    expect(await listed()).toMatch(new RegExp(`^${id}  granted .* 1 of 10 uses`, 'm'))
    const eve = await signIn('eve')
    expect(await withdraw(eve, id)).toMatchObject({ status: 200, state: 'ended' })
    expect(await withdraw(eve, id)).toMatchObject({ status: 200, state: 'ended' })
    expect(await mine()).toEqual([])
    expect(await agent.refund()).toBe('approval_required')
    const records = async (query: string) =>
      (await page(bob, `decisions?${query}`)).decisions as readonly Members[]
    const acts = async () => (await records('kind=act')).filter(({ approval }) => approval === id)
    const by = (subject: string) => ({ issuer: people.issuer.issuer, subject })
    const about = { kind: 'agent', issuer: setting.issuer.issuer, value: agent.sub }
    await expect.poll(acts).toEqual([
      expect.objectContaining({ act: 'withdraw', decided_by: by('eve'), entries: [about] }),
      expect.objectContaining({
        ...{ act: 'approve', decided_by: by('bob'), uses: 10 },
        until: expect.stringMatching(/^20.*Z$/),
        entries: [{ ...about, reason: 'the weekly run' }],
      }),
      expect.objectContaining({ act: 'ask', agent: agent.sub }),
    ])
    for (const act of await acts()) expect(isRecord(act) ? [] : isRecord.errors).toEqual([])
    await expect
      .poll(() => records(`agent=${agent.sub}`))
      .toContainEqual(
        expect.objectContaining({ decision: 'allowed', approval: id, approved_by: by('bob') }),
      )
  })

  it('also end an approval of one call that was not used', async () => {
    const [bob, agent] = [await signIn('bob'), nextAgent()]
    const id = await waitingOf(agent)
    expect(await withdraw(bob, id)).toMatchObject({
      ...{ status: 409, code: 'approval_not_granted', approval: { state: 'waiting' } },
    })
    await decide(bob, id, { standing: undefined })
    expect(await withdraw(bob, id)).toMatchObject({ status: 200, state: 'ended' })
    expect(await agent.refund()).toBe('approval_required')
  })

  it('must bound it, and say why', async () => {
    const [bob, agent] = [await signIn('bob'), nextAgent()]
    const id = await waitingOf(agent)
    for (const standing of [
      ...[true, {}, { uses: 10 }, { for: '8h' }, { ...STANDING, always: true }],
      ...[0, 101, 1.5, '10', null].map((uses) => ({ ...STANDING, uses })),
      ...['59s', '25h', 'always', '', 8].map((one) => ({ ...STANDING, for: one })),
    ]) {
      expect(await decide(bob, id, { standing })).toMatchObject({
        ...{ status: 400, code: 'approval_request_invalid' },
        problems: expect.arrayContaining([
          { path: expect.stringMatching(/^standing/), message: expect.anything() },
        ]),
      })
    }
    expect(await decide(bob, id, { decision: 'refuse' })).toMatchObject({
      ...{ status: 400, code: 'approval_request_invalid' },
    })
    expect(await decide(bob, id, { reason: ' ' })).toMatchObject({
      ...{ status: 400, code: 'approval_reason_missing' },
    })
    expect(await page(bob, `approvals/${id}`)).toMatchObject({ state: 'waiting' })
  })

  it('have at most 20 of one agent', async () => {
    const [bob, agent] = [await signIn('bob'), nextAgent()]
    const made = async (n: number) => {
      const id = await waitingOf(agent, `/v1/refunds/${n}`)
      return { id, decided: await decide(bob, id) }
    }
    for (let n = 0; n < 20; n++) expect((await made(n)).decided).toMatchObject({ status: 200 })
    const { id, decided } = await made(20)
    expect(decided).toMatchObject({ status: 429, code: 'approvals_standing_full' })
    expect(await decide(bob, id, { standing: undefined })).toMatchObject({ status: 200 })
  })
})

it('an agent makes and ends none for itself, and a key file neither', async () => {
  const [bob, agent] = [await signIn('bob'), nextAgent()]
  const attempt = async (id: string, method: string, token: string) =>
    read(
      setting.ask(`${OWN}/approvals/${id}`, {
        ...{ method, token, headers: JSON_TYPE },
        body: JSON.stringify({
          decision: 'approve',
          reason: 'x',
          standing: STANDING,
          shown_digest: '',
        }),
      }),
    )
  const id = await waitingOf(agent)
  const tokens = [await agent.tokenOf(), await agent.tokenOf({ scope: APPROVE }), await keyToken()]
  for (const token of tokens) {
    expect(await attempt(id, 'POST', token)).toMatchObject({ code: 'approval_person_needed' })
  }
  await decide(bob, id)
  for (const token of tokens) {
    expect(await attempt(id, 'DELETE', token)).toMatchObject({ code: 'approval_person_needed' })
  }
  const bea = await signIn('bea', 'edgewarden:read')
  expect(await withdraw(bea, id)).toMatchObject({ status: 403, code: 'approval_not_yours' })
  // Nor a person whose calls they are.
  const own = await waitingOf(agent, '/v1/refunds/7', '{}', { sub: 'bob' })
  expect(await decide(bob, own)).toMatchObject({ status: 403, code: 'approval_own' })
  expect(await agent.refund()).toBe(200)
})

it('an agent with long names of arguments hides no call of others from the list', async () => {
  const [bob, many, other] = [await signIn('bob'), nextAgent(), nextAgent()]
  // Names that are long as JSON: each of their characters is an escape.
  const names = Array.from({ length: 64 }, (_, i) => `${i}-${'\u0001'.repeat(2_000)}`)
  const args = Object.fromEntries(names.map((name) => [name, 1]))
  for (let n = 0; n < 20; n++) {
    expect(await waitingOf(many, ...TOOL({ ...args, account: n }, 'close'))).toBeDefined()
  }
  const id = await waitingOf(other)
  const { approvals, cursor } = await page(bob, 'approvals?state=waiting')
  expect(approvals.map((one) => one.id)).toContain(id)
  expect(cursor).toBeUndefined()
  const found = approvals.find((one) => one.agent === many.sub)
  const { not_shown, not_listed } = (found?.shown ?? {}) as {
    readonly not_shown: readonly { readonly length: number }[]
    readonly not_listed: number
  }
  expect(JSON.stringify(not_shown).length).toBeLessThan(4_200)
  expect(not_shown[0]).toMatchObject({ length: 2_002 })
  expect(not_shown.length + not_listed).toBe(65)
  const argv = ['approvals', 'show', found?.id ?? '', '--gate', setting.gate.url]
  const run = await runHere([...argv, '--token-env', 'TOKEN'], { TOKEN: await keyToken() })
  expect(run.stdout).toContain(`, and ${not_listed} more`)
})
