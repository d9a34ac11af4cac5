import { subjectHash } from '../../model/revocation.ts'
import { LIVE } from './schema.ts'

/** A page of the hashes of all live entries, one after the other; a subject may be there twice. */
export interface PulledPage {
  /** Made once per life of the set's storage: versions of another epoch mean nothing. */
  readonly epoch: string
  /** Of the set at the moment of this page. */
  readonly version: number
  readonly hashes: Uint8Array
  /** Where the next page begins; absent on the last. */
  readonly after?: number
}

/** What changed since a version; `added` and `removed` have no hash in common. */
export interface PulledChanges {
  readonly epoch: string
  readonly version: number
  readonly added: Uint8Array
  readonly removed: Uint8Array
}

/** Bounds of the log: hashes of a page, changes told at once, seconds a tombstone stays. */
export const LOG = {
  page: 100_000,
  /** Pages that are kept packed: of a million entries there are ten. */
  pages: 16,
  changes: 100_000,
  tombstoneSeconds: 60 * 60,
  /** Entries removed at a time, so that lookups do not wait for a large clean-up. */
  sweep: 1_000,
  /** Entries of an older schema hashed at a time. */
  hashed: 1_000,
} as const

interface Head {
  readonly epoch: string
  readonly oldest: number
  readonly version: number
}

/**
 * The order of changes to the set, for those who keep a copy. Every change has a version of its own;
 * every removal leaves a tombstone. Whether a hash has left is judged when it is asked, over all
 * entries that share it, so that lifting one never hides another. Times are seconds. Writes belong
 * into a transaction of the caller.
 */
export const createRevocationLog = (storage: DurableObjectStorage) => {
  const { sql } = storage
  /** Pages of one version: after a deploy all isolates want the same ones at once. */
  const pages = new Map<number, PulledPage>()
  let packedOf = -1

  /**
   * The hashes of a statement's rows and the last `seq`. Hexadecimal, because one value of a hundred
   * thousand hashes is made in a fifth of the time that as many rows take; it must stay below the
   * 2 MB a value may have.
   */
  const packed = (rows: string, ...bound: unknown[]) => {
    const { last, hex } = sql
      .exec<{ last: number | null; hex: string | null }>(
        `SELECT max(seq) AS last, group_concat(hex(hash), '') AS hex FROM (${rows})`,
        ...bound,
      )
      .one()
    return { last, hashes: fromHex(hex ?? '') }
  }

  // The version is read from what carries versions, so that it cannot disagree with them.
  const head = (): Head =>
    sql
      .exec<Record<keyof Head, SqlStorageValue>>(
        `SELECT epoch, oldest, max(
            oldest,
            ifnull((SELECT max(version) FROM entries), 0),
            ifnull((SELECT max(version) FROM tombstones), 0)
          ) AS version FROM log`,
      )
      .one() as unknown as Head

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

  /** Removes entries by a condition over `entries`; how many there were. */
  const drop = (now: number, condition: string, ...bound: unknown[]): number => {
    // Without a hash it was never told to anyone.
    sql.exec(
      `INSERT INTO tombstones (version, hash, at)
        SELECT ? + row_number() OVER (), hash, ? FROM entries
        WHERE ${condition} AND hash IS NOT NULL`,
      head().version,
      now,
      ...bound,
    )
    const gone = sql.exec(`DELETE FROM entries WHERE ${condition} RETURNING seq`, ...bound)
    const { length } = gone.toArray()
    if (length > 0) trim(now)
    return length
  }

  return {
    drop,

    /** The version of the next change. */
    next: (): number => head().version + 1,

    /** Removes what has expired, {@link LOG.sweep} entries at most. */
    sweep(now: number): void {
      if (sql.exec('SELECT 1 FROM entries WHERE expires <= ? LIMIT 1', now).toArray().length === 0)
        return
      // The condition is read twice and must name the same entries.
      drop(
        now,
        `seq IN (SELECT seq FROM entries WHERE expires <= ? ORDER BY expires, seq
          LIMIT ${LOG.sweep})`,
        now,
      )
    },

    /** Hashes entries that came from an older schema. Before this is done, nothing can be told. */
    async hashAll(): Promise<void> {
      for (;;) {
        const rows = sql
          .exec<{ seq: number; subject: string }>(
            'SELECT seq, subject FROM entries WHERE hash IS NULL LIMIT ?',
            LOG.hashed,
          )
          .toArray()
        if (rows.length === 0) return
        const hashes = await Promise.all(rows.map(({ subject }) => subjectHash(subject)))
        storage.transactionSync(() => {
          for (const [index, { seq }] of rows.entries()) {
            sql.exec('UPDATE entries SET hash = ? WHERE seq = ?', hashes[index], seq)
          }
        })
      }
    },

    /** The page of live entries behind `after`. */
    all(now: number, after: number): PulledPage {
      const { epoch, version } = head()
      if (packedOf !== version) pages.clear()
      packedOf = version
      // What has expired since is in it still, which makes a copy ask once too often.
      const known = pages.get(after)
      if (known) return known
      const page = packed(
        `SELECT seq, hash FROM entries WHERE seq > ? AND ${LIVE} ORDER BY seq LIMIT ${LOG.page}`,
        after,
        now,
      )
      const more = sql.exec(
        `SELECT 1 FROM entries WHERE seq > ? AND ${LIVE} ORDER BY seq LIMIT 1`,
        page.last,
        now,
      )
      const pulled: PulledPage = {
        epoch,
        version,
        hashes: page.hashes,
        ...(page.last !== null && more.toArray().length > 0 && { after: page.last }),
      }
      if (pages.size < LOG.pages) pages.set(after, pulled)
      return pulled
    },

    /** The changes since a version, or that they cannot be told. */
    since(now: number, epoch: string, since: number): PulledChanges | { readonly reset: true } {
      const { version, oldest, epoch: own } = head()
      const known = epoch === own && since >= oldest && since <= version
      if (!known || version - since > LOG.changes) return { reset: true }
      // Left to itself, SQLite would walk all hashes in order to have each once.
      return {
        epoch,
        version,
        added: packed(
          `SELECT DISTINCT 0 AS seq, hash FROM entries INDEXED BY entries_by_version
            WHERE version > ? AND ${LIVE}`,
          since,
          now,
        ).hashes,
        removed: packed(
          `SELECT DISTINCT 0 AS seq, hash FROM tombstones WHERE version > ? AND NOT EXISTS
            (SELECT 1 FROM entries WHERE entries.hash = tombstones.hash AND ${LIVE})`,
          since,
          now,
        ).hashes,
      }
    },
  }
}

/** In the runtime, and not yet in the types. */
const { fromHex } = Uint8Array as unknown as {
  readonly fromHex: (hex: string) => Uint8Array
}
