import { DurableObject } from 'cloudflare:workers'
import { forgottenAt, NOTHING_SPENT, type Spent, takeOne } from '../core/model/bucket.ts'
import type { Allowance, Exhausted, Quotas } from '../core/model/limit.ts'
import type { Result } from '../core/result.ts'

/** The name of all it keeps. */
const SPENT = 'spent'

/** Milliseconds that a row is kept when it says nothing any more, so that it is not made anew each time. */
const GRACE = 60_000

/**
 * Counts the requests of one agent, client or workflow to one rule: a Durable Object, so that all the
 * world counts in one place. What was spent outlives it, and leaves when it is as if nothing had been. The
 * quotas come with each call and count from then on. Trusts its callers, which are the gate's own code.
 */
export class RateLimiter extends DurableObject {
  /** Takes one request; without `spend` it only tells whether that could be done. */
  async take(quotas: Quotas, spend: boolean): Promise<Result<Allowance, Exhausted>> {
    const { storage } = this.ctx
    const before = storage.kv.get<Spent>(SPENT)
    // Nothing is waited for between reading and writing, so no other call comes in between.
    const { spent, outcome } = takeOne(before ?? NOTHING_SPENT, quotas, { time: Date.now(), spend })
    if (spent) storage.kv.put(SPENT, spent)
    if (spent && !before) await storage.setAlarm(forgottenAt(spent) + GRACE)
    return outcome
  }

  /** Deletes what says nothing any more. */
  override async alarm(): Promise<void> {
    const { storage } = this.ctx
    const spent = storage.kv.get<Spent>(SPENT)
    const end = spent ? forgottenAt(spent) : 0
    if (end <= Date.now()) await storage.deleteAll()
    else await storage.setAlarm(end + GRACE)
  }
}
