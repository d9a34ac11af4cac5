import type { Alert, AlertPage, AlertQuery } from '../../gate/model/watch.ts'
import type { Found } from './watch-signals.ts'
import { type WatchState, watchState } from './watch-state.ts'

/** Most states in memory. */
const MOST_STATES = 2_000
/**
 * Milliseconds between two writes of a state, and milliseconds without a sighting after which all states are written.
 */
export const STORE_MS = { each: 600_000, quiet: 10_000 }

/** The tables of states and alerts. */
export const WATCH_TABLES = `CREATE TABLE IF NOT EXISTS watched (
  agent TEXT PRIMARY KEY,
  state BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alerts (
  id INTEGER PRIMARY KEY,
  issuer TEXT NOT NULL,
  alert TEXT NOT NULL,
  lesson TEXT NOT NULL
);`

interface Kept {
  readonly state: WatchState
  /** When it was written. */
  stored: number
  isDirty: boolean
}

/** States of agents in memory and SQLite. A crash loses ten minutes of learning. `spend` counts a row of the state with this key, if it may be written. */
export function createWatchStates({ sql }: DurableObjectStorage, spend: (key: string) => boolean) {
  const kept = new Map<string, Kept>()
  let quiet: ReturnType<typeof setTimeout> | undefined

  const store = (key: string): void => {
    const one = kept.get(key)
    if (!one?.isDirty || !spend(key)) return
    sql.exec('INSERT OR REPLACE INTO watched VALUES (?, ?)', key, one.state.bytes)
    one.isDirty = false
    one.stored = Date.now()
  }

  return {
    store,

    /** A state, which the caller changes. */
    use(key: string): WatchState {
      const query = 'SELECT state FROM watched WHERE agent = ?'
      const [row] = kept.has(key) ? [] : sql.exec<{ state: ArrayBuffer }>(query, key)
      const { state, stored } = kept.get(key) ?? { state: watchState(row?.state), stored: 0 }
      kept.delete(key)
      kept.set(key, { state, stored, isDirty: true })
      const [oldest] = kept.size > MOST_STATES ? kept.keys() : []
      if (oldest !== undefined) {
        store(oldest)
        kept.delete(oldest)
      }
      return state
    },

    /** States by key: those whose key begins with the given text and continues with a quotation mark. */
    find(beginning: string): ReadonlyMap<string, WatchState> {
      const query = 'SELECT agent, state FROM watched WHERE agent > ? AND agent < ?'
      type Row = { agent: string; state: ArrayBuffer }
      const rows = sql.exec<Row>(query, beginning, `${beginning}#`)
      const stored = rows.toArray().map(({ agent, state }) => [agent, watchState(state)] as const)
      const inMemory = [...kept].flatMap(([key, { state }]) =>
        key.startsWith(beginning) ? [[key, state] as const] : [],
      )
      return new Map([...stored, ...inMemory])
    },

    /** Deletes the states that `find` returns. */
    drop(beginning: string): void {
      const query = 'DELETE FROM watched WHERE agent > ? AND agent < ?'
      const { rowsWritten } = sql.exec(query, beginning, `${beginning}#`)
      for (let i = 0; i < rowsWritten; i++) spend(`${beginning}""]`)
      for (const key of kept.keys()) if (key.startsWith(beginning)) kept.delete(key)
    },

    /**
     * Writes states that were written long ago. Writes all states once no agent was seen for a while: the platform may
     * then end the object.
     */
    storeLater(): void {
      for (const [key, { stored }] of kept) if (Date.now() >= stored + STORE_MS.each) store(key)
      if (quiet) clearTimeout(quiet)
      quiet = setTimeout(() => [...kept.keys()].forEach(store), STORE_MS.quiet)
    },
  }
}

/** How many alerts of an issuer are kept, and for how long. */
const KEPT = { alerts: 1_000, ms: 90 * 86_400_000 }

/** Alerts in SQLite. */
export function createAlertTable({ sql }: DurableObjectStorage) {
  type Row = { readonly id: number; readonly alert: string }
  const alertOf = ({ id, alert }: Row) => ({ ...JSON.parse(alert), id }) as Alert

  return {
    /** Stores an alert, and deletes the oldest alerts of its issuer. Those of other issuers stay. */
    add(alert: Omit<Alert, 'id'>, lesson: Found['lesson']): Alert {
      const texts = [alert.issuer, JSON.stringify(alert), JSON.stringify(lesson)]
      const { id } = sql
        .exec<{ id: number }>('INSERT INTO alerts VALUES (NULL, ?, ?, ?) RETURNING id', ...texts)
        .one()
      const last = 'SELECT id FROM alerts WHERE issuer = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2'
      const old = "id < ?4 AND json_extract(alert, '$.at') < ?3"
      const where = `issuer = ?1 AND (id <= (${last}) OR (${old}))`
      const bound = [alert.issuer, KEPT.alerts, Date.now() - KEPT.ms, id]
      sql.exec(`DELETE FROM alerts WHERE ${where}`, ...bound)
      return { ...alert, id }
    },

    change({ id, ...alert }: Alert): void {
      sql.exec('UPDATE alerts SET alert = ? WHERE id = ?', JSON.stringify(alert), id)
    },

    /** Notes in all open alerts with this quarantine that it is lifted. */
    lift({ issuer }: Alert, quarantine: string): void {
      const set = `alert = json_patch(alert, '{"quarantine":{"lifted":true}}')`
      const where = `issuer = ? AND json_extract(alert, '$.quarantine.id') = ?
        AND json_extract(alert, '$.verdict') IS NULL`
      sql.exec(`UPDATE alerts SET ${set} WHERE ${where}`, issuer, quarantine)
    },

    find(id: number): Alert | undefined {
      const [row] = sql.exec<Row>('SELECT id, alert FROM alerts WHERE id = ?', id)
      return row && alertOf(row)
    },

    lessonOf(id: number): Found['lesson'] {
      const query = 'SELECT lesson FROM alerts WHERE id = ?'
      return JSON.parse(sql.exec<{ lesson: string }>(query, id).one().lesson)
    },

    /** A page of alerts, the latest first. */
    list({ issuer, open, limit, cursor }: AlertQuery): AlertPage {
      const where = [
        'id < ?',
        ...(issuer === undefined ? [] : ['issuer = ?']),
        ...(open ? ["json_extract(alert, '$.verdict') IS NULL"] : []),
      ].join(' AND ')
      const bound = [cursor ?? Number.MAX_SAFE_INTEGER, ...(issuer === undefined ? [] : [issuer])]
      const query = `SELECT id, alert FROM alerts WHERE ${where} ORDER BY id DESC LIMIT ?`
      const rows = sql.exec<Row>(query, ...bound, limit + 1).toArray()
      const alerts = rows.slice(0, limit).map(alertOf)
      const last = rows.length > limit ? alerts.at(-1) : undefined
      return { alerts, ...(last && { cursor: last.id }) }
    },
  }
}
