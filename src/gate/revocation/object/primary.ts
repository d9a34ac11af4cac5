import type { Act } from '../../model/audit.ts'
import type { RevocationPage, RevocationQuery, RevocationStore } from '../../model/ports.ts'
import type { Revocation, ShardStatus } from '../../model/revocation.ts'
import type { Signal } from '../../model/signal.ts'
import { type Acts, entriesOf } from '../../outbox/acts.ts'
import { inTime } from '../../platform/calls.ts'
import { REGISTRY, type Reset, type Version } from '../protocol.ts'
import type { Endings } from './endings.ts'
import { createOutbox, SENDING_MS } from './outbox.ts'
import type { ShardParts } from './parts.ts'
import { recover } from './recovery.ts'
import { toEntry } from './tables.ts'
import type { Transmitting } from './transmit.ts'

/** The farthest alarm, in milliseconds: the platform refuses distant dates. */
const ALARM_MS = 30 * 24 * 60 * 60 * 1000
/** The key of the last probe's time, and the milliseconds until a probe is repeated: each writes a row. */
const PROBED = 'probed'
const PROBE_MS = 60_000
/** Milliseconds between retries of sending, first and at most. */
const RETRY_MS = { first: 2_000, most: 15_000 }

/**
 * The primary writes entries, enrols replicas and sends them changes. An alarm sends pending
 * changes, also after a restart.
 */
