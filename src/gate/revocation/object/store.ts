import { LIMITS } from '../../base/limits.ts'
import type { RevocationPage, RevocationQuery } from '../../model/ports.ts'
import {
  type Fullness,
  fullness,
  KINDS,
  ownerOf,
  type Revocation,
  renewed,
  subjectHash,
  subjectKey,
} from '../../model/revocation.ts'
import type { Signal } from '../../model/signal.ts'
import type { Row } from '../protocol.ts'
import type { RevocationLog } from './log.ts'
import { LIVE, now, OF_AGENTS, OF_REVOCATIONS, putRow, REVOKES, toEntry, toRow } from './tables.ts'

type Hashed = { readonly entry: Revocation; readonly hash: ArrayBuffer }

/** Thrown to roll a transaction back; caught in the store. */
const FULL = { set: new Error('the set is full'), share: new Error('the share is full') }

/** How many entries `shares` has of an issuer. */
const SHARE = 'ifnull((SELECT held FROM shares WHERE issuer = ?), 0)'

export type Store = ReturnType<typeof createStore>

/** The entries of a shard in its SQLite. Expired ones count as absent. */
export function createStore(storage: DurableObjectStorage, log: RevocationLog) {
  const { sql } = storage

  const rowsOf = (statement: string, ...bound: unknown[]): readonly Row[] =>
    sql.exec<Row>(statement, ...bound).toArray()

  const find = (id: string): Row | undefined =>
    rowsOf(`SELECT * FROM entries WHERE id = ? AND ${REVOKES}`, id, now())[0]

  const count = (owner?: string): { held: number; own: number } =>
    sql
      .exec<{ held: number; own: number }>(
        `SELECT held - ${SHARE} AS held, ${SHARE} AS own FROM log`,
        OF_AGENTS,
        owner ?? null,
      )
      .one()

  const fullFor = (owner: string | undefined): Fullness | undefined => {
    const { held, own } = count(owner)
    return fullness({ held, own: owner === undefined ? undefined : own }, LIMITS.revocations)
  }

  /** Throws if the set is full even without expired entries. */
  const makeRoom = (owner: string | undefined): void => {
    if (!fullFor(owner)) return
    log.sweep()
    if (owner !== undefined) log.sweep(owner)
    const full = fullFor(owner)
    if (full) throw FULL[full]
  }

  const put = (entries: readonly Hashed[]): readonly Row[] => {
    const before = count().held
    for (const { entry, hash } of entries) {
      const old = find(entry.id)
      if (!old) log.drop('id = ?', entry.id)
      putRow(sql, toRow(old ? renewed(toEntry(old), entry) : entry, log.next(), hash))
    }
    // A renewed entry takes no more room than before.
    if (count().held > before) makeRoom(ownerOf(entries.map(({ entry }) => entry)))
    return [...new Set(entries.map(({ entry }) => entry.id))].flatMap((id) => find(id) ?? [])
  }

  /** Entries with their hashes, made beforehand: a transaction cannot await digests. */
  const hashedOf = (entries: readonly Revocation[]): Promise<readonly Hashed[]> =>
    Promise.all(
      entries.map(async (entry) => ({
        entry,
        hash: (await subjectHash(subjectKey(entry))).buffer,
      })),
    )

  /** Whether the name is new. Remembers it; throws if the issuer's share of names is full. */
  const remember = ({ name, issuer, until }: Signal): boolean => {
    sql.exec(
      `DELETE FROM signals WHERE name IN
        (SELECT name FROM signals WHERE expires <= ? ORDER BY expires LIMIT 100)`,
      now(),
    )
    if (rowsOf('SELECT 1 FROM signals WHERE name = ?', name).length > 0) return false
    const [share] = sql
      .exec<{ held: number }>('SELECT held FROM signal_shares WHERE issuer = ?', issuer)
      .toArray()
    if ((share?.held ?? 0) >= LIMITS.signals) throw FULL.share
    sql.exec('INSERT INTO signals (name, issuer, expires) VALUES (?, ?, ?)', name, issuer, until)
    return true
  }

  return {
    find,

    /** Removes one batch of expired entries. */
    sweep: (): void => storage.transactionSync(() => log.sweep()),

    /** Live entries of any of the subjects, given by `subjectKey`. */
    lookup(subjectKeys: readonly string[]): readonly Revocation[] {
      // One bound list keeps the statement constant and has no length limit.
      return rowsOf(
        `SELECT * FROM entries WHERE subject IN (SELECT value FROM json_each(?)) AND ${LIVE}`,
        JSON.stringify(subjectKeys),
        now(),
      ).map(toEntry)
    },

    /**
     * Stores all entries, or none if they exceed {@link LIMITS.revocations}; then returns which
     * limit is full. Renews existing entries; replaces expired ones. Calls `stored` synchronously
     * after the writes, so that its own writes are committed with them.
     */
    async add(
      entries: readonly Revocation[],
      stored: () => void,
    ): Promise<readonly Row[] | Fullness> {
      const hashed = await hashedOf(entries)
      try {
        const rows = storage.transactionSync(() => put(hashed))
        stored()
        return rows
      } catch (error) {
        if (error === FULL.set) return 'set'
        if (error === FULL.share) return 'share'
        throw error
      }
    },

    /**
     * Makes the change of a security event whose name is new; returns the changed entries, or which limit is full.
     * `stored` as in `add`, but only for a new name.
     */
    async signal(
      signal: Signal,
      stored: (changed: readonly Revocation[]) => void,
    ): Promise<readonly Revocation[] | Fullness> {
      const { add, lift } = signal
      const hashed = await hashedOf(add ? [add] : [])
      try {
        const changed = storage.transactionSync(() => {
          if (!remember(signal)) return undefined
          const row = lift && find(lift.id)
          const isLifted =
            row && (row.at ?? 0) < lift.before && log.drop('id = ?', row.id).length > 0
          return [...put(hashed), ...(isLifted ? [row] : [])].map(toEntry)
        })
        if (changed) stored(changed)
        return changed ?? []
      } catch (error) {
        if (error === FULL.set) return 'set'
        if (error === FULL.share) return 'share'
        throw error
      }
    },

    /**
     * Stores standings of agents in place of their earlier ones, and removes those of the subjects in `none`. If the set
     * then had more than {@link LIMITS.agentStandings}, it stores nothing and returns `false`. `stored` as in `add`, with
     * the entries that were in the place of these.
     */
    async setStandings(
      entries: readonly Revocation[],
      none: readonly string[],
      stored: (before: readonly Revocation[]) => void,
    ): Promise<boolean> {
      const hashed = await hashedOf(entries)
      try {
        const before = storage.transactionSync(() => {
          const ids = JSON.stringify(entries.map(({ id }) => id))
          const subjects = JSON.stringify([...entries.map(subjectKey), ...none])
          const standing = `subject IN (SELECT value FROM json_each(?)) AND mode NOT IN ${OF_REVOCATIONS}`
          const rows = rowsOf(`SELECT * FROM entries WHERE ${standing}`, subjects)
          log.drop(`${standing} AND id NOT IN (SELECT value FROM json_each(?))`, subjects, ids)
          for (const { entry, hash } of hashed) putRow(sql, toRow(entry, log.next(), hash))
          if (count(OF_AGENTS).own > LIMITS.agentStandings) throw FULL.set
          return rows.map(toEntry)
        })
        stored(before)
        return true
      } catch (error) {
        if (error === FULL.set) return false
        throw error
      }
    },

    /** A page of live entries in order of creation. */
    list({ kind, issuer, value, limit, cursor = 0, ...made }: RevocationQuery): RevocationPage {
      // If issuer and value are given, they name few subjects, which have an index. By default SQLite would scan all
      // entries of the issuer.
      const exact = issuer !== undefined && value !== undefined
      const subjects = exact
        ? (kind ? [kind] : KINDS).map((one) => subjectKey({ kind: one, issuer, value }))
        : undefined
      const where: readonly (readonly [clause: string, bound: string | number | undefined])[] = [
        ['seq > ?', cursor],
        [REVOKES, now()],
        ['subject IN (SELECT value FROM json_each(?))', subjects && JSON.stringify(subjects)],
        ['kind = ?', kind],
        ['issuer = ?', issuer],
        ['value = ?', value],
        ['created_by = ? AND ifnull(renewed_by, created_by) = created_by', made.createdBy],
        ['own = ?', made.own === undefined ? undefined : Number(made.own)],
      ]
      const used = where.filter(([, bound]) => bound !== undefined)
      const rows = rowsOf(
        `SELECT * FROM entries ${exact ? 'INDEXED BY entries_by_subject' : ''}
          WHERE ${used.map(([clause]) => clause).join(' AND ')} ORDER BY seq LIMIT ?`,
        ...used.map(([, bound]) => bound),
        limit + 1,
      )
      const page = rows.slice(0, limit)
      const cursorOfNext = rows.length > limit ? page.at(-1)?.seq : undefined
      return {
        revocations: page.map(toEntry),
        ...(typeof cursorOfNext === 'number' && { cursor: cursorOfNext }),
      }
    },

    /** Removes an entry; false without a live one of this id and owner. */
    remove(id: string, owner?: string): boolean {
      const where = `id = ? AND ${REVOKES} ${owner === undefined ? '' : 'AND own = 1 AND issuer = ?'}`
      const bound = [id, now(), ...(owner === undefined ? [] : [owner])]
      return storage.transactionSync(() => log.drop(where, ...bound).length > 0)
    },

    /** Removes the entries of a page. */
    removePage(query: RevocationQuery): RevocationPage {
      return storage.transactionSync(() => {
        const page = this.list(query)
        const ids = JSON.stringify(page.revocations.map(({ id }) => id))
        log.drop('id IN (SELECT value FROM json_each(?))', ids)
        return page
      })
    },

    /** The next expiry, in seconds; `null` without any. */
    nextExpiry: (): number | null =>
      sql
        .exec<{ next: number | null }>(
          // This condition makes SQLite use the index.
          'SELECT min(expires) AS next FROM entries WHERE expires IS NOT NULL',
        )
        .one().next,
  }
}
