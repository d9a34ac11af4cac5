import { DurableObject } from 'cloudflare:workers'
import { LIMITS } from '../../base/limits.ts'
import type { RevocationPage, RevocationQuery } from '../../model/ports.ts'
import {
  KINDS,
  type Kind,
  type Mode,
  type Revocation,
  renewed,
  subjectHash,
  subjectKey,
} from '../../model/revocation.ts'
import { createRevocationLog, type PulledChanges, type PulledPage } from './log.ts'
import { LIVE, migrate } from './schema.ts'

/** Milliseconds an alarm is set ahead at most: dates the platform refuses must not break a write. */
const ALARM_MS = 30 * 24 * 60 * 60 * 1000

/** A row as SQLite gives it: what is absent is `null`. */
type Row = {
  readonly seq: number
  readonly id: string
  readonly kind: string
  readonly issuer: string
  readonly value: string
  readonly mode: string
  readonly at: number | null
  readonly expires: number | null
  readonly reason: string | null
  readonly created: number
  readonly created_by: string
}

type Hashed = { readonly entry: Revocation; readonly hash: Uint8Array }

/** Thrown to undo a transaction; never leaves the object. */
const FULL = new Error('the revocation set is full')

/**
 * The revocation set: a Durable Object with SQLite, the only place entries are written. Expired
 * entries are never answered, and removed by an alarm. Trusts its callers, which are the gate's own
 * code: it judges neither who asks nor what an entry says.
 */
