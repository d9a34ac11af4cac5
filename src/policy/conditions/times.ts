import { createTextMemo } from '../../core/memo.ts'

const DATE_TIME =
  /^(\d{4}-\d\d-\d\d)T((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d{1,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/

/**
 * A time of RFC 3339 §5.6, with its zone; `undefined` where the text is none, or a day that no
 * calendar has. Takes no leap seconds, and no small letters; what is finer than milliseconds is cut.
 */
export function momentOfText(text: string): Date | undefined {
  const [, date, time, fraction = '', sign, hours, minutes] = DATE_TIME.exec(text) ?? []
  const at = new Date(`${date}T${time}.${fraction.slice(0, 3).padEnd(3, '0')}Z`)
  // What is no day of a month is taken for one of the next.
  if (!isMoment(at) || !at.toISOString().startsWith(`${date}T`)) return undefined
  const offset = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * (sign === '-' ? -1 : 1)
  const moment = new Date(at.getTime() - offset * 60_000)
  return isMoment(moment) ? moment : undefined
}

/** A time in seconds since the epoch; `undefined` outside of what {@link isMoment} takes. */
export function momentOfSeconds(seconds: number): Date | undefined {
  const moment = new Date(seconds * 1000)
  return isMoment(moment) ? moment : undefined
}

const EARLIEST = Date.parse('0001-01-01T00:00:00.000Z')
const LATEST = Date.parse('9999-12-31T23:59:59.999Z')

/** Whether a time is one at all, and from the year 1 to 9999. */
export function isMoment(at: Date): boolean {
  return at.getTime() >= EARLIEST && at.getTime() <= LATEST
}

/** Seconds of the longest duration: those of 10,000 years. */
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

/** Whether a duration, of the form that conditions take, is no longer than {@link LONGEST}. */
export function isBounded(text: string): boolean {
  let seconds = 0
  for (const [, count, unit = ''] of text.matchAll(PART))
    seconds += Number(count) * (UNITS[unit] ?? Number.NaN)
  return seconds <= LONGEST
}

/** A moment as the clocks of a place show it: its UTC fields are what they say there. */
export type WallClock = (at: Date) => Date

const OFFSET = /^([+-])(0\d|1[0-4]):([0-5]\d)$/
/** What some runtimes take beside names and others do not begins otherwise. */
const NAME = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/

const clocks = createTextMemo<WallClock | null>()

/**
 * The clocks of a time zone: a name of the IANA database, or an offset like `+02:00`. `undefined`
 * where the runtime knows no such zone. Does not depend on the zone that the process runs in.
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
