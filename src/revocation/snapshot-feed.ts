import { LOG, type RevocationLog } from './log.ts'
import type { HashChanges, HashPage, Reset, Version } from './protocol.ts'
import { LIVE, now } from './tables.ts'

const NOTHING = new Uint8Array()

/**
 * The set in hashes, for isolates that keep a copy. Whether a hash has left is judged when it is asked,
 * over all entries that share it, so that lifting one never hides another.
 */
export function createSnapshotFeed({ sql }: DurableObjectStorage, log: RevocationLog) {
  /** Pages of one state: after a deploy all isolates want the same ones at once. */
  const pages = new Map<number, HashPage>()
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
    /** The page of live entries behind `after`. */
    all(after: number): HashPage {
      const { epoch, version } = log.head()
      const state = `${epoch} ${version}`
      if (packedOf !== state) pages.clear()
      packedOf = state
      // Entries that expired since are still in it. Because of them a copy asks once too often, no more.
      const known = pages.get(after)
      if (known) return known
      const entries = `SELECT seq, hash FROM entries WHERE seq > ? AND ${LIVE} ORDER BY seq LIMIT`
      const { hashes, last } = packed(`${entries} ${LOG.page}`, after, now())
      const more = sql.exec(`${entries} 1`, last, now()).toArray().length > 0
      const page = { epoch, version, hashes, ...(last !== null && more && { after: last }) }
      if (pages.size < LOG.pages) pages.set(after, page)
      return page
    },

    /**
     * The changes since a version, or `reset` where they are not kept. A replica may be behind the isolate that
     * asks. Then it has nothing new: what it lacks has not been acknowledged yet.
     */
    since({ epoch, version: since }: Version, isReplica: boolean): HashChanges | Reset {
      const { version, oldest, epoch: own } = log.head()
      const isKept = epoch === own && since >= oldest && version - since <= LOG.changes
      if (!isKept || (since > version && !isReplica)) return { reset: true }
      if (since > version) return { epoch, version: since, added: NOTHING, removed: NOTHING }
      const stands = `EXISTS (SELECT 1 FROM entries WHERE entries.hash = tombstones.hash AND ${LIVE})`
      // Left to itself, SQLite would walk all hashes in order to have each once.
      const added = packed(
        `SELECT 0 AS seq, hash FROM entries INDEXED BY entries_by_version WHERE version > ? AND ${LIVE}
          UNION SELECT 0 AS seq, hash FROM tombstones WHERE version > ? AND ${stands}`,
        since,
        now(),
        since,
        now(),
      )
      const removed = packed(
        `SELECT DISTINCT 0 AS seq, hash FROM tombstones WHERE version > ? AND NOT ${stands}`,
        since,
        now(),
      )
      return { epoch, version, added: added.hashes, removed: removed.hashes }
    },
  }
}

/** In the runtime, and not yet in the types. */
const { fromHex } = Uint8Array as unknown as {
  readonly fromHex: (hex: string) => Uint8Array
}
