import { subjectHash } from '../core/model/revocation.ts'
import { LOG, type RevocationLog } from './log.ts'
import { LIVE } from './schema.ts'

/** A page of the hashes of all live entries, one after the other; a subject may be there twice. */
export interface PulledPage {
  readonly epoch: string
  /** Of the set at the moment of this page. */
  readonly version: number
  readonly hashes: Uint8Array
  /** Where the next page begins; absent on the last. */
  readonly after?: number
}

/**
 * What changed since a version. `added` has every hash of which an entry came, or left while another
 * stands; `removed` those of which none stands. They have no hash in common.
 */
export interface PulledChanges {
  readonly epoch: string
  readonly version: number
  readonly added: Uint8Array
  readonly removed: Uint8Array
}

const NOTHING = new Uint8Array()

/**
 * The set in hashes, for isolates that keep a copy. Whether a hash has left is judged when it is asked,
 * over all entries that share it, so that lifting one never hides another. Times are seconds.
 */
export function createPulls(storage: DurableObjectStorage, log: RevocationLog) {
  const { sql } = storage
  /** Pages of one state: after a deploy all isolates want the same ones at once. */
  const pages = new Map<number, PulledPage>()
  let packedOf = ''

  /**
   * The hashes of a statement's rows and the last `seq`. Hexadecimal, because one value of a hundred
   * thousand hashes is made in a fifth of the time that as many rows take; it must stay below the
   * 2 MB a value may have.
   */
  const packed = (rows: string, ...bound: unknown[]) => {
    const { last, hex } = sql
      .exec<{ last: number | null; hex: string | null }>(
        `SELECT max(seq) AS last, group_concat(hex(hash), '') AS hex FROM (${rows})`,
        ...bound,
      )
      .one()
    return { last, hashes: fromHex(hex ?? '') }
  }

  return {
    /** Hashes entries that came from an older schema. Before this is done, nothing can be told. */
    async hashAll(): Promise<void> {
      for (;;) {
        const rows = sql
          .exec<{ seq: number; subject: string }>(
            'SELECT seq, subject FROM entries WHERE hash IS NULL LIMIT ?',
            LOG.hashed,
          )
          .toArray()
        if (rows.length === 0) return
        const hashes = await Promise.all(rows.map(({ subject }) => subjectHash(subject)))
        storage.transactionSync(() => {
          for (const [index, { seq }] of rows.entries()) {
            sql.exec('UPDATE entries SET hash = ? WHERE seq = ?', hashes[index], seq)
          }
        })
      }
    },

    /** The page of live entries behind `after`. */
    all(now: number, after: number): PulledPage {
      const { epoch, version } = log.head()
      const state = `${epoch} ${version}`
      if (packedOf !== state) pages.clear()
      packedOf = state
      // What has expired since is in it still, which makes a copy ask once too often.
      const known = pages.get(after)
      if (known) return known
      const page = packed(
        `SELECT seq, hash FROM entries WHERE seq > ? AND ${LIVE} ORDER BY seq LIMIT ${LOG.page}`,
        after,
        now,
      )
      const more = sql.exec(
        `SELECT 1 FROM entries WHERE seq > ? AND ${LIVE} ORDER BY seq LIMIT 1`,
        page.last,
        now,
      )
      const pulled: PulledPage = {
        epoch,
        version,
        hashes: page.hashes,
        ...(page.last !== null && more.toArray().length > 0 && { after: page.last }),
      }
      if (pages.size < LOG.pages) pages.set(after, pulled)
      return pulled
    },

    /**
     * The changes since a version, or that they cannot be told. Where this shard `isBehind` others at
     * times, who has come further than it gets nothing new: what it lacks has not been acknowledged yet.
     */
    since(
      now: number,
      { epoch, version: since }: { readonly epoch: string; readonly version: number },
      isBehind: boolean,
    ): PulledChanges | { readonly reset: true } {
      const { version, oldest, epoch: own } = log.head()
      const isTold = epoch === own && since >= oldest && version - since <= LOG.changes
      if (!isTold || (since > version && !isBehind)) return { reset: true }
      if (since > version) return { epoch, version: since, added: NOTHING, removed: NOTHING }
      // Left to itself, SQLite would walk all hashes in order to have each once.
      return {
        epoch,
        version,
        added: packed(
          `SELECT 0 AS seq, hash FROM entries INDEXED BY entries_by_version
              WHERE version > ? AND ${LIVE}
            UNION SELECT 0 AS seq, hash FROM tombstones WHERE version > ? AND EXISTS
              (SELECT 1 FROM entries WHERE entries.hash = tombstones.hash AND ${LIVE})`,
          since,
          now,
          since,
          now,
        ).hashes,
        removed: packed(
          `SELECT DISTINCT 0 AS seq, hash FROM tombstones WHERE version > ? AND NOT EXISTS
            (SELECT 1 FROM entries WHERE entries.hash = tombstones.hash AND ${LIVE})`,
          since,
          now,
        ).hashes,
      }
    },
  }
}

/** In the runtime, and not yet in the types. */
const { fromHex } = Uint8Array as unknown as {
  readonly fromHex: (hex: string) => Uint8Array
}
