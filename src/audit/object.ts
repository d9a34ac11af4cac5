import { DurableObject } from 'cloudflare:workers'
import { type AgentObjects, createAgentFeed } from '../agents/feed.ts'
import type { FoundDecision, Problems, ShardHealth } from '../core/model/audit.ts'
import { within } from '../core/timeout.ts'
import { dropOldest } from '../platform/buckets.ts'
import { createQueue } from '../platform/calls.ts'
import { noteSchema } from '../platform/schema.ts'
import { createAlerts, receiverFor } from './alerts.ts'
import { createBudget } from './budget.ts'
import { gzip } from './gzip.ts'
import { createHealth } from './health.ts'
import type {
  Appended,
  Batch,
  Position,
  ShardErased,
  ShardErasure,
  ShardPage,
  ShardQuery,
  ShardTail,
  ShardTailed,
  ShardUsage,
  ShardUsageQuery,
} from './protocol.ts'
import { createReader } from './reader.ts'
import { type Ring, rowsOf, TABLES } from './rings.ts'
import { readRecord } from './terms.ts'
import { createCounter } from './usage.ts'
import { createWriter } from './writer.ts'

/** The version of the tables. */
const SCHEMA = 1

/** The storage key of the latest batch's {@link Terms}, for the alarm. */
const KEPT_TERMS = 'terms'
type Terms = Pick<Batch, 'retention' | 'maxRows'>

/** Milliseconds in which batches are gathered for one row. So a second has few rows, however many isolates write. */
export const GATHER = { ms: 250 }
/** Most records of strangers that are stored at a time. */
const STRANGERS = 500
/** After a restart, the batches of this many rows are remembered. */
const REMEMBERED_ROWS = 500
/** Most batches that are remembered. */
const REMEMBERED = 5_000
/** Milliseconds between two deletions of expired rows. */
const TOGETHER_MS = 3_600_000
/** Milliseconds that a live reader waits for a record, and most records that it gets at a time. */
const TAIL_MS = 15_000
const TAIL_RECORDS = 100

const opened = ({ storage }: DurableObjectState): DurableObjectStorage => {
  noteSchema(storage, SCHEMA)
  storage.sql.exec(TABLES)
  return storage
}

/**
 * Stores records of decisions: a Durable Object. Batches that come within a quarter of a second become one compressed
 * row, with hashes of the terms that find it. A call returns once its batch is stored. Trusts its callers, which are the
 * gate's own code.
 */
