import { DurableObject } from 'cloudflare:workers'
import { within } from '../../gate/base/timeout.ts'
import type { Drop, FoundDecision, Problems, ShardHealth } from '../../gate/model/audit.ts'
import type { Appended, Batch } from '../../gate/outbox/protocol.ts'
import { dropOldest } from '../../gate/platform/buckets.ts'
import { createQueue } from '../../gate/platform/calls.ts'
import { noteSchema } from '../../gate/platform/schema.ts'
import { type AgentObjects, createAgentFeed } from '../agents/feed.ts'
import { readRecord, type Written, writtenOf } from '../records/terms.ts'
import { createAlerts, receiverFor } from './alerts.ts'
import { createBudget } from './budget.ts'
import { createDeployments } from './deployments.ts'
import { createGather } from './gather.ts'
import { gzip } from './gzip.ts'
import { createHealth } from './health.ts'
import type {
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
import { type ReadBatch, sharedOut } from './shares.ts'
import { createCounter } from './usage.ts'
import { createWriter } from './writer.ts'

/** The version of the tables. */
const SCHEMA = 1

/** The storage key of the latest batch's {@link Terms}, for the alarm. */
const KEPT_TERMS = 'terms'
type Terms = Pick<Batch, 'retention' | 'maxBytes' | 'maxRows' | 'issuers'>

/** The storage key of the key of positions. */
const POSITION_KEY = 'positions'
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
  /** By the id of a batch: a promise that resolves once the batch is stored or refused. */
  readonly #taken = new Map<string, Promise<Appended>>()
  readonly #inOrder = createQueue()
  readonly #storage = opened(this.ctx)
  readonly #budget = createBudget(this.#storage)
  readonly #health = createHealth(this.#budget)
  readonly #receiver = receiverFor(this.ctx, this.env)
  readonly #alerts = createAlerts(this.#storage, this.#budget, this.#health, this.#receiver)
  readonly #deployments = createDeployments(this.#storage, this.#budget)
  readonly #reader = createReader(this.#storage)
  readonly #count = createCounter(this.#reader)
  readonly #writer = createWriter(this.#storage, this.#budget)
  readonly #gather = createGather(
    (batches) => this.#store(batches),
    (ms) => this.#health.note({ clock: `${Math.round(ms / 1000)} s back` }),
  )
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
    const { known, strangers, acts = [], deployed, maxRows } = batch
    this.#health.note(batch.problems)
    const isRefused = acts.length === 0 && !deployed && this.#budget.left(maxRows) === 0
    if (isRefused) {
      this.#drop([
        ...(batch.dropped ?? []),
        { reason: 'rows_a_day', share: 'issuers', records: known.length },
        { reason: 'rows_a_day', share: 'strangers', records: strangers.length },
      ])
      this.ctx.waitUntil(this.#alerts.run())
    }
    const problems = () => ({ problems: this.#health.found() })
    const stored = isRefused
      ? Promise.resolve({ ...problems(), stoppedUntil: this.#budget.nextDay() })
      : this.#gather(batch).then(problems)
    dropOldest(this.#taken, REMEMBERED)
    this.#taken.set(batch.id, stored)
    return stored
  }

  async #store(sent: readonly Batch[]): Promise<void> {
    try {
      const batches = sent.map((one) => ({ ...one, known: one.known.map(writtenOf) }))
      this.#drop(await this.#write(batches))
      for (const batch of batches) {
        this.#drop(batch.dropped)
        this.#tellAgents(batch)
      }
      this.ctx.waitUntil(this.#alerts.run())
    } catch (error) {
      this.#writer.recount()
      for (const { id } of sent) this.#taken.delete(id)
      throw error
    }
  }

  #drop(drops: readonly Drop[] = []): void {
    for (const drop of drops) this.#budget.drop(drop)
  }

  /** Stores batches. Returns what they had and no share had room for. */
  async #write(batches: readonly ReadBatch[]): Promise<readonly Drop[]> {
    const budget = this.#budget
    const last = batches.findLast(({ issuers }) => issuers !== undefined) ?? batches.at(-1)
    if (!last) return []
    const ids = batches.map(({ id }) => id).join(' ')
    const { records, drops } = sharedOut(batches, last, budget)
    const acts = (own: boolean) =>
      this.#unknown(batches.flatMap((one) => ((one.isOwn ?? false) === own && one.acts) || []))
    const deployments = this.#deployments.newIn(batches)
    const ofAll = [...(await acts(false)), ...deployments.acts]
    const rows = [
      ...(await rowsOf('known', records.known)),
      ...(await rowsOf('strangers', records.strangers)),
      ...(await rowsOf('acts', ofAll)),
      ...(await rowsOf('own_acts', await acts(true))),
    ]
    const policies = await Promise.all(
      batches.flatMap(({ policy }) =>
        policy && !this.#reader.hasPolicy(policy[0])
          ? [gzip(policy[1]).then((text) => [policy[0], text] as const)]
          : [],
      ),
    )
    await this.#wakeFor(last)
    const counted = this.#storage.transactionSync(() => {
      this.#keepTerms(last)
      for (const [hash, text] of policies) {
        budget.write('INSERT OR IGNORE INTO policies VALUES (?, ?)', hash, text)
      }
      deployments.keep()
      this.#alerts.tellActs(ofAll.map(({ text }) => text))
      return this.#writer.insert(rows, ids, last)
    })
    budget.count(counted)
    return drops
  }

  /** The acts that are not stored yet: a sender that gets no answer sends again, maybe much later. */
  async #unknown(texts: readonly string[]): Promise<readonly Written[]> {
    const rings: readonly Ring[] = ['acts', 'own_acts']
    const acts = texts.map(writtenOf)
    const find = ({ record }: Written) => this.#reader.find(String(record.id), rings)
    const known = await Promise.all(acts.map(find))
    return acts.filter((_, at) => known[at] === undefined)
  }

  #keepTerms({ retention, maxBytes, maxRows, issuers }: Terms): void {
    const { kv } = this.#storage
    const kept = kv.get<Terms>(KEPT_TERMS)
    const terms: Terms = { issuers: issuers ?? kept?.issuers, retention, maxBytes, maxRows }
    if (JSON.stringify(kept) === JSON.stringify(terms)) return
    kv.put(KEPT_TERMS, terms)
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

  /** The key of positions that isolates hand out. It is made once. */
  positionKey(): ArrayBuffer {
    const { kv } = this.#storage
    const known = kv.get<ArrayBuffer>(POSITION_KEY)
    if (known) return known
    const { buffer } = crypto.getRandomValues(new Uint8Array(16))
    kv.put(POSITION_KEY, buffer)
    this.#budget.add(1)
    return buffer
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
  get(id: string): Promise<FoundDecision | undefined> {
    return this.#reader.found(id)
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
    const record = JSON.stringify({ ...readRecord(act.record), act: 'erase', records })
    const isTold = records > 0 || isFirst
    const ring = act.isOwn ? 'own_acts' : 'acts'
    const acts = await rowsOf(ring, isTold ? await this.#unknown([record]) : [])
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
    const terms = kept ?? { retention: 0, maxBytes: 0, maxRows: 0 }
    const keptMs = terms.retention * 1000
    const oldest = this.#writer.expire(Date.now() - keptMs, terms)
    budget.keep()
    if (oldest === Number.POSITIVE_INFINITY) return
    const next = budget.free(terms) < 2 ? budget.nextDay() : 0
    await budget.wakeAt(Math.max(oldest + keptMs + TOGETHER_MS, next))
  }
}
