import type { AgentTerms } from '../../gate/model/agents.ts'
import { DAY_MS } from './seen.ts'

/** Rows between two writes of their numbers. */
const STEP = 100
/** The storage key of the numbers of rows of a day, by issuer. */
const ROWS = 'rows_by_issuer'

/** What bounds the rows of a day. */
export type RowTerms = Pick<AgentTerms, 'maxRows' | 'issuers'>

/** Counts the rows that are written on a UTC day, by the issuer that they are written for. */
export function createRows({ kv }: DurableObjectStorage) {
  const kept = kv.get<{ readonly day: number; readonly rows: Map<string, number> }>(ROWS)
  let { day, rows } = kept ?? { day: 0, rows: new Map<string, number>() }
  let unstored = 0

  const spend = (issuer: string, more: number): void => {
    rows.set(issuer, (rows.get(issuer) ?? 0) + more)
    unstored += more
  }
  return {
    spend,

    /**
     * Rows that may still be written today for an issuer. Half of all rows is divided equally among the issuers of the
     * policy. The other half is for any of them.
     */
    left(issuer: string, { maxRows, issuers = 1 }: RowTerms): number {
      const today = Math.floor(Date.now() / DAY_MS)
      if (today > day) [day, rows, unstored] = [today, new Map(), 0]
      const share = maxRows / 2 / issuers
      const shared = [...rows.values()].reduce((sum, own) => sum + Math.max(0, own - share), 0)
      return Math.max(share - (rows.get(issuer) ?? 0), maxRows / 2 - shared)
    },

    /** Stores the numbers, if many rows were written since. The row for that counts for the issuer. */
    store(issuer: string): void {
      if (unstored < STEP) return
      spend(issuer, 1)
      kv.put(ROWS, { day, rows })
      unstored = 0
    },
  }
}