export class AuditLog extends DurableObject {
  /** Batches that will be stored together. */
  #gathering: { readonly batches: Batch[]; readonly stored: Promise<void> } | undefined
  /** By the id of a batch: a promise that resolves once the batch is stored or refused. */
  readonly #taken = new Map<string, Promise<Appended>>()
  readonly #inOrder = createQueue()
  readonly #storage = opened(this.ctx)
  readonly #budget = createBudget(this.#storage)
  readonly #health = createHealth(this.#budget)
  readonly #receiver = receiverFor(this.ctx, this.env)
  readonly #alerts = createAlerts(this.#storage, this.#budget, this.#health, this.#receiver)
  readonly #reader = createReader(this.#storage)
  readonly #count = createCounter(this.#reader)
  readonly #writer = createWriter(this.#storage, this.#budget)
  readonly #tellAgents = createAgentFeed(this.env as { readonly AGENTS?: AgentObjects })

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env)
    const known = this.#reader.batches(REMEMBERED_ROWS)
    for (const id of known.slice(-REMEMBERED)) this.#taken.set(id, Promise.resolve({}))
  }

  /**
   * Stores a batch, once. If the rows of the day are used up, it stores acts only: other objects of the account need
   * the rows that are left.
   */
  append(batch: Batch): Promise<Appended> {
    const before = this.#taken.get(batch.id)
    if (before) return before
    const { known, strangers, acts = [], maxRows } = batch
    this.#health.note(batch.problems)
    const isRefused = acts.length === 0 && this.#budget.left(maxRows) === 0
    if (isRefused) this.#noteDropped(batch, known.length + strangers.length)
    const problems = () => ({ problems: this.#health.found() })
    const stored = isRefused
      ? Promise.resolve({ ...problems(), stoppedUntil: this.#budget.nextDay() })
      : this.#gather(batch).then(problems)
    dropOldest(this.#taken, REMEMBERED)
    this.#taken.set(batch.id, stored)
    return stored
  }

  /** Resolves once the batch is stored. */
  #gather(batch: Batch): Promise<void> {
    const batches = this.#gathering?.batches ?? []
    batches.push(batch)
    const due = () => new Promise((done) => setTimeout(done, GATHER.ms))
    this.#gathering ??= { batches, stored: due().then(() => this.#store(batches)) }
    return this.#gathering.stored
  }

  async #store(batches: readonly Batch[]): Promise<void> {
    this.#gathering = undefined
    try {
      await this.#write(batches)
      for (const batch of batches) {
        this.#noteDropped(batch)
        this.#tellAgents(batch)
      }
      this.ctx.waitUntil(this.#alerts.run())
    } catch (error) {
      this.#writer.recount()
      for (const { id } of batches) this.#taken.delete(id)
      throw error
    }
  }

  #noteDropped({ lost, refused = 0 }: Batch, now = 0): void {
    this.#budget.drop('overload', lost)
    this.#budget.drop('rows_a_day', refused + now)
    if (now > 0) this.ctx.waitUntil(this.#alerts.run())
  }

  async #write(batches: readonly Batch[]): Promise<void> {
    const budget = this.#budget
    const last = batches.at(-1)
    if (!last) return
    const ids = batches.map(({ id }) => id).join(' ')
    const all = (ring: Ring) => batches.flatMap((batch) => batch[ring] ?? [])
    const strangers = all('strangers')
    budget.drop('overload', Math.max(0, strangers.length - STRANGERS))
    const acts = await this.#unknown(all('acts'))
    const rows = [
      ...(await rowsOf('known', all('known'))),
      ...(await rowsOf('strangers', strangers.slice(0, STRANGERS))),
      ...(await rowsOf('acts', acts)),
    ]
    const policies = await Promise.all(
      batches.flatMap(({ policy }) =>
        policy && !this.#reader.hasPolicy(policy[0])
          ? [gzip(policy[1]).then((text) => [policy[0], text] as const)]
          : [],
      ),
    )
    await this.#wakeFor(last)
    const lastId = this.#storage.transactionSync(() => {
      this.#keepTerms(last)
      for (const [hash, text] of policies) {
        budget.write('INSERT OR IGNORE INTO policies VALUES (?, ?)', hash, text)
      }
      this.#alerts.tellActs(acts)
      return this.#writer.insert(rows, ids, last)
    })
    budget.count(rows, lastId)
  }

  /** The acts that are not stored yet: a sender that gets no answer sends again, maybe much later. */
  async #unknown(acts: readonly string[]): Promise<readonly string[]> {
    const find = (act: string) => this.#reader.find(String(readRecord(act).id), ['acts'])
    const known = await Promise.all(acts.map(find))
    return acts.filter((_, at) => known[at] === undefined)
  }

  #keepTerms({ retention, maxRows }: Terms): void {
    const { kv } = this.#storage
    const kept = kv.get<Terms>(KEPT_TERMS)
    if (kept?.retention === retention && kept.maxRows === maxRows) return
    kv.put(KEPT_TERMS, { retention, maxRows })
    this.#budget.add(1)
  }

  /** Sets the alarm that deletes what is stored now. */
  #wakeFor = ({ retention }: Terms): Promise<void> =>
    this.#budget.wakeAt(Date.now() + retention * 1000 + TOGETHER_MS)

  /** What this object knows about its own health and about the gate's. */
  health(): ShardHealth {
    const { counts, today } = this.#budget
    const found = { problems: this.#health.found(), waiting: this.#alerts.waiting() }
    return { counts, ...today(), bytes: this.#writer.bytes(), ...found }
  }

  /** Notes problems that an isolate has found in another shard. */
  report(problems: Problems): Promise<void> {
    this.#health.note(problems)
    return this.#alerts.run()
  }

  /** The records of a query, the latest first. Looks into a bounded number of rows, so a page may be short. */
  async list({ before, limit, ...query }: ShardQuery): Promise<ShardPage> {
    const from = before ?? `${Number.MAX_SAFE_INTEGER}.0`
    const page = await this.#reader.page(query, { from, limit, isUpwards: false })
    const isFirst = before === undefined
    return { ...page, dropped: isFirst ? this.#budget.droppedIn(query.from, query.until) : [] }
  }

  /** The records after a position, the earliest first. Waits for a while if there is none. */
  async listAfter({ after, ...query }: ShardTail): Promise<ShardTailed> {
    const end = () => `${this.#writer.lastId() + 1}.0`
    const look = async (from: Position): Promise<ShardTailed> => {
      const dropped = this.#budget.droppedIn(Date.now() - TAIL_MS)
      const next = end()
      const page = await this.#reader.page(query, { from, limit: TAIL_RECORDS, isUpwards: true })
      return { next, ...page, dropped }
    }
    if (after === undefined) {
      return { found: [], dropped: [], next: query.from === undefined ? end() : '0.0' }
    }
    const page = await look(after)
    if (page.found.length > 0 || page.next !== end()) return page
    await within(this.#writer.next(), TAIL_MS, () => {})
    return look(page.next)
  }

  /** Counts the latest records of a query, as many as one call can. */
  async usage(query: ShardUsageQuery): Promise<ShardUsage> {
    const { tally, since } = await this.#count(query)
    const from = Math.max(query.from ?? 0, since)
    return { tally, since, dropped: this.#budget.droppedIn(from, query.until) }
  }

  /** The record with this id, and the policy by which it was decided. */
  async get(id: string): Promise<FoundDecision | undefined> {
    const decision = await this.#reader.find(id)
    if (decision === undefined) return undefined
    const policy = await this.#reader.policyOf(readRecord(decision))
    return { decision, ...(policy !== undefined && { policy }) }
  }

  /** Removes a subject's values from the records of some rows, one call after the other. */
  erase(erasure: ShardErasure): Promise<ShardErased> {
    return this.#inOrder(() => this.#erase(erasure))
  }

  async #erase(erasure: ShardErasure): Promise<ShardErased> {
    const budget = this.#budget
    const { row = Number.MAX_SAFE_INTEGER, act, isFirst } = erasure
    // Each changed row counts as two written rows, and the act as two more.
    const most = Math.floor(budget.left(act.maxRows) / 2) - 1
    if (most < 1) return { records: 0, next: row, stoppedUntil: budget.nextDay() }
    const { changed, records, next } = await this.#reader.erasedRows(erasure, row, most)
    const record = `${act.record.slice(0, -1)},"act":"erase","records":${records}}`
    const isTold = records > 0 || isFirst
    const acts = await rowsOf('acts', isTold ? await this.#unknown([record]) : [])
    await this.#wakeFor(act)
    this.#storage.transactionSync(() => {
      this.#writer.replace(changed)
      this.#keepTerms(act)
      this.#writer.insert(acts, act.id, act)
    })
    budget.keep()
    return { records, ...(next !== undefined && { next }) }
  }

  /** Sends alerts, and deletes the rows that are older than the retention, as far as the rows of the day allow it. */
  override async alarm(): Promise<void> {
    await this.#alerts.run()
    const budget = this.#budget
    const kept = this.#storage.kv.get<Terms>(KEPT_TERMS)
    const { retention, maxRows } = kept ?? { retention: 0, maxRows: 0 }
    const keptMs = retention * 1000
    const oldest = this.#writer.expire(Date.now() - keptMs, maxRows)
    budget.keep()
    if (oldest === Number.POSITIVE_INFINITY) return
    const next = budget.left(maxRows) < 2 ? budget.nextDay() : 0
    await budget.wakeAt(Math.max(oldest + keptMs + TOGETHER_MS, next))
  }
}
