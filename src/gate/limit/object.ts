import { DurableObject } from 'cloudflare:workers'
import { fail, type Result } from '../base/result.ts'
import {
  type Allowance,
  type Exhausted,
  forgottenAt,
  NOTHING_SPENT,
  type Quotas,
  type Spent,
  takeOne,
} from '../model/limit.ts'
import { noteSchema } from '../platform/schema.ts'

/** The version of the table. Version 1 had one object for each name. */
const SCHEMA = 2

/** `ends`: milliseconds since the epoch, from which the state equals a fresh one. */
const TABLE = `CREATE TABLE IF NOT EXISTS counts (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    ends INTEGER NOT NULL
  ) WITHOUT ROWID`

/** What a state has, all of it numbers. */
const NUMBERS = Object.keys(NOTHING_SPENT) as (keyof Spent)[]

/** Milliseconds between deletions of outdated rows. They have no index: it would be a second row for each count. */
const SWEEP_MS = 3_600_000

/**
 * Counts the requests of its part of all names: a Durable Object, so that the whole world counts a name in one place.
 * A name is one agent, client or workflow at one rule. The state is persistent; a row is deleted once it equals a fresh
 * one. Each call passes its quotas. Trusts its callers, which are the gate's own code.
 */
export class RateLimiter extends DurableObject {
  #isOpen = false
  #isArmed = false

  /** Takes one request; without `spend` it only checks whether that is possible. */
  async take(name: string, quotas: Quotas, spend: boolean): Promise<Result<Allowance, Exhausted>> {
    const sql = this.#open()
    const before = this.#spent(name)
    const time = Date.now()
    // No await between reading and writing, so no other call can interleave.
    const { spent, outcome } = takeOne(before, quotas, { time, spend })
    if (spent) {
      const row = [name, JSON.stringify(spent), forgottenAt(spent)]
      sql.exec('INSERT OR REPLACE INTO counts (name, state, ends) VALUES (?, ?, ?)', ...row)
      await this.#arm()
    }
    return outcome.ok
      ? outcome
      : fail({ ...outcome.reason, state: { spent: spent ?? before, time } })
  }

  /** Deletes outdated rows; and everything if none is left, also of an object of version 1. */
  override async alarm(): Promise<void> {
    const sql = this.#open()
    this.#isArmed = false
    sql.exec('DELETE FROM counts WHERE ends <= ?', Date.now())
    if (sql.exec('SELECT 1 FROM counts LIMIT 1').toArray().length > 0) return this.#arm()
    this.#isOpen = false
    await this.ctx.storage.deleteAll()
  }

  /** Throws for storage of another version, which could be read as zero or be deleted. */
  #open(): SqlStorage {
    const { storage } = this.ctx
    if (!this.#isOpen) {
      noteSchema(storage, SCHEMA)
      storage.sql.exec(TABLE)
      this.#isOpen = true
    }
    return storage.sql
  }

  async #arm(): Promise<void> {
    if (this.#isArmed) return
    const { storage } = this.ctx
    if ((await storage.getAlarm()) === null) await storage.setAlarm(Date.now() + SWEEP_MS)
    this.#isArmed = true
  }

  /** The stored state. Throws for a state without all numbers, which would never reach a limit. */
  #spent(name: string): Spent {
    const { sql } = this.ctx.storage
    const [row] = sql.exec<{ state: string }>('SELECT state FROM counts WHERE name = ?', name)
    if (!row) return NOTHING_SPENT
    const spent = JSON.parse(row.state)
    if (!NUMBERS.every((key) => Number.isFinite(spent?.[key]))) throw new Error('a garbled count')
    return spent
  }
}
