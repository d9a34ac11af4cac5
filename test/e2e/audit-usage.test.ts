import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runHere } from '../command/kit.ts'
import { recordAt } from '../control/audit/record.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { askGate, outcome, type Setting, startSetting } from './setting.ts'

const USAGE = '/.edgewarden/usage'
const SCOPE = 'edgewarden:audit:read'
const DAY = 86_400_000
/** Some hours before a midnight, so that there are two days; both are over, so that the test's own requests are later. */
const START = Math.floor(Date.now() / DAY) * DAY - DAY - DAY / 6
const SPAN = 5 * 3_600_000
const COUNT = 1_000

type Group = Readonly<{ [name: string]: unknown }>

let setting: Setting

beforeAll(async () => {
  setting = await startSetting({
    durableObjects: WITH_AUDIT,
    reaching: true,
    issuer: { admin: 'all' },
    more: { AUDIT: { shards: 2 } },
  })
  await Promise.all([0, 1].map(append))
})
afterAll(() => setting.close())

/** Numbers that look random, and are the same in every run. */
let state = 7
const below = (count: number) => {
  state = (state * 48_271) % 2_147_483_647
  return state % count
}

/** Decisions of some agents of two issuers, some of them without a duration, and an act. */
async function append(shard: number): Promise<void> {
  const known = Array.from({ length: COUNT / 2 }, () => {
    const isDenied = below(5) === 0
    return recordAt(START + below(SPAN), {
      issuer: ['https://a.example', setting.issuer.issuer][below(2)],
      agent: `agent-${below(3)}`,
      subject: `user-${below(4)}`,
      route: ['GET /v1/files/{id}', 'POST /mcp'][below(2)],
      decision: isDenied ? 'denied' : 'allowed',
      ...(isDenied && { code: 'scope_missing' }),
      duration: below(7) === 0 ? undefined : below(below(2) === 0 ? 50 : 5_000),
      mcp: [
        { method: 'tools/call', name: 'pay' },
        { method: 'tools/call', name: 'read' },
        { method: 'prompts/get', name: 'pay' },
        undefined,
      ][below(4)],
    })
  })
  const acts = [recordAt(START, { kind: 'act', act: 'revoke', decision: undefined })]
  const terms = { retention: 30 * 86_400, maxBytes: 1e9, maxRows: 1e9 }
  const batch = { id: `usage-${shard}`, known, strangers: [], acts, ...terms }
  await setting.gate.call('AUDIT_LOG', String(shard), 'append', batch)
}

const reader = (claims: object = {}) => setting.token({ scope: SCOPE, ...claims })
const ask = async (query: string, token?: string) =>
  askGate(setting.gate, `${USAGE}?${query}`, { token: token ?? (await reader()) })

/** Every stored decision, as lines. */
const everything = async (query: string): Promise<readonly Group[]> => {
  const all: Group[] = []
  let rest: string | undefined = `?limit=300&${query}`
  while (rest !== undefined) {
    const answer: Response = await askGate(setting.gate, `/.edgewarden/decisions${rest}`, {
      token: await reader(),
      headers: { accept: 'application/x-ndjson' },
    })
    const lines = (await answer.text()).split('\n').slice(0, -1)
    all.push(...lines.map((line) => JSON.parse(line)))
    rest = /<[^?]*(\?[^>]+)>/.exec(answer.headers.get('link') ?? '')?.[1]
  }
  return all.filter(({ decision }) => decision !== undefined)
}

/** Sorts the durations themselves. */
const percentile = (durations: readonly number[], share: number) =>
  durations.toSorted((a, b) => a - b)[Math.ceil(durations.length * share) - 1]

const MEMBERS: { readonly [by: string]: (record: Group) => Group } = {
  agent: ({ issuer, agent }) => ({ issuer, agent }),
  subject: ({ issuer, subject }) => ({ issuer, subject }),
  code: ({ code }) => ({ code }),
  rule: ({ route }) => ({ rule: route }),
  tool: ({ mcp }) => {
    const { method, name } = (mcp ?? {}) as Group
    return { tool: method === 'tools/call' ? name : undefined }
  },
}
const CUT: { readonly [every: string]: number } = { minute: 16, hour: 13, day: 10 }

/** The groups of some decisions, made one by one. */
const grouped = (records: readonly Group[], by: readonly string[], every?: string) => {
  const groups = Map.groupBy(records, (record) => {
    const iso = String(record.time).slice(0, CUT[every ?? ''])
    const time = every && `${iso}${'0000-00-00T00:00:00.000Z'.slice(iso.length)}`
    return JSON.stringify({
      time,
      ...Object.assign({}, ...by.map((one) => MEMBERS[one]?.(record))),
    })
  })
  return [...groups].map(([group, of]) => {
    const durations = of.flatMap(({ duration }) => (typeof duration === 'number' ? duration : []))
    const [p50, p95] = [percentile(durations, 0.5), percentile(durations, 0.95)]
    return {
      ...JSON.parse(group),
      decisions: of.length,
      denied: of.filter(({ decision }) => decision === 'denied').length,
      ...(p50 !== undefined && { p50, p95 }),
    }
  })
}

