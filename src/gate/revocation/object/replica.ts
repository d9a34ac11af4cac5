import { createYielder, inTime } from '../../platform/calls.ts'
import { system } from '../../platform/system.ts'
import { PRIMARY, type Replicated, type RowChanges, type Version } from '../protocol.ts'
import { isServing } from './log.ts'
import type { ShardParts } from './parts.ts'
import { COPYING } from './replication.ts'

/** The progress of a copy. */
interface Copying extends Version {
  /** The cursor of the next page. */
  readonly after: number
}

/** Not a version: the enrolment is in progress, and the replica must not answer. */
const NEVER = Number.MAX_SAFE_INTEGER
/** Milliseconds between a failed enrolment and the next. */
const PAUSE_MS = 1_000

/**
 * A replica copies all entries, enrols, and applies every change it is sent. Only then it answers,
 * so that its answers contain every change that all enrolled shards have acknowledged.
 */
export function createReplica(name: string, { ctx, log, replication, sibling }: ShardParts) {
  const { storage } = ctx
  const primary = () => sibling(PRIMARY)
  let enrolling: Promise<void> | undefined
  let failedAt = Number.NEGATIVE_INFINITY
  /** Counts enrolments and refusals. A refusal voids earlier enrolments. */
  let attempt = 0
  /** The latest version known since the enrolment began. */
  let heard = 0

  /** Copies all entries. Resumes after interruptions, also after a restart. */
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
        // The set was reset meanwhile.
        copying = undefined
        continue
      }
      // Later pages may be of later versions: only the first page's version is complete.
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

  /** Stops answering until the next enrolment. */
  const leave = (): void => {
    attempt += 1
    log.serve(null)
  }

  return {
    serves,
    leave,

    /** Starts an enrolment, unless one is in progress, has just failed, or is catching up. */
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

    /** Applies changes. A replica that cannot follow them stops answering. */
    replicate(changes: RowChanges): Replicated {
      const { epoch, version, serving } = log.head()
      if (serving === null || epoch !== changes.epoch || version < changes.from) {
        leave()
        return { out: true }
      }
      if (replication.contradicts(changes)) return { contradicted: true }
      heard = Math.max(heard, changes.head)
      storage.transactionSync(() => {
        // A serving replica keeps serving: it has not acknowledged the changes that it may lack.
        if (!serves()) log.serve(Math.max(serving, changes.head))
        replication.apply(changes)
      })
      return { version: log.head().version }
    },
  }
}
