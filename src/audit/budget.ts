import type { Dropped } from '../core/model/audit.ts'
import { RING_NAMES } from './rings.ts'

const DAY_MS = 86_400_000
/** The storage key of {@link Kept}. */
const KEPT = 'budget'
/** Gaps that are remembered. */
const MOST_GAPS = 200

/** What is stored by itself, where no row has it: rarely, since that is a row as well. */
interface Kept {
  readonly day: number
  readonly rows: number
  readonly gaps: readonly Dropped[]
}

export type Budget = ReturnType<typeof createBudget>

/**
 * Counts the rows that an object has written on this UTC day, as they are billed, and the records that were dropped.
 * Both are there after a restart; of a gap at least half of its records.
 */
export function createBudget({ sql, kv }: DurableObjectStorage) {
  const latest = RING_NAMES.flatMap((ring) =>
    sql
      .exec<{ day: number; rows: number }>(
        `SELECT day, day_rows AS rows FROM ${ring} ORDER BY id DESC LIMIT 1`,
      )
      .toArray(),
  )
  const kept = kv.get<Kept>(KEPT) ?? { day: 0, rows: 0, gaps: [] }
  let day = Math.max(kept.day, ...latest.map((one) => one.day))
  let rows = Math.max(...[kept, ...latest].map((one) => (one.day === day ? one.rows : 0)))
  let gaps = kept.gaps
  /** Dropped records that are not stored yet. */
  let unsaved = 0

  const turn = (): void => {
    const today = Math.floor(Date.now() / DAY_MS)
    if (today > day) [day, rows, unsaved] = [today, 0, 0]
  }
  const add = (count: number): void => {
    turn()
    rows += count
  }
  const keep = (): void => {
    add(1)
    kv.put(KEPT, { day, rows, gaps } satisfies Kept)
  }

  return {
    add,
    keep,

    /** Runs a statement, and counts what it writes. */
    write(statement: string, ...bound: unknown[]): void {
      add(sql.exec(statement, ...bound).rowsWritten)
    },

    /** The day, and its rows once `more` are written: for a row of a ring. */
    stamp(more: number): readonly [day: number, rows: number] {
      turn()
      return [day, rows + more]
    },

    /** Rows that may still be written today. */
    left(most: number): number {
      turn()
      return Math.max(0, most - rows)
    },

    /** When the next day begins. */
    nextDay(): number {
      turn()
      return (day + 1) * DAY_MS
    },

    /** Notes records that are not stored: one gap for each day and reason. */
    drop(reason: Dropped['reason'], records = 0): void {
      if (records === 0) return
      turn()
      const now = Date.now()
      const end = reason === 'rows_a_day' ? (day + 1) * DAY_MS : now
      const before = gaps.find((gap) => gap.reason === reason && gap.until > day * DAY_MS)
      const gap = { reason, since: before?.since ?? now, until: end, records }
      gap.records += before?.records ?? 0
      gaps = [...gaps.filter((one) => one !== before), gap].slice(-MOST_GAPS)
      unsaved += records
      if (!before || unsaved * 2 > gap.records) {
        unsaved = 0
        keep()
      }
    },

    /** What was dropped between two times. */
    droppedIn: (from = 0, until = Number.POSITIVE_INFINITY): readonly Dropped[] =>
      gaps.filter((gap) => gap.until > from && gap.since < until),
  }
}
