import { DurableObject } from 'cloudflare:workers'
import {
  type Allowance,
  type Exhausted,
  forgottenAt,
  NOTHING_SPENT,
  type Quotas,
  type Spent,
  takeOne,
} from '../core/model/limit.ts'
import type { Result } from '../core/result.ts'

const SPENT = 'spent'

/**
 * The version of the state. The version is a part of the state: a row of its own would have to be written for each new
 * object.
 */
const SCHEMA = 1

/** What a state has, all of it numbers. */
const NUMBERS = Object.keys(NOTHING_SPENT) as (keyof Spent)[]

/** Milliseconds that an outdated row is kept, so that it is not created anew each time. */
const GRACE = 60_000

/**
 * Counts the requests of one agent, client or workflow to one rule: a Durable Object, so that the whole world counts in
 * one place. Its state is persistent and deleted once it equals a fresh one. Each call passes its quotas. Trusts its
 * callers, which are the gate's own code.
 */
export class RateLimiter extends DurableObject {
  /** Takes one request; without `spend` it only checks whether that is possible. */
  async take(quotas: Quotas, spend: boolean): Promise<Result<Allowance, Exhausted>> {
    const { storage } = this.ctx
    const before = this.#spent()
    // No await between reading and writing, so no other call can interleave.
    const { spent, outcome } = takeOne(before ?? NOTHING_SPENT, quotas, { time: Date.now(), spend })
    if (spent) storage.kv.put(SPENT, { ...spent, schema: SCHEMA })
    if (spent && !before) await storage.setAlarm(forgottenAt(spent) + GRACE)
    return outcome
  }

  /** Deletes an outdated state. */
  override async alarm(): Promise<void> {
    const { storage } = this.ctx
    const spent = this.#spent()
    const end = spent ? forgottenAt(spent) : 0
    if (end <= Date.now()) await storage.deleteAll()
    else await storage.setAlarm(end + GRACE)
  }

  /**
   * The stored state. Throws for a state of another version, which could be read as zero or be deleted, and for
   * a state without all numbers, which would never reach a limit.
   */
  #spent(): Spent | undefined {
    const spent = this.ctx.storage.kv.get<Spent & { readonly schema?: number }>(SPENT)
    if (spent === undefined) return undefined
    const { schema = SCHEMA, ...state } = { ...spent }
    if (schema !== SCHEMA || !NUMBERS.every((name) => Number.isFinite(state[name]))) {
      throw new Error(`data of schema ${schema}, or garbled`)
    }
    return spent
  }
}
