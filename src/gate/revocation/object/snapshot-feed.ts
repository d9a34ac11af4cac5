import type { HashChanges, HashPage, Reset, Version } from '../protocol.ts'
import { LOG, type RevocationLog } from './log.ts'
import { LIVE, now } from './tables.ts'

const NOTHING = new Uint8Array()

/**
 * The hashes of the set, for isolates' copies. A removed entry's hash stays while another live
 * entry has it.
 */
export function createSnapshotFeed({ sql }: DurableObjectStorage, log: RevocationLog) {
  /** Pages of one version: after a deploy all isolates need them at once. */
  const pages = new Map<number, HashPage>()
  let packedOf = ''

  /**
   * The hashes of a statement's rows, and the last `seq`. One hexadecimal value of 100,000 hashes
   * takes a fifth of the time of as many rows. It must stay below SQLite's limit of 2 MB.
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
    /** The page of live entries after a cursor. */
    all(after: number): HashPage {
      const { epoch, version } = log.head()
      const state = `${epoch} ${version}`
      if (packedOf !== state) pages.clear()
      packedOf = state
      // The page may contain entries that have expired since. They cost isolates an unneeded lookup.
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
     * The changes since a version; `reset` if they are no longer available. A replica may be behind
     * the isolate. Then it returns no changes: the changes that it lacks are not acknowledged yet.
     */
    since({ epoch, version: since }: Version, isReplica: boolean): HashChanges | Reset {
      const { version, oldest, epoch: own } = log.head()
      const isKept = epoch === own && since >= oldest && version - since <= LOG.changes
      if (!isKept || (since > version && !isReplica)) return { reset: true }
      if (since > version) return { epoch, version: since, added: NOTHING, removed: NOTHING }
      const stands = `EXISTS (SELECT 1 FROM entries WHERE entries.hash = tombstones.hash AND ${LIVE})`
      // By default SQLite would scan all hashes in order to deduplicate.
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

/** Supported by the runtime, but missing in its types. */
const { fromHex } = Uint8Array as unknown as {
  readonly fromHex: (hex: string) => Uint8Array
}
