import { CompactSign } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { runHere } from '../../command/kit.ts'
import { asking, call, MCP } from '../../e2e/mcp-asking.ts'
import { askGate, type Setting, startSetting } from '../../e2e/setting.ts'
import { type Receiver, startReceiver } from '../../kit/receiver.ts'
import { isRecord } from '../../kit/records.ts'
import { createKey, type Members, type SigningKey } from '../../kit/signing.ts'
import { WITH_AUDIT } from '../audit/support.ts'
import { ACT, CONSOLE, COOKIE, cookieIn, OPERATOR } from './console-setting.ts'
import { askPage, type People, startPeople } from './people.ts'

const APPROVE = 'edgewarden:approve'
const KEY_ISSUER = 'https://keys.example'
const OWN = '/.edgewarden'
const ALERTS_KEY = `whsec_${Buffer.from('a key of an alert, of 32 bytes..').toString('base64')}`

/** Issuers of agents, of people, of people who reach only their own agents, and of an operator's key file. */
let setting: Setting
let receiver: Receiver
let people: People
let few: People
/** The key of the gate's seals, and that of the operator's key file. */
let gateKey: SigningKey
let file: SigningKey

beforeAll(async () => {
  ;[receiver, people, few, gateKey, file] = await Promise.all([
    startReceiver(),
    startPeople('people'),
    startPeople('few', { admin: 'own', rules: true }),
    createKey('ES256', 'gate-key'),
    createKey('ES256', 'file-key'),
  ])
  setting = await startSetting({
    bundle: inject('consoleBundle'),
    durableObjects: WITH_AUDIT,
    secrets: {
      ASSERTION_KEYS: JSON.stringify({ keys: [gateKey.privateJwk] }),
      ALERTS: JSON.stringify({ url: receiver.url, key: ALERTS_KEY, gate: 'test' }),
    },
    issuer: { admin: 'all', agent_prefix: 'acme/' },
    others: {
      people: { ...people.table, agent_prefix: 'people/' },
      few: { ...few.table, agent_prefix: 'few/' },
      file: {
        ...{ issuer: KEY_ISSUER, jwks: { keys: [file.jwk] }, agent_prefix: 'file/' },
        ...{ admin: 'all', rules: false },
      },
    },
    gate: { assertion: 'identity', console: { host: CONSOLE }, client_ip: 'x-caller' },
    routes: [
      { match: 'POST /v1/refunds', scopes: [], approval: { within: '30m' } },
      { match: 'POST /v1/held', scopes: [], approval: { hold: '30s' } },
      { match: 'POST /v1/owned', scopes: [], approval: { by: 'owners' } },
      {
        ...{ match: 'POST /mcp', resource: MCP, scopes: [] },
        mcp: { tools: { refund: { scopes: [], approval: { shows: ['arguments.to'] } } } },
      },
    ],
  })
})
beforeEach(() => setting.origin.clear())
afterAll(async () => {
  await setting.close()
  await Promise.all([receiver.close(), people.close(), few.close()])
})

const signIn = (subject: string, scopes = APPROVE) => people.signIn(setting.gate, subject, scopes)
const page = (cookie: string, path: string, body?: unknown) =>
  askPage(setting.gate, cookie, path, body)
const read = async (answer: Promise<Response>) => {
  const response = await answer
  return { status: response.status, ...((await response.json()) as Members) } as Members & Told
}

interface Told {
  readonly status: number
  readonly code?: string
  readonly approval: { readonly id: string }
  readonly approvals: readonly (Members & { readonly id: string })[]
  readonly shown_digest: string
}

/** Agents of their own, so that no test meets what another has left. */
let agents = 0
const nextAgent = (claims: Members = {}) => {
  const sub = `agent-${++agents}`
  const token = () => setting.token({ sub, client_id: sub, ...claims })
  return { sub, token }
}
const send = async (token: string, path = '/v1/refunds', body = '{"amount":5}') =>
  setting.ask(path, {
    ...{ method: 'POST', body, token },
    headers: { 'content-type': 'application/json' },
  })
