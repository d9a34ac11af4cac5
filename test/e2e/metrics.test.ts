import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { METRICS } from '../../src/control/api/metrics.ts'
import { WITH_AUDIT } from '../control/audit/support.ts'
import { eventually } from '../kit/eventually.ts'
import type { Gate } from '../kit/gate.ts'
import { type Metric, readMetrics } from '../kit/openmetrics.ts'
import { ROOT } from '../kit/repository.ts'
import { askGate, outcome, type Setting, type SettingOptions, startSetting } from './setting.ts'

const PATH = '/.edgewarden/metrics'
const SCOPE = 'edgewarden:metrics'

const OPTIONS: SettingOptions = {
  durableObjects: WITH_AUDIT,
  issuer: { admin: 'all', agent_type: 'kind' },
  gate: { assertion: 'identity' },
  routes: [
    { match: 'GET /v1/weak', scopes: ['none'] },
    { match: 'GET /v1/dead', scopes: [], origin: 'http://127.0.0.1:9' },
    { match: 'GET /v1/*', scopes: [] },
  ],
}

let dataDir: string
let setting: Setting
let gate: Gate

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'edgewarden-metrics-'))
  setting = await startSetting({ durableObjects: WITH_AUDIT, issuer: { admin: 'own' } })
  gate = await setting.another({ ...OPTIONS, dataDir })
})
afterAll(async () => {
  await setting.close()
  await rm(dataDir, { recursive: true, force: true })
})

const ask = async (from = gate, claims: object = { scope: SCOPE }) =>
  askGate(from, PATH, { token: await setting.token({ ...claims }) })

const read = async (from = gate): Promise<readonly Metric[]> => {
  const answer = await ask(from)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe(
    'application/openmetrics-text; version=1.0.0; charset=utf-8',
  )
  return readMetrics(await answer.text())
}

const sampleOf = (all: readonly Metric[], name: string, labels: object = {}) =>
  all.find((one) => {
    const said = new Map(Object.entries(one.labels))
    return (
      one.name === name && Object.entries(labels).every(([key, text]) => said.get(key) === text)
    )
  })?.value

/** Sends requests with known answers, and waits until their records are counted. */
const send = async () => {
  const token = await setting.token({ kind: 'planner' })
  setting.origin.on('/v1/broken', async (_, response) => {
    response.writeHead(502).end()
  })
  for (const path of ['a', 'b', 'c', 'broken', 'broken', 'weak', 'dead']) {
    await askGate(gate, `/v1/${path}`, { token })
  }
  await askGate(gate, '/v1/a')
}

