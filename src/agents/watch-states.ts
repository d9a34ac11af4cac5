import { type WatchState, watchState } from './watch-state.ts'

/** Most states in memory. */
const MOST_STATES = 2_000
/** Milliseconds between two writes of a state; and without a sighting, until all states are written. */
export const STORE_MS = { each: 600_000, quiet: 10_000 }

/** The table of the states. */
export const STATES_TABLE =
  'CREATE TABLE IF NOT EXISTS watched (agent TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;'

interface Kept {
  readonly state: WatchState
  /** When it was written. */
  stored: number
  isDirty: boolean
}

/** States of agents in memory and SQLite. A crash loses ten minutes of learning. `spend` counts a row, if it may be written. */
export function createWatchStates({ sql }: DurableObjectStorage, spend: () => boolean) {
  const kept = new Map<string, Kept>()
  let quiet: ReturnType<typeof setTimeout> | undefined

  const store = (key: string): void => {
    const one = kept.get(key)
    if (!one?.isDirty || !spend()) return
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

    /** States by key: those whose key begins so, and goes on with a quotation mark. */
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
      for (let i = 0; i < rowsWritten; i++) spend()
      for (const key of kept.keys()) if (key.startsWith(beginning)) kept.delete(key)
    },

    /** Writes states that were written long ago. Writes all once no agent is seen for a while, since the object may end then. */
    storeLater(): void {
      for (const [key, { stored }] of kept) if (Date.now() >= stored + STORE_MS.each) store(key)
      if (quiet) clearTimeout(quiet)
      quiet = setTimeout(() => [...kept.keys()].forEach(store), STORE_MS.quiet)
    },
  }
}