export class RevocationShard extends DurableObject {
  readonly #sql: SqlStorage
  readonly #log: ReturnType<typeof createRevocationLog>
  /** The one run that hashes old entries, shared by the pulls that wait for it. */
  #hashing: Promise<void> | undefined

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env)
    this.#sql = ctx.storage.sql
    migrate(ctx.storage)
    this.#log = createRevocationLog(ctx.storage)
  }

  /** Live entries about any of the subjects, each named by its `subjectKey`. */
  lookup(subjectKeys: readonly string[]): Revocation[] {
    // One bound list keeps the statement's text constant and has no limit of its own.
    return this.#rows(
      `SELECT * FROM entries WHERE subject IN (SELECT value FROM json_each(?)) AND ${LIVE}`,
      JSON.stringify(subjectKeys),
      now(),
    ).map(toEntry)
  }

  /**
   * Stores all entries, or none when they do not fit into {@link LIMITS.revocations}. An entry that
   * is there is renewed; one that has expired is made anew.
   */
  async add(entries: readonly Revocation[]): Promise<{ added: Revocation[] } | { full: true }> {
    // A transaction cannot wait, and a digest must.
    const hashed = await Promise.all(
      entries.map(async (entry) => ({ entry, hash: await subjectHash(subjectKey(entry)) })),
    )
    try {
      const added = this.ctx.storage.transactionSync(() => this.#put(hashed))
      await this.#arm()
      return { added }
    } catch (error) {
      if (error === FULL) return { full: true }
      throw error
    }
  }

  /** A page of live entries in the order they were first made. */
  list({ kind, issuer, value, limit, cursor = 0 }: RevocationQuery): RevocationPage {
    // An issuer and a value are a few subjects, and those have an index of their own; left to
    // itself, SQLite would walk everything of the issuer.
    const exact = issuer !== undefined && value !== undefined
    const subjects = exact
      ? (kind ? [kind] : KINDS).map((one) => subjectKey({ kind: one, issuer, value }))
      : undefined
    const where: readonly (readonly [clause: string, bound: string | number | undefined])[] = [
      ['seq > ?', cursor],
      [LIVE, now()],
      ['subject IN (SELECT value FROM json_each(?))', subjects && JSON.stringify(subjects)],
      ['kind = ?', kind],
      ['issuer = ?', issuer],
      ['value = ?', value],
    ]
    const used = where.filter(([, bound]) => bound !== undefined)
    const rows = this.#rows(
      `SELECT * FROM entries ${exact ? 'INDEXED BY entries_by_subject' : ''}
        WHERE ${used.map(([clause]) => clause).join(' AND ')} ORDER BY seq LIMIT ?`,
      ...used.map(([, bound]) => bound),
      limit + 1,
    )
    const page = rows.slice(0, limit)
    const last = page.at(-1)
    return {
      revocations: page.map(toEntry),
      ...(rows.length > limit && last && { cursor: last.seq }),
    }
  }

  /** The live entry with this id. */
  get(id: string): Revocation | undefined {
    const [row] = this.#rows(`SELECT * FROM entries WHERE id = ? AND ${LIVE}`, id, now())
    return row && toEntry(row)
  }

  /** Removes an entry; false when there is no live one with this id. */
  remove(id: string): boolean {
    return this.ctx.storage.transactionSync(
      () => this.#log.drop(now(), `id = ? AND ${LIVE}`, id, now()) > 0,
    )
  }

  /**
   * A page of the hashes of all live entries, for a copy of the set. The copy is complete with the
   * changes since the version of its first page.
   */
  async pullAll(after = 0): Promise<PulledPage> {
    await this.#prepared()
    return this.#log.all(now(), after)
  }

  /** What changed since a version of an epoch; `reset` where only a full pull can tell. */
  async pullSince(
    epoch: string,
    version: number,
  ): Promise<PulledChanges | { readonly reset: true }> {
    await this.#prepared()
    return this.#log.since(now(), epoch, version)
  }

  /** Removes what has expired and sets the next alarm. */
  override async alarm(): Promise<void> {
    this.#sweep()
    await this.#arm()
  }

  /** Has every entry hashed and what has expired removed, as far as one round does that. */
  async #prepared(): Promise<void> {
    this.#hashing ??= this.#log.hashAll().finally(() => {
      this.#hashing = undefined
    })
    await this.#hashing
    this.#sweep()
  }

  #rows(statement: string, ...bound: unknown[]): Row[] {
    return this.#sql.exec<Row>(statement, ...bound).toArray()
  }

  #put(entries: readonly Hashed[]): Revocation[] {
    for (const { entry, hash } of entries) {
      const old = this.get(entry.id)
      if (!old) this.#log.drop(now(), 'id = ?', entry.id)
      this.#write(old ? renewed(old, entry) : entry, hash)
    }
    if (this.#count() > LIMITS.revocations) {
      this.#sweep()
      if (this.#count() > LIMITS.revocations) throw FULL
    }
    return [...new Set(entries.map(({ entry }) => entry.id))].flatMap((id) => this.get(id) ?? [])
  }

  #write(entry: Revocation, hash: Uint8Array): void {
    this.#sql.exec(
      `INSERT INTO entries
        (id, subject, kind, issuer, value, mode, at, expires, reason, created, created_by,
          version, hash)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE
        SET at = excluded.at, expires = excluded.expires, reason = excluded.reason,
          version = excluded.version`,
      entry.id,
      subjectKey(entry),
      entry.kind,
      entry.issuer,
      entry.value,
      entry.mode,
      entry.at ?? null,
      entry.expires ?? null,
      entry.reason ?? null,
      entry.created,
      entry.createdBy,
      this.#log.next(),
      hash,
    )
  }

  #count(): number {
    return this.#sql.exec<{ held: number }>('SELECT held FROM log').one().held
  }

  #sweep(): void {
    this.ctx.storage.transactionSync(() => this.#log.sweep(now()))
  }

  /** Sets the alarm to the next expiry, unless an earlier one is set. */
  async #arm(): Promise<void> {
    const { next } = this.#sql
      .exec<{ next: number | null }>(
        // Only so said is the index used.
        'SELECT min(expires) AS next FROM entries WHERE expires IS NOT NULL',
      )
      .one()
    if (next === null) return
    const at = Math.min(next * 1000, Date.now() + ALARM_MS)
    const set = await this.ctx.storage.getAlarm()
    if (set === null || set > at) await this.ctx.storage.setAlarm(at)
  }
}

const now = (): number => Math.floor(Date.now() / 1000)

const toEntry = (row: Row): Revocation => ({
  id: row.id,
  kind: row.kind as Kind,
  issuer: row.issuer,
  value: row.value,
  mode: row.mode as Mode,
  ...(row.at !== null && { at: row.at }),
  ...(row.expires !== null && { expires: row.expires }),
  ...(row.reason !== null && { reason: row.reason }),
  created: row.created,
  createdBy: row.created_by,
})
