import { dateTime, durationMs } from '../../gate/base/duration.ts'
import { fail, ok, type Result } from '../../gate/base/result.ts'

/** A larger number must be milliseconds: seconds since the epoch reach this number only in three thousand years. */
const LATEST_SECONDS = 1e11

/** A duration such as `15m` in seconds; the reason of a failure is a sentence for people. */
export function durationSeconds(text: string): Result<number, string> {
  const ms = durationMs(text)
  return ms === undefined
    ? fail(`"${text}" is not a duration; write a number and ms, s, m, h or d, such as 15m`)
    : ok(ms / 1000)
}

/** Whole seconds since the epoch, as written. */
export function epochSeconds(text: string): Result<number, string> {
  if (!/^\d+$/.test(text)) {
    return fail(`"${text}" is not a time; write whole seconds since the epoch, such as 1767225600`)
  }
  const seconds = Number(text)
  return seconds < LATEST_SECONDS
    ? ok(seconds)
    : fail(`"${text}" is in milliseconds; write seconds since the epoch`)
}

/** A moment: seconds since the epoch, or a duration counted from `now` (seconds). */
export function moment(text: string, now: number): Result<number, string> {
  if (/^\d+$/.test(text)) return epochSeconds(text)
  const duration = durationSeconds(text)
  return duration.ok ? ok(Math.ceil(now + duration.value)) : duration
}

/**
 * A moment on the calendar, in seconds since the epoch, written as such a number or as a
 * date with time and zone.
 */
export function instant(text: string): Result<number, string> {
  if (/^\d+$/.test(text)) return epochSeconds(text)
  const ms = dateTime(text)
  return Number.isNaN(ms)
    ? fail(
        `"${text}" is not a time; write seconds since the epoch, or such as 2026-11-01T12:00:00Z`,
      )
    : ok(ms / 1000)
}

/** Seconds since the epoch for people, in UTC. */
export function utc(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime())
    ? String(seconds)
    : `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}