/** The id of the approval that a new agent's call waits for. */
const asked = async (path?: string, claims?: Members) => {
  const agent = nextAgent(claims)
  const { approval } = await read(send(await agent.token(), path))
  return { agent, id: approval.id }
}
const shownTo = (cookie: string, id: string) => read(page(cookie, `approvals/${id}`))
const decide = async (cookie: string, id: string, decision: Members = {}) => {
  const { shown_digest } = await shownTo(cookie, id)
  const given = { decision: 'approve', shown_digest, ...decision }
  return read(page(cookie, `approvals/${id}`, given))
}
const REFUSE = { decision: 'refuse', reason: 'not this customer' }
const idsIn = ({ approvals }: Pick<Told, 'approvals'>) => approvals.map(({ id }) => id)

/** A token of the operator's key file, with every scope, and any time of authentication. */
const keyToken = (claims: Members = {}) =>
  setting.issuer.mint(
    {
      ...{ iss: KEY_ISSUER, sub: 'maria', client_id: 'cli', scope: `${OPERATOR} ${APPROVE}` },
      ...{ auth_time: Math.floor(Date.now() / 1000), ...claims },
    },
    { kid: file.kid },
    { key: file },
  )

describe('a person approves a call', () => {
  it('and it goes through: once', async () => {
    const [bob, { agent, id }] = [await signIn('bob'), await asked()]
    const token = await agent.token()
    const shown = await shownTo(bob, id)
    expect(shown).toMatchObject({
      ...{ status: 200, id, state: 'waiting', issuer: setting.issuer.issuer, agent: agent.sub },
      ...{ agent_name: `acme/${agent.sub}`, by: 'operators', may_decide: true },
      shown: { rule: 'POST /v1/refunds', path: { text: '/v1/refunds' } },
      shown_digest: expect.stringMatching(/^[\w-]{43}$/),
      asked: expect.stringMatching(/^20.*Z$/),
      expires: expect.stringMatching(/^20.*Z$/),
    })
    expect(await decide(bob, id)).toMatchObject({
      ...{ status: 200, id, state: 'granted', may_decide: 'approval_decided' },
      decision: { state: 'granted', by: { issuer: people.issuer.issuer, subject: 'bob' } },
    })
    expect((await send(token)).status).toBe(200)
    expect(await read(send(token))).toMatchObject({ code: 'approval_required' })
    expect(setting.origin.requests).toHaveLength(1)
    expect(await shownTo(bob, id)).toMatchObject({ state: 'taken' })
  })

  it('that is held, and the client sees a slow call', async () => {
    const bob = await signIn('bob')
    const agent = nextAgent()
    const held = send(await agent.token(), '/v1/held')
    const mine = async () => {
      const { approvals } = await read(page(bob, 'approvals'))
      return approvals.find((one) => one.agent === agent.sub)
    }
    await expect.poll(mine).toBeDefined()
    expect(await decide(bob, (await mine())?.id ?? '')).toMatchObject({ status: 200 })
    expect((await held).status).toBe(200)
  })

  it('as one of two: the other is told of the first', async () => {
    const [bob, eve, { id }] = [await signIn('bob'), await signIn('eve'), await asked()]
    const both = await Promise.all([decide(bob, id), decide(eve, id, REFUSE)])
    const [first, second] = both[0].status === 200 ? both : ([both[1], both[0]] as const)
    expect(first.status).toBe(200)
    expect(second).toMatchObject({
      ...{ status: 409, code: 'approval_decided' },
      approval: { id, state: first.state, decision: first.decision },
    })
  })
})

it('a person refuses a call, and the agent is told the reason', async () => {
  const [bob, { agent, id }] = [await signIn('bob'), await asked()]
  for (const reason of [undefined, '', '  ']) {
    expect(await decide(bob, id, { ...REFUSE, reason })).toMatchObject({
      ...{ status: 400, code: 'approval_reason_missing' },
    })
  }
  expect(await decide(bob, id, REFUSE)).toMatchObject({
    ...{ status: 200, state: 'refused', decision: { reason: 'not this customer' } },
  })
  const token = await agent.token()
  expect(await read(send(token))).toMatchObject({
    ...{ code: 'approval_refused', approval: { reason: 'not this customer' } },
  })
  expect(await read(setting.ask(`${OWN}/approvals/${id}`, { token }))).toEqual({
    ...{ status: 200, id, state: 'refused', reason: 'not this customer' },
    expires: expect.any(String),
  })
  expect(setting.origin.requests).toEqual([])
})

