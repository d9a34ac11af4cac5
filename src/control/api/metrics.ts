import { type Admin, ownIssuer, refuse } from '../../gate/app/context.ts'
import { mayAsk } from '../../gate/model/approval.ts'
import { type Counts, type ShardHealth, shardTerms } from '../../gate/model/audit.ts'
import { PROBLEMS } from '../audit/health.ts'
import { BUCKETS_MS, wordsOf } from '../records/terms.ts'
import { decisionDenials } from './decision-query.ts'
import { controlOf } from './ports.ts'

/** Every metric, and what it says. Those that end in `_total` are counters, `TIMES` is a histogram, all others are gauges. */
export const METRICS = {
  edgewarden_decisions_total: 'Decisions in the audit, by decision, code and status of the answer',
  edgewarden_rule_decisions_total:
    'Decisions in the audit, by rule and decision. Beyond 200 rules the rule is …',
  edgewarden_agent_type_decisions_total:
    'Decisions in the audit about agents with a type, by type and decision. Beyond 50 types, and for a type that was never allowed, the type is …',
  edgewarden_answer_seconds:
    'Histogram of the time until the answer begins, with the origin, by rule and decision',
  edgewarden_origin_answers_total: 'Answers of origins, by their status',
  edgewarden_problem: '1 if the problem exists, or existed in the last five minutes, by problem',
  edgewarden_alerts_waiting: 'Alerts that the receiver has not accepted yet',
  edgewarden_approvals: 'Approvals that were asked for in the last 24 hours, by state',
  edgewarden_approvals_decided_seconds:
    'Mean time from asking for an approval to the decision, in the last 24 hours',
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

const TIMES = 'edgewarden_answer_seconds'

/** A sample without a value is left out. */
type Sample = readonly [
  name: keyof typeof METRICS | `${typeof TIMES}_${'bucket' | 'sum' | 'count'}`,
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
    const isTimes = name === TIMES
    const lines = samples
      .filter(([one]) => one === name || (isTimes && one.startsWith(`${TIMES}_`)))
      .map(lineOf)
    const family = name.replace(/_total$/, '')
    const type = isTimes ? 'histogram' : family === name ? 'gauge' : 'counter'
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
  const { audit: records, store, readiness, signingKeys, approvals } = c.get('ports')
  const none = () => undefined
  const isAsking = c.get('policy').routes.some(mayAsk)
  const [shards, revocations, ready, published, asked] = await Promise.all([
    controlOf(c).audit?.health() ?? [],
    store.status().catch(none),
    readiness(),
    Promise.resolve(signingKeys.published()).catch(none),
    isAsking ? approvals?.counts().catch(none) : undefined,
  ])
  const limit = records && shardTerms(records.rule).maxRows
  return [
    ...shards.flatMap((health, shard): readonly Sample[] => [
      ['edgewarden_audit_up', health !== undefined, { shard }],
      ['edgewarden_audit_rows_limit', limit, { shard }],
      ...(health ? ofShard(health, shard) : []),
    ]),
    ...Object.entries(asked?.states ?? {}).map(
      ([state, n]): Sample => ['edgewarden_approvals', n, { state }],
    ),
    ['edgewarden_approvals_decided_seconds', asked?.decidedIn && asked.decidedIn / 1000],
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

const ofCount = (words: readonly string[], count: number, shard: number): readonly Sample[] => {
  const [first, second, third] = words
  switch (first) {
    case 'ms':
    case 'sum':
      return []
    case 'origin':
      return [['edgewarden_origin_answers_total', count, { shard, status: second }]]
    case 'rule':
      return [['edgewarden_rule_decisions_total', count, { shard, rule: third, decision: second }]]
    case 'type': {
      const labels = { shard, type: third, decision: second }
      return [['edgewarden_agent_type_decisions_total', count, labels]]
    }
    default: {
      const labels = { shard, decision: first, code: second, status: third }
      return [['edgewarden_decisions_total', count, labels]]
    }
  }
}

/** The histogram of each rule and decision. */
const timesOf = (counts: Counts, shard: number): readonly Sample[] =>
  Object.entries(counts).flatMap(([name, ms]): readonly Sample[] => {
    const [first, decision, rule] = wordsOf(name)
    if (first !== 'sum') return []
    const labels = { shard, rule, decision }
    let count = 0
    const buckets = [...BUCKETS_MS, Number.POSITIVE_INFINITY].map((bound): Sample => {
      const isLast = bound === Number.POSITIVE_INFINITY
      count += counts[`ms ${decision} ${isLast ? '+Inf' : bound} ${rule}`] ?? 0
      return [`${TIMES}_bucket`, count, { ...labels, le: isLast ? '+Inf' : bound / 1000 }]
    })
    return [...buckets, [`${TIMES}_count`, count, labels], [`${TIMES}_sum`, ms / 1000, labels]]
  })

const ofShard = (health: ShardHealth, shard: number): readonly Sample[] => {
  const { counts, rows, bytes, dropped, problems, waiting } = health
  const each = Object.entries
  return [
    ...each(counts).flatMap(([what, count]) => ofCount(wordsOf(what), count, shard)),
    ...timesOf(counts, shard),
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
