import { LIMITS } from '../../gate/base/limits.ts'
import { getOrMake } from '../../gate/base/memo.ts'
import {
  type AgentChange,
  type AgentEntry,
  type AgentKey,
  type AgentPage,
  type AgentQuery,
  type ChangeRefusal,
  isChanged,
  keyOf,
  keyText,
  needsOf,
  type Seen,
  type Sighting,
} from '../../gate/model/agents.ts'
import { changedEntry } from './change.ts'
import { createRows, type RowTerms } from './rows.ts'
import { merged, withChild } from './seen.ts'

/** The share of the discovered agents that is deleted at a time. */
const TOGETHER = 1 / 100
/** Most rows that a query by need reads, and most characters that any query reads. An object answers with 32 MB at most. */
const PAGE = { rows: 2_000, characters: 4_000_000 } as const
/** Milliseconds between two writes of an agent of which only the time of the last request has changed. */
const COARSE_MS = 600_000

/** `told`: whether the revocation set has the agent's status. Long columns come last: SQLite reads a row up to the one that it needs. */
export const TABLES = `CREATE TABLE IF NOT EXISTS agents (
  issuer TEXT NOT NULL,
  agent TEXT NOT NULL,
  status TEXT NOT NULL,
  last INTEGER NOT NULL,
  version INTEGER NOT NULL,
  told INTEGER NOT NULL,
  said TEXT NOT NULL,
  seen TEXT,
  PRIMARY KEY (issuer, agent)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS untold ON agents (told) WHERE told = 0;`

/** The condition for `begins` of a query. */
const BEGINS = `EXISTS (SELECT 1 FROM json_each(?) WHERE issuer = ifnull(value ->> 'issuer', issuer)
  AND substr(agent, 1, length(value ->> 'text')) = value ->> 'text')`

type Row = {
  readonly issuer: string
  readonly agent: string
  readonly status: string
  readonly version: number
  /** `fields` and `change` as JSON. */
  readonly said: string
  readonly seen: string | null
}

/** How an agent is counted. Those of which an administrator wrote are never deleted for agents that call. */
type Kind = 'discovered' | 'written' | 'decided'
const kindOf = ({ status, version }: Pick<AgentEntry, 'status' | 'version'>): Kind =>
  status !== 'discovered' ? 'decided' : version > 0 ? 'written' : 'discovered'

const entryOf = ({ issuer, agent, status, version, said, seen }: Row): AgentEntry => ({
  issuer,
  agent,
  status: status as AgentEntry['status'],
  version,
  ...(JSON.parse(said) as Pick<AgentEntry, 'fields' | 'change'>),
  ...(seen !== null && { seen: JSON.parse(seen) as Seen }),
})

export type AgentTable = ReturnType<typeof createAgentTable>