it('metrics count approvals by state, and say how long decisions take', async () => {
  await decide(await signIn('bob'), (await asked()).id, REFUSE)
  await asked()
  const answer = await setting.ask(`${OWN}/metrics`, { token: await keyToken() })
  const text = await answer.text()
  for (const state of ['waiting', 'refused']) {
    expect(text).toMatch(new RegExp(`^edgewarden_approvals\\{state="${state}"\\} [1-9]`, 'm'))
  }
  expect(text).toMatch(/^edgewarden_approvals_decided_seconds [\d.]+$/m)
})

describe('the command', () => {
  const run = async (...argv: readonly string[]) =>
    runHere(['approvals', ...argv, '--gate', setting.gate.url, '--token-env', 'TOKEN'], {
      TOKEN: await keyToken(),
    })

  it('lists what waits and what was decided, and says where a person decides', async () => {
    const [bob, { agent, id }] = [await signIn('bob'), await asked('/v1/owned?a=%1B')]
    const line = new RegExp(
      `^${id}  waiting  acme/${agent.sub} +POST /v1/owned +asked .* until `,
      'm',
    )
    expect((await run()).stdout).toMatch(line)
    const { port } = new URL(setting.gate.url)
    const shown = await run('show', id)
    expect(shown.code).toBe(0)
    expect(shown.stdout).toContain(`http://${CONSOLE}:${port}/approvals/${id}`)
    expect(shown.stdout).toMatch(/ query +\?a=%1B/)
    const other = await asked()
    await decide(bob, other.id, REFUSE)
    const decided = await run('list', '--decided', '--issuer', 'acme')
    expect(decided.stdout).toMatch(new RegExp(`^${other.id}  refused `, 'm'))
    expect(decided.stdout).not.toContain(id)
    expect((await run('show', other.id)).stdout).toMatch(/ reason +not this customer/)
  })

  it('shows texts of the caller with no character that starts a line, moves the cursor or reorders', async () => {
    const hostile = ['\u202e', '\u2066', '\r\n', '\u2028', '\u009b2J', '\u200b', '\u{e0041}']
    const tool = asking(() => setting)
    const token = await setting.token({ aud: MCP, client_id: 'hostile' })
    for (const one of hostile) {
      const text = `a${one}state  granted`
      const given = { name: 'refund', arguments: { to: text } }
      const answer = await tool.post(call('tools/call', given), { token })
      const [, id = ''] = /approvals\/([0-9a-f-]{36})/.exec(await answer.text()) ?? []
      const { code, stdout } = await run('show', id)
      expect(code).toBe(0)
      expect(stdout).toMatch(/ arguments.to +"a\\\S+state {2}granted"$/m)
      expect(stdout).not.toContain(one)
    }
  })

  it.each<[line: string, code: number]>([
    ['show 0f8b1f6e-5c1f-4a52-9f3e-0f2a9d6c7b11', 1],
    ['show x', 1],
    ['list --issuer nobody', 1],
    ['show x --decided', 2],
    ['show', 2],
    ['list x', 2],
    ['list --open', 2],
  ])('says what is wrong: %s', async (line, expected) => {
    const { code, stdout, stderr } = await run(...line.split(' '))
    expect([code, stdout]).toEqual([expected, ''])
    expect(stderr).not.toBe('')
  })
})

