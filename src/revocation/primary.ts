import type { RevocationPage, RevocationQuery } from '../core/model/ports.ts'
import type { Fullness, Revocation, ShardStatus } from '../core/model/revocation.ts'
import { inTime } from '../platform/calls.ts'
import type { Head } from './log.ts'
import { HANDING_MS } from './outbox.ts'
import { type Survivor, settle } from './recovery.ts'
import { type Row, toEntry } from './rows.ts'
import type { Parts } from './shard-components.ts'

/** Milliseconds an alarm is set ahead at most: dates the platform refuses must not break a write. */
const ALARM_MS = 30 * 24 * 60 * 60 * 1000
/** Milliseconds until what could not be handed on is tried again, the first time and at most. */
const RETRY_MS = { first: 2_000, most: 15_000 }

/** An entry, and how far it has come. */
export interface Told {
  readonly revocation: Revocation
  readonly shards: ShardStatus
}

/** The object that knows by name who has ever been enrolled, and nothing else. */
export interface Roster {
  names(): PromiseLike<readonly string[]>
  note(name: string): PromiseLike<void>
}

/** What leading is done with. */
export interface LeadingOptions {
  readonly ctx: DurableObjectState
  readonly parts: Parts
  readonly roster: () => Roster
  readonly reach: (name: string) => Survivor
}

/**
 * What the shard that leads does: it writes, hands on, and enrols those who follow. An alarm sees to what
 * is pending, also where the object has not lived to do it.
 */
export function createLeading({ ctx, parts, roster, reach }: LeadingOptions) {
  const { storage } = ctx
  const { log, handing, store, outbox } = parts
  let settling: Promise<void> | undefined
  let retryMs = RETRY_MS.first

  /** Over when this shard may answer; rejects where it cannot find out what it has to know. */
  const led = async (): Promise<void> => {
    if (log.head().epoch !== '') return
    const names = () => roster().names()
    settling ??= settle({ storage, log, handing, names, reach, enrol: outbox.enrol })
      .then(handOnLater)
      .finally(() => {
        settling = undefined
      })
    await settling
  }

  const handOnLater = (): void => {
    if (outbox.isPending()) void storage.setAlarm(Date.now() + retryMs)
  }

  const handOn = async (): Promise<void> => {
    await inTime(() => outbox.handOn(), HANDING_MS).catch(() => {})
    if (!outbox.isPending()) retryMs = RETRY_MS.first
  }

  /** Sets the alarm to what is next, unless an earlier one is set. */
  const arm = async (): Promise<void> => {
    const next = store.nextExpiry()
    const times = [
      ...(next === null ? [] : [Math.min(next * 1000, Date.now() + ALARM_MS)]),
      ...(outbox.isPending() ? [Date.now() + retryMs] : []),
    ]
    if (times.length === 0) return
    const at = Math.min(...times)
    const set = await storage.getAlarm()
    if (set === null || set > at) await storage.setAlarm(at)
  }

  const removing = async <Removed>(remove: () => Removed): Promise<Removed> => {
    await led()
    const { version } = log.head()
    const removed = remove()
    handOnLater()
    if (log.head().version > version) await handOn()
    return removed
  }

  const told = (row: Row): Told => ({
    revocation: toEntry(row),
    shards: outbox.spread(row.version),
  })

  return {
    led,

    /** Stores all entries, or none when they do not fit, and tells how far all of them have come. */
    async add(
      entries: readonly Revocation[],
    ): Promise<{ added: readonly Revocation[]; shards: ShardStatus } | { full: Fullness }> {
      await led()
      const rows = await store.add(entries, handOnLater)
      if (typeof rows === 'string') return { full: rows }
      await handOn()
      await arm()
      // One that has changed meanwhile is told with what it has become, also to who acknowledged more.
      const versions = rows.map((row) => (store.find(row.id) ?? row).version)
      const version = Math.max(...versions)
      return { added: rows.map(toEntry), shards: outbox.spread(version) }
    },

    /** The live entry with this id. */
    async get(id: string): Promise<Told | undefined> {
      await led()
      const row = store.find(id)
      return row && told(row)
    },

    /** Removes an entry; false when there is no live one with this id, and of this owner. */
    remove: (id: string, owner?: string): Promise<boolean> =>
      removing(() => store.remove(id, owner)),

    /** Removes the entries of a page. */
    removePage: (query: RevocationQuery): Promise<RevocationPage> =>
      removing(() => store.removePage(query)),

    /** Counts a replica in, where it can be handed all that it lacks. */
    async enrol(
      name: string,
      { epoch, version }: Pick<Head, 'epoch' | 'version'>,
    ): Promise<{ version: number } | { reset: true }> {
      await led()
      await roster().note(name)
      if (epoch === log.head().epoch && version > log.head().version) {
        storage.transactionSync(log.lose)
        // Told to begin anew, it would let go of what only it has.
        await led()
      }
      const head = log.head()
      if (epoch !== head.epoch || version < head.oldest || version > head.version) {
        return { reset: true }
      }
      outbox.enrol(name, version)
      handOnLater()
      ctx.waitUntil(outbox.handOn())
      return { version: head.version }
    },

    /** Hands on what is pending, and removes what has expired. */
    async alarm(): Promise<void> {
      retryMs = Math.min(2 * retryMs, RETRY_MS.most)
      // Whoever asks next tries again, and is told why.
      await led().catch(() => {})
      await handOn()
      store.sweep()
      await arm()
    },
  }
}
