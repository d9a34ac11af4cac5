import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createProofKey, proofOf } from '../kit/dpop.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import { usualObjects } from '../kit/repository.ts'
import { assertionIn } from './asserting.ts'
import { asking, call, JSON_TYPE, MCP, result } from './mcp-asking.ts'
import { revoking } from './revoking.ts'
import {
  type AskInit,
  askGate,
  outcome,
  RESOURCE,
  type Setting,
  type SettingOptions,
  startSetting,
  withGate,
} from './setting.ts'
import { sharedShards } from './shards.ts'

/** Who can approve: people of an issuer who sign in at the console. */
const PEOPLE = {
  issuer: 'https://people.example',
  ...{ agent_prefix: 'people/', admin: 'all', rules: false, person: { client_id: 'gate' } },
}

const approved = (match: string, approval: object = {}, more: object = {}) => ({
  match,
  scopes: [],
  approval,
  ...more,
})
const ROUTES = [
  approved('GET,POST /v1/refunds'),
  approved('POST /v1/held', { hold: '30s' }),
  approved('POST /v1/briefly', { hold: '200ms' }),
  approved('POST /v1/timely', { hold: '30s' }, { when: 'now < timestamp(token.until)' }),
  approved('POST /v1/shown', { shows: ['body.amount', 'body.to.iban'] }),
  approved('POST /v1/bound', { headers: ['x-tenant'] }),
  approved('POST /v1/counted', {}, { rate_limit: { daily: 1 } }),
  approved('GET /v1/waived', {
    unless: { condition: 'request.query.dry == "yes"', query: ['dry'] },
  }),
  {
    match: 'POST /mcp',
    resource: MCP,
    scopes: ['mcp:connect'],
    mcp: {
      tools: {
        free: [],
        refund: {
          scopes: [],
          approval: {
            unless: 'arguments.amount <= 100',
            shows: ['arguments.amount', 'arguments.to.iban'],
          },
        },
        held_refund: {
          scopes: [],
          when: 'now < timestamp(arguments.until)',
          approval: { hold: '30s' },
        },
        refund_in_session: { scopes: [], approval: { headers: ['mcp-session-id'] } },
      },
      prompts: { secret: { scopes: [], approval: {} } },
      revisions: ['2025-03-26', '2025-11-25', '2026-07-28'],
    },
  },
  { match: 'GET /v1/free', scopes: [] },
]

const OPTIONS: SettingOptions = {
  routes: ROUTES,
  issuer: { admin: 'all', agent_prefix: 'acme/' },
  others: { people: PEOPLE },
  gate: {
    revocation: { consistency: 'strict', max_staleness: '1s' },
    ...{ clock_tolerance: '0s', console: { host: 'ops.example.com' } },
  },
  reaching: true,
}

let setting: Setting
beforeAll(async () => {
  setting = await startSetting(OPTIONS)
})
beforeEach(() => setting.origin.clear())
afterAll(() => setting.close())

interface Waiting {
  readonly id: string
  readonly agent: string
  readonly state: string
  readonly shown: string
}

const store = <Answer>(method: string, ...given: unknown[]) =>
  setting.gate.call('APPROVALS', 'approvals', method, ...given) as Promise<Answer>
const BOB = { issuer: 'https://people.example', subject: 'bob' }
const decide = (id: string, state: 'granted' | 'refused' = 'granted') =>
  store('decide', id, {
    ...{ by: BOB, digest: 'shown', state },
    ...(state === 'refused' && { reason: 'not this customer' }),
  })
const listed = async () =>
  (await store<{ readonly approvals: readonly Waiting[] }>('list', { state: 'waiting' })).approvals
/** The approval that an agent waits for, once it does. */
const anyWaiting = async (agent: string) => {
  const own = async () => (await listed()).find((one) => one.agent === agent)
  await expect.poll(own).toBeDefined()
  return (await own()) as Waiting
}

interface Refused {
  readonly status: number
  readonly code: string
  readonly approval: { readonly id: string; readonly url: string; readonly reason?: string }
}

/** Agents of their own, so that the bounds of one test are not those of another. */
let agents = 0
const agentOf = async (claims: object = {}) => {
  const sub = `agent-${++agents}`
  const token = (more: object = {}) => setting.token({ sub, client_id: sub, ...claims, ...more })
  return { sub, token }
}

const send = async (token: string, path: string, init: AskInit = {}) =>
  setting.ask(path, {
    method: 'POST',
    body: '{"amount":5}',
    ...init,
    token,
    headers: { ...JSON_TYPE, ...(init.headers as object) },
  })
const refused = async (answer: Response): Promise<Refused> => {
  const problem = (await answer.json()) as Refused
  return { ...problem, status: answer.status }
}
const ask = async (token: string, path = '/v1/refunds', init: AskInit = {}) =>
  refused(await send(token, path, init))