it('a decision is an act: who decided on what, and why; and the call names its approval', async () => {
  const bob = await signIn('bob', `${APPROVE} edgewarden:audit:read`)
  const [granted, refused] = [await asked(), await asked()]
  await decide(bob, granted.id)
  const made = await decide(bob, refused.id, REFUSE)
  // The same again changes nothing, and is no second act.
  await decide(await signIn('eve'), refused.id)
  await send(await granted.agent.token())
  const recordsOf = async (query: Members) => {
    const answer = await page(
      bob,
      `decisions?${new URLSearchParams(query as Record<string, string>)}`,
    )
    return ((await answer.json()) as { decisions: readonly Members[] }).decisions
  }
  const by = { issuer: people.issuer.issuer, subject: 'bob' }
  const acts = async () => {
    const all = await recordsOf({ kind: 'act' })
    return all.filter(({ approval }) => [granted.id, refused.id].includes(approval as string))
  }
  await expect.poll(acts).toHaveLength(4)
  const about = { kind: 'agent', issuer: setting.issuer.issuer }
  expect(await acts()).toEqual(
    expect.arrayContaining([
      ...[granted, refused].map(({ id, agent }) =>
        expect.objectContaining({
          ...{ act: 'ask', approval: id, agent: agent.sub, route: 'POST /v1/refunds' },
          url: expect.stringMatching(`/approvals/${id}$`),
        }),
      ),
      expect.objectContaining({
        ...{ act: 'approve', approval: granted.id, decided_by: by },
        entries: [{ ...about, value: granted.agent.sub }],
      }),
      expect.objectContaining({
        ...{ act: 'refuse', approval: refused.id, decided_by: by },
        shown_digest: made.shown_digest,
        entries: [{ ...about, value: refused.agent.sub, reason: 'not this customer' }],
      }),
    ]),
  )
  expect(JSON.stringify(await acts())).not.toContain('application/json')
  const calls = async () =>
    (await recordsOf({ agent: granted.agent.sub })).filter(({ kind }) => kind !== 'act')
  await expect
    .poll(calls)
    .toEqual([
      expect.objectContaining({ decision: 'allowed', approval: granted.id, approved_by: by }),
      expect.objectContaining({ code: 'approval_required', detail: { approval: granted.id } }),
    ])
  const [call] = await calls()
  const argv = ['why', String(call?.id), '--gate', setting.gate.url, '--token-env', 'TOKEN']
  const why = await runHere(argv, { TOKEN: await keyToken() })
  expect(why.stdout).toContain(`bob of ${by.issuer}, approval ${granted.id}`)
  const log = ['log', '--kind', 'act', ...argv.slice(2)]
  const { stdout } = await runHere(log, { TOKEN: await keyToken() })
  expect(stdout).toMatch(/act refuse +bob .*reason: not this customer/)
  for (const act of await acts()) expect(isRecord(act) ? [] : isRecord.errors).toEqual([])
})

it('a call that begins to wait is told to the receiver, once, with a link that decides nothing', async () => {
  const told = (approval: string) =>
    receiver.received
      .map(({ body }) => JSON.parse(body) as Members & { data: Members })
      .filter(({ data }) => data.approval === approval)
  const { agent, id } = await asked(undefined, {
    sub: 'www.evil.example',
    client_id: 'a@b.example',
  })
  await send(await agent.token())
  const later = await asked()
  await expect.poll(() => told(later.id)).toHaveLength(1)
  const bob = await signIn('bob')
  const { url } = await shownTo(bob, id)
  expect(told(id)).toEqual([
    {
      ...{ type: 'approval.asked', timestamp: expect.any(String) },
      data: {
        ...{ gate: 'test', id: expect.any(String), approval: id },
        issuer: setting.issuer.issuer,
        agent: String.raw`a\u0040b\u002eexample`,
        // Scheme and port are the resource's: the agent has asked by another scheme.
        ...{ rule: 'POST /v1/refunds', url: `https://${CONSOLE}/approvals/${id}` },
      },
    },
  ])
  // Whoever opens the link, or lets a program open it, has decided nothing.
  const { pathname } = new URL(String(url))
  for (const cookie of ['', bob]) {
    const headers = { host: CONSOLE, cookie }
    expect((await askGate(setting.gate, pathname, { headers })).status).toBe(200)
  }
  expect(await shownTo(bob, id)).toMatchObject({ state: 'waiting' })
})

