import { createTextMemo } from '../../core/memo.ts'

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
