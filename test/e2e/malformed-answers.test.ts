import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Gate } from '../kit/gate.ts'
import {
  ALLOWED,
  clocked,
  forward,
  type Issued,
  MALFORMED,
  malform,
  startIssued,
} from './keys-setting.ts'
import { askGate, outcome, type Setting, startSetting } from './setting.ts'

const OWN = '/.edgewarden'
const ID = 'a'.repeat(22)
const UUID = 'a3c7f0d2-5b1e-4c88-9d0a-6f2e81b47c35'
/** No method that answers with an object or a list gives any of these. */
const NONE: readonly unknown[] = [null, 0, -1, '$NaN', true, 'text', [], {}]
const LEFT = { left: 1, reset: 1 }
const FOUND = { epoch: 'e', version: 1, entries: [] }
const ENTRY = {
  ...{ id: ID, kind: 'agent', issuer: 'x', value: 'y', mode: 'block' },
  ...{ created: 1, createdBy: 'ops' },
}
const SHARDS = { total: 1, acknowledged: 1, pending: [] }
const SEEN = {
  ...{ first: 1, last: 2, types: [], clients: [], keys: [], parents: [], children: [] },
  ...{ granted: {}, used: {}, uses: {} },
}
const AGENT = { issuer: 'x', agent: 'y', status: 'approved', version: 1, fields: {}, seen: SEEN }
const AGENTS = [
  { ...AGENT, status: 'unknown' },
  { ...AGENT, version: -1 },
  { ...AGENT, fields: { owners: null } },
  { ...AGENT, change: { at: '$NaN', by: 'ops' } },
  { ...AGENT, seen: { ...SEEN, last: 1e17 } },
  { ...AGENT, seen: { ...SEEN, parents: ['text'] } },
  { ...AGENT, watched: [{}] },
]
const ALERT = {
  ...{ issuer: 'x', agent: 'y', id: 1, at: 1, watch: 'all', signal: 'volume' },
  ...{ usual: {}, seen: {}, requests: [] },
}
const ALERTS = [
  { ...ALERT, at: '$NaN' },
  { ...ALERT, quarantine: { id: ID, until: '$NaN' } },
  { ...ALERT, requests: undefined },
]
const GAP = { reason: 'overload', since: 1, until: 1, records: 1 }
const PAGES = [
  { found: [{ position: '1.0', record: 'text' }] },
  { found: [{ position: 'text', record: '{}' }] },
  { found: [], dropped: [{ ...GAP, since: '$NaN' }] },
  { found: [], next: 'text' },
]

interface Port {
  readonly method: string
  readonly code: string
  readonly answers: readonly unknown[]
  readonly path: string
  readonly init?: RequestInit
}

const json = (method: string, body: unknown) => ({
  method,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})
const agentKey = (issuer: string) => ({ issuer, agent: 'agent-x' })