it('of one agent five such alerts wait for the receiver, and others still have room', async () => {
  const told = (agent: string) =>
    receiver.received.filter(
      ({ body }) => (JSON.parse(body) as { data: Members }).data.agent === agent,
    )
  const bob = await signIn('bob', `${APPROVE} edgewarden:audit:read`)
  const asksOf = async ({ sub }: { readonly sub: string }) =>
    (await read(page(bob, `decisions?kind=act&agent=${sub}`))).decisions as readonly unknown[]
  receiver.answer(500)
  const [noisy, other] = [nextAgent(), nextAgent()]
  for (let i = 0; i < 7; i++) await read(send(await noisy.token(), `/v1/refunds?n=${i}`))
  await expect.poll(() => asksOf(noisy)).toHaveLength(7)
  await read(send(await other.token()))
  await expect.poll(() => asksOf(other)).toHaveLength(1)
  receiver.answer(204)
  const before = told(noisy.sub).length
  await expect.poll(() => told(other.sub), { timeout: 30_000 }).toHaveLength(1)
  const sent = receiver.received.slice(-1)
  expect(sent).toEqual(told(other.sub))
  const ids = told(noisy.sub).map(({ headers }) => headers['webhook-id'])
  expect(before).toBeGreaterThan(0)
  expect(new Set(ids).size).toBe(5)
})

describe('a list', () => {
  it('has what waits, the oldest first, and what is decided, the latest first', async () => {
    const bob = await signIn('bob')
    const [one, two] = [await asked(), await asked()]
    const mine = (all: readonly string[]) => all.filter((id) => [one.id, two.id].includes(id))
    const waiting = await read(page(bob, 'approvals'))
    expect(mine(idsIn(waiting))).toEqual([one.id, two.id])
    expect(waiting).toMatchObject({ status: 200 })
    const pages: string[] = []
    for (let next = ''; next !== 'end'; ) {
      const { cursor, ...found } = await read(page(bob, `approvals?limit=1${next}`))
      pages.push(...idsIn(found))
      next = cursor === undefined ? 'end' : `&cursor=${cursor}`
    }
    expect(pages).toEqual(idsIn(waiting))
    await decide(bob, one.id)
    await decide(bob, two.id, REFUSE)
    const decided = await read(page(bob, 'approvals?state=decided'))
    expect(mine(idsIn(decided))).toEqual([two.id, one.id])
    expect(mine(idsIn(await read(page(bob, 'approvals?state=waiting'))))).toEqual([])
  })

  it.each([
    'state=all',
    'issuer=nobody',
    'sort=asked',
    'limit=0',
    'cursor=1',
    'state=waiting&state=decided',
  ])('is not answered where the query is a mistake: %s', async (query) => {
    expect(await read(page(await signIn('bob'), `approvals?${query}`))).toMatchObject({
      ...{ status: 400, code: 'approval_request_invalid', problems: [expect.anything()] },
    })
  })

  it('is of the issuers that the caller reaches', async () => {
    const { id } = await asked()
    const own = await few.signIn(setting.gate, 'fay', APPROVE)
    const claims = { iss: few.issuer.issuer, sub: 'bot', client_id: 'bot' }
    const token = await few.issuer.mint(claims)
    const theirs = (await read(send(token))).approval.id
    const listed = idsIn(await read(page(own, 'approvals')))
    expect(listed).toContain(theirs)
    expect(listed).not.toContain(id)
    expect(await shownTo(own, id)).toMatchObject({ status: 404, code: 'approval_unknown' })
    const given = { decision: 'approve', shown_digest: 'any' }
    expect(await read(page(own, `approvals/${id}`, given))).toMatchObject({
      ...{ status: 403, code: 'approval_not_yours' },
    })
    const filtered = await read(page(await signIn('bob'), 'approvals?issuer=few'))
    expect(idsIn(filtered)).toEqual([theirs])
  })

  it('is read by a token with the scope, which decides nothing', async () => {
    const { id } = await asked()
    const token = await keyToken()
    const listed = await read(setting.ask(`${OWN}/approvals`, { token }))
    expect(listed.approvals.find((one) => one.id === id)).toMatchObject({
      ...{ state: 'waiting', may_decide: 'approval_person_needed' },
    })
    const one = await read(setting.ask(`${OWN}/approvals/${id}`, { token }))
    expect(one).toMatchObject({ status: 200, may_decide: 'approval_person_needed' })
    for (const scope of ['edgewarden:read', OPERATOR]) {
      const without = { token: await keyToken({ scope }) }
      expect(await read(setting.ask(`${OWN}/approvals`, without))).toMatchObject({
        ...{ status: 403, code: 'scope_missing', required_scopes: [APPROVE] },
      })
      expect(await read(setting.ask(`${OWN}/approvals/${id}`, without))).toMatchObject({
        ...{ status: 404, code: 'approval_unknown' },
      })
    }
    expect((await setting.ask(`${OWN}/approvals`)).status).toBe(401)
  })
})

