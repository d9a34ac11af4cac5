import type { Clock } from '../core/model/ports.ts'
import { createYielder, inTime } from '../platform/calls.ts'
import { isServing, type RevocationLog } from './log.ts'
import { COPYING, type Handed, type HandedPage, type Handing } from './replication.ts'

/** What a replica asks of the shard that it follows. */
export interface Leader {
  handAll(after: number): PromiseLike<HandedPage>
  /**
   * Counts a replica among those that every change has to reach. It may answer from the version on that
   * it is told; `reset` where it must begin anew.
   */
  enrol(
    name: string,
    at: { readonly epoch: string; readonly version: number },
  ): PromiseLike<{ readonly version: number } | { readonly reset: true }>
}

/** What a replica says to changes: how far it has come, or that it answers nothing and need not be told. */
export type Taken =
  | { readonly version: number }
  | { readonly out: true }
  /** It knows of other changes with the same versions. */
  | { readonly contradicted: true }

/** What following is done with. */
export interface FollowerOptions {
  readonly name: string
  readonly storage: DurableObjectStorage
  readonly log: RevocationLog
  readonly handing: Handing
  readonly leader: () => Leader
  readonly clock: Clock
  readonly report: (event: Record<string, unknown>) => void
}

/** How far a copy is. */
interface Copying {
  readonly epoch: string
  readonly version: number
  /** Where the next page begins. */
  readonly after: number
}

/** No version: the enrolment is under way, and nothing may be answered yet. */
const NEVER = Number.MAX_SAFE_INTEGER
/** Milliseconds between an enrolment that failed and the next. */
const PAUSE_MS = 1_000

const OUT: Taken = { out: true }

/**
 * A shard that follows another: it copies all entries, enrols, and takes every change it is handed. Only
 * then it answers, so that a change which all enrolled shards have acknowledged is in every answer.
 */
export function createFollower(options: FollowerOptions) {
  const { name, storage, log, handing, leader, clock, report } = options
  let enrolling: Promise<void> | undefined
  let failedAt = Number.NEGATIVE_INFINITY
  /** Counts enrolments begun and refusals given: after a refusal, an enrolment before it is void. */
  let turn = 0
  /** The last version that was heard of since the enrolment was asked for. */
  let heard = 0

  /** Goes on where it was broken off, also by the end of this object's life. */
  const copyAll = async (): Promise<void> => {
    const { kv } = storage
    const breath = createYielder()
    let copying = kv.get<Copying>(COPYING)
    for (;;) {
      if (!copying) storage.transactionSync(() => handing.clear())
      const { rows, epoch, version, after } = await inTime(() =>
        leader().handAll(copying?.after ?? 0),
      )
      if (copying && copying.epoch !== epoch) {
        // The set began anew meanwhile.
        copying = undefined
        continue
      }
      // Later pages may show later versions: only what the first one knew is known to be whole.
      const first = copying ?? { epoch, version }
      storage.transactionSync(() => {
        handing.takeAll(rows)
        if (after === undefined) {
          log.begin(first)
          kv.delete(COPYING)
        } else kv.put(COPYING, { ...first, after })
      })
      if (after === undefined) return
      copying = { ...first, after }
      await breath()
    }
  }

  const enrolOnce = async (): Promise<void> => {
    if (log.head().epoch === '') await copyAll()
    turn += 1
    const mine = turn
    heard = 0
    log.serve(NEVER)
    const answer = await inTime(() => leader().enrol(name, log.head()))
    if (turn !== mine) throw new Error('refused while it was enrolled')
    if ('reset' in answer) {
      storage.transactionSync(() => handing.clear())
      return await enrolOnce()
    }
    log.serve(Math.max(answer.version, heard))
  }

  const serves = (): boolean => isServing(log.head())

  return {
    serves,

    /** Begins an enrolment, unless one is under way or has just failed, or it is only to catch up. */
    enrol(): void {
      const { serving } = log.head()
      if (serving !== null && serving !== NEVER) return
      if (enrolling || clock.now() - failedAt < PAUSE_MS) return
      enrolling = enrolOnce()
        .catch((error: unknown) => {
          failedAt = clock.now()
          report({ event: 'revocations_enrol_failed', shard: name, error: String(error) })
        })
        .finally(() => {
          enrolling = undefined
        })
    },

    /** Answers nothing from now on, until it is enrolled anew. */
    leave(): void {
      turn += 1
      log.serve(null)
    },

    /** Takes changes in. One that cannot follow them answers nothing any more. */
    take(now: number, handed: Handed): Taken {
      const { epoch, version, serving } = log.head()
      if (serving === null || epoch !== handed.epoch || version < handed.from) {
        this.leave()
        return OUT
      }
      if (handing.contradicts(handed)) return { contradicted: true }
      heard = Math.max(heard, handed.head)
      storage.transactionSync(() => {
        // One that answers goes on: what it may lack it has not acknowledged.
        if (!serves()) log.serve(Math.max(serving, handed.head))
        handing.take(now, handed)
      })
      return { version: log.head().version }
    },
  }
}
