import { AuditLog as Log } from '../../../src/control/audit/object.ts'
import { packed } from '../../../src/control/audit/rings.ts'
import { writtenOf } from '../../../src/control/records/terms.ts'
import type { Batch } from '../../../src/gate/outbox/protocol.ts'
import { ISSUER, RESOURCE } from '../policy.ts'

export interface AuditEnv {
  readonly AUDIT_LOG: DurableObjectNamespace<AuditLog>
}

/** Records of one row: a quarter of a second of a gate with a thousand requests a second. */
const ROW = 250
/** Agents of one row; they are the same in all rows. */
const AGENTS = 50
/** Milliseconds between two rows. */
const STEP = 250
/** The agent of which only the oldest row has a record. */
const RARE = 'agent-of-long-ago'
/** Terms under which nothing is deleted. */
const TERMS = { retention: 30 * 86_400, maxBytes: 9e9, maxRows: Number.POSITIVE_INFINITY } as const

/** A record as the gate writes it. */
const recordAt = (agent: string): string => {
  const now = Date.now()
  return JSON.stringify({
    v: 1,
    id: crypto.randomUUID(),
    time: new Date(now).toISOString(),
    request_id: crypto.randomUUID(),
    method: 'GET',
    host: new URL(RESOURCE).host,
    route: 'GET /v1/documents/{id}',
    decision: 'allowed',
    mode: 'enforce',
    issuer: ISSUER,
    kid: 'ES256-2026-11',
    agent,
    client: agent,
    jti: crypto.randomUUID(),
    subject: `${agent}@clients.acme.example`,
    workflow: `wf-${agent}`,
    grant: ['documents:read'],
    token_scopes: ['documents:read', 'documents:write'],
    aud: [RESOURCE],
    iat: Math.floor(now / 1000) - 60,
    exp: Math.floor(now / 1000) + 3_540,
    duration: now % 50,
    status: 200,
    origin_status: 200,
  })
}

const rowOf = (): readonly string[] =>
  Array.from({ length: ROW }, (_, i) => recordAt(`agent-${i % AGENTS}`))

/** The audit as it is, which can be filled fast. */
export class AuditLog extends Log {
  /**
   * Writes the rows from a number on, out of so many that end now, into SQLite: copies of a row that the audit's own code
   * has made. To append each would take a quarter of a second. The oldest row, which is written alone, has a record of {@link RARE}.
   */
  async fill(from: number, count: number, all: number): Promise<void> {
    const { sql, kv } = this.ctx.storage
    const records = from === 0 ? [...rowOf().slice(1), recordAt(RARE)] : rowOf()
    const { bytes, terms, counts, ids, data } = await packed('known', records.map(writtenOf))
    const counted = { day: 0, counts, rows: 2, shares: {} }
    const first = Date.now() - all * STEP + from * STEP
    const series = `WITH RECURSIVE one (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM one WHERE i + 1 < ?)`
    this.ctx.storage.transactionSync(() => {
      sql.exec(
        `${series} INSERT INTO known SELECT ? + i * ?, ? + i * ?, ? + i * ?, ?, 0, 0, 'b' || (? + i), ?, ?, ? FROM one`,
        ...[count, first, STEP, first, STEP, first, STEP, bytes, from],
        ...[terms, JSON.stringify(counted), ids],
      )
      sql.exec(
        `${series} INSERT INTO records SELECT ? + i * ?, ? FROM one`,
        ...[count, first, STEP, data],
      )
      const { id } = sql.exec<{ id: number }>('SELECT MAX(id) AS id FROM known').one()
      // As the audit's own code keeps the counts of rows after every thousand of them.
      kv.put('budget', { day: 0, rows: 0, gaps: [], counts: {}, upTo: id })
    })
  }
}

type Task = (log: DurableObjectStub<AuditLog>, numbers: readonly number[]) => unknown

/** Stores so many rows, one after the other. */
const append: Task = async (log, [count = 0]) => {
  for (let i = 0; i < count; i++) {
    const batch: Batch = { id: crypto.randomUUID(), known: rowOf(), strangers: [], ...TERMS }
    const answer = await log.append(batch)
    if (answer.stoppedUntil !== undefined) throw new Error('the audit has stopped')
  }
}

/** Lists the records of an agent so many times; how many there are, up to a page. */
const listed = async (
  log: DurableObjectStub<AuditLog>,
  agent: string,
  count: number,
): Promise<number> => {
  let found = 0
  for (let i = 0; i < count; i++) {
    found = (await log.list({ filters: { agent }, limit: 25 })).found.length
  }
  return found
}

const TASKS: Readonly<Record<string, Task>> = {
  fill: (log, [from = 0, count = 0, all = 0]) => log.fill(from, count, all),
  append,
  'make-rows': (_log, [count = 0]) => {
    for (let i = 0; i < count; i++) rowOf()
  },
  usual: (log, [count = 0]) => listed(log, 'agent-7', count),
  rare: (log, [count = 0]) => listed(log, RARE, count),
  usage: async (log) => {
    const { tally } = await log.usage({ filters: {}, by: ['agent'], most: 10_000 })
    return [...tally.values()].reduce((sum, { decisions }) => sum + decisions, 0)
  },
  bytes: async (log) => (await log.health()).bytes.known,
}

/** Does one task, `/NAME?n=1&n=2`, and answers what came of it. */
export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url)
    const task = TASKS[pathname.slice(1)]
    if (!task) return new Response(`no task ${pathname}`, { status: 404 })
    const result = await task(env.AUDIT_LOG.getByName('0'), searchParams.getAll('n').map(Number))
    return Response.json(result ?? null)
  },
} satisfies ExportedHandler<AuditEnv>
