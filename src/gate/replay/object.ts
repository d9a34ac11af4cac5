import { DurableObject } from 'cloudflare:workers'
import type { Failure } from '../model/ports.ts'
import { noteSchema } from '../platform/schema.ts'

/** The version of the table of claims. An older version of the gate does not know the table of failures. */
const SCHEMA = 1

const TABLE = `CREATE TABLE IF NOT EXISTS claims (
    name TEXT PRIMARY KEY,
    expires INTEGER NOT NULL,
    by TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS claims_by_expiry ON claims (expires);
  CREATE TABLE IF NOT EXISTS failures (
    name TEXT PRIMARY KEY,
    expires INTEGER NOT NULL,
    status INTEGER NOT NULL,
    request_id TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS failures_by_expiry ON failures (expires);`

/**
 * Returns a row with the first claimer. A later claim extends its expiration, so that it is kept as long as any token
 * with the name is accepted.
 */
const CLAIM = `INSERT INTO claims (name, expires, by) VALUES (?1, ?2, ?3)
  ON CONFLICT (name) DO UPDATE SET
    by = CASE WHEN claims.expires <= ?4 THEN excluded.by ELSE claims.by END,
    expires = MAX(claims.expires, excluded.expires)
    WHERE claims.expires <= ?4 OR claims.by = excluded.by OR claims.expires < excluded.expires
  RETURNING by`

const dropping = (table: 'claims' | 'failures') => `DELETE FROM ${table} WHERE name IN
  (SELECT name FROM ${table} WHERE expires <= ? LIMIT ?)`
const DROPS = [dropping('claims'), dropping('failures')]

const FIRST = `SELECT MIN(expires) AS first FROM
  (SELECT MIN(expires) AS expires FROM claims UNION ALL SELECT MIN(expires) FROM failures)`

/** Most rows deleted at once, because claims wait meanwhile. */
const MOST_DROPPED = 10_000
/** Seconds: rows that expire within the same interval are deleted together. */
const TOGETHER = 60

const secondsNow = (): number => Date.now() / 1000
/** The alarm's time for an expiration, in milliseconds since the epoch. */
const dropAt = (expires: number): number => Math.ceil(expires / TOGETHER) * TOGETHER * 1000

/**
 * Records claimed names: a Durable Object, so that the whole world claims in one place. Its state is persistent; rows
 * are deleted soon after they expire. Trusts its callers, which are the gate's own code.
 */
export class ReplayShard extends DurableObject {
  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env)
    noteSchema(ctx.storage, SCHEMA)
    ctx.storage.sql.exec(TABLE)
  }

  /**
   * Whether this is the first claim of a name, or a retry of that claim. `by`: a new value for each claim. `expires`:
   * seconds since the epoch by this object's clock, from which on every claim fails.
   */
  async claim(name: string, expires: number, by: string): Promise<boolean> {
    const { storage } = this.ctx
    const alarm = await storage.getAlarm()
    if (alarm === null || alarm > dropAt(expires)) await storage.setAlarm(dropAt(expires))
    // No await from here on, so no other call can interleave.
    const now = secondsNow()
    if (expires <= now) return false
    const [first] = storage.sql.exec<{ by: string }>(CLAIM, name, expires, by, now).toArray()
    return first?.by === by
  }

  /** Whether a name is claimed and not expired. */
  isClaimed(name: string): boolean {
    const { sql } = this.ctx.storage
    const found = sql.exec(
      'SELECT 1 FROM claims WHERE name = ? AND expires > ?',
      name,
      secondsNow(),
    )
    return found.toArray().length > 0
  }

  /**
   * Records how the request which claimed a name has failed; the first record stays. The alarm of the claim, which
   * expires no earlier, drops it.
   */
  note(name: string, expires: number, { status, requestId }: Failure): boolean {
    if (!this.isClaimed(name)) return false
    const insert = 'INSERT OR IGNORE INTO failures VALUES (?, ?, ?, ?)'
    return this.ctx.storage.sql.exec(insert, name, expires, status, requestId).rowsWritten > 0
  }

  /** How the request which claimed a name has failed; `null` where it has not, or no record is left. */
  failureOf(name: string): Failure | null {
    const [failure] = this.ctx.storage.sql
      .exec<{ status: number; requestId: string }>(
        'SELECT status, request_id AS requestId FROM failures WHERE name = ? AND expires > ?',
        name,
        secondsNow(),
      )
      .toArray()
    return failure ?? null
  }

  /** Deletes expired rows, and sets the alarm for the rest. */
  override async alarm(): Promise<void> {
    const { sql } = this.ctx.storage
    for (const drop of DROPS) sql.exec(drop, secondsNow(), MOST_DROPPED)
    const { first } = sql.exec<{ first: number | null }>(FIRST).one()
    if (first !== null) await this.ctx.storage.setAlarm(dropAt(first))
  }
}
