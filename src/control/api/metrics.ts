import { type Admin, ownIssuer, refuse } from '../../gate/app/context.ts'
import { type ShardHealth, shardTerms } from '../../gate/model/audit.ts'
import { PROBLEMS } from '../audit/health.ts'
import { decisionDenials } from './decisions.ts'
import { controlOf } from './ports.ts'

/** Every metric, and what it says. Those that end in `_total` are counters, and all others gauges. */
export const METRICS = {
  edgewarden_decisions_total: 'Decisions in the audit, by decision, code and status of the answer',
  edgewarden_origin_answers_total: 'Answers of origins, by their status',
  edgewarden_problem: '1 if the problem exists, or existed in the last five minutes, by problem',
  edgewarden_alerts_waiting: 'Alerts that the receiver has not accepted yet',
  edgewarden_audit_up: '1 if the shard of the audit answers',
  edgewarden_audit_rows: 'Rows that the shard has written on this UTC day',
  edgewarden_audit_rows_limit: 'Rows that the shard may write on a UTC day',
  edgewarden_audit_stored_bytes: 'Bytes of the records in the shard, by ring',
  edgewarden_audit_dropped_records:
    'Least number of records that were dropped on this UTC day, by reason, share and issuer',
  edgewarden_revocation_shards: 'Shards of the revocation set',
  edgewarden_revocation_shards_behind: 'Shards that lack the latest revocations',
  edgewarden_ready: '1 if this check of PREFIX/ready passes',
  edgewarden_issuer_keys: 'Usable keys of an issuer',
  edgewarden_issuer_keys_age_seconds: 'Seconds since the keys were fetched',
  edgewarden_issuer_keys_failed: '1 if the last attempt to get the keys failed',
  edgewarden_assertion_keys: 'Published keys that verify assertions',
} as const

/** A sample without a value is left out. */
type Sample = readonly [
  name: keyof typeof METRICS,
  value: unknown,
  labels?: Readonly<Record<string, unknown>>,
]

/**
 * `GET /metrics`: OpenMetrics 1.0. The guard has checked token and scope. The numbers are about all issuers, so only
 * administrators of all issuers may read them. Reads of metrics are not recorded: most records would be about such
 * reads.
 */
export async function metrics(c: Admin): Promise<Response> {
  if (ownIssuer(c) !== undefined) refuse(c, decisionDenials('decision_reach'))
  const samples = (await samplesOf(c)).filter(([, value]) => value !== undefined)
  const families = Object.entries(METRICS).flatMap(([name, help]) => {
    const lines = samples.filter(([one]) => one === name).map(lineOf)
    const family = name.replace(/_total$/, '')
    const type = family === name ? 'gauge' : 'counter'
    return lines.length > 0
      ? [`# TYPE ${family} ${type}`, `# HELP ${family} ${help}`, ...lines]
      : []
  })
  c.set('isUnwritten', true)
  return c.body(`${[...families, '# EOF'].join('\n')}\n`, 200, {
    'cache-control': 'no-store',
    'content-type': 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  })
}

const lineOf = ([name, value, labels = {}]: Sample): string => {
  const pairs = Object.entries(labels).map(
    ([label, text]) => `${label}=${JSON.stringify(`${text}`)}`,
  )
  const text = value === Number.POSITIVE_INFINITY ? '+Inf' : Number(value)
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${text}`
}

const samplesOf = async (c: Admin): Promise<readonly Sample[]> => {
  const { audit: records, store, readiness, signingKeys } = c.get('ports')
  const none = () => undefined
  const [shards, revocations, ready, published] = await Promise.all([
    controlOf(c).audit?.health() ?? [],
    store.status().catch(none),
    readiness(),
    Promise.resolve(signingKeys.published()).catch(none),
  ])
  const limit = records && shardTerms(records.rule).maxRows
  return [
    ...shards.flatMap((health, shard): readonly Sample[] => [
      ['edgewarden_audit_up', health !== undefined, { shard }],
      ['edgewarden_audit_rows_limit', limit, { shard }],
      ...(health ? ofShard(health, shard) : []),
    ]),
    ['edgewarden_revocation_shards', revocations?.total],
    ['edgewarden_revocation_shards_behind', revocations?.pending.length],
    ['edgewarden_ready', ready.keys, { check: 'keys' }],
    ['edgewarden_ready', ready.revocations, { check: 'revocations' }],
    ...ready.issuers.flatMap(({ issuer, keys, age, error }): readonly Sample[] => [
      ['edgewarden_issuer_keys', keys, { issuer }],
      ['edgewarden_issuer_keys_age_seconds', age, { issuer }],
      ['edgewarden_issuer_keys_failed', error !== undefined, { issuer }],
    ]),
    ['edgewarden_assertion_keys', published?.length],
  ]
}

const ofShard = (health: ShardHealth, shard: number): readonly Sample[] => {
  const { counts, rows, bytes, dropped, problems, waiting } = health
  const each = Object.entries
  return [
    ...each(counts).map(([what, count]): Sample => {
      const [decision, code, status] = what.split(' ')
      return decision === 'origin'
        ? ['edgewarden_origin_answers_total', count, { shard, status: code }]
        : ['edgewarden_decisions_total', count, { shard, decision, code, status }]
    }),
    ...Object.keys(PROBLEMS).map(
      (problem): Sample => ['edgewarden_problem', problem in problems, { shard, problem }],
    ),
    ['edgewarden_alerts_waiting', waiting, { shard }],
    ['edgewarden_audit_rows', rows, { shard }],
    ...each(bytes).map(
      ([ring, n]): Sample => ['edgewarden_audit_stored_bytes', n, { shard, ring }],
    ),
    ...dropped.map(
      ({ reason, share, issuer = '-', records }): Sample => [
        'edgewarden_audit_dropped_records',
        records,
        { shard, reason, share, issuer },
      ],
    ),
  ]
}
