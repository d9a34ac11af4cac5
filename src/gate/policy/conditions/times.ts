import { createTextMemo } from '../../base/memo.ts'

/** The type of times. */
export const TIMESTAMP = 'google.protobuf.Timestamp'

const DATE_TIME =
  /^(\d{4}-\d\d-\d\d)T((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d{1,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/

/**
 * Parses a time with a zone (RFC 3339 §5.6); `undefined` if malformed or not in the calendar.
 * Refuses leap seconds and lower-case letters; cuts after milliseconds.
 */
export function momentOfText(text: string): Date | undefined {
  const [, date, time, fraction = '', sign, hours, minutes] = DATE_TIME.exec(text) ?? []
  const at = new Date(`${date}T${time}.${fraction.slice(0, 3).padEnd(3, '0')}Z`)
  // `Date` moves invalid days to the next month.
  if (!isMoment(at) || !at.toISOString().startsWith(`${date}T`)) return undefined
  const offset = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * (sign === '-' ? -1 : 1)
  const moment = new Date(at.getTime() - offset * 60_000)
  return isMoment(moment) ? moment : undefined
}

/** A time in seconds since the epoch; `undefined` unless {@link isMoment}. */
export function momentOfSeconds(seconds: number): Date | undefined {
  const moment = new Date(seconds * 1000)
  return isMoment(moment) ? moment : undefined
}

const EARLIEST = Date.parse('0001-01-01T00:00:00.000Z')
const LATEST = Date.parse('9999-12-31T23:59:59.999Z')

/** Whether a time is valid and in the years 1 to 9999. */
export function isMoment(at: Date): boolean {
  return at.getTime() >= EARLIEST && at.getTime() <= LATEST
}

/** The longest duration: 10,000 years, in seconds. */
export const LONGEST = 315_576_000_000

const PART = /(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)/g
const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3_600,
}

/** Whether a well-formed duration is at most {@link LONGEST}. */
export function isBounded(text: string): boolean {
  let seconds = 0
  for (const [, count, unit = ''] of text.matchAll(PART))
    seconds += Number(count) * (UNITS[unit] ?? Number.NaN)
  return seconds <= LONGEST
}

/** Converts a moment: the UTC fields of the result are the local time. */
export type WallClock = (at: Date) => Date

const OFFSET = /^([+-])(0\d|1[0-4]):([0-5]\d)$/
/** The names all runtimes accept; some also accept others. */
const NAME = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/

const clocks = createTextMemo<WallClock | null>()

/**
 * The clock of a time zone: a name of the IANA database, or an offset like `+02:00`. `undefined`
 * for unknown zones. Does not depend on the time zone of the process.
 */
export function wallClock(zone: string): WallClock | undefined {
  return (clocks.get(zone) ?? clocks.keep(zone, makeClock(zone) ?? null)) || undefined
}

const makeClock = (zone: string): WallClock | undefined => {
  const [, sign, hours, minutes] = OFFSET.exec(zone) ?? []
  if (sign !== undefined) {
    const offset = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -60_000 : 60_000)
    return (at) => new Date(at.getTime() + offset)
  }
  const format = NAME.test(zone) ? formatOf(zone) : undefined
  return format && ((at) => shownBy(format, at))
}

const formatOf = (timeZone: string): Intl.DateTimeFormat | undefined => {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch {
    return undefined
  }
}

const shownBy = (format: Intl.DateTimeFormat, at: Date): Date => {
  const parts = Object.fromEntries(
    format.formatToParts(at).map(({ type, value }) => [type, Number(value)]),
  )
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
  return new Date(Date.UTC(year, month - 1, day, hour, minute, second))
}