describe('GET /metrics', () => {
  it('counts what all records say, also after the gate was killed', async () => {
    await send()
    const of = { shard: '0' }
    const told = (all: readonly Metric[]) => [
      sampleOf(all, 'edgewarden_decisions_total', { ...of, decision: 'allowed', status: '200' }),
      sampleOf(all, 'edgewarden_decisions_total', { ...of, decision: 'allowed', status: '502' }),
      sampleOf(all, 'edgewarden_decisions_total', { ...of, code: 'scope_missing', status: '403' }),
      sampleOf(all, 'edgewarden_decisions_total', { ...of, code: 'origin_unreachable' }),
      sampleOf(all, 'edgewarden_decisions_total', {
        ...of,
        code: 'credential_missing',
        status: '401',
      }),
      sampleOf(all, 'edgewarden_origin_answers_total', { ...of, status: '200' }),
      sampleOf(all, 'edgewarden_origin_answers_total', { ...of, status: '502' }),
      sampleOf(all, 'edgewarden_rule_decisions_total', { rule: 'GET /v1/*', decision: 'allowed' }),
      sampleOf(all, 'edgewarden_rule_decisions_total', {
        rule: 'GET /v1/weak',
        decision: 'denied',
      }),
      sampleOf(all, 'edgewarden_agent_type_decisions_total', {
        type: 'planner',
        decision: 'allowed',
      }),
      sampleOf(all, 'edgewarden_answer_seconds_count', { rule: 'GET /v1/*', decision: 'allowed' }),
      sampleOf(all, 'edgewarden_answer_seconds_bucket', {
        rule: 'GET /v1/*',
        decision: 'allowed',
        le: '+Inf',
      }),
    ]
    const expected = [3, 2, 1, 1, 1, 3, 2, 5, 1, 5, 5, 5]
    await eventually(async () => expect(told(await read())).toEqual(expected))
    const bytes = sampleOf(await read(), 'edgewarden_audit_stored_bytes', { ring: 'known' })
    expect(bytes).toBeGreaterThan(100)
    await gate.stop('SIGKILL')
    gate = await setting.another({ ...OPTIONS, dataDir })
    expect(told(await read())).toEqual(expected)
    await send()
    await eventually(async () => expect(told(await read())).toEqual(expected.map((n) => 2 * n)))
  })

  it('says how keys, revocations and the audit are', async () => {
    await askGate(gate, '/v1/a', { token: await setting.token() })
    const all = await eventually(async () => {
      const now = await read()
      expect(sampleOf(now, 'edgewarden_audit_rows')).toBeGreaterThan(1)
      return now
    })
    const { issuer } = setting.issuer
    expect(sampleOf(all, 'edgewarden_issuer_keys', { issuer })).toBeGreaterThan(0)
    expect(sampleOf(all, 'edgewarden_issuer_keys_age_seconds', { issuer })).toBeGreaterThanOrEqual(
      0,
    )
    expect(sampleOf(all, 'edgewarden_issuer_keys_failed', { issuer })).toBe(0)
    expect(sampleOf(all, 'edgewarden_assertion_keys')).toBeGreaterThan(0)
    expect(sampleOf(all, 'edgewarden_ready', { check: 'keys' })).toBe(1)
    expect(sampleOf(all, 'edgewarden_ready', { check: 'revocations' })).toBe(1)
    expect(sampleOf(all, 'edgewarden_revocation_shards')).toBeGreaterThan(0)
    expect(sampleOf(all, 'edgewarden_revocation_shards_behind')).toBe(0)
    expect(sampleOf(all, 'edgewarden_audit_up')).toBe(1)
    expect(sampleOf(all, 'edgewarden_audit_rows_limit')).toBe(80_000)
    expect(sampleOf(all, 'edgewarden_alerts_waiting')).toBe(0)
  })

  it('is not recorded when it is read, and is when it is refused', async () => {
    await read()
    expect(await outcome(await ask(gate, { jti: 'refused-reader', scope: 'other' }))).toEqual({
      status: 403,
      code: 'scope_missing',
    })
    const records = async () => {
      const token = await setting.token({ scope: 'edgewarden:audit:read' })
      const query = new URLSearchParams({ rule: `GET ${PATH}` })
      const answer = await askGate(gate, `/.edgewarden/decisions?${query}`, { token })
      return ((await answer.json()) as { decisions: { jti: string }[] }).decisions
    }
    await eventually(async () => expect((await records()).length).toBeGreaterThan(0))
    expect(new Set((await records()).map(({ jti }) => jti))).toEqual(new Set(['refused-reader']))
  })

  it('is for administrators of all issuers, with its scope', async () => {
    expect((await askGate(gate, PATH)).status).toBe(401)
    expect((await ask(gate, { scope: 'edgewarden:audit:read edgewarden:read' })).status).toBe(403)
    expect(await outcome(await ask(setting.gate))).toEqual({ status: 403, code: 'decision_reach' })
    expect((await askGate(gate, '/.edgewarden/metrics/', {})).status).toBe(404)
  })
})

describe('examples/monitoring', () => {
  const file = (name: string) => readFileSync(join(ROOT, 'examples/monitoring', name), 'utf8')
  const names = Object.keys(METRICS)
  const metricOf = (sample: string) => sample.replace(/(?<=_seconds)_(?:bucket|count|sum)$/, '')
  /** Every metric that a text names. */
  const namedIn = (text: string) =>
    [...new Set((text.match(/\bedgewarden_[a-z_]+/g) ?? []).map(metricOf))].sort()

  it('has alert rules for metrics that there are', () => {
    const { groups } = parse(file('alerts.yml')) as {
      groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[]
    }
    const rules = groups.flatMap((group) => group.rules)
    expect(rules.length).toBeGreaterThan(10)
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    for (const { expr, annotations } of rules) {
      expect(annotations.summary).not.toBe('')
      const named = namedIn(expr)
      expect(named.length + Number(expr.includes('up{job="edgewarden"}'))).toBeGreaterThan(0)
      expect(named.filter((name) => !names.includes(name))).toEqual([])
    }
  })

  it('has a dashboard of all of them', () => {
    const { panels } = JSON.parse(file('grafana.json')) as {
      panels: { title: string; targets: { expr: string }[] }[]
    }
    const shown = namedIn(panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join())
    expect(shown).toEqual([...names].sort())
  })

  it('has a configuration that asks this path', () => {
    const { scrape_configs: configs, rule_files: files } = parse(file('prometheus.yml')) as {
      scrape_configs: object[]
      rule_files: string[]
    }
    expect(configs).toMatchObject([{ job_name: 'edgewarden', metrics_path: PATH, scheme: 'https' }])
    expect(files).toEqual(['alerts.yml'])
  })

  it('names all that the gate gives, and no more', async () => {
    const given = new Set((await read()).map(({ name }) => metricOf(name)))
    // Nobody is asked here: test/control/console/approvals.test.ts has a gate with approvals.
    const asking = ['edgewarden_approvals', 'edgewarden_approvals_decided_seconds']
    const never = [...asking, 'edgewarden_audit_dropped_records']
    expect(names.filter((name) => !given.has(name))).toEqual(never)
    expect([...given].filter((name) => !names.includes(name))).toEqual([])
  })
})
