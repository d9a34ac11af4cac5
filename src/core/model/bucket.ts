import { fail, ok, type Result } from '../result.ts'
import type { Allowance, Exhausted, Left, Quotas } from './limit.ts'

/**
 * What was spent, as it is stored. What is owed is counted in whole units, of which a request costs
 * as many as its period has milliseconds and each millisecond pays back `limit`: nothing is rounded.
 * With nothing owed the bucket is full.
 */
export interface Spent {
  /** Milliseconds since the epoch, when something was spent last. */
  readonly at: number
  readonly owed: number
  /** Of the bucket that it is owed to; 0 and 1 where there was none yet. */
  readonly limit: number
  readonly period: number
  /** Requests on the UTC day of `at`, of those that a day was counted for. */
  readonly used: number
}

export const NOTHING_SPENT: Spent = { at: 0, owed: 0, limit: 0, period: 1, used: 0 }

const DAY = 86_400_000
const dayOf = (time: number): number => Math.floor(time / DAY)
const nextDay = (time: number): number => (dayOf(time) + 1) * DAY

/** What taking one came to. */
export interface Taken {
  /** What is to be stored; absent where that is what was stored before. */
  readonly spent?: Spent
  readonly outcome: Result<Allowance, Exhausted>
}

/**
 * Takes one request at `time` (milliseconds since the epoch), or with `spend: false` tells whether it could be
 * taken. The quotas may be others than last time: what was spent stays spent, as far as it fits
 * into a smaller bucket, and a quota that is not there this time keeps its count, as two versions of a
 * policy are at work side by side for a while. A clock that goes back refills nothing until it is
 * where it was; by more than a day, it was wrong before, and what is owed then is owed from `time` on.
 */
export function takeOne(
  before: Spent,
  { bucket, daily }: Quotas,
  { time, spend = true }: { readonly time: number; readonly spend?: boolean },
): Taken {
  const last = before.at - time > DAY ? { ...before, at: time } : before
  const now = Math.max(time, last.at)
  const { limit, period } = bucket ?? last
  const owed = owedAt(last, { limit, period }, now)
  const used = dayOf(last.at) === dayOf(now) ? last.used : 0
  const waits = [
    bucket ? (owed - (limit - 1) * period) / limit : 0,
    daily !== undefined && used >= daily ? nextDay(now) - now : 0,
  ]
  const wait = Math.max(...waits)
  const allowanceOf = (spent: Spent): Allowance => ({
    ...(bucket && { bucket: leftInBucket(spent, bucket) }),
    ...(daily !== undefined && { day: leftOfDay(spent, daily, now) }),
  })
  const present = { at: now, owed, limit, period, used }
  if (wait > 0) {
    const retryAfter = inSeconds(wait + now - time)
    return {
      // Else what is owed would never begin to be paid back.
      ...(spend && last !== before && { spent: last }),
      outcome: fail({ ...allowanceOf(present), retryAfter }),
    }
  }
  if (!spend) return { outcome: ok(allowanceOf(present)) }
  const spent = {
    ...present,
    owed: bucket ? owed + period : owed,
    used: daily === undefined ? used : used + 1,
  }
  return { spent, outcome: ok(allowanceOf(spent)) }
}

/** When a full bucket and a new day make it as if nothing had been spent; milliseconds since the epoch. */
export function forgottenAt({ at, owed, limit, used }: Spent): number {
  return Math.max(at + (owed > 0 ? Math.ceil(owed / limit) : 0), used > 0 ? nextDay(at) : 0)
}

const owedAt = (
  before: Spent,
  { limit, period }: { readonly limit: number; readonly period: number },
  now: number,
): number => {
  const owed = Math.max(0, before.owed - before.limit * (now - before.at))
  const inUnits = period === before.period ? owed : Math.ceil((owed / before.period) * period)
  return Math.min(inUnits, limit * period)
}

const leftInBucket = (
  { owed }: Spent,
  { limit, period }: { readonly limit: number; readonly period: number },
): Left => {
  const left = limit - Math.ceil(owed / period)
  const toWhole = left > 0 ? owed : owed - (limit - 1) * period
  return { left, reset: Math.ceil(toWhole / limit / 1000) }
}

const leftOfDay = ({ used }: Spent, daily: number, now: number): Left => ({
  left: Math.max(0, daily - used),
  reset: inSeconds(nextDay(now) - now),
})

const inSeconds = (milliseconds: number): number => Math.max(1, Math.ceil(milliseconds / 1000))
