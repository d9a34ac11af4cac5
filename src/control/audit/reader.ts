import type { DecisionQuery, Erasure, FoundDecision } from '../../gate/model/audit.ts'
import { createYielder } from '../../gate/platform/calls.ts'
import {
  finderOf,
  givenFilters,
  isOwnTerm,
  readRecord,
  termText,
  writtenOf,
} from '../records/terms.ts'
import { erased } from './erase.ts'
import { gunzip } from './gzip.ts'
import type { Position, ShardPage } from './protocol.ts'
import { type Packed, packed, RING_NAMES, type Ring } from './rings.ts'

/** Most rows with fitting terms that one call reads. */
export const ROWS_OF_CALL = 200

/** Most bytes of rows that are counted at a time, and how many each row adds to its own. */
const MOST_COUNTED = 32_000_000
const ROW_BYTES = 4_000

/** Rows to find: from a row downwards, or upwards, those whose times and terms fit. */
interface RowQuery {
  readonly row: number
  readonly terms: readonly string[]
  readonly rings?: readonly Ring[]
  readonly from?: number
  readonly until?: number
  readonly isUpwards?: boolean
  readonly most?: number
}

/** A row, the time of its last record, and its bytes. */
interface Row {
  readonly id: number
  readonly ring: Ring
  readonly last: number
  readonly bytes: number
}

type Searched = Omit<DecisionQuery, 'limit' | 'cursor'>

interface PageOptions {
  readonly from: Position
  readonly limit: number
  readonly isUpwards: boolean
}

export type Reader = ReturnType<typeof createReader>

/** Reads the tables of an object of the audit. */
export function createReader({ sql }: DurableObjectStorage) {
  /** The text of the policy with this hash. */
  const textOf = async (hash: unknown): Promise<string | undefined> => {
    const query = 'SELECT text FROM policies WHERE hash = ?'
    const found = sql.exec<{ text: ArrayBuffer }>(query, String(hash)).toArray()
    return found[0] && gunzip(found[0].text)
  }
  const reader = {
    /** The rows of a query: the latest first, or upwards the earliest. */
    rows({
      row,
      terms,
      rings = RING_NAMES,
      from = 0,
      until = Number.MAX_SAFE_INTEGER,
      isUpwards = false,
      most = ROWS_OF_CALL,
    }: RowQuery): readonly Row[] {
      const [side, order, sign] = isUpwards
        ? (['>=', 'ASC', 1] as const)
        : (['<=', 'DESC', -1] as const)
      const fits = [
        `id ${side} ?`,
        'last >= ?',
        'first < ?',
        ...terms.map((term) => `instr(${isOwnTerm(term) ? 'ids' : 'terms'}, ?)`),
      ]
      // A query of one ring ends at its limit. With several rings, SQLite would sort all rows first.
      return rings
        .flatMap((ring) =>
          sql
            .exec<Pick<Row, 'id' | 'last' | 'bytes'>>(
              `SELECT id, last, bytes FROM ${ring} WHERE ${fits.join(' AND ')} ORDER BY id ${order} LIMIT ${most}`,
              ...[row, from, until, ...terms],
            )
            .toArray()
            .map((one) => ({ ...one, ring })),
        )
        .sort((a, b) => sign * (a.id - b.id))
        .slice(0, most)
    },

    /** Records of a query from a position on: the latest first, or upwards the earliest. `next`: where unread rows begin. */
    async page(query: Searched, { from, limit, isUpwards }: PageOptions): Promise<ShardPage> {
      const [row = 0, count = 0] = from.split('.').map(Number)
      const found: { position: string; record: string }[] = []
      const rows = reader.rows({ ...query, row, terms: termsIn(query), isUpwards })
      const find = finderOf(query)
      const breathe = createYielder()
      for (const { id } of rows) {
        await breathe()
        const records = await reader.recordsOf(id)
        // The row may have been deleted meanwhile.
        let at = id === row ? Math.min(count, records.length) : isUpwards ? 0 : records.length
        while (isUpwards ? at < records.length : at > 0) {
          const record = records[isUpwards ? at++ : --at] ?? ''
          if (!find(record)) continue
          const position = `${id}.${at}`
          found.push({ position, record })
          if (found.length === limit) return { found, next: position }
        }
      }
      const last = rows.length === ROWS_OF_CALL ? rows.at(-1) : undefined
      return { found, ...(last && { next: `${last.id + Number(isUpwards)}.0` }) }
    },

    /** The latest rows of a query, as many as may be counted at a time. `since`: the time of the first; 0 for all rows. */
    countable(query: Searched): { readonly rows: readonly Row[]; readonly since: number } {
      const most = MOST_COUNTED / ROW_BYTES
      const all = reader.rows({
        ...query,
        row: Number.MAX_SAFE_INTEGER,
        terms: termsIn(query),
        most,
      })
      let counted = 0
      const rows = all.filter(({ bytes }) => {
        counted += bytes + ROW_BYTES
        return counted <= MOST_COUNTED
      })
      const isAll = rows.length === all.length && all.length < most
      // An id is the time at which its row was written, or later.
      return { rows, since: isAll ? 0 : (rows.at(-1)?.id ?? 0) }
    },

    /** The records of a row; none if it was deleted meanwhile. */
    async recordsOf(id: number): Promise<readonly string[]> {
      const found = sql.exec<{ data: ArrayBuffer }>('SELECT data FROM records WHERE id = ?', id)
      const [row] = found.toArray()
      return row ? (await gunzip(row.data)).split('\n') : []
    },

    /** The record with this id. */
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

    /** The record with this id, and the texts of the policies that it names. */
    async found(id: string): Promise<FoundDecision | undefined> {
      const decision = await reader.find(id)
      if (decision === undefined) return undefined
      const record = readRecord(decision)
      const [policy, before] = await Promise.all([record.policy, record.before].map(textOf))
      return {
        decision,
        ...(policy !== undefined && { policy }),
        ...(before !== undefined && { before }),
      }
    },

    hasPolicy: (hash: string): boolean =>
      sql.exec('SELECT 1 FROM policies WHERE hash = ?', hash).toArray().length > 0,

    /** The ids of the batches that are in the latest rows of each ring, the latest last. */
    batches: (most: number): readonly string[] =>
      RING_NAMES.flatMap((ring) => {
        const query = `SELECT id, batches FROM ${ring} ORDER BY id DESC LIMIT ?`
        return sql.exec<{ id: number; batches: string }>(query, most).toArray()
      })
        .sort((a, b) => a.id - b.id)
        .flatMap(({ batches }) => batches.split(' ')),

    /**
     * Copies of rows from which a subject's values are removed: the given row and older ones. Reads a bounded number of
     * rows.
     */
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
        changed.push({ id, ...(await packed(ring, after.map(writtenOf))) })
      }
      return { changed, records, next }
    },
  }
  return reader
}

const termsIn = (query: Searched): readonly string[] => [
  ...givenFilters(query).map(([name, value]) => termText(name, value)),
  ...(query.on ? [termText('kind', 'act')] : []),
]
