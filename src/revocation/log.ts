/** Bounds of the log. */
export const LOG = {
  /** Hashes of a page that is pulled, and pages that are kept packed: of a million there are ten. */
  page: 100_000,
  pages: 16,
  /** Changes that are told at once, and that can be told at all. */
  changes: 100_000,
  /** Seconds a removal can be told. */
  tombstoneSeconds: 60 * 60,
  /** Entries removed at a time, so that lookups do not wait for a large clean-up. */
  sweep: 1_000,
  /** Entries of an older schema hashed at a time. */
  hashed: 1_000,
  /** Entries and removals that one shard hands to another at a time. */
  handed: 500,
} as const

/** How far a shard's set has come. */
export interface Head {
  /**
   * Made once per life of the set: versions of another epoch mean nothing. Empty where there is no
   * set: a shard that is new, was wiped, or has begun to copy another.
   */
  readonly epoch: string
  readonly version: number
  /** Changes after this version can be told. */
  readonly oldest: number
  /** From which version on the shard may answer; `null` for never. */
  readonly serving: number | null
}

/** Whether a shard that has come this far, and does not lead, may answer. */
export function isServing({ epoch, version, serving }: Head): boolean {
  return epoch !== '' && serving !== null && version >= serving
}

export type RevocationLog = ReturnType<typeof createRevocationLog>

/**
 * The order of changes to the set, for those who keep a copy. Every change has a version of its own;
 * every removal leaves a tombstone. Times are seconds. Writes belong into a transaction of the caller.
 */
export function createRevocationLog({ sql }: DurableObjectStorage) {
  const head = (): Head =>
    sql
      .exec<Record<keyof Head, SqlStorageValue>>('SELECT epoch, version, oldest, serving FROM log')
      .one() as unknown as Head

  /** Forgets removals that are old, or too many. */
  const trim = (now: number): void => {
    const { version } = head()
    const [young] = sql
      .exec<{ version: number }>(
        'SELECT version FROM tombstones WHERE at > ? ORDER BY version LIMIT 1',
        now - LOG.tombstoneSeconds,
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

  /** Says that the entries are those of a version, as a beginning: what was before cannot be told. */
  const begin = ({ epoch, version }: Pick<Head, 'epoch' | 'version'>): void => {
    sql.exec('DELETE FROM tombstones')
    sql.exec('UPDATE log SET epoch = ?, version = ?, oldest = ?', epoch, version, version)
  }

  /** Removes entries by a condition over `entries`; how many there were. */
  const drop = (now: number, condition: string, ...bound: unknown[]): number => {
    // Without a hash it was never told to anyone.
    const told = sql.exec(
      `INSERT INTO tombstones (version, id, hash, at)
        SELECT ? + row_number() OVER (), id, hash, ? FROM entries
        WHERE ${condition} AND hash IS NOT NULL RETURNING version`,
      head().version,
      now,
      ...bound,
    )
    sql.exec('UPDATE log SET version = version + ?', told.toArray().length)
    const gone = sql.exec(`DELETE FROM entries WHERE ${condition} RETURNING seq`, ...bound)
    const { length } = gone.toArray()
    if (length > 0) trim(now)
    return length
  }

  return {
    head,
    trim,
    drop,

    /** The version of the next change, which is begun with it. */
    next: (): number =>
      sql.exec<{ version: number }>('UPDATE log SET version = version + 1 RETURNING version').one()
        .version,

    /** Removes what has expired, {@link LOG.sweep} entries at most; of the administrators of one issuer alone. */
    sweep(now: number, owner?: string): void {
      const bound = owner === undefined ? [now] : [now, owner]
      const expired = `SELECT seq FROM entries INDEXED BY entries_by_expiry WHERE expires <= ?
        ${owner === undefined ? '' : 'AND own = 1 AND issuer = ?'} ORDER BY expires, seq LIMIT`
      if (sql.exec(`${expired} 1`, ...bound).toArray().length === 0) return
      // The condition is read twice and must name the same entries.
      drop(now, `seq IN (${expired} ${LOG.sweep})`, ...bound)
    },

    /** From which version on the shard may answer; `null` for never. */
    serve(version: number | null): void {
      sql.exec('UPDATE log SET serving = ?', version)
    },

    begin,

    /** The epoch is over: others know of changes of it that are not here, and no others may follow them. */
    lose(): void {
      sql.exec('UPDATE log SET serving = NULL')
      begin({ epoch: '', version: head().version })
    },
  }
}