/** Each method of an object that the gate calls, what it may answer by mistake, and the request that shows it. */
const portsOf = (issuer: string): readonly Port[] => [
  {
    method: 'take',
    code: 'rate_limit_unavailable',
    answers: [
      ...['$undefined', { ok: true }, { ok: true, value: null }, { ok: true, value: {} }],
      { ok: true, value: { day: { left: -1, reset: 1 } } },
      { ok: true, value: { day: { left: '$NaN', reset: 1 } } },
      { ok: true, value: { day: LEFT }, reason: { retryAfter: 1 } },
      { ok: 'true', value: { day: LEFT } },
      ...[{ ok: false }, { ok: false, reason: {} }, { ok: false, reason: { retryAfter: 0 } }],
      { ok: false, reason: { retryAfter: '$NaN' } },
    ],
    path: '/v1/limited',
  },
  {
    method: 'claim',
    code: 'single_use_unavailable',
    answers: ['$undefined'],
    path: '/v1/once',
  },
  {
    method: 'lookup',
    code: 'revocations_unavailable',
    answers: [
      ...['$undefined', { ...FOUND, entries: null }, { ...FOUND, version: '$NaN' }],
      ...[null, {}, { ...ENTRY, mode: 'unknown' }, { ...ENTRY, mode: 'throttle', limit: 0 }].map(
        (one) => ({ ...FOUND, entries: [one] }),
      ),
      { ...FOUND, entries: [{ ...ENTRY, expires: '$NaN' }] },
    ],
    path: '/v1/x',
  },
  {
    method: 'add',
    code: 'revocations_unavailable',
    answers: ['$undefined', { added: [] }, { added: [{}], shards: SHARDS }, { full: 'text' }],
    path: `${OWN}/revocations`,
    init: json('POST', { kind: 'token', issuer, value: 'x' }),
  },
  {
    method: 'list',
    code: 'revocations_unavailable',
    answers: ['$undefined', { revocations: [{}] }, { revocations: [], cursor: -1 }],
    path: `${OWN}/revocations`,
  },
  {
    method: 'get',
    code: 'revocations_unavailable',
    answers: [{ revocation: ENTRY }, { revocation: {}, shards: SHARDS }],
    path: `${OWN}/revocations/${ID}`,
  },
  {
    method: 'remove',
    code: 'revocations_unavailable',
    answers: ['$undefined'],
    path: `${OWN}/revocations/${ID}`,
    init: { method: 'DELETE' },
  },
  {
    method: 'removePage',
    code: 'revocations_unavailable',
    answers: ['$undefined'],
    path: `${OWN}/revocations?kind=token`,
    init: { method: 'DELETE' },
  },
  {
    method: 'list',
    code: 'audit_unavailable',
    answers: ['$undefined', ...PAGES],
    path: `${OWN}/decisions`,
  },
  {
    method: 'get',
    code: 'audit_unavailable',
    answers: [{ decision: 'text' }, { decision: '{}', policy: 0 }],
    path: `${OWN}/decisions/${UUID}`,
  },
  {
    method: 'listAfter',
    code: 'audit_unavailable',
    answers: ['$undefined', { found: [], dropped: [] }],
    path: `${OWN}/decisions/live`,
  },
  {
    method: 'usage',
    code: 'audit_unavailable',
    answers: ['$undefined', { tally: {}, since: 0, dropped: [] }],
    path: `${OWN}/usage`,
  },
  {
    method: 'erase',
    code: 'audit_unavailable',
    answers: ['$undefined', { records: -1 }, { records: 1, stoppedUntil: '$NaN' }],
    path: `${OWN}/audit/erase`,
    init: json('POST', { issuer, subject: 'x' }),
  },
  {
    method: 'list',
    code: 'agents_unavailable',
    answers: ['$undefined', ...AGENTS.map((one) => ({ agents: [one] }))],
    path: `${OWN}/agents`,
  },
  {
    method: 'get',
    code: 'agents_unavailable',
    answers: AGENTS,
    path: `${OWN}/agents/entry?${new URLSearchParams(agentKey(issuer))}`,
  },
  {
    method: 'change',
    code: 'agents_unavailable',
    answers: [
      ...['$undefined', { refused: 'text' }, { entry: AGENT, refused: 'agents_full' }],
      ...AGENTS.map((entry) => ({ entry })),
    ],
    path: `${OWN}/agents/suspend`,
    init: json('POST', agentKey(issuer)),
  },
  {
    method: 'alerts',
    code: 'agents_unavailable',
    answers: ['$undefined', ...ALERTS.map((one) => ({ alerts: [one] }))],
    path: `${OWN}/alerts`,
  },
  { method: 'alert', code: 'agents_unavailable', answers: ALERTS, path: `${OWN}/alerts/1` },
  {
    method: 'judge',
    code: 'agents_unavailable',
    answers: [{ refused: 'text' }, ...ALERTS.map((alert) => ({ alert }))],
    path: `${OWN}/alerts/1/dismiss`,
    init: json('POST', {}),
  },
]