describe('a call that a person must approve', () => {
  it('waits, names its approval, and goes through once it is granted: once', async () => {
    const agent = await agentOf()
    const answer = await send(await agent.token(), '/v1/refunds')
    expect(answer.headers.get('retry-after')).toBe('15')
    const first = await refused(answer)
    expect(first).toMatchObject({ status: 403, code: 'approval_required' })
    expect(first.approval).toMatchObject({ url: expect.stringContaining(first.approval.id) })
    // The same call again, with a new token: it is attached to the same approval.
    expect((await ask(await agent.token())).approval.id).toBe(first.approval.id)
    expect(setting.origin.requests).toHaveLength(0)
    await decide(first.approval.id)
    expect((await send(await agent.token(), '/v1/refunds')).status).toBe(200)
    expect(setting.origin.requests).toHaveLength(1)
    const [sent] = setting.origin.requests
    expect(sent?.body?.toString()).toBe('{"amount":5}')
    const line = await setting.gate.journalLine((one) => one.approval === first.approval.id)
    expect(line).toMatchObject({ decision: 'allowed', approved_by: BOB })
    const again = await ask(await agent.token())
    expect(again).toMatchObject({ status: 403, code: 'approval_required' })
    expect(again.approval.id).not.toBe(first.approval.id)
    expect(setting.origin.requests).toHaveLength(1)
  })

  it('goes through once of many copies at once', async () => {
    const agent = await agentOf()
    const token = await agent.token()
    await decide((await ask(token)).approval.id)
    const all = await Promise.all(Array.from({ length: 20 }, () => send(token, '/v1/refunds')))
    expect(all.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(setting.origin.requests).toHaveLength(1)
  })

  it.each<[string, AskInit & { readonly path?: string }]>([
    ['another body', { body: '{"amount":6}' }],
    ['another spelling of a number', { body: '{"amount":5.0}' }],
    ['another order of its query', { path: '/v1/refunds?b=1&a=2' }],
    ['another method', { method: 'GET', body: null }],
    ['another type', { headers: { 'content-type': 'text/plain' } }],
  ])('is another call with %s', async (_, { path = '/v1/refunds?a=2&b=1', ...init }) => {
    const agent = await agentOf()
    const token = await agent.token()
    const granted = await ask(token, '/v1/refunds?a=2&b=1')
    await decide(granted.approval.id)
    const other = await ask(token, path, init)
    expect(other).toMatchObject({ status: 403, code: 'approval_required' })
    expect(other.approval.id).not.toBe(granted.approval.id)
    expect(setting.origin.requests).toHaveLength(0)
    expect((await send(token, '/v1/refunds?a=2&b=1')).status).toBe(200)
  })

  it('is another call with another value of a bound header, or for another agent', async () => {
    const [agent, other] = [await agentOf(), await agentOf()]
    const headers = { 'x-tenant': 'one' }
    const { approval } = await ask(await agent.token(), '/v1/bound', { headers })
    await decide(approval.id)
    const changed = { headers: { 'x-tenant': 'two' } }
    for (const [one, init] of [
      [agent, changed],
      [other, { headers }],
    ] as const) {
      expect((await ask(await one.token(), '/v1/bound', init)).code).toBe('approval_required')
    }
    expect(setting.origin.requests).toHaveLength(0)
  })

  it.each([
    ['twice', { 'x-tenant': 'one, two' }],
    ['in two spellings', { 'x-tenant': 'one', x_tenant: 'two' }],
    ['in another spelling', { X_Tenant: 'one' }],
  ])(
    'is refused with a bound header %s, which a server could read otherwise',
    async (_, headers) => {
      const agent = await agentOf()
      const answer = await ask(await agent.token(), '/v1/bound', { headers })
      expect(answer).toMatchObject({ status: 400, code: 'parameter_ambiguous' })
    },
  )

  it('is bound to the bytes of a body in chunks, however they are cut', async () => {
    const agent = await agentOf()
    const token = await agent.token()
    const inChunks = (...texts: readonly string[]) => {
      const body = ReadableStream.from(texts.map((text) => Buffer.from(text)))
      return { body, duplex: 'half' } as AskInit
    }
    const { approval } = await ask(token, '/v1/refunds', inChunks('{"amount"', ':5}'))
    await decide(approval.id)
    const other = await ask(token, '/v1/refunds', inChunks('{"amount"', ':5', '0}'))
    expect(other.approval.id).not.toBe(approval.id)
    const long = inChunks('"', 'x'.repeat(1_048_576), '"')
    expect(await ask(token, '/v1/refunds', long)).toMatchObject({ code: 'body_too_large' })
    expect(setting.origin.requests).toHaveLength(0)
    expect((await send(token, '/v1/refunds', inChunks('{', '"amount":5}'))).status).toBe(200)
    expect(setting.origin.requests.map(({ body }) => body?.toString())).toEqual(['{"amount":5}'])
  })

  it('is the same call with other cookies', async () => {
    const agent = await agentOf()
    const ids = ['a=1', 'a=2'].map(async (cookie) => {
      const { approval } = await ask(await agent.token(), '/v1/refunds', { headers: { cookie } })
      return approval.id
    })
    expect(new Set(await Promise.all(ids)).size).toBe(1)
  })

  it('is refused with the reason of the person, also when it is sent again', async () => {
    const agent = await agentOf()
    const { approval } = await ask(await agent.token())
    await decide(approval.id, 'refused')
    for (let i = 0; i < 2; i++) {
      const again = await ask(await agent.token())
      expect(again).toMatchObject({ status: 403, code: 'approval_refused' })
      expect(again.approval.reason).toBe('not this customer')
    }
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('needs JSON that all readers read alike', async () => {
    const agent = await agentOf()
    for (const body of ['{"a":1,"a":2}', '{"a":9007199254740993}', '{']) {
      for (const type of ['application/json', 'application/x+json ;a=b', 'text/plain, a/json']) {
        const init = { body, headers: { 'content-type': type } }
        expect(await ask(await agent.token(), '/v1/refunds', init)).toMatchObject({
          status: 400,
          code: 'approval_invalid',
        })
      }
    }
  })

  it.each([
    ['a coding', { 'content-encoding': 'deflate' }],
    ['another charset', { 'content-type': 'application/json; charset=utf-7' }],
    ['two charsets', { 'content-type': 'application/json; charset=utf-8; charset="utf-16"' }],
  ])('needs JSON that no server decodes first: with %s', async (_, headers) => {
    const agent = await agentOf()
    const answer = await ask(await agent.token(), '/v1/refunds', { headers })
    expect(answer).toMatchObject({ status: 400, code: 'approval_invalid' })
    const plain = { headers: { 'content-type': 'application/json; charset="UTF-8"' } }
    expect((await ask(await agent.token(), '/v1/refunds', plain)).code).toBe('approval_required')
  })

  it('shows the members of a body that `shows` names, and is bound to all of it', async () => {
    const agent = await agentOf()
    const iban = `DE\u202e${'1'.repeat(3_000)}`
    const body = JSON.stringify({ amount: 5, to: { iban, name: 'x' }, note: 'y' })
    const { approval } = await ask(await agent.token(), '/v1/shown', { body })
    const shown = JSON.parse((await store<Waiting>('get', approval.id)).shown)
    expect(shown).toMatchObject({
      values: [
        ['body.amount', { text: '5' }],
        ['body.to.iban', { length: JSON.stringify(iban).length }],
      ],
      not_shown: [{ text: 'to.name' }, { text: 'note' }],
    })
    // Cut, with a mark.
    expect(shown.values[1][1].text.length).toBe(2_001)
    await decide(approval.id)
    const other = await ask(await agent.token(), '/v1/shown', { body: body.replace('y', 'z') })
    expect(other.code).toBe('approval_required')
    expect((await send(await agent.token(), '/v1/shown', { body })).status).toBe(200)
    expect(setting.origin.requests).toHaveLength(1)
  })

  it.each([
    ['no body', '', {}],
    ['a list', '[{"amount":5}]', {}],
    ['a name twice', '{"amount":5,"amount":6}', {}],
    ['a name in two spellings', '{"amount":5,"Amount":6}', {}],
    ['another spelling of a name that is shown', '{"Amount":6}', {}],
    ['another type', '{"amount":5}', { 'content-type': 'text/plain' }],
    ['a coding', '{"amount":5}', { 'content-encoding': 'identity' }],
    ['another charset', '{"amount":5}', { 'content-type': 'application/json; charset=utf-16' }],
  ])('whose members are shown is refused with %s', async (_, body, headers) => {
    const answer = await ask(await (await agentOf()).token(), '/v1/shown', { body, headers })
    expect(answer).toMatchObject({ status: 400, code: 'approval_invalid' })
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('opens no WebSocket where a plain request was approved', async () => {
    const agent = await agentOf()
    const token = await agent.token()
    const plain = { method: 'GET', body: null, headers: {} }
    const { approval } = await ask(token, '/v1/refunds', plain)
    await decide(approval.id)
    const headers = { connection: 'upgrade', upgrade: 'websocket' }
    const opened = await ask(token, '/v1/refunds', { ...plain, headers })
    expect(opened).toMatchObject({ status: 403, code: 'approval_required' })
    expect(opened.approval.id).not.toBe(approval.id)
    const { shown } = await store<Waiting>('get', opened.approval.id)
    expect(JSON.parse(shown)).toMatchObject({ upgrade: { text: 'websocket' } })
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('is not asked for without a token, by a revoked agent, or where `unless` is true', async () => {
    expect((await setting.ask('/v1/refunds')).status).toBe(401)
    const agent = await agentOf()
    await revoking(setting, setting.gate).revoke({ kind: 'agent', value: agent.sub })
    const code = async () => (await ask(await agent.token())).code
    // The copy of the set may be a second old.
    await expect.poll(code).toBe('token_revoked')
    const before = (await listed()).length
    expect(await code()).toBe('token_revoked')
    expect(await listed()).toHaveLength(before)
    const free = await agentOf()
    const token = await free.token()
    expect((await setting.ask('/v1/waived?dry=yes', { token })).status).toBe(200)
    expect((await setting.ask('/v1/waived?dry=no', { token })).status).toBe(403)
  })

  it.each<[string, (agent: string) => Promise<unknown>]>([
    [
      'is revoked and released',
      async (value) => {
        const { revoke, lift } = revoking(setting, setting.gate)
        await lift(await revoke({ kind: 'agent', value }))
      },
    ],
    [
      'is suspended and resumed',
      async (agent) => {
        const token = await setting.token({ scope: 'edgewarden:agents' })
        for (const act of ['suspend', 'resume']) {
          const path = `/.edgewarden/agents/${act}`
          const body = JSON.stringify({ issuer: setting.issuer.issuer, agent })
          const answer = await setting.ask(path, {
            method: 'POST',
            token,
            body,
            headers: JSON_TYPE,
          })
          expect([200, 202]).toContain(answer.status)
        }
      },
    ],
  ])('has no approval any more once its agent %s', async (_, stop) => {
    const agent = await agentOf()
    const { approval } = await ask(await agent.token())
    await decide(approval.id)
    await stop(agent.sub)
    expect((await store<Waiting>('get', approval.id)).state).toBe('ended')
    const asked = async () => (await ask(await agent.token())).code
    await expect.poll(asked).toBe('approval_required')
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('is taken only within the limit of its rule', async () => {
    const agent = await agentOf()
    for (const status of [200, 429]) {
      const { approval } = await ask(await agent.token(), '/v1/counted')
      await decide(approval.id)
      expect((await send(await agent.token(), '/v1/counted')).status).toBe(status)
      const { state } = await store<Waiting>('get', approval.id)
      expect(state).toBe(status === 200 ? 'taken' : 'granted')
    }
  })

  it('says who asks, and shows no token', async () => {
    const agent = await agentOf({ act: { sub: 'helper' } })
    const token = await agent.token()
    const { approval } = await ask(token, '/v1/refunds?x=1')
    const { shown } = await store<Waiting>('get', approval.id)
    expect(JSON.parse(shown)).toMatchObject({
      by: 'operators',
      rule: 'GET,POST /v1/refunds',
      agent: { id: agent.sub, actors: [{ sub: 'helper' }] },
      path: { text: '/v1/refunds' },
      query: { text: '?x=1' },
      body: { bytes: 12, type: 'application/json' },
    })
    expect(shown).not.toContain(token.split('.')[2])
  })

  it('is refused at once while nobody is asked for another agent too often', async () => {
    const agent = await agentOf()
    const token = await agent.token()
    const codes = await Promise.all(
      Array.from({ length: 25 }, async (_, i) => (await ask(token, `/v1/refunds?i=${i}`)).code),
    )
    expect(codes.filter((code) => code === 'approval_required')).toHaveLength(20)
    expect(codes.filter((code) => code === 'approvals_full')).toHaveLength(5)
    const other = await agentOf()
    expect((await ask(await other.token())).code).toBe('approval_required')
  })
})

it('is not good under another policy, also if that only injects another secret', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-approvals-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const token = await (await agentOf()).token()
  const codeUnder = async (secret: string, use: (gate: Gate, id: string) => unknown = () => {}) => {
    const routes = [approved('POST /v1/paid', {}, { inject: { 'X-Key': `\${${secret}}` } })]
    const secrets = { TEST_KEY: 'key-of-the-sandbox', LIVE_KEY: 'key-of-the-real-account' }
    let code: string | undefined
    await withGate(setting, { ...OPTIONS, routes, secrets, dataDir }, async (gate) => {
      const init = { method: 'POST', body: '{}', token, headers: JSON_TYPE }
      const answer = await askGate(gate, '/v1/paid', init)
      if (answer.status === 200) return
      const problem = await refused(answer)
      code = problem.code
      await use(gate, problem.approval.id)
    })
    return code
  }
  const grant = (gate: Gate, id: string) =>
    gate.call('APPROVALS', 'approvals', 'decide', id, {
      ...{ by: BOB, digest: 'shown', state: 'granted' },
    })
  expect(await codeUnder('TEST_KEY', grant)).toBe('approval_required')
  expect(await codeUnder('LIVE_KEY')).toBe('approval_required')
  expect(setting.origin.requests).toHaveLength(0)
  // Under the first policy it is still there.
  expect(await codeUnder('TEST_KEY')).toBeUndefined()
  expect(setting.origin.requests).toHaveLength(1)
})

it('ends with a revocation also while no rule has `approval`, before the policy comes back that asked', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-approvals-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const agent = await agentOf()
  const token = await agent.token()
  const under = (options: SettingOptions, use: (gate: Gate) => Promise<void>) =>
    withGate(setting, { ...OPTIONS, ...options, dataDir }, use)
  const sent = async (gate: Gate) =>
    refused(
      await askGate(gate, '/v1/refunds', { method: 'POST', body: '{}', token, headers: JSON_TYPE }),
    )
  let granted = ''
  await under({}, async (gate) => {
    granted = (await sent(gate)).approval.id
    const decision = { by: BOB, digest: 'shown', state: 'granted' }
    await gate.call('APPROVALS', 'approvals', 'decide', granted, decision)
  })
  await under({ routes: [{ match: 'GET /v1/free', scopes: [] }] }, async (gate) => {
    const { revoke, lift } = revoking(setting, gate)
    await lift(await revoke({ kind: 'agent', value: agent.sub }))
  })
  await under({}, async (gate) => {
    expect(await sent(gate)).toMatchObject({ code: 'approval_required' })
    const was = await gate.call('APPROVALS', 'approvals', 'get', granted)
    expect(was).toMatchObject({ state: 'ended' })
  })
  expect(setting.origin.requests).toHaveLength(0)
})

it('ends with a revocation when its object can be reached again, and no call goes through until then', async () => {
  const options = {
    ...OPTIONS,
    bundle: await sharedShards(),
    durableObjects: { ...usualObjects(), APPROVALS: 'TroubledApprovals' },
  }
  await withGate(setting, options, async (gate) => {
    const approvals = (method: string, ...given: unknown[]) =>
      gate.call('APPROVALS', 'approvals', method, ...given)
    const agent = await agentOf()
    const sent = async (body: string) =>
      refused(
        await askGate(gate, '/v1/refunds', {
          method: 'POST',
          body,
          token: await agent.token(),
          headers: JSON_TYPE,
        }),
      )
    const granted = async (body: string) => {
      const { id } = (await sent(body)).approval
      await approvals('decide', id, { by: BOB, digest: 'shown', state: 'granted' })
      return id
    }
    const id = await granted('"left"')
    await granted('"sent"')
    await approvals('behave', true)
    const { revoke, lift } = revoking(setting, gate)
    const revocation = await revoke({ kind: 'agent', value: agent.sub })
    expect(await approvals('get', id)).toMatchObject({ state: 'granted' })
    expect(await sent('"sent"')).toMatchObject({ status: 401, code: 'token_revoked' })
    await approvals('behave', false)
    await eventually(async () => {
      expect(await approvals('get', id)).toMatchObject({ state: 'ended' })
    })
    await lift(revocation)
    expect(await sent('"left"')).toMatchObject({ status: 403, code: 'approval_required' })
  })
  expect(setting.origin.requests).toHaveLength(0)
})

it('a revocation needs no object of approvals', async () => {
  const { APPROVALS: _, ...unbound } = usualObjects()
  const routes = [{ match: 'GET /v1/free', scopes: [] }]
  await withGate(setting, { ...OPTIONS, routes, durableObjects: unbound }, async (gate) => {
    await revoking(setting, gate).revoke({ kind: 'agent', value: 'unbound' })
    expect(gate.journal().filter(({ event }) => event === 'unexpected_error')).toEqual([])
  })
})

it('an agent asks 60 times in an hour at most', async () => {
  const agent = await agentOf()
  const token = await agent.token()
  for (let i = 0; i < 60; i++) {
    const { code, approval } = await ask(token, `/v1/refunds?asked=${i}`)
    expect(code).toBe('approval_required')
    await decide(approval.id, 'refused')
  }
  const answer = await send(token, '/v1/refunds?asked=60')
  expect(answer.headers.get('retry-after')).toBe('3600')
  expect(await refused(answer)).toMatchObject({ status: 429, code: 'approvals_exhausted' })
})

it('nothing that needs an approval goes through while the object does not answer', async () => {
  const options = {
    ...OPTIONS,
    bundle: await sharedShards(),
    durableObjects: { ...usualObjects(), APPROVALS: 'UnreachableShard' },
  }
  await withGate(setting, options, async (gate) => {
    const token = await (await agentOf()).token()
    const answer = await askGate(gate, '/v1/refunds', {
      method: 'POST',
      body: '{}',
      token,
      headers: JSON_TYPE,
    })
    expect(await refused(answer)).toMatchObject({ status: 503, code: 'approval_unavailable' })
    const state = `/.edgewarden/approvals/${randomUUID()}`
    expect(await outcome(await askGate(gate, state, { token }))).toMatchObject({ status: 503 })
    expect((await askGate(gate, '/v1/free', { token })).status).toBe(200)
    await revoking(setting, gate).revoke({ kind: 'agent', value: 'unreached' })
  })
})

describe('a call that is held', () => {
  it('is forwarded when a person agrees', async () => {
    const agent = await agentOf()
    const answer = send(await agent.token(), '/v1/held')
    const { id } = await anyWaiting(agent.sub)
    expect(setting.origin.requests).toHaveLength(0)
    await decide(id)
    expect((await answer).status).toBe(200)
    expect(setting.origin.requests).toHaveLength(1)
  })

  it('is forwarded once of two copies, and the other one is told', async () => {
    const agent = await agentOf()
    const token = await agent.token()
    const answers = [1, 2].map(() => send(token, '/v1/held'))
    const { id } = await anyWaiting(agent.sub)
    await decide(id)
    const [one, other] = (await Promise.all(answers)).sort((a, b) => a.status - b.status)
    expect(one?.status).toBe(200)
    expect(await refused(other as Response)).toMatchObject({ status: 409, code: 'approval_over' })
    expect(setting.origin.requests).toHaveLength(1)
  })

  it('is told that an approval is needed once the time is over', async () => {
    const agent = await agentOf()
    const answer = await send(await agent.token(), '/v1/briefly')
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(await refused(answer)).toMatchObject({ status: 403, code: 'approval_required' })
  })

  it('is refused when a person refuses', async () => {
    const agent = await agentOf()
    const answer = ask(await agent.token(), '/v1/held')
    await decide((await anyWaiting(agent.sub)).id, 'refused')
    expect(await answer).toMatchObject({ status: 403, code: 'approval_refused' })
  })

  it('is refused when its agent is revoked meanwhile', async () => {
    const agent = await agentOf()
    const answer = ask(await agent.token(), '/v1/held')
    const { id } = await anyWaiting(agent.sub)
    await revoking(setting, setting.gate).revoke({ kind: 'agent', value: agent.sub })
    expect(await answer).toMatchObject({ status: 401, code: 'token_revoked' })
    expect((await store<Waiting>('get', id)).state).toBe('ended')
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('is refused when its token expires meanwhile', async () => {
    const agent = await agentOf()
    const now = Math.floor(Date.now() / 1000)
    const token = await agent.token({ exp: now + 3 })
    const answer = ask(token, '/v1/held')
    const { id } = await anyWaiting(agent.sub)
    await expect.poll(() => Date.now() / 1000 > now + 4).toBe(true)
    await decide(id)
    expect(await answer).toMatchObject({ status: 401, code: 'token_expired_during_request' })
    expect((await store<Waiting>('get', id)).state).toBe('granted')
  })

  it('is refused when the condition of its rule has become false meanwhile', async () => {
    const until = Date.now() + 3_000
    const agent = await agentOf({ until: new Date(until).toISOString() })
    const answer = ask(await agent.token(), '/v1/timely')
    const { id } = await anyWaiting(agent.sub)
    await expect.poll(() => Date.now() > until).toBe(true)
    await decide(id)
    expect(await answer).toMatchObject({ status: 403, code: 'condition_failed' })
    expect((await store<Waiting>('get', id)).state).toBe('granted')
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('judges the proof of its key again', async () => {
    const key = await createProofKey()
    const agent = await agentOf({ cnf: { jkt: key.jkt } })
    const token = await agent.token()
    const proof = await proofOf(key, { token, method: 'POST', url: `${RESOURCE}/v1/held` })
    const answer = setting.ask('/v1/held', {
      method: 'POST',
      body: '{}',
      headers: { ...JSON_TYPE, authorization: `DPoP ${token}`, dpop: proof },
    })
    await decide((await anyWaiting(agent.sub)).id)
    expect((await answer).status).toBe(200)
  })

  it('is refused when the proof of its key has become too old meanwhile', async () => {
    const key = await createProofKey()
    const agent = await agentOf({ cnf: { jkt: key.jkt } })
    const token = await agent.token()
    const now = Math.floor(Date.now() / 1000)
    const sendAt = async (iat: number) => {
      const url = `${RESOURCE}/v1/held`
      const proof = await proofOf(key, { token, method: 'POST', url, now: iat })
      const headers = { ...JSON_TYPE, authorization: `DPoP ${token}`, dpop: proof }
      return setting.ask('/v1/held', { method: 'POST', body: '{}', headers })
    }
    // A proof may be 60 seconds old.
    const late = sendAt(now - 56)
    const { id } = await anyWaiting(agent.sub)
    await expect.poll(() => Date.now() / 1000 > now + 5).toBe(true)
    await decide(id)
    expect(await refused(await late)).toMatchObject({ status: 401, code: 'proof_expired' })
    expect(setting.origin.requests).toHaveLength(0)
    // The approval is still there, for a new proof.
    expect((await sendAt(Math.floor(Date.now() / 1000))).status).toBe(200)
    expect((await store<Waiting>('get', id)).state).toBe('taken')
  })

  it('reaches the server with an assertion that is made after the decision', async () => {
    const agent = await agentOf()
    const begun = Date.now()
    const answer = send(await agent.token(), '/v1/held')
    const { id } = await anyWaiting(agent.sub)
    await expect.poll(() => Date.now() > begun + 2_000).toBe(true)
    const decided = Math.floor(Date.now() / 1000)
    await decide(id)
    expect((await answer).status).toBe(200)
    const { gate, origin } = setting
    const { payload } = await assertionIn(gate, origin.requests[0], origin.url)
    expect(payload.iat).toBeGreaterThanOrEqual(decided)
    expect(payload).toMatchObject({ sub: `acme/${agent.sub}`, exp: (payload.iat ?? 0) + 60 })
  })
})

describe('a tool call that a person must approve', () => {
  const { post } = asking(() => setting)
  const refund = (args: object) => call('tools/call', { name: 'refund', arguments: args })

  const tokens = async () => {
    const agent = await agentOf({ aud: MCP, scope: 'mcp:connect' })
    return agent.token()
  }

  it('gets a result that says so, and goes through once it is granted', async () => {
    const token = await tokens()
    const body = refund({ amount: 500, to: { iban: 'DE1' }, note: 'x' })
    const answer = await post(body, { token })
    expect(answer.status).toBe(200)
    const { result } = (await answer.json()) as {
      readonly result: { readonly isError: boolean; readonly content: readonly { text: string }[] }
    }
    expect(result.isError).toBe(true)
    const [, id = ''] = /approvals\/([0-9a-f-]+)/.exec(result.content[0]?.text ?? '') ?? []
    const { shown } = await store<Waiting>('get', id)
    expect(JSON.parse(shown)).toMatchObject({
      tools: { text: 'refund' },
      values: [
        ['arguments.amount', { text: '500' }],
        ['arguments.to.iban', { text: '"DE1"' }],
      ],
      not_shown: [{ text: 'note' }],
    })
    await decide(id)
    setting.origin.on('/mcp', (_, res) =>
      res.setHeader('content-type', 'application/json').end('{"jsonrpc":"2.0","id":2,"result":{}}'),
    )
    // A new id, and other white space.
    const again = body.replace('"id":1', '"id": 2')
    expect(await (await post(again, { token })).json()).toMatchObject({ id: 2, result: {} })
    expect(setting.origin.requests).toHaveLength(1)
    expect(await (await post(body, { token })).json()).toMatchObject({ result: { isError: true } })
    expect(setting.origin.requests).toHaveLength(1)
  })

  it.each([
    ['an amount that is waived', { amount: 100 }, true],
    ['a greater amount', { amount: 101 }, false],
    ['an amount that cannot be compared', { amount: '1' }, false],
    ['no amount', {}, false],
  ])('is forwarded at once with %s: %o: %s', async (_, args, isForwarded) => {
    await post(refund(args), { token: await tokens() })
    expect(setting.origin.requests).toHaveLength(isForwarded ? 1 : 0)
  })

  it.each([
    ['forwarded', 60_000, 1],
    ['refused', 3_000, 0],
  ])(
    'that is held is %s if the condition of its tool, on arguments and time, lasts %i ms',
    async (_, ms, times) => {
      const agent = await agentOf({ aud: MCP, scope: 'mcp:connect' })
      const until = Date.now() + ms
      const args = { until: new Date(until).toISOString() }
      const body = call('tools/call', { name: 'held_refund', arguments: args })
      const answer = post(body, { token: await agent.token() })
      const { id } = await anyWaiting(agent.sub)
      if (times === 0) await expect.poll(() => Date.now() > until).toBe(true)
      await decide(id)
      const text = await (await answer).text()
      expect(text.includes('condition_failed')).toBe(times === 0)
      expect(setting.origin.requests).toHaveLength(times)
    },
  )

  /** The approval that an answer names; `undefined` if the call went through. */
  const idIn = async (answer: Promise<Response>) =>
    /approvals\/([0-9a-f-]{36})/.exec(await (await answer).text())?.[1]

  it('is the same call alone in a batch, and goes through once', async () => {
    const token = await tokens()
    const body = refund({ amount: 500 })
    const send = (text: string) => post(text, { token, version: '2025-03-26' })
    const id = await idIn(send(body))
    expect(await idIn(send(`[${body}]`))).toBe(id)
    await decide(id as string)
    expect(await idIn(send(`[${body}]`))).toBeUndefined()
    const again = await idIn(send(body))
    expect(again).toBeDefined()
    expect(again).not.toBe(id)
    expect(setting.origin.requests).toHaveLength(1)
  })

  it('is the same call in another session, unless the approval binds the session', async () => {
    const token = await tokens()
    let sessions = 0
    setting.origin.on('/mcp', (_, res) =>
      res
        .writeHead(200, { ...JSON_TYPE, 'mcp-session-id': `session-${++sessions}` })
        .end(result({})),
    )
    const open = async () => {
      const answer = await post(call('initialize', { protocolVersion: '2025-11-25' }), { token })
      return answer.headers.get('mcp-session-id') as string
    }
    const both = [await open(), await open()]
    const idsOf = async (name: string) => {
      const body = call('tools/call', { name, arguments: { amount: 500 } })
      const ids: (string | undefined)[] = []
      for (const session of both) {
        ids.push(await idIn(post(body, { token, headers: { 'mcp-session-id': session } })))
      }
      expect(ids).not.toContain(undefined)
      return new Set(ids).size
    }
    expect(await idsOf('refund')).toBe(1)
    expect(await idsOf('refund_in_session')).toBe(2)
  })

  const STATE = {
    requestState: 'of-the-server',
    inputResponses: { k: { action: 'accept', content: { sure: true } } },
  }
  const { requestState, inputResponses } = STATE

  it.each<[string, object]>([
    ['another state', { inputResponses, requestState: 'of-the-servers' }],
    ['no state', { inputResponses }],
    ['no answers', { requestState }],
    ['neither', {}],
    ['another answer', { requestState, inputResponses: { k: { action: 'decline' } } }],
    [
      'an answer to another question',
      { requestState, inputResponses: { ...inputResponses, l: inputResponses.k } },
    ],
    [
      'another value in an answer',
      { requestState, inputResponses: { k: { action: 'accept', content: { sure: false } } } },
    ],
  ])('is another call with %s of a question by the server', async (_, other) => {
    const token = await tokens()
    const given = {
      ...{ name: 'refund', arguments: { amount: 500 } },
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
      },
    }
    const headers = { 'mcp-method': 'tools/call', 'mcp-name': 'refund' }
    const bodyOf = (more: object) => call('tools/call', { ...given, ...more })
    const send = (body: string) => post(body, { token, version: '2026-07-28', headers })
    const id = await idIn(send(bodyOf(STATE)))
    // That the user of the client accepts is no approval.
    expect(await idIn(send(bodyOf(STATE)))).toBe(id)
    await decide(id as string)
    const another = await idIn(send(bodyOf(other)))
    expect(another).toBeDefined()
    expect(another).not.toBe(id)
    expect(setting.origin.requests).toHaveLength(0)
    expect(await idIn(send(bodyOf(STATE)))).toBeUndefined()
    // The server gets its own state, unchanged.
    expect(setting.origin.requests.map(({ body }) => body?.toString())).toEqual([bodyOf(STATE)])
  })

  it('is refused in a batch, and where an argument has two spellings', async () => {
    const token = await tokens()
    const one = refund({ amount: 500 })
    const batch = `[${one},${one.replace('"id":1', '"id":2')}]`
    const answer = await post(batch, { token, version: '2025-03-26' })
    expect(await answer.json()).toMatchObject({ code: 'approval_not_alone' })
    const twice = await post(refund({ amount: 1, Amount: 500 }), { token })
    expect(await twice.json()).toMatchObject({ error: { data: { code: 'arguments_ambiguous' } } })
    expect(setting.origin.requests).toHaveLength(0)
  })

  it('asks for a prompt by an error of JSON-RPC', async () => {
    const answer = await post(call('prompts/get', { name: 'secret' }), { token: await tokens() })
    expect(await answer.json()).toMatchObject({ error: { data: { code: 'approval_required' } } })
  })
})

describe('the state of an approval', () => {
  it('is told to the agent that asked, and to nobody else', async () => {
    const [agent, other] = [await agentOf(), await agentOf()]
    const { approval } = await ask(await agent.token())
    const path = `/.edgewarden/approvals/${approval.id}`
    const state = async (token: string) => (await setting.ask(path, { token })).json()
    expect(await state(await agent.token())).toMatchObject({ id: approval.id, state: 'waiting' })
    await decide(approval.id, 'refused')
    expect(await state(await agent.token())).toMatchObject({
      state: 'refused',
      reason: 'not this customer',
    })
    expect(await state(await other.token())).toMatchObject({ code: 'approval_unknown' })
    expect((await setting.ask(path)).status).toBe(401)
  })
})

it('is explained, and nobody is asked', async () => {
  const before = (await listed()).length
  const agent = await agentOf()
  const answer = await setting.ask('/.edgewarden/explain', {
    method: 'POST',
    token: await setting.token({ scope: 'edgewarden:read' }),
    body: JSON.stringify({
      method: 'POST',
      url: `${RESOURCE}/v1/refunds`,
      token: await agent.token(),
    }),
    headers: JSON_TYPE,
  })
  expect(await answer.json()).toMatchObject({
    allowed: false,
    denial: { code: 'approval_required' },
  })
  expect(await listed()).toHaveLength(before)
})
