import { DurableObject } from 'cloudflare:workers'
import { LIMITS } from '../base/limits.ts'
import type { RevocationPage, RevocationQuery } from '../model/ports.ts'
import {
  KINDS,
  type Kind,
  type Mode,
  type Revocation,
  renewed,
  subjectKey,
} from '../model/revocation.ts'
import { migrate } from './revocation-schema.ts'

/** Milliseconds an alarm is set ahead at most: dates the platform refuses must not break a write. */
const ALARM_MS = 30 * 24 * 60 * 60 * 1000
/** Entries removed at a time, so that lookups do not wait for a large clean-up. */
const SWEEP = 5_000

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

const LIVE = '(expires IS NULL OR expires > ?)'

/** Thrown to undo a transaction; never leaves the object. */
const FULL = new Error('the revocation set is full')

/**
 * The revocation set: a Durable Object with SQLite, the only place entries are written. Expired
 * entries are never answered, and removed by an alarm. Trusts its callers, which are the gate's own
 * code: it judges neither who asks nor what an entry says.
 */
export class RevocationShard extends DurableObject {
  readonly #sql: SqlStorage

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env)
    this.#sql = ctx.storage.sql
    migrate(ctx.storage)
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
    try {
      const added = this.ctx.storage.transactionSync(() => this.#put(entries))
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
    return (
      this.#rows(`DELETE FROM entries WHERE id = ? AND ${LIVE} RETURNING *`, id, now()).length > 0
    )
  }

  /** Removes what has expired and sets the next alarm. */
  override async alarm(): Promise<void> {
    this.#sweep()
    await this.#arm()
  }

  #rows(statement: string, ...bound: unknown[]): Row[] {
    return this.#sql.exec<Row>(statement, ...bound).toArray()
  }

  #put(entries: readonly Revocation[]): Revocation[] {
    for (const entry of entries) {
      const old = this.get(entry.id)
      if (!old) this.#sql.exec('DELETE FROM entries WHERE id = ?', entry.id)
      this.#write(old ? renewed(old, entry) : entry)
    }
    if (this.#count() > LIMITS.revocations) {
      this.#sweep()
      if (this.#count() > LIMITS.revocations) throw FULL
    }
    return [...new Set(entries.map(({ id }) => id))].flatMap((id) => this.get(id) ?? [])
  }

  #write(entry: Revocation): void {
    this.#sql.exec(
      `INSERT INTO entries
        (id, subject, kind, issuer, value, mode, at, expires, reason, created, created_by)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE
        SET at = excluded.at, expires = excluded.expires, reason = excluded.reason`,
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
    )
  }

  #count(): number {
    return this.#sql.exec<{ held: number }>('SELECT count(*) AS held FROM entries').one().held
  }

  #sweep(): void {
    this.#sql.exec(
      `DELETE FROM entries WHERE seq IN
        (SELECT seq FROM entries WHERE expires <= ? ORDER BY expires LIMIT ${SWEEP})`,
      now(),
    )
  }

  /** Sets the alarm to the next expiry, unless an earlier one is set. */
  async #arm(): Promise<void> {
    const { next } = this.#sql
      .exec<{ next: number | null }>('SELECT min(expires) AS next FROM entries')
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