describe('owners', () => {
  const entryOf = (agent: string) =>
    `agents/entry?${new URLSearchParams({ issuer: setting.issuer.issuer, agent })}`
  const nameOwners = async (cookie: string, agent: string, ...owners: readonly string[]) =>
    read(askPage(setting.gate, cookie, entryOf(agent), { owners }, 'PUT'))
  const AGENTS = `${APPROVE} edgewarden:agents`

  it('decide on calls of their agents, without any scope, and see no others', async () => {
    const chief = await signIn('chief', AGENTS)
    const [{ agent, id }, other, ofOperators] = [
      await asked('/v1/owned'),
      await asked('/v1/owned'),
      await asked(),
    ]
    const owner = `${people.issuer.issuer} olivia`
    expect(await nameOwners(chief, agent.sub, owner, 'team-a')).toMatchObject({ status: 200 })
    // Texts that name no person, or another one.
    await nameOwners(chief, other.agent.sub, 'olivia', `${few.issuer.issuer} olivia`)
    const olivia = await signIn('olivia', '')
    expect(await read(page(olivia, 'console'))).toMatchObject({ status: 200, scopes: [] })
    expect(idsIn(await read(page(olivia, 'approvals')))).toEqual([id])
    for (const { id: hidden } of [other, ofOperators]) {
      expect(await shownTo(olivia, hidden)).toMatchObject({ code: 'approval_unknown' })
      const given = { decision: 'approve', shown_digest: 'any' }
      expect(await read(page(olivia, `approvals/${hidden}`, given))).toMatchObject({
        ...{ status: 403, code: 'approval_not_yours' },
      })
    }
    for (const path of ['agents', 'decisions', 'policy', 'revocations']) {
      expect(await read(page(olivia, path))).toMatchObject({ code: 'scope_missing' })
    }
    // Operators see it, and leave it to the owner.
    expect(await decide(chief, id)).toMatchObject({ status: 403, code: 'approval_not_yours' })
    expect(await decide(olivia, id)).toMatchObject({ status: 200, state: 'granted', by: 'owners' })
    expect((await send(await agent.token(), '/v1/owned')).status).toBe(200)
  })

  it('are named by a person: not by a key, and other texts by anybody', async () => {
    const { agent, id } = await asked('/v1/owned')
    const owner = `${people.issuer.issuer} mallory`
    const put = async (owners: readonly string[]) =>
      read(
        setting.ask(`${OWN}/${entryOf(agent.sub)}`, {
          ...{ method: 'PUT', token: await keyToken(), body: JSON.stringify({ owners }) },
          headers: { 'content-type': 'application/json', 'if-match': '*' },
        }),
      )
    const chief = await signIn('chief', AGENTS)
    await nameOwners(chief, agent.sub, 'team-a')
    // At the issuer of the key file nobody signs in yet.
    for (const one of [owner, `${KEY_ISSUER} mallory`]) {
      expect(await put([one])).toMatchObject({ status: 403, code: 'approval_person_needed' })
    }
    const mallory = await signIn('mallory', '')
    expect(await shownTo(mallory, id)).toMatchObject({ code: 'approval_unknown' })
    expect(await put(['mallory', 'https://elsewhere.example mallory'])).toMatchObject({
      status: 200,
    })
    expect(await shownTo(mallory, id)).toMatchObject({ code: 'approval_unknown' })
  })
})

