import { LIMITS } from '../../base/limits.ts'
import type { RevocationPage, RevocationQuery } from '../../model/ports.ts'
import { KINDS, type Revocation, renewed, subjectHash, subjectKey } from '../../model/revocation.ts'
import type { RevocationLog } from './log.ts'
import { putRow, type Row, toEntry, toRow } from './rows.ts'
import { LIVE } from './schema.ts'

type Hashed = { readonly entry: Revocation; readonly hash: ArrayBuffer }

/** Thrown to undo a transaction; never leaves the store. */
const FULL = new Error('the revocation set is full')

/** The entries of a shard in its SQLite. Expired ones are as good as absent. */
export const createStore = (storage: DurableObjectStorage, log: RevocationLog) => {
  const { sql } = storage

  const rowsOf = (statement: string, ...bound: unknown[]): readonly Row[] =>
    sql.exec<Row>(statement, ...bound).toArray()

  const find = (id: string): Row | undefined =>
    rowsOf(`SELECT * FROM entries WHERE id = ? AND ${LIVE}`, id, now())[0]

  const count = (): number => sql.exec<{ held: number }>('SELECT held FROM log').one().held

  const sweep = (): void => storage.transactionSync(() => log.sweep(now()))

  const put = (entries: readonly Hashed[]): readonly Row[] => {
    for (const { entry, hash } of entries) {
      const old = find(entry.id)
      if (!old) log.drop(now(), 'id = ?', entry.id)
      putRow(sql, toRow(old ? renewed(toEntry(old), entry) : entry, log.next(), hash))
    }
    if (count() > LIMITS.revocations) {
      sweep()
      if (count() > LIMITS.revocations) throw FULL
    }
    return [...new Set(entries.map(({ entry }) => entry.id))].flatMap((id) => find(id) ?? [])
  }

  return {
    find,
    sweep,

    /** Live entries about any of the subjects, each named by its `subjectKey`. */
    lookup(subjectKeys: readonly string[]): readonly Revocation[] {
      // One bound list keeps the statement's text constant and has no limit of its own.
      return rowsOf(
        `SELECT * FROM entries WHERE subject IN (SELECT value FROM json_each(?)) AND ${LIVE}`,
        JSON.stringify(subjectKeys),
        now(),
      ).map(toEntry)
    },

    /**
     * Stores all entries, or none when they do not fit into {@link LIMITS.revocations}. An entry that
     * is there is renewed; one that has expired is made anew. `stored` is called in the same breath, so
     * that what it writes is kept with them or not at all.
     */
    async add(
      entries: readonly Revocation[],
      stored: () => void,
    ): Promise<readonly Row[] | undefined> {
      // A transaction cannot wait, and a digest must.
      const hashed = await Promise.all(
        entries.map(async (entry) => ({
          entry,
          hash: (await subjectHash(subjectKey(entry))).buffer,
        })),
      )
      try {
        const rows = storage.transactionSync(() => put(hashed))
        stored()
        return rows
      } catch (error) {
        if (error === FULL) return undefined
        throw error
      }
    },

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
      const rows = rowsOf(
        `SELECT * FROM entries ${exact ? 'INDEXED BY entries_by_subject' : ''}
          WHERE ${used.map(([clause]) => clause).join(' AND ')} ORDER BY seq LIMIT ?`,
        ...used.map(([, bound]) => bound),
        limit + 1,
      )
      const page = rows.slice(0, limit)
      const cursorOfNext = rows.length > limit ? page.at(-1)?.seq : undefined
      return {
        revocations: page.map(toEntry),
        ...(typeof cursorOfNext === 'number' && { cursor: cursorOfNext }),
      }
    },

    /** Removes an entry; false when there is no live one with this id. */
    remove(id: string): boolean {
      return storage.transactionSync(() => log.drop(now(), `id = ? AND ${LIVE}`, id, now()) > 0)
    },

    /** When the next entry expires, in seconds; `null` where none will. */
    nextExpiry: (): number | null =>
      sql
        .exec<{ next: number | null }>(
          // Only so said is the index used.
          'SELECT min(expires) AS next FROM entries WHERE expires IS NOT NULL',
        )
        .one().next,
  }
}

/** Seconds since the epoch, by the object's clock. */
export const now = (): number => Math.floor(Date.now() / 1000)
