import type { JsonObject } from '../core/json.ts'
import type { Erasure } from '../core/model/audit.ts'
import { createYielder } from '../platform/calls.ts'
import { erased } from './erase.ts'
import { gunzip } from './gzip.ts'
import { type Packed, packed, RING_NAMES, type Ring } from './rings.ts'
import { readRecord, termText } from './terms.ts'

/** Rows that one call looks into, after their terms fit. */
export const ROWS_OF_CALL = 200

/** Which rows: from one downwards, whose times and terms fit. */
interface RowQuery {
  readonly row: number
  readonly terms: readonly string[]
  readonly rings?: readonly Ring[]
  readonly from?: number
  readonly until?: number
}

export type Reader = ReturnType<typeof createReader>

/** Reads the tables of an object of the audit. */
export function createReader(sql: SqlStorage) {
  const reader = {
    /** The rows of a query, the latest first. */
    rows({
      row,
      terms,
      rings = RING_NAMES,
      from = 0,
      until = Number.MAX_SAFE_INTEGER,
    }: RowQuery): readonly { readonly id: number; readonly ring: Ring }[] {
      const fits = ['id <= ?', 'last >= ?', 'first < ?', ...terms.map(() => 'instr(terms, ?)')]
      // Each by itself ends at its limit. Together SQLite would sort them first.
      return rings
        .flatMap((ring) =>
          sql
            .exec<{ id: number }>(
              `SELECT id FROM ${ring} WHERE ${fits.join(' AND ')} ORDER BY id DESC LIMIT ${ROWS_OF_CALL}`,
              ...[row, from, until, ...terms],
            )
            .toArray()
            .map(({ id }) => ({ id, ring })),
        )
        .sort((a, b) => b.id - a.id)
        .slice(0, ROWS_OF_CALL)
    },

    /** The records of a row; none where it was deleted meanwhile. */
    async recordsOf(id: number): Promise<readonly string[]> {
      const found = sql.exec<{ data: ArrayBuffer }>('SELECT data FROM records WHERE id = ?', id)
      const [row] = found.toArray()
      return row ? (await gunzip(row.data)).split('\n') : []
    },

    /** The record with this id of its own. */
    async find(id: string, rings?: readonly Ring[]): Promise<string | undefined> {
      const terms = [termText('id', id)]
      const query = { row: Number.MAX_SAFE_INTEGER, terms, ...(rings && { rings }) }
      for (const { id: row } of reader.rows(query)) {
        const records = await reader.recordsOf(row)
        const found = records.find((text) => readRecord(text).id === id)
        if (found !== undefined) return found
      }
      return undefined
    },

    /** The text of the policy that a record names. */
    async policyOf({ policy }: JsonObject): Promise<string | undefined> {
      const query = 'SELECT text FROM policies WHERE hash = ?'
      const found = sql.exec<{ text: ArrayBuffer }>(query, String(policy)).toArray()
      return found[0] && gunzip(found[0].text)
    },

    /** The bytes of a ring. */
    bytesIn: (ring: Ring): number =>
      sql.exec<{ bytes: number }>(`SELECT COALESCE(SUM(bytes), 0) AS bytes FROM ${ring}`).one()
        .bytes,

    /** Rows as they are without a subject's values, from one downwards. Looks into a bounded number of rows. */
    async erasedRows(erasure: Erasure, row: number, most: number) {
      const rows = reader.rows({ row, terms: [termText('subject', erasure.subject)] })
      const changed: (Packed & { readonly id: number })[] = []
      const breathe = createYielder()
      let records = 0
      let next = rows.length === ROWS_OF_CALL ? (rows.at(-1)?.id ?? 0) - 1 : undefined
      for (const { id, ring } of rows) {
        await breathe()
        const before = await reader.recordsOf(id)
        const after = before.map((text) => erased(text, erasure))
        const count = after.filter((text, at) => text !== before[at]).length
        if (count === 0) continue
        if (changed.length === most) {
          next = id
          break
        }
        records += count
        changed.push({ id, ...(await packed(ring, after)) })
      }
      return { changed, records, next }
    },
  }
  return reader
}