describe('nobody decides', () => {
  it('on a call that is made for themselves', async () => {
    const bob = await signIn('bob')
    for (const claims of [
      { sub: 'bob' },
      { sub: 'carol', act: { sub: 'bob' } },
      { iss: few.issuer.issuer, sub: 'bob' },
    ]) {
      const agent = nextAgent(claims)
      const token =
        claims.iss === undefined
          ? await agent.token()
          : await few.issuer.mint({ client_id: agent.sub, ...claims })
      const { approval, code } = await read(send(token))
      expect(code).toBe('approval_required')
      expect(await shownTo(bob, approval.id)).toMatchObject({ may_decide: 'approval_own' })
      expect(await decide(bob, approval.id)).toMatchObject({ status: 403, code: 'approval_own' })
      expect(await decide(await signIn('eve'), approval.id)).toMatchObject({ status: 200 })
    }
  })

  it('without the scope, on what is shown otherwise, or by something that is no decision', async () => {
    const [bob, { id }] = [await signIn('bob'), await asked()]
    const shown_digest = (await shownTo(bob, id)).shown_digest as string
    const given = { decision: 'approve', shown_digest }
    const without = await signIn('bea', 'edgewarden:read')
    expect(await read(page(without, `approvals/${id}`, given))).toMatchObject({
      ...{ status: 403, code: 'approval_not_yours' },
    })
    expect(idsIn(await read(page(without, 'approvals')))).toEqual([])
    const other = await shownTo(bob, (await asked()).id)
    for (const digest of ['', 'x', other.shown_digest]) {
      expect(await decide(bob, id, { shown_digest: digest })).toMatchObject({
        ...{ status: 409, code: 'approval_changed' },
      })
    }
    for (const wrong of [
      { decision: 'granted' },
      { decision: undefined },
      { shown_digest: undefined },
      { person: 'bob' },
      { reason: 'a\nb' },
      { reason: 'x'.repeat(501) },
      { reason: 7 },
    ]) {
      expect(await decide(bob, id, wrong)).toMatchObject({
        ...{ status: 400, code: 'approval_request_invalid', problems: [expect.anything()] },
      })
    }
    for (const unknown of ['no-id', crypto.randomUUID()]) {
      expect(await read(page(bob, `approvals/${unknown}`, given))).toMatchObject({
        ...{ status: 404, code: 'approval_unknown' },
      })
    }
    expect(await shownTo(bob, id)).toMatchObject({ state: 'waiting', may_decide: true })
  })

  it('more than an hour after they authenticated', async () => {
    const { id } = await asked()
    const bob = await signIn('bob')
    const [, text = ''] = bob.split('=')
    const [header, claims] = text
      .split('.', 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))
    // The gate's own key is needed to seal a session.
    const sealed = async (ageS: number, key = gateKey) => {
      const at = Math.floor(Date.now() / 1000) - ageS
      const session = { ...claims, person: { ...claims.person, at } }
      const jws = new CompactSign(new TextEncoder().encode(JSON.stringify(session)))
      jws.setProtectedHeader(header)
      return `${COOKIE}=${await jws.sign(key.privateKey)}`
    }
    expect(await decide(await sealed(3_660), id)).toMatchObject({
      ...{ status: 403, code: 'approval_sign_in_old' },
    })
    expect(await decide(await sealed(60, file), id)).toMatchObject({
      code: 'console_session_missing',
    })
    expect(await decide(await sealed(3_500), id)).toMatchObject({ status: 200 })
  })

  it('from a page that is not the console', async () => {
    const [bob, { id }] = [await signIn('bob'), await asked()]
    const { shown_digest } = await shownTo(bob, id)
    const body = JSON.stringify({ decision: 'approve', shown_digest })
    for (const headers of [
      { ...ACT, origin: 'https://evil.example' },
      { ...ACT, 'sec-fetch-site': 'same-site' },
      { origin: ACT.origin, 'sec-fetch-site': 'same-origin' },
      { ...ACT, origin: '' },
    ]) {
      const answer = askGate(setting.gate, `/api/approvals/${id}`, {
        ...{ method: 'POST', body },
        headers: { ...headers, cookie: bob, host: CONSOLE, 'content-type': 'application/json' },
      })
      expect(await read(answer)).toMatchObject({ status: 403, code: 'console_request_foreign' })
    }
    // A link decides nothing.
    await page(bob, `approvals/${id}?decision=approve`)
    expect(await shownTo(bob, id)).toMatchObject({ state: 'waiting' })
  })
})

