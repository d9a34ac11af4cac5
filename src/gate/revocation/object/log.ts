import type { Head, Row, Version } from '../protocol.ts'
import { now } from './tables.ts'

/** Bounds of the log. */
export const LOG = {
  /** Hashes per pulled page, and the most pages kept packed: a million entries need ten. */
  page: 100_000,
  pages: 16,
  /** The most changes kept and sent in one answer. */
  changes: 100_000,
  /** Seconds a tombstone is kept. */
  tombstoneSeconds: 60 * 60,
  /** Entries removed at once, so that lookups do not wait long. */
  sweep: 1_000,
  /** Entries and removals per message between shards. */
  batch: 500,
} as const

/** Whether a replica is recent enough to answer. */
export function isServing({ epoch, version, serving }: Head): boolean {
  return epoch !== '' && serving !== null && version >= serving
}

export type RevocationLog = ReturnType<typeof createRevocationLog>

/**
 * The ordered changes of the set, for copies. Each change has its own version; each removal leaves
 * a tombstone. Writes need a transaction of the caller.
 */
export function createRevocationLog({ sql }: DurableObjectStorage) {
  const head = (): Head =>
    sql
      .exec<Record<keyof Head, SqlStorageValue>>('SELECT epoch, version, oldest, serving FROM log')
      .one() as unknown as Head

  /** Deletes tombstones that are old or over the limit. */
  const trim = (): void => {
    const { version } = head()
    const [young] = sql
      .exec<{ version: number }>(
        'SELECT version FROM tombstones WHERE at > ? ORDER BY version LIMIT 1',
        now() - LOG.tombstoneSeconds,
      )
      .toArray()
    const first = Math.max(young?.version ?? version + 1, version - LOG.changes + 1)
    sql.exec(
      `UPDATE log SET oldest =
        max(oldest, ifnull((SELECT max(version) FROM tombstones WHERE version < ?), 0))`,
      first,
    )
    sql.exec('DELETE FROM tombstones WHERE version < ?', first)
  }

  /** Sets the version of the entries, and deletes older changes. */
  const begin = ({ epoch, version }: Version): void => {
    sql.exec('DELETE FROM tombstones')
    sql.exec('UPDATE log SET epoch = ?, version = ?, oldest = ?', epoch, version, version)
  }

  /** Removes entries by an SQL condition over `entries`; returns them. */
  const drop = (condition: string, ...bound: unknown[]): readonly Row[] => {
    sql.exec(
      `INSERT INTO tombstones (version, id, hash, at)
        SELECT ? + row_number() OVER (), id, hash, ? FROM entries WHERE ${condition}`,
      head().version,
      now(),
      ...bound,
    )
    const gone = sql.exec<Row>(`DELETE FROM entries WHERE ${condition} RETURNING *`, ...bound)
    const rows = gone.toArray()
    sql.exec('UPDATE log SET version = version + ?', rows.length)
    if (rows.length > 0) trim()
    return rows
  }

  let onExpiry = (_expired: readonly Row[]): void => {}

  return {
    head,
    trim,
    drop,
    begin,

    /** Starts the next change; returns its version. */
    next: (): number =>
      sql.exec<{ version: number }>('UPDATE log SET version = version + 1 RETURNING version').one()
        .version,

    /** Sets what is called, in the transaction, when expired entries are removed. */
    watchExpiry(call: typeof onExpiry): void {
      onExpiry = call
    },

    /** Removes at most {@link LOG.sweep} expired entries, with `owner` only those of this issuer. */
    sweep(owner?: string): void {
      const bound = owner === undefined ? [now()] : [now(), owner]
      const expired = `SELECT seq FROM entries INDEXED BY entries_by_expiry WHERE expires <= ?
        ${owner === undefined ? '' : 'AND own = 1 AND issuer = ?'} ORDER BY expires, seq LIMIT`
      if (sql.exec(`${expired} 1`, ...bound).toArray().length === 0) return
      // The condition is evaluated twice and must select the same entries.
      onExpiry(drop(`seq IN (${expired} ${LOG.sweep})`, ...bound))
    },

    /** Sets the version from which the shard may answer; `null` for never. */
    serve(version: number | null): void {
      sql.exec('UPDATE log SET serving = ?', version)
    },

    /** Ends the epoch: this shard lost changes of it, so it must not add more. */
    endEpoch(): void {
      sql.exec('UPDATE log SET serving = NULL')
      begin({ epoch: '', version: head().version })
    },
  }
}