/** The agents in SQLite. */
export function createAgentTable(storage: DurableObjectStorage) {
  const { sql } = storage
  const rows = createRows(storage)
  const { spend, left } = rows
  /** How many agents of each kind an issuer has. */
  let counts: Map<string, Record<Kind, number>> | undefined

  /** Agents, as many as there is room for. `isMore`: whether more follow. */
  const pageOf = (most: number, rest: string, ...bound: unknown[]) => {
    const entries: AgentEntry[] = []
    let characters = 0
    const query = `SELECT * FROM agents WHERE ${rest} LIMIT ?`
    for (const row of sql.exec<Row>(query, ...bound, most + 1)) {
      if (entries.length === most || characters > PAGE.characters) return { entries, isMore: true }
      entries.push(entryOf(row))
      characters += row.said.length + (row.seen?.length ?? 0)
    }
    return { entries, isMore: false }
  }
  const find = ({ issuer, agent }: AgentKey): AgentEntry | undefined =>
    pageOf(1, 'issuer = ? AND agent = ?', issuer, agent).entries[0]

  const counted = () => {
    const query = `SELECT issuer, sum(status = 'discovered' AND version = 0) AS discovered,
      sum(status = 'discovered' AND version > 0) AS written,
      sum(status != 'discovered') AS decided FROM agents GROUP BY issuer`
    counts ??= new Map(
      sql
        .exec<{ issuer: string } & Record<Kind, number>>(query)
        .toArray()
        .map(({ issuer, ...of }) => [issuer, of]),
    )
    return counts
  }
  const countsOf = (issuer: string) =>
    getOrMake(counted(), issuer, () => ({ discovered: 0, written: 0, decided: 0 }))
  const decidedInAll = (): number =>
    [...counted().values()].reduce((sum, { decided }) => sum + decided, 0)

  const put = (
    before: AgentEntry | undefined,
    { issuer, agent, ...now }: AgentEntry,
    told: boolean,
  ) => {
    const { status, version, fields, change, seen } = now
    const counts = countsOf(issuer)
    if (before) counts[kindOf(before)]--
    counts[kindOf(now)]++
    const { rowsWritten } = sql.exec(
      'INSERT OR REPLACE INTO agents VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      issuer,
      agent,
      status,
      seen?.last ?? 0,
      version,
      told ? 1 : 0,
      JSON.stringify({ fields, change }),
      seen ? JSON.stringify(seen) : null,
    )
    spend(issuer, rowsWritten)
  }

  /** `payer`: the issuer whose rows it uses up. */
  const see = (
    before: AgentEntry | undefined,
    { issuer, agent }: AgentKey,
    seen: Seen,
    payer: string,
  ): void => {
    if (before) {
      const set = 'UPDATE agents SET last = ?, seen = ? WHERE issuer = ? AND agent = ?'
      const { rowsWritten } = sql.exec(set, seen.last, JSON.stringify(seen), issuer, agent)
      spend(payer, rowsWritten)
    } else {
      put(undefined, { issuer, agent, status: 'discovered', version: 0, fields: {}, seen }, true)
    }
  }

  /** Deletes the agents of an issuer and a kind that were idle for longest, if there are too many. Returns them. */
  const evict = (issuer: string, kind: 'discovered' | 'written'): readonly AgentKey[] => {
    const counts = countsOf(issuer)
    const most = LIMITS.discoveredAgents
    if (counts[kind] <= most) return []
    const many = Math.ceil(counts[kind] - most + most * TOGETHER)
    const version = kind === 'written' ? 'version > 0' : 'version = 0'
    const oldest = `SELECT agent FROM agents
      WHERE issuer = ?1 AND status = 'discovered' AND told = 1 AND ${version} ORDER BY last LIMIT ?2`
    const remove = `DELETE FROM agents WHERE issuer = ?1 AND agent IN (${oldest}) RETURNING issuer, agent`
    const gone = sql.exec<{ issuer: string; agent: string }>(remove, issuer, many)
    const evicted = gone.toArray()
    spend(issuer, gone.rowsWritten)
    counts[kind] -= evicted.length
    return evicted
  }

  return {
    find,

    /** Counts a row that the watch writes; false if the issuer's rows of the day are used up. */
    spend(issuer: string, terms: RowTerms): boolean {
      if (left(issuer, terms) < 1) return false
      spend(issuer, 1)
      return true
    },

    /**
     * Stores what is new at once, and a later time every ten minutes, as far as the rows of the day allow it. Returns
     * agents that now have code that is not approved, and those that were deleted.
     */
    observe(
      sightings: readonly Sighting[],
      terms: RowTerms,
    ): { readonly changed: readonly AgentEntry[]; readonly gone: readonly AgentKey[] } {
      const changed: AgentEntry[] = []
      const gone: AgentKey[] = []
      storage.transactionSync(() => {
        const issuers = new Set<string>()
        const children: (readonly [parent: string, child: AgentKey])[] = []
        for (const sighting of sightings) {
          if (left(sighting.issuer, terms) < 1) continue
          const known = find(sighting)
          const { seen, isNew } = merged(known?.seen, sighting)
          if (!isNew && seen.last - (known?.seen?.last ?? 0) < COARSE_MS) continue
          if (!known) issuers.add(sighting.issuer)
          else if (!isChanged(known) && isChanged({ ...known, seen })) {
            changed.push({ ...known, seen })
          }
          see(known, sighting, seen, sighting.issuer)
          children.push(...sighting.parents.map((parent) => [parent, sighting] as const))
        }
        for (const [parent, child] of children) {
          const known = find(keyOf(parent))
          const next = known?.seen && withChild(known.seen, keyText(child))
          if (known && next) see(known, known, next, child.issuer)
        }
        for (const issuer of issuers) gone.push(...evict(issuer, 'discovered'))
        rows.store(sightings[0]?.issuer ?? '')
      })
      return { changed, gone }
    },

    /**
     * Changes an agent, and calls `stored` with it. Whatever `stored` writes is committed in the same transaction as
     * the change.
     */
    change(change: AgentChange, stored: (entry: AgentEntry) => void): AgentEntry | ChangeRefusal {
      return storage.transactionSync(() => {
        const before = find(change)
        const { decided: ofIssuer } = countsOf(change.issuer)
        const entry = changedEntry(before, change, { ofIssuer, inAll: decidedInAll() })
        if (typeof entry === 'string') return entry
        put(before, entry, false)
        evict(change.issuer, 'written')
        stored(entry)
        return entry
      })
    },

    /** A page of agents by issuer and id. */
    list({ issuer, status, needs, begins, limit, cursor }: AgentQuery): AgentPage {
      const after = cursor === undefined ? { issuer: '', agent: '' } : keyOf(cursor)
      const where = [
        '(issuer, agent) > (?, ?)',
        ...(issuer === undefined ? [] : ['issuer = ?']),
        ...(status === undefined ? [] : ['status = ?']),
        ...(begins === undefined ? [] : [BEGINS]),
      ].join(' AND ')
      const given = [issuer, status, begins && JSON.stringify(begins)]
      const bound = [after.issuer, after.agent, ...given].filter((one) => one !== undefined)
      const most = needs === undefined ? limit : PAGE.rows
      const { entries, isMore } = pageOf(most, `${where} ORDER BY issuer, agent`, ...bound)
      const now = Date.now()
      const fit = entries.filter((entry) => {
        const all = needs === undefined ? [] : needsOf(entry, now)
        return !needs || (needs === 'any' ? all.length > 0 : all.includes(needs))
      })
      const agents = fit.slice(0, limit)
      const last = fit.length > limit ? agents.at(-1) : isMore ? entries.at(-1) : undefined
      return { agents, ...(last && { cursor: keyText(last) }) }
    },

    /** Some agents whose status is not yet in the revocation set. */
    missing: (most: number) => pageOf(most, 'told = 0'),

    /**
     * Records that the revocation set has the status of these agents, except of those whose status has changed
     * meanwhile.
     */
    notePresent(entries: readonly AgentEntry[]): void {
      for (const { issuer, agent, version } of entries) {
        const key = 'issuer = ? AND agent = ? AND version = ?'
        sql.exec(`UPDATE agents SET told = 1 WHERE ${key}`, issuer, agent, version)
      }
    },

    /** Records that the revocation set lacks every status, because it was created again. */
    noteAllMissing: (): void =>
      void sql.exec("UPDATE agents SET told = 0 WHERE status != 'discovered'"),

    /** Whether agents of several issuers are known. */
    isShared: (): boolean =>
      [...counted().values()].filter((of) => of.discovered + of.written + of.decided > 0).length >
      1,

    /** Whether administrators have decided on any agent. */
    hasDecided: (): boolean => decidedInAll() > 0,
  }
}