describe('an agent with the key file of an operator', () => {
  /** Sends a decision on an approval, with what the agent has. */
  const attempt = async (id: string, token: string, headers: Members = {}) => {
    const { shown_digest } = await read(setting.ask(`${OWN}/approvals/${id}`, { token }))
    return read(
      setting.ask(`${OWN}/approvals/${id}`, {
        ...{ method: 'POST', token },
        headers: { 'content-type': 'application/json', ...headers } as Record<string, string>,
        body: JSON.stringify({ decision: 'approve', shown_digest: shown_digest ?? '' }),
      }),
    )
  }

  it('cannot approve its own call by a token: neither its own, nor one that it mints', async () => {
    const { agent, id } = await asked()
    const now = Math.floor(Date.now() / 1000)
    for (const token of [
      await agent.token(),
      await setting.token({ sub: agent.sub, client_id: agent.sub, scope: APPROVE }),
      await setting.token({ sub: 'bob', scope: APPROVE, act: { sub: agent.sub } }),
      await keyToken(),
      await keyToken({ sub: 'bob', auth_time: now, amr: ['hwk'], acr: 'phrh' }),
      await keyToken({ auth_time: now + 86_400, person: { subject: 'bob' } }),
      await keyToken({ act: { sub: 'bob' } }),
      // Even of the issuer where people sign in: what is handed over makes no person.
      await people.issuer.mint({ sub: 'bob', client_id: 'edgewarden-console', scope: APPROVE }),
    ]) {
      expect(await attempt(id, token)).toMatchObject({
        ...{ status: 403, code: 'approval_person_needed' },
      })
    }
    // Not with the key of the file for the issuer of people.
    const claims = { iss: people.issuer.issuer, sub: 'bob', scope: APPROVE }
    const forged = await setting.issuer.mint(claims, { kid: file.kid }, { key: file })
    expect(await attempt(id, forged)).toMatchObject({ status: 401 })
    expect(await read(send(await agent.token()))).toMatchObject({ code: 'approval_required' })
    expect(setting.origin.requests).toEqual([])
  })

  it('cannot by the console: a code of its key makes no person, and no cookie of its own is one', async () => {
    const { agent, id } = await asked()
    const coded = await setting.ask(`${OWN}/console`, { method: 'POST', token: await keyToken() })
    const { hash } = new URL(((await coded.json()) as { url: string }).url)
    const entered = await askGate(setting.gate, '/session', {
      method: 'POST',
      headers: { ...ACT, host: CONSOLE, 'content-type': 'application/json' },
      body: JSON.stringify({ code: hash.slice('#code='.length), person: { subject: 'bob' } }),
    })
    const session = cookieIn(entered) ?? ''
    expect(await shownTo(session, id)).toMatchObject({ may_decide: 'approval_person_needed' })
    expect(await decide(session, id)).toMatchObject({
      ...{ status: 403, code: 'approval_person_needed' },
    })
    // The session with a person in it, under the seal of the session without.
    const [head, , seal] = (session.split('=')[1] ?? '').split('.')
    const body = Buffer.from(
      JSON.stringify({
        ...JSON.parse(Buffer.from(session.split('.')[1] ?? '', 'base64url').toString()),
        person: { issuer: people.issuer.issuer, subject: 'bob', at: Math.floor(Date.now() / 1000) },
      }),
    ).toString('base64url')
    for (const cookie of [`${COOKIE}=${head}.${body}.${seal}`, `${COOKIE}=bob`, '']) {
      expect(await decide(cookie, id)).toMatchObject({
        ...{ status: 403, code: 'console_session_missing' },
      })
    }
    // With the assertion of Cloudflare Access in place of a session.
    const asserted = askGate(setting.gate, `/api/approvals/${id}`, {
      ...{ method: 'POST', body: JSON.stringify({ decision: 'approve', shown_digest: '' }) },
      headers: {
        ...{ ...ACT, host: CONSOLE, 'content-type': 'application/json' },
        'cf-access-jwt-assertion': await keyToken(),
      },
    })
    expect(await read(asserted)).toMatchObject({ code: 'approval_person_needed' })
    expect(await read(send(await agent.token()))).toMatchObject({ code: 'approval_required' })
  })
})
