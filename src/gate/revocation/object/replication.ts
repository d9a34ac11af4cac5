import type { Row, RowChanges, RowPage, Tombstone } from '../protocol.ts'
import { LOG, type RevocationLog } from './log.ts'
import { putRow, removeAll } from './tables.ts'

/** The key of an unfinished copy's progress. */
export const COPYING = 'copying'

const isRow = (change: Row | Tombstone): change is Row => 'subject' in change

export type Replication = ReturnType<typeof createReplication>

/** Reads and applies the entries and removals that shards send each other. */
export function createReplication({ sql, kv }: DurableObjectStorage, log: RevocationLog) {
  return {
    /** The page of entries after a cursor, expired ones included. */
    page(after: number): RowPage {
      const rows = sql
        .exec<Row>('SELECT * FROM entries WHERE seq > ? ORDER BY seq LIMIT ?', after, LOG.batch)
        .toArray()
      const { epoch, version } = log.head()
      const last = rows.length < LOG.batch ? null : (rows.at(-1)?.seq ?? null)
      return { epoch, version, rows, ...(last !== null && { after: last }) }
    },

    /**
     * The changes after a version, at most {@link LOG.batch}. If they are no longer available:
     * none, with a `from` that the replica cannot follow.
     */
    since(version: number): RowChanges {
      const { epoch, version: head, oldest } = log.head()
      if (version < oldest) return { epoch, from: head, to: head, head, changes: [] }
      const after = (table: string) =>
        `SELECT * FROM ${table} WHERE version > ? ORDER BY version LIMIT ${LOG.batch}`
      const changes = [
        ...sql.exec<Row>(after('entries'), version),
        ...sql.exec<{ [Name in keyof Tombstone]: Tombstone[Name] }>(after('tombstones'), version),
      ]
        .sort((one, other) => one.version - other.version)
        .slice(0, LOG.batch)
      const last = changes.length < LOG.batch ? undefined : changes.at(-1)
      return { epoch, from: version, to: last?.version ?? head, head, changes }
    },

    /** Applies changes; known ones have no effect. */
    apply({ to, changes }: RowChanges): void {
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
      log.trim()
    },

    /** Whether this shard has another change at one of their versions: the sender was set back. */
    contradicts({ changes }: RowChanges): boolean {
      const { version } = log.head()
      const others = `SELECT 1 FROM entries WHERE version = ?1 AND id != ?2
        UNION ALL SELECT 1 FROM tombstones WHERE version = ?1 AND id != ?2`
      return changes.some(
        (change) =>
          change.version <= version &&
          sql.exec(others, change.version, change.id).toArray().length > 0,
      )
    },

    /** Stores a page unchanged. */
    putAll(rows: readonly Row[]): void {
      for (const row of rows) putRow(sql, row)
    },

    /**
     * Stores the entries of a page that are newer than the same entries of this shard. Raises the version to that
     * of the entries, so that the next change here gets a later version.
     */
    putNewer(rows: readonly Row[]): void {
      for (const row of rows) {
        const [known] = sql
          .exec<{ version: number }>('SELECT version FROM entries WHERE id = ?', row.id)
          .toArray()
        if (!known || known.version < row.version) putRow(sql, { ...row, seq: null })
        sql.exec('UPDATE log SET version = max(version, ?)', row.version)
      }
    },

    /** Removes all entries and the progress of a copy. */
    clear(): void {
      log.serve(null)
      log.begin({ epoch: '', version: 0 })
      kv.delete(COPYING)
      removeAll(sql)
    },
  }
}
