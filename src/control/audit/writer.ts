import type { ShardTerms } from '../../gate/model/audit.ts'
import type { Budget, CountedRow } from './budget.ts'
import { type Packed, RING_NAMES, RINGS, type Ring } from './rings.ts'
import type { ShareTerms } from './shares.ts'

/** A row that is stored. */
interface Stored extends Packed {
  readonly id: number
}

/** Writes the rows of an object's rings, and counts them. Call its methods inside a transaction. */
export function createWriter({ sql }: DurableObjectStorage, budget: Budget) {
  const bytesIn = (ring: Ring): number => {
    const query = `SELECT COALESCE(SUM(bytes), 0) AS bytes FROM ${ring}`
    return sql.exec<{ bytes: number }>(query).one().bytes
  }
  const count = () =>
    Object.fromEntries(RING_NAMES.map((ring) => [ring, bytesIn(ring)])) as Record<Ring, number>
  let bytesOf = count()
  let inserted = Promise.withResolvers<void>()

  /** The latest id. Rows of all rings are numbered together, in the order in which they were written. */
  const lastId = (): number => {
    const ids = RING_NAMES.map((ring) => `SELECT MAX(id) AS id FROM ${ring}`).join(' UNION ALL ')
    return sql.exec<{ id: number }>(`SELECT COALESCE(MAX(id), 0) AS id FROM (${ids})`).one().id
  }

  /** Deletes the oldest rows of a ring until it has at most so many bytes. */
  const evict = (ring: Ring, most: number, maxRows: number): void => {
    while (bytesOf[ring] > most && budget.left(maxRows) > 0) {
      const oldest = sql.exec<{ id: number; bytes: number }>(
        `SELECT id, bytes FROM ${ring} ORDER BY id LIMIT 1`,
      )
      const [row] = oldest.toArray()
      if (!row) break
      budget.keepBefore(row.id)
      budget.write('DELETE FROM records WHERE id = ?', row.id)
      budget.write(`DELETE FROM ${ring} WHERE id = ?`, row.id)
      bytesOf[ring] -= row.bytes
    }
  }

  return {
    lastId,

    /** Resolves when rows are stored the next time. */
    next: (): Promise<void> => inserted.promise,

    /** Stores rows of some batches, and returns what they count. The oldest rows are deleted to make room. */
    insert(
      rows: readonly Packed[],
      batches: string,
      { maxBytes, maxRows }: ShardTerms,
    ): readonly CountedRow[] {
      const stored: CountedRow[] = []
      // No id is used again, even after all rows are deleted: readers go on from an id.
      let id = Math.max(lastId(), Date.now())
      for (const { ring, first, last, bytes, terms, counts, shares, ids, data } of rows) {
        const before = budget.rows()
        evict(ring, maxBytes * RINGS[ring] - bytes, maxRows)
        const [day, dayRows] = budget.stamp(2)
        const counted = { day, counts, shares, rows: Math.max(2, dayRows - before) }
        const about = [batches, terms, JSON.stringify(counted), ids]
        const values = [++id, first, last, bytes, day, dayRows, ...about]
        budget.write(`INSERT INTO ${ring} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, ...values)
        budget.write('INSERT INTO records VALUES (?, ?)', id, data)
        bytesOf[ring] += bytes
        stored.push({ id, ...counted })
      }
      inserted.resolve()
      inserted = Promise.withResolvers()
      return stored
    },

    /** Replaces stored rows; rows that were deleted meanwhile stay deleted. */
    replace(rows: readonly Stored[]): void {
      for (const { id, ring, bytes, terms, ids, data } of rows) {
        const set = 'bytes = ?, terms = ?, ids = ?'
        budget.write(`UPDATE ${ring} SET ${set} WHERE id = ?`, bytes, terms, ids, id)
        budget.write('UPDATE records SET data = ? WHERE id = ?', data, id)
      }
      bytesOf = count()
    },

    /**
     * Deletes rows whose records are all from before a time (milliseconds), as far as the rows of the day allow it that
     * are not reserved. Returns the time of the oldest row that is left; infinite if none is.
     */
    expire(before: number, terms: ShareTerms): number {
      let oldest = Number.POSITIVE_INFINITY
      for (const ring of RING_NAMES) {
        const most = Math.min(Math.floor(budget.free(terms) / 2), Number.MAX_SAFE_INTEGER)
        const expired = `SELECT id FROM ${ring} WHERE last < ? ORDER BY id LIMIT ?`
        budget.write(`DELETE FROM records WHERE id IN (${expired})`, before, most)
        budget.write(`DELETE FROM ${ring} WHERE id IN (${expired})`, before, most)
        const query = `SELECT MIN(last) AS first FROM ${ring}`
        const { first } = sql.exec<{ first: number | null }>(query).one()
        if (first !== null) oldest = Math.min(oldest, first)
      }
      bytesOf = count()
      return oldest
    },

    bytes: (): Readonly<Record<Ring, number>> => bytesOf,

    /** Counts the bytes again, after rows were deleted. */
    recount(): void {
      bytesOf = count()
    },
  }
}
