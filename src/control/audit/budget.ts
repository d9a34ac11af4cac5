import type { Counts, Drop, Dropped } from '../../gate/model/audit.ts'
import { adder } from '../records/terms.ts'
import { RING_NAMES } from './rings.ts'
import { reservedRows, type ShareTerms, type Used } from './shares.ts'

const DAY_MS = 86_400_000
/** The storage key of {@link Kept}. */
const KEPT = 'budget'
/** Most gaps that are remembered. */
const MOST_GAPS = 200
/** Most rows whose counts are not in {@link Kept}. */
const MOST_UNKEPT = 1_000

/** Counts that rows do not have are stored separately, but rarely: that writes a row too. */
interface Kept {
  readonly day: number
  readonly rows: number
  readonly gaps: readonly Dropped[]
  /** The counts of all rows with an id up to `upTo`, also of deleted ones. */
  readonly counts: Counts
  readonly upTo: number
  /** What shares have used on `day`, up to `upTo`. */
  readonly used?: Readonly<Record<string, Used>>
}

/** What a row is counted by: its id, and what its column `counts` has. */
export interface CountedRow {
  readonly id: number
  readonly day: number
  readonly counts: Counts
  /** Rows that were written for this one, and bytes by the share that has used them. */
  readonly rows: number
  readonly shares: Readonly<Record<string, number>>
}

/** What the column `counts` has. Of rows of before there were shares, these are the counts alone. */
const countedIn = (text: string): Omit<CountedRow, 'id'> => {
  const counted = JSON.parse(text)
  return 'shares' in counted ? counted : { day: 0, counts: counted, rows: 0, shares: {} }
}

export type Budget = ReturnType<typeof createBudget>

/**
 * Counts the rows that an object has written on this UTC day, as they are billed; the records that were dropped; and
 * what all records say. The counts survive a restart. Of the count of dropped records, at least half survives.
 */
export function createBudget(storage: DurableObjectStorage) {
  const { sql, kv } = storage
  const latest = RING_NAMES.flatMap((ring) =>
    sql
      .exec<{ day: number; rows: number }>(
        `SELECT day, day_rows AS rows FROM ${ring} ORDER BY id DESC LIMIT 1`,
      )
      .toArray(),
  )
  const kept = kv.get<Kept>(KEPT) ?? { day: 0, rows: 0, gaps: [], counts: {}, upTo: 0 }
  let day = Math.max(kept.day, ...latest.map((one) => one.day))
  let rows = Math.max(...[kept, ...latest].map((one) => (one.day === day ? one.rows : 0)))
  // Gaps of before there were shares are of issuers.
  let gaps: readonly Dropped[] = kept.gaps.map((gap) => ({ ...gap, share: gap.share ?? 'issuers' }))
  /** How many dropped records are not in the stored gaps yet. */
  let unsaved = 0
  const counts: Record<string, number> = { ...kept.counts }
  const addCounts = adder(counts)
  const used = new Map(Object.entries((kept.day === day && kept.used) || {}))
  let { upTo } = kept
  let last = upTo
  const count = ({ id, ...one }: CountedRow): void => {
    last = Math.max(last, id)
    addCounts(one.counts)
    if (one.day !== day) return
    const shares = Object.entries(one.shares)
    for (const [name, bytes] of shares) {
      const before = used.get(name) ?? { rows: 0, bytes: 0 }
      const more = one.rows / shares.length
      used.set(name, { rows: before.rows + more, bytes: before.bytes + bytes })
    }
  }
  for (const ring of RING_NAMES) {
    const query = `SELECT id, counts FROM ${ring} WHERE id > ?`
    const found = sql.exec<{ id: number; counts: string }>(query, upTo)
    for (const row of found) count({ id: row.id, ...countedIn(row.counts) })
  }

  const turn = (): void => {
    const today = Math.floor(Date.now() / DAY_MS)
    if (today <= day) return
    ;[day, rows, unsaved] = [today, 0, 0]
    used.clear()
  }
  const add = (count: number): void => {
    turn()
    rows += count
  }
  const keep = (): void => {
    add(1)
    const shares = Object.fromEntries(used)
    kv.put(KEPT, { day, rows, gaps, counts, upTo: last, used: shares } satisfies Kept)
    upTo = last
  }

  return {
    add,
    keep,

    /** Runs a statement, and counts what it writes. */
    write(statement: string, ...bound: unknown[]): void {
      add(sql.exec(statement, ...bound).rowsWritten)
    },

    /** What all records say. The object is changed as more records come. */
    counts: counts as Counts,

    /** Counts what rows say. Call it once they are stored. */
    count(rows: readonly CountedRow[]): void {
      for (const row of rows) count(row)
      if (last - upTo > MOST_UNKEPT) keep()
    },

    /** Stores the counts before this row is deleted, if they are only in rows. */
    keepBefore(id: number): void {
      if (id > upTo) keep()
    },

    /** Sets the alarm, unless an earlier one is set. */
    async wakeAt(at: number): Promise<void> {
      const alarm = await storage.getAlarm()
      if (alarm !== null && alarm <= at) return
      add(1)
      await storage.setAlarm(at)
    },

    /** The day, and how many rows it has once `more` are written: both become columns of a row. */
    stamp(more: number): readonly [day: number, rows: number] {
      turn()
      return [day, rows + more]
    },

    /** Rows that may still be written today. */
    left(most: number): number {
      turn()
      return Math.max(0, most - rows)
    },

    /** What shares have used today. The map is changed as more records come. */
    used(): ReadonlyMap<string, Used> {
      turn()
      return used
    },

    /** Rows that may still be written today, without those that are reserved for issuers. */
    free(terms: ShareTerms): number {
      turn()
      return Math.max(0, terms.maxRows - rows - reservedRows(used, terms))
    },

    /** Rows that were written today. */
    rows(): number {
      turn()
      return rows
    },

    /** When the next day begins. */
    nextDay(): number {
      turn()
      return (day + 1) * DAY_MS
    },

    /** Rows and gaps of this day. */
    today(): { readonly rows: number; readonly dropped: readonly Dropped[] } {
      turn()
      return { rows, dropped: gaps.filter((gap) => gap.until > day * DAY_MS) }
    },

    /** Counts records that are not stored, in one gap for each day, reason and share. */
    drop({ records, ...about }: Drop): void {
      if (records === 0) return
      turn()
      const now = Date.now()
      const end = about.reason === 'overload' ? now : (day + 1) * DAY_MS
      const before = gaps.find((gap) => isAbout(gap, about) && gap.until > day * DAY_MS)
      const gap = { ...about, since: before?.since ?? now, until: end, records }
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

const isAbout = (gap: Dropped, { reason, share, issuer }: Omit<Drop, 'records'>): boolean =>
  gap.reason === reason && gap.share === share && gap.issuer === issuer