describe('a malformed answer of an object is the 503 of what depends on it', () => {
  let setting: Setting
  beforeAll(async () => {
    setting = await startSetting({
      ...(await clocked(MALFORMED)),
      issuer: { admin: 'all' },
      routes: [
        { match: 'GET /v1/limited', scopes: [], rate_limit: { per: 'agent', daily: 1_000 } },
        { match: 'GET /v1/once', scopes: [], single_use: true },
        { match: 'GET /v1/*', scopes: [] },
      ],
      beside: [{ gate: { assertion: 'identity' } }],
    })
  })
  afterAll(() => setting.close())

  const SCOPE = 'revoke agents audit:read audit:erase read'.replace(/\S+/g, 'edgewarden:$&')
  const askFor = async ({ path, init = {} }: Pick<Port, 'path' | 'init'>, gate = setting.gate) => {
    const token = await setting.token({ client_id: 'ops', scope: SCOPE })
    return outcome(await askGate(gate, path, { ...init, token }))
  }

  it.each(portsOf('').map(({ method, code }, index) => [method, code, index] as const))(
    'of %s: %s',
    async (_, code, index) => {
      const { method, answers, ...asked } = portsOf(setting.issuer.issuer)[index] as Port
      const isYesOrNo = ['claim', 'remove'].includes(method)
      const all = [...NONE, ...answers].filter((one) => !isYesOrNo || one !== true)
      const seen: unknown[] = []
      for (const answer of all) {
        await malform(setting.gate, method, answer)
        seen.push({ answer, ...(await askFor(asked)) })
      }
      await malform(setting.gate, '')
      expect(seen).toEqual(all.map((answer) => ({ answer, status: 503, code })))
    },
  )

  it('of keys: assertion_unavailable, until there are some', async () => {
    const [beside] = setting.gate.beside as [Gate]
    const signer = { kid: 'x', algorithm: 'ES256' }
    const kept = { signer, published: [{}], changesAt: 0 }
    const answers = [
      ...['$undefined', { ...kept, signer: {} }, { ...kept, published: [] }],
      ...[
        { ...kept, published: [0] },
        { ...kept, changesAt: '$NaN' },
      ],
    ]
    for (const answer of [...NONE, ...answers]) {
      await malform(setting.gate, 'keys', answer)
      const expected = { status: 503, code: 'assertion_unavailable' }
      expect(await askFor({ path: '/v1/x' }, beside)).toEqual(expected)
    }
    await malform(setting.gate, '')
    expect(await askFor({ path: '/v1/x' }, beside)).toEqual(ALLOWED)
  })

  it('of health: a shard that is down, in metrics', async () => {
    const health = { counts: {}, rows: 1, dropped: [], bytes: {}, problems: {}, waiting: 0 }
    for (const answer of [...NONE, '$undefined', { ...health, counts: null }]) {
      await malform(setting.gate, 'health', answer)
      const token = await setting.token({ scope: 'edgewarden:metrics' })
      const metrics = await setting.ask(`${OWN}/metrics`, { token })
      expect(metrics.status).toBe(200)
      expect(await metrics.text()).toContain('edgewarden_audit_up{shard="0"} 0')
    }
    await malform(setting.gate, '')
  })
})

describe('a malformed answer of the key service', () => {
  let setting: Issued
  beforeAll(async () => {
    setting = await startIssued({ acme: {} }, await clocked(MALFORMED))
  })
  afterAll(() => setting.close())

  const RECORD = { keys: [], fetchedAt: 1, rotations: [] }
  const recordsOf = (jwk: object) => {
    const keys = [jwk]
    return [
      ...[{ keys }, { keys, fetchedAt: '$NaN', rotations: [] }, { keys, fetchedAt: -1 }],
      ...[
        { ...RECORD, keys: 'text' },
        { ...RECORD, keys, rotations: null },
      ],
      { ...RECORD, keys, maxAge: '$NaN' },
    ]
  }

  it('is keys_unavailable, and no key that it has is used', async () => {
    const answers = [
      ...['$undefined', { failure: 'text' }, { failure: { error: 'x', at: 1, retryAt: '$NaN' } }],
      ...recordsOf(setting.of('acme').jwk).map((record) => ({ record })),
    ]
    for (const answer of [...NONE, ...answers]) {
      await malform(setting.gate, 'ask', answer)
      const expected = { answer, status: 503, code: 'keys_unavailable' }
      expect({ answer, ...(await setting.use('acme')) }).toEqual(expected)
      await forward(setting.gate, 60_000)
    }
    await malform(setting.gate, '')
    expect(await setting.use('acme')).toEqual(ALLOWED)
  })
})

describe('a malformed answer of a rate limiting binding', () => {
  it('is the 503 of the limit, of a rule and of an address', async () => {
    const RL = fileURLToPath(new URL('../kit/limiter-worker.js', import.meta.url))
    const rate_limit = { per: 'agent', binding: 'RL' }
    const setting = await startSetting({
      workers: { RL },
      routes: [{ match: 'GET /v1/*', scopes: [], rate_limit }],
      beside: [{ gate: { address_limit: { binding: 'RL' } } }],
    })
    const codes = async (gate: Gate) => {
      const all: unknown[] = []
      for (let i = 0; i < 9; i++) {
        const token = await setting.token()
        all.push(await outcome(await askGate(gate, '/v1/x', { token })))
      }
      return all
    }
    const refused = (code: string) => Array(9).fill({ status: 503, code })
    expect(await codes(setting.gate)).toEqual(refused('rate_limit_unavailable'))
    const [beside] = setting.gate.beside as [Gate]
    expect(await codes(beside)).toEqual(refused('address_limit_unavailable'))
    await setting.close()
  })
})
