import { createYielder, inTime } from '../platform/calls.ts'
import { system } from '../platform/system.ts'
import { isServing, type RevocationLog } from './log.ts'
import { type Peer, PRIMARY, type Replicated, type RowChanges, type Version } from './protocol.ts'
import { COPYING, type Replication } from './replication.ts'

/** What a replica works with. */
export interface ReplicaOptions {
  readonly name: string
  readonly ctx: DurableObjectState
  readonly log: RevocationLog
  readonly replication: Replication
  readonly sibling: (name: string) => Pick<Peer, 'copyPage' | 'enrol'>
}

/** How far a copy is. */
interface Copying extends Version {
  /** Where the next page begins. */
  readonly after: number
}

/** No version: the enrolment is under way, and nothing may be answered yet. */
const NEVER = Number.MAX_SAFE_INTEGER
/** Milliseconds between an enrolment that failed and the next. */
const PAUSE_MS = 1_000

/**
 * A shard that follows the primary: it copies all entries, enrols, and takes every change it is sent. Only
 * then it answers, so that a change which all enrolled shards have acknowledged is in every answer.
 */
export function createReplica({ name, ctx, log, replication, sibling }: ReplicaOptions) {
  const { storage } = ctx
  const primary = () => sibling(PRIMARY)
  let enrolling: Promise<void> | undefined
  let failedAt = Number.NEGATIVE_INFINITY
  /** Counts enrolments begun and refusals given: after a refusal, an enrolment before it is void. */
  let attempt = 0
  /** The last version that was heard of since the enrolment was asked for. */
  let heard = 0

  /** Copies all entries. Continues where it was interrupted, also by a restart of the object. */
  const copyAll = async (): Promise<void> => {
    const { kv } = storage
    const pause = createYielder()
    let copying = kv.get<Copying>(COPYING)
    for (;;) {
      if (!copying) storage.transactionSync(() => replication.clear())
      const { rows, epoch, version, after } = await inTime(() =>
        primary().copyPage(copying?.after ?? 0),
      )
      if (copying && copying.epoch !== epoch) {
        // The set began anew meanwhile.
        copying = undefined
        continue
      }
      // Later pages may be of later versions: the copy is whole only as of the first one's.
      const first: Version = copying ?? { epoch, version }
      storage.transactionSync(() => {
        replication.putAll(rows)
        if (after === undefined) {
          log.begin(first)
          kv.delete(COPYING)
        } else kv.put(COPYING, { ...first, after })
      })
      if (after === undefined) return
      copying = { ...first, after }
      await pause()
    }
  }

  const enrolOnce = async (): Promise<void> => {
    if (log.head().epoch === '') await copyAll()
    attempt += 1
    const mine = attempt
    heard = 0
    log.serve(NEVER)
    const answer = await inTime(() => primary().enrol(name, log.head()))
    if (attempt !== mine) throw new Error('refused while it was enrolled')
    if ('reset' in answer) {
      storage.transactionSync(() => replication.clear())
      return await enrolOnce()
    }
    log.serve(Math.max(answer.version, heard))
  }

  const serves = (): boolean => isServing(log.head())

  /** Answers no reads from now on, until it is enrolled anew. */
  const leave = (): void => {
    attempt += 1
    log.serve(null)
  }

  return {
    serves,
    leave,

    /** Begins an enrolment, unless one is under way or has just failed, or it is only to catch up. */
    enrol(): void {
      const { serving } = log.head()
      if (serving !== null && serving !== NEVER) return
      if (enrolling || Date.now() - failedAt < PAUSE_MS) return
      enrolling = enrolOnce()
        .catch((error: unknown) => {
          failedAt = Date.now()
          system.log({ event: 'revocations_enrol_failed', shard: name, error: String(error) })
        })
        .finally(() => {
          enrolling = undefined
        })
    },

    /** Takes changes in. A replica that cannot follow them answers no reads any more. */
    replicate(changes: RowChanges): Replicated {
      const { epoch, version, serving } = log.head()
      if (serving === null || epoch !== changes.epoch || version < changes.from) {
        leave()
        return { out: true }
      }
      if (replication.contradicts(changes)) return { contradicted: true }
      heard = Math.max(heard, changes.head)
      storage.transactionSync(() => {
        // A replica that answers goes on doing so: what it may lack it has not acknowledged.
        if (!serves()) log.serve(Math.max(serving, changes.head))
        replication.apply(changes)
      })
      return { version: log.head().version }
    },
  }
}
