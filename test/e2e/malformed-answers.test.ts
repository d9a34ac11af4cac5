import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../kit/eventually.ts'
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
/** No method that answers with an object or a list gives any of these. */
const NONE: readonly unknown[] = [null, -1, '$NaN', true, 'text', [], {}, '$undefined']
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
  { ...AGENT, fields: { owners: null } },
  { ...AGENT, seen: { ...SEEN, last: 1e17 } },
]
const ALERT = {
  ...{ issuer: 'x', agent: 'y', id: 1, at: 1, watch: 'all', signal: 'volume' },
  ...{ usual: {}, seen: {}, requests: [] },
}
const ALERTS = [
  { ...ALERT, at: '$NaN' },
  { ...ALERT, quarantine: { id: ID, until: '$NaN' } },
]
const PAGES = [{ found: [{ position: '1.0', record: 'text' }] }, { found: [], next: 'text' }]

type Port = readonly [method: string, code: string, path: string, ...answers: unknown[]]

/** Each method of an object that the gate calls, the request that shows it, and what it may answer by mistake. */
const PORTS: readonly Port[] = [
  [
    ...(['take', 'rate_limit_unavailable', '/v1/limited'] as const),
    ...[{ ok: true }, { ok: true, value: { day: { left: '$NaN', reset: 1 } } }, { ok: false }],
    { ok: false, reason: { retryAfter: 0 } },
  ],
  ['claim', 'single_use_unavailable', '/v1/once'],
  [
    ...(['lookup', 'revocations_unavailable', '/v1/x'] as const),
    ...[
      { ...FOUND, version: '$NaN' },
      { ...FOUND, entries: [null] },
    ],
    ...[{ mode: 'unknown' }, { mode: 'throttle', limit: 0 }, { expires: '$NaN' }].map((one) => ({
      ...FOUND,
      entries: [{ ...ENTRY, ...one }],
    })),
  ],
  [
    ...(['add', 'revocations_unavailable', `POST ${OWN}/revocations`] as const),
    ...[{ added: [] }, { added: [{}], shards: SHARDS }, { full: 'text' }],
  ],
  ['list', 'revocations_unavailable', `${OWN}/revocations`, { revocations: [{}] }],
  ['get', 'revocations_unavailable', `${OWN}/revocations/${ID}`, { revocation: ENTRY }],
  ['remove', 'revocations_unavailable', `DELETE ${OWN}/revocations/${ID}`],
  ['removePage', 'revocations_unavailable', `DELETE ${OWN}/revocations?kind=token`],
  ['list', 'audit_unavailable', `${OWN}/decisions`, ...PAGES],
  ['listAfter', 'audit_unavailable', `${OWN}/decisions/live`, { found: [], dropped: [] }],
  ['usage', 'audit_unavailable', `${OWN}/usage`, { tally: {}, since: 0, dropped: [] }],
  ['erase', 'audit_unavailable', `POST ${OWN}/audit/erase`, { records: -1 }],
  ['list', 'agents_unavailable', `${OWN}/agents`, ...AGENTS.map((one) => ({ agents: [one] }))],
  [
    ...(['change', 'agents_unavailable', `POST ${OWN}/agents/suspend`] as const),
    ...[{ refused: 'text' }, { entry: AGENT, refused: 'agents_full' }],
  ],
  ['alerts', 'agents_unavailable', `${OWN}/alerts`, ...ALERTS.map((one) => ({ alerts: [one] }))],
  ['judge', 'agents_unavailable', `POST ${OWN}/alerts/1/dismiss`, { refused: 'text' }],
]
/** What stands in the body of a POST; each takes what it needs, and refuses the rest only after its object. */
const BODIES: Readonly<Record<string, (issuer: string) => object>> = {
  add: (issuer) => ({ kind: 'token', issuer, value: 'x' }),
  erase: (issuer) => ({ issuer, subject: 'x' }),
  change: (issuer) => ({ issuer, agent: 'agent-x' }),
  judge: () => ({}),
}

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
  const askFor = async (path: string, init: RequestInit = {}, gate = setting.gate) => {
    const token = await setting.token({ client_id: 'ops', scope: SCOPE })
    return outcome(await askGate(gate, path, { ...init, token }))
  }

  it.each(PORTS.map(([method, code, asked, ...answers]) => ({ method, code, asked, answers })))(
    'of $method: $code, at $asked',
    async ({ method, code, asked, answers }) => {
      const [path = '', verb = 'GET'] = asked.split(' ').reverse()
      const body = BODIES[method]?.(setting.issuer.issuer)
      const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
      const isYesOrNo = ['claim', 'remove'].includes(method)
      const all = [...NONE, ...answers].filter((one) => !isYesOrNo || one !== true)
      const isOptional = ['get', 'judge'].includes(method)
      const seen: unknown[] = []
      for (const answer of all.filter((one) => !isOptional || one !== '$undefined')) {
        await malform(setting.gate, method, answer)
        const { status, code } = await askFor(path, { method: verb, ...(body && json) })
        seen.push({ answer, status, code })
      }
      await malform(setting.gate, '')
      expect(seen).toEqual(seen.map((one) => ({ ...(one as object), status: 503, code })))
    },
  )

  it('of keys: assertion_unavailable, until there are some', async () => {
    const [beside] = setting.gate.beside as [Gate]
    const signer = { kid: 'x', algorithm: 'ES256' }
    const kept = { signer, published: [{}], changesAt: 0 }
    const answers = [
      ...[
        { ...kept, signer: {} },
        { ...kept, published: [] },
        { ...kept, changesAt: '$NaN' },
      ],
    ]
    for (const answer of [...NONE, ...answers]) {
      await malform(setting.gate, 'keys', answer)
      const expected = { status: 503, code: 'assertion_unavailable' }
      const told = () => beside.output().match(/assertion_keys_unavailable/g)?.length ?? 0
      const before = told()
      // After a failure the key service is asked again a second later.
      await eventually(async () => {
        expect(await askFor('/v1/x', {}, beside)).toEqual(expected)
        expect(told()).toBeGreaterThan(before)
      })
    }
    await malform(setting.gate, '')
    await eventually(async () => expect(await askFor('/v1/x', {}, beside)).toEqual(ALLOWED))
  })

  it('of health: a shard that is down, in metrics', async () => {
    const health = { counts: {}, rows: 1, dropped: [], bytes: {}, problems: {}, waiting: 0 }
    for (const answer of [...NONE, { ...health, counts: null }]) {
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
    return [{ ...RECORD, keys, fetchedAt: '$NaN' }, { ...RECORD, keys, rotations: null }, { keys }]
  }

  it('is keys_unavailable, and no key that it has is used', async () => {
    const answers = [
      ...[{ failure: 'text' }, { failure: { error: 'x', at: 1, retryAt: '$NaN' } }],
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
