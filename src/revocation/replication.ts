import { type Head, LOG, type RevocationLog } from './log.ts'
import { putRow, type Row } from './rows.ts'
import { removeAll } from './schema.ts'

/** A page of all entries of a shard, for another that begins anew. */
export interface HandedPage extends Pick<Head, 'epoch' | 'version'> {
  readonly rows: readonly Row[]
  /** Where the next page begins; absent on the last. */
  readonly after?: number
}

interface Tombstone {
  readonly version: number
  readonly id: string
  readonly hash: ArrayBuffer
  readonly at: number
}

/** Changes of an epoch, in the order of their versions, that lead from one version to another. */
export interface Handed {
  readonly epoch: string
  /** Who has not come this far cannot follow. */
  readonly from: number
  readonly to: number
  /**
   * The last version there was. An entry that has changed after `to` is told with what it has become,
   * and not before: up to this version, the set of `to` may lack it.
   */
  readonly head: number
  readonly changes: readonly (Row | Tombstone)[]
}

/** Under which a copy in the making keeps how far it is. */
export const COPYING = 'copying'

const isRow = (change: Row | Tombstone): change is Row => 'subject' in change

export type Handing = ReturnType<typeof createHanding>

/** Entries and removals as one shard hands them to another. Times are seconds. */
export function createHanding(storage: DurableObjectStorage, log: RevocationLog) {
  const { sql } = storage
  return {
    /** The page of entries behind `after`, expired ones too. */
    page(after: number): HandedPage {
      const rows = sql
        .exec<Row>('SELECT * FROM entries WHERE seq > ? ORDER BY seq LIMIT ?', after, LOG.handed)
        .toArray()
      const { epoch, version } = log.head()
      const last = rows.length < LOG.handed ? null : (rows.at(-1)?.seq ?? null)
      return { epoch, version, rows, ...(last !== null && { after: last }) }
    },

    /**
     * The changes after a version, {@link LOG.handed} at most; where they cannot be told, none, and from
     * a version that says so.
     */
    since(version: number): Handed {
      const head = log.head()
      if (version < head.oldest) {
        const { epoch, version: last } = head
        return { epoch, from: last, to: last, head: last, changes: [] }
      }
      const after = (table: string) =>
        `SELECT * FROM ${table} WHERE version > ? ORDER BY version LIMIT ${LOG.handed}`
      const changes = [
        ...sql.exec<Row>(after('entries'), version),
        ...sql.exec<{ [Name in keyof Tombstone]: Tombstone[Name] }>(after('tombstones'), version),
      ]
        .sort((one, other) => one.version - other.version)
        .slice(0, LOG.handed)
      const last = changes.length < LOG.handed ? undefined : changes.at(-1)
      const to = last?.version ?? head.version
      return { epoch: head.epoch, from: version, to, head: head.version, changes }
    },

    /** Takes changes in; those that are known already change nothing. */
    take(now: number, { to, changes }: Handed): void {
      const { version } = log.head()
      for (const change of changes) {
        if (change.version <= version) continue
        if (isRow(change)) putRow(sql, change)
        else {
          sql.exec('DELETE FROM entries WHERE id = ? AND version < ?', change.id, change.version)
          sql.exec(
            'INSERT OR IGNORE INTO tombstones (version, id, hash, at) VALUES (?, ?, ?, ?)',
            change.version,
            change.id,
            change.hash,
            change.at,
          )
        }
      }
      sql.exec('UPDATE log SET version = max(version, ?)', to)
      log.trim(now)
    },

    /**
     * Whether the changes are none of those that led here: another change has one of their versions. Then
     * whoever hands them on has gone back to an older state.
     */
    contradicts({ changes }: Handed): boolean {
      const { version } = log.head()
      return changes.some(
        (change) =>
          change.version <= version &&
          sql
            .exec<{ id: string }>(
              `SELECT id FROM entries WHERE version = ?
                UNION ALL SELECT id FROM tombstones WHERE version = ?`,
              change.version,
              change.version,
            )
            .toArray()
            .some(({ id }) => id !== change.id),
      )
    },

    /** Takes a page in, as it is. */
    takeAll(rows: readonly Row[]): void {
      for (const row of rows) putRow(sql, row)
    },

    /**
     * Takes in what a page has that is not there, or is there as an older version. The page may know of
     * changes that the shard has not come to; the next one made here comes after them.
     */
    takeNewer(rows: readonly Row[]): void {
      for (const row of rows) {
        const [known] = sql
          .exec<{ version: number }>('SELECT version FROM entries WHERE id = ?', row.id)
          .toArray()
        if (!known || known.version < row.version) putRow(sql, { ...row, seq: null })
        sql.exec('UPDATE log SET version = max(version, ?)', row.version)
      }
    },

    /** Lets go of everything. */
    clear(): void {
      log.serve(null)
      log.begin({ epoch: '', version: 0 })
      storage.kv.delete(COPYING)
      removeAll(sql)
    },
  }
}