export function createPrimary(
  parts: ShardParts,
  acts: Acts,
  endings: Endings,
  transmitting: Transmitting,
) {
  const { ctx, log, store, sibling } = parts
  const { storage } = ctx
  const outbox = createOutbox(parts)
  let recovering: Promise<void> | undefined
  let retryMs = RETRY_MS.first
  let probedAt = Number.NEGATIVE_INFINITY

  /** Resolves when this shard is ready; rejects if recovery cannot reach every replica. */
  const ready = async (): Promise<void> => {
    if (log.head().epoch !== '') return
    recovering ??= recover(parts, outbox.enrol)
      .then(sendLater)
      .finally(() => {
        recovering = undefined
      })
    await recovering
  }

  const isPending = (): boolean => outbox.isPending() || acts.isPending() || endings.isPending()

  const sendLater = (): void => {
    if (isPending() || transmitting.due() < Number.POSITIVE_INFINITY) {
      void storage.setAlarm(Date.now() + retryMs)
    }
  }

  const send = async (): Promise<void> => {
    await inTime(() => outbox.send(), SENDING_MS).catch(() => {})
    if (!isPending()) retryMs = RETRY_MS.first
  }

  /** Sets the alarm for the next task, unless an earlier one is set. */
  const arm = async (): Promise<void> => {
    const next = store.nextExpiry()
    const at = Math.min(
      next === null ? Number.POSITIVE_INFINITY : Math.min(next * 1000, Date.now() + ALARM_MS),
      isPending() ? Date.now() + retryMs : Number.POSITIVE_INFINITY,
      Math.max(transmitting.due(), Date.now()),
    )
    const set = (await storage.getAlarm()) ?? Number.POSITIVE_INFINITY
    if (at < set) await storage.setAlarm(at)
  }

  const removing = async <Removed>(
    remove: () => readonly [Removed, readonly Revocation[]],
    act: Act | undefined,
  ): Promise<Removed> => {
    await ready()
    const { version } = log.head()
    const [removed, entries] = remove()
    if (entries.length > 0) acts.note(act, { act: 'lift', ...entriesOf(entries) })
    transmitting.note(entries, true, act?.id)
    sendLater()
    sendNow()
    if (log.head().version > version) await send()
    return removed
  }

  const sendNow = (): void => {
    ctx.waitUntil(Promise.all([acts.send(), transmitting.send().then(arm)]))
  }

  log.watchExpiry((rows) => transmitting.note(rows.map(toEntry), true))

  // A version that refuses this storage fails the alarm, which is given up after some attempts.
  void arm()

  // See `RevocationStore` for methods without a comment.
  return {
    ready,

    /** Stores all entries, or none if they do not fit; returns the status of shards. */
    async add(entries: readonly Revocation[], act?: Act): ReturnType<RevocationStore['add']> {
      await ready()
      const rows = await store.add(entries, () => {
        acts.note(act, { act: 'revoke', ...entriesOf(entries) })
        transmitting.note(entries, false, act?.id)
        sendLater()
      })
      if (typeof rows === 'string') return { full: rows }
      sendNow()
      const ended = endings.end(entries)
      await send()
      // An entry that was changed meanwhile has a later version, and only the later version was sent.
      const versions = rows.map((row) => (store.find(row.id) ?? row).version)
      // Read before the wait: a replica that enrols meanwhile would count as pending.
      const shards = outbox.statusOf(Math.max(...versions))
      await ended
      await arm()
      return { added: rows.map(toEntry), shards }
    },

    /** Sets the standings of agents; `undefined` if there are too many. See `store.setStandings`. */
    async setStandings(
      entries: readonly Revocation[],
      none: readonly string[],
    ): Promise<{ readonly epoch: string; readonly shards: ShardStatus } | undefined> {
      await ready()
      const isMore = entries.length + none.length > 0
      const stored = (before: readonly Revocation[]) => {
        transmitting.noteStandings(before, entries)
        sendLater()
      }
      if (isMore && !(await store.setStandings(entries, none, stored))) return undefined
      sendNow()
      const ended = endings.end(entries)
      await send()
      const { epoch, version } = log.head()
      const shards = outbox.statusOf(version)
      await ended
      await arm()
      return { epoch, shards }
    },

    async signal(signal: Signal, act?: Act): ReturnType<RevocationStore['signal']> {
      await ready()
      if (transmitting.isOwn(signal.add, signal.txn)) return { changed: [] }
      const changed = await store.signal(signal, (entries) => {
        const lifted = entries.length > 0 ? 'lift' : 'event'
        acts.note(act, { act: signal.add ? 'revoke' : lifted, ...entriesOf(entries) })
        transmitting.note(entries, !signal.add, signal.txn)
        sendLater()
      })
      if (typeof changed === 'string') return { full: changed }
      sendNow()
      if (changed.length > 0) await Promise.all([send(), endings.end(signal.add ? changed : [])])
      await arm()
      return { changed }
    },

    async list(query: RevocationQuery): Promise<RevocationPage> {
      await ready()
      return store.list(query)
    },

    async get(id: string): ReturnType<RevocationStore['get']> {
      await ready()
      const row = store.find(id)
      return row && { revocation: toEntry(row), shards: outbox.statusOf(row.version) }
    },

    /** Rejects if nothing can be written, such as on a full disk. Looks at most once a minute while it can. */
    async status(): Promise<ShardStatus> {
      await ready()
      const now = Date.now()
      if (Math.abs(now - probedAt) >= PROBE_MS) {
        storage.kv.put(PROBED, now)
        await storage.sync()
        probedAt = now
      }
      return outbox.statusOf(log.head().version)
    },

    remove: (id: string, owner?: string, act?: Act): Promise<boolean> =>
      removing(() => {
        const row = store.find(id)
        const isGone = store.remove(id, owner)
        return [isGone, isGone && row ? [toEntry(row)] : []]
      }, act),

    removePage: (query: RevocationQuery, act?: Act): Promise<RevocationPage> =>
      removing(() => {
        const page = store.removePage(query)
        return [page, page.revocations]
      }, act),

    /** Enrols a replica; `reset` if the log lacks changes it needs. */
    async enrol(name: string, { epoch, version }: Version): Promise<{ version: number } | Reset> {
      await ready()
      await sibling(REGISTRY).note(name)
      if (epoch === log.head().epoch && version > log.head().version) {
        storage.transactionSync(log.endEpoch)
        // A reset would delete entries that only the replica has.
        await ready()
      }
      const head = log.head()
      if (epoch !== head.epoch || version < head.oldest || version > head.version) {
        return { reset: true }
      }
      outbox.enrol(name, version)
      sendLater()
      ctx.waitUntil(outbox.send())
      return { version: head.version }
    },

    /** Sends pending changes, ends approvals that are still to end, and removes expired entries. */
    async alarm(): Promise<void> {
      retryMs = Math.min(2 * retryMs, RETRY_MS.most)
      // Ignored: the next caller retries and gets the error.
      await ready().catch(() => {})
      await send()
      await Promise.all([acts.send(), endings.send(), transmitting.send()])
      store.sweep()
      await arm()
    },
  }
}
