import { sha256Name } from '../base/bytes.ts'
import { fail, ok, type Result } from '../base/result.ts'

/** Response headers with the remaining quota (draft-ietf-httpapi-ratelimit-headers). */
export const LIMIT_HEADERS = ['RateLimit', 'RateLimit-Policy'] as const

/** The identity that requests are counted by, within its issuer. */
export const COUNTED = ['agent', 'client', 'workflow', 'issuer'] as const

export type Counted = (typeof COUNTED)[number]

/** The quotas of a limit; at least one is present. */
export interface Quotas {
  /** A token bucket of `limit` requests that refills evenly within `period` milliseconds. */
  readonly bucket?: { readonly limit: number; readonly period: number }
  /** Requests per UTC day. */
  readonly daily?: number
}

/**
 * The rate limit of one rule. `exact`: one Durable Object counts for all locations, so it is never exceeded.
 * `approximate`: a platform binding counts, per location. The numbers are in the configuration of the binding.
 */
export type RateLimit =
  | { readonly kind: 'exact'; readonly per: Counted; readonly quotas: Quotas }
  | { readonly kind: 'approximate'; readonly per: Counted; readonly binding: string }

/** The rate limit of one network address, counted per isolate or by a binding. Never exact. */
export type AddressLimit =
  | { readonly kind: 'memory'; readonly limit: number; readonly period: number }
  | { readonly kind: 'binding'; readonly binding: string }

/** The remainder of one quota. */
export interface Left {
  /** Whole requests. */
  readonly left: number
  /** Seconds until the quota is whole again or, with nothing left, until one more request is allowed. */
  readonly reset: number
}

/** The remainder of each quota; empty where it is unknown. */
export interface Allowance {
  readonly bucket?: Left
  readonly day?: Left
}

/** The remainder of each quota where the limit is reached. */
export interface Exhausted extends Allowance {
  /** Whole seconds until a request is allowed, at least 1. */
  readonly retryAfter: number
  /** What was stored at the refusal, and its time in milliseconds; absent where a refusal must not be remembered. */
  readonly state?: { readonly spent: Spent; readonly time: number }
}

/** The requests that are counted together: by identity, rule and host. */
export interface LimitKey {
  readonly issuer: string
  readonly per: Counted
  readonly value: string
  readonly route: string
  readonly host: string | undefined
}

/** The storage key of a limit: SHA-256 over all parts. Other parts give another key. It does not reveal them. */
export function limitName({ issuer, per, value, route, host }: LimitKey): Promise<string> {
  return sha256Name(JSON.stringify([issuer, per, value, route, host ?? null]))
}

/**
 * The stored state of a token bucket. Debt is counted in whole units, so nothing is rounded: a request costs `period`
 * units, and each millisecond pays back `limit` units. Without debt the bucket is full.
 */
export interface Spent {
  /** Milliseconds since the epoch of the last request that was counted. */
  readonly at: number
  readonly owed: number
  /** Limit and period of the bucket that `owed` counts for; 0 and 1 before the first. */
  readonly limit: number
  readonly period: number
  /** Requests counted against a daily quota, on the UTC day of `at`. */
  readonly used: number
}

type Bucket = NonNullable<Quotas['bucket']>

export const NOTHING_SPENT: Spent = { at: 0, owed: 0, limit: 0, period: 1, used: 0 }

const DAY = 86_400_000
const dayOf = (time: number): number => Math.floor(time / DAY)
const nextDay = (time: number): number => (dayOf(time) + 1) * DAY

/**
 * Takes one request at `time` (milliseconds since the epoch); `spend: false` only checks whether it could be taken.
 * Quotas may have changed since the last call, since two versions of a policy can run side by side. Debt is kept, up to
 * the size of a smaller bucket. The count of a quota that is absent is kept too. While the clock is behind `at`, nothing is paid back.
 * If it is behind by more than a day, `time` replaces `at`. `spent`: the new state to store, absent where it is unchanged.
 */
export function takeOne(
  before: Spent,
  { bucket, daily }: Quotas,
  { time, spend = true }: { readonly time: number; readonly spend?: boolean },
): { readonly spent?: Spent; readonly outcome: Result<Allowance, Exhausted> } {
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
  const isChanged = limit !== last.limit || period !== last.period
  if (wait > 0) {
    const retryAfter = inSeconds(wait + now - time)
    return {
      // Without this, the debt would wait until the clock reaches the old `at`, or be paid back at the old rate after a change.
      ...(spend && (last !== before || isChanged) && { spent: present }),
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

/** Milliseconds since the epoch from which the state equals a fresh one: the bucket is full and the day is over. */
export function forgottenAt({ at, owed, limit, used }: Spent): number {
  return Math.max(at + (owed > 0 ? Math.ceil(owed / limit) : 0), used > 0 ? nextDay(at) : 0)
}

const owedAt = (before: Spent, { limit, period }: Bucket, now: number): number => {
  const owed = Math.max(0, before.owed - before.limit * (now - before.at))
  const inUnits = period === before.period ? owed : Math.ceil((owed / before.period) * period)
  return Math.min(inUnits, limit * period)
}

const leftInBucket = ({ owed }: Spent, { limit, period }: Bucket): Left => {
  const left = limit - Math.ceil(owed / period)
  const toWhole = left > 0 ? owed : owed - (limit - 1) * period
  return { left, reset: Math.ceil(toWhole / limit / 1000) }
}

const leftOfDay = ({ used }: Spent, daily: number, now: number): Left => ({
  left: Math.max(0, daily - used),
  reset: inSeconds(nextDay(now) - now),
})

const inSeconds = (milliseconds: number): number => Math.max(1, Math.ceil(milliseconds / 1000))