const sorted = (groups: readonly Group[]) => groups.map((one) => JSON.stringify(one)).sort()
const END = new Date(START + SPAN).toISOString()

describe('GET /usage', () => {
  it.each([
    ['agent', undefined, ''],
    ['agent,rule,tool', 'hour', ''],
    ['agent', 'minute', 'agent=agent-1'],
    ['rule', 'day', 'decision=denied'],
    ['subject,code', 'day', ''],
    ['rule, tool', 'day', ''],
    ['tool', 'hour', `from=${new Date(START + SPAN / 3).toISOString()}`],
  ])('counts by %s every %s: %s', async (by, every, filters) => {
    const query = `until=${END}&${filters}`
    const answer = await ask(
      `by=${encodeURIComponent(by)}&${query}${every === undefined ? '' : `&every=${every}`}`,
    )
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const { usage, ...rest } = (await answer.json()) as { usage: readonly Group[] }
    expect(rest).toEqual({})
    const records = await everything(query)
    expect(sorted(usage)).toEqual(sorted(grouped(records, by.split(/, ?/), every)))
    if (filters === '') expect(records).toHaveLength(COUNT)
    const order = usage.map(({ time, decisions }) => [time, -Number(decisions)])
    expect(order).toEqual(
      order.toSorted(
        ([t, n], [u, m]) => String(t).localeCompare(String(u)) || Number(n) - Number(m),
      ),
    )
  })

  it('shows administrators of one issuer its decisions only, and is for who may', async () => {
    const gate = await setting.another({
      durableObjects: WITH_AUDIT,
      issuer: { admin: 'own' },
      reaching: true,
    })
    const issuers = ['https://a.example', setting.issuer.issuer]
    const known = issuers.map((issuer) => recordAt(START, { issuer }))
    const terms = { retention: 30 * 86_400, maxBytes: 1e9, maxRows: 1e9 }
    await gate.call('AUDIT_LOG', '0', 'append', { id: 'own', known, strangers: [], ...terms })
    const own = (query: string, token: string) => askGate(gate, `${USAGE}?${query}`, { token })
    const answer = await own(`until=${END}`, await reader())
    expect(await answer.json()).toMatchObject({
      usage: [{ issuer: setting.issuer.issuer, decisions: 1 }],
    })
    expect(await outcome(await own('issuer=https://a.example', await reader()))).toEqual({
      status: 403,
      code: 'decision_reach',
    })
    const other = await reader({ scope: 'edgewarden:read' })
    expect((await own('', other)).status).toBe(403)
    expect((await askGate(gate, USAGE)).status).toBe(401)
  })

  it.each(['by=subjects', 'by=agent,,rule', 'every=week', 'limit=1'])(
    'refuses %s',
    async (query) => {
      const refused = { status: 400, code: 'decision_query_invalid' }
      expect(await outcome(await ask(query))).toEqual(refused)
    },
  )
})

it('usage is a table, CSV or JSON in the command', async () => {
  const run = async (...more: readonly string[]) => {
    const args = ['usage', '--by', 'rule,tool', '--every', 'day', '--until', END, ...more]
    return runHere([...args, '--gate', setting.gate.url, '--token-env', 'TOKEN'], {
      TOKEN: await reader(),
    })
  }
  const [{ stdout, stderr, code }, csv, json] = [
    await run(),
    await run('--csv'),
    await run('--json'),
  ]
  expect([code, stderr]).toEqual([0, ''])
  const { usage } = JSON.parse(json.stdout) as { usage: readonly Group[] }
  const lines = stdout.trimEnd().split('\n')
  expect(lines).toHaveLength(usage.length + 1)
  expect(lines[0]).toMatch(/^time +rule +tool +decisions +denied +p50 +p95$/)
  expect(lines[1]).toMatch(/^\d{4}-\d\d-\d\d 00:00:00 UTC +\S+ \/\S+ +\S+ +\d+ +\d+ +\d+ +\d+$/)
  const [head, first] = csv.stdout.split('\n')
  expect(head).toBe('time,rule,tool,decisions,denied,p50,p95')
  expect(first?.split(',').at(-1)).toBe(String(usage[0]?.p95))
  const spaced = await run('--by', 'agent, subject')
  expect(spaced.stdout.split('\n')[0]).toMatch(/^time +issuer +agent +subject +decisions/)
})
