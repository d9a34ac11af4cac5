import type { Head, Version } from './protocol.ts'
import { now } from './tables.ts'

/** Bounds of the log. */
export const LOG = {
  /** Hashes of a page that is pulled, and pages that are kept packed: of a million there are ten. */
  page: 100_000,
  pages: 16,
  /** The most changes that one answer has, and that are kept. */
  changes: 100_000,
  /** Seconds a removal is kept. */
  tombstoneSeconds: 60 * 60,
  /** Entries removed at a time, so that lookups do not wait for a large clean-up. */
  sweep: 1_000,
  /** Entries and removals that one shard sends to another at a time. */
  batch: 500,
} as const

/** Whether a replica that has come this far may answer. */
export function isServing({ epoch, version, serving }: Head): boolean {
  return epoch !== '' && serving !== null && version >= serving
}

export type RevocationLog = ReturnType<typeof createRevocationLog>

/**
 * The order of changes to the set, for those who keep a copy. Every change has a version of its own;
 * every removal leaves a tombstone. Writes belong into a transaction of the caller.
 */
export function createRevocationLog({ sql }: DurableObjectStorage) {
  const head = (): Head =>
    sql
      .exec<Record<keyof Head, SqlStorageValue>>('SELECT epoch, version, oldest, serving FROM log')
      .one() as unknown as Head

  /** Forgets removals that are old, or too many. */
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

  /** Makes the entries those of a version. Changes before it are forgotten. */
  const begin = ({ epoch, version }: Version): void => {
    sql.exec('DELETE FROM tombstones')
    sql.exec('UPDATE log SET epoch = ?, version = ?, oldest = ?', epoch, version, version)
  }

  /** Removes entries by a condition over `entries`; how many there were. */
  const drop = (condition: string, ...bound: unknown[]): number => {
    sql.exec(
      `INSERT INTO tombstones (version, id, hash, at)
        SELECT ? + row_number() OVER (), id, hash, ? FROM entries WHERE ${condition}`,
      head().version,
      now(),
      ...bound,
    )
    const gone = sql.exec(`DELETE FROM entries WHERE ${condition} RETURNING seq`, ...bound)
    const { length } = gone.toArray()
    sql.exec('UPDATE log SET version = version + ?', length)
    if (length > 0) trim()
    return length
  }

  return {
    head,
    trim,
    drop,
    begin,

    /** Begins the next change; its version. */
    next: (): number =>
      sql.exec<{ version: number }>('UPDATE log SET version = version + 1 RETURNING version').one()
        .version,

    /** Removes what has expired, {@link LOG.sweep} entries at most; of the administrators of one issuer alone. */
    sweep(owner?: string): void {
      const bound = owner === undefined ? [now()] : [now(), owner]
      const expired = `SELECT seq FROM entries INDEXED BY entries_by_expiry WHERE expires <= ?
        ${owner === undefined ? '' : 'AND own = 1 AND issuer = ?'} ORDER BY expires, seq LIMIT`
      if (sql.exec(`${expired} 1`, ...bound).toArray().length === 0) return
      // The condition is read twice and must name the same entries.
      drop(`seq IN (${expired} ${LOG.sweep})`, ...bound)
    },

    /** From which version on the shard may answer; `null` for never. */
    serve(version: number | null): void {
      sql.exec('UPDATE log SET serving = ?', version)
    },

    /** Ends the epoch: others have changes of it that are missing here, so no more may be added to it. */
    endEpoch(): void {
      sql.exec('UPDATE log SET serving = NULL')
      begin({ epoch: '', version: head().version })
    },
  }
}
