import { type AgentTerms, keyOf, keyText, type Seen, type Sighting } from '../core/model/agents.ts'
import { DAY_MS, merged, withChild } from './seen.ts'

/** The most discovered agents of an issuer, and how many more of the oldest make room together. */
export const DISCOVERED = { most: 10_000, together: 100 }
/** Milliseconds between two writes of an agent of which nothing new was seen. */
const COARSE_MS = 600_000
/** Rows between two writes of their number. */
const ROWS_STEP = 100
/** The storage key of the number of rows of a day. */
const ROWS = 'rows'

/** `seen` is last: SQLite reads a row up to the column that it needs. */
export const TABLES = `CREATE TABLE IF NOT EXISTS agents (
  issuer TEXT NOT NULL,
  agent TEXT NOT NULL,
  status TEXT NOT NULL,
  last INTEGER NOT NULL,
  version INTEGER NOT NULL,
  fields TEXT NOT NULL,
  seen TEXT NOT NULL,
  PRIMARY KEY (issuer, agent)
) WITHOUT ROWID;`

/** The agents in SQLite. */
export function createAgentStore(storage: DurableObjectStorage) {
  const { sql, kv } = storage
  const kept = kv.get<{ readonly day: number; readonly rows: number }>(ROWS)
  let { day, rows } = kept ?? { day: 0, rows: 0 }
  let keptRows = rows

  const today = () => Math.floor(Date.now() / DAY_MS)
  const left = (most: number): number => {
    if (today() > day) [day, rows, keptRows] = [today(), 0, 0]
    return most - rows
  }
  const write = (statement: string, ...bound: unknown[]): number => {
    const { rowsWritten } = sql.exec(statement, ...bound)
    rows += rowsWritten
    return rowsWritten
  }

  const seenOf = (issuer: string, agent: string): Seen | undefined => {
    const query = 'SELECT seen FROM agents WHERE issuer = ? AND agent = ?'
    const [row] = sql.exec<{ seen: string }>(query, issuer, agent)
    return row && (JSON.parse(row.seen) as Seen)
  }

  const put = (issuer: string, agent: string, seen: Seen): void => {
    write(
      `INSERT INTO agents VALUES (?, ?, 'discovered', ?, 0, '{}', ?)
        ON CONFLICT DO UPDATE SET last = excluded.last, seen = excluded.seen`,
      issuer,
      agent,
      seen.last,
      JSON.stringify(seen),
    )
  }

  /** Deletes those discovered agents of an issuer that are idle for longest, if there are too many. */
  const evict = (issuer: string): void => {
    const of = "FROM agents WHERE issuer = ? AND status = 'discovered'"
    const { count } = sql.exec<{ count: number }>(`SELECT count(*) AS count ${of}`, issuer).one()
    if (count <= DISCOVERED.most) return
    write(
      `DELETE FROM agents WHERE issuer = ? AND agent IN (SELECT agent ${of} ORDER BY last LIMIT ?)`,
      issuer,
      issuer,
      count - DISCOVERED.most + DISCOVERED.together,
    )
  }

  return {
    /** Stores what is new, and else each agent every ten minutes at most, as far as the rows of the day allow it. */
    observe(sightings: readonly Sighting[], { maxRows }: AgentTerms): void {
      storage.transactionSync(() => {
        const grown = new Set<string>()
        const children: (readonly [parent: string, child: string])[] = []
        for (const sighting of sightings) {
          const { issuer, agent } = sighting
          if (left(maxRows) < 1) break
          const known = seenOf(issuer, agent)
          const { seen, isNew } = merged(known, sighting)
          if (!isNew && seen.last - (known?.last ?? 0) < COARSE_MS) continue
          if (!known) grown.add(issuer)
          put(issuer, agent, seen)
          children.push(...sighting.parents.map((parent) => [parent, keyText(sighting)] as const))
        }
        for (const [parent, child] of children) {
          const key = keyOf(parent)
          const before = seenOf(key.issuer, key.agent)
          const next = before && withChild(before, child)
          if (next) put(key.issuer, key.agent, next)
        }
        for (const issuer of grown) evict(issuer)
        if (rows - keptRows >= ROWS_STEP) {
          rows++
          keptRows = rows
          kv.put(ROWS, { day, rows })
        }
      })
    },
  }
}
