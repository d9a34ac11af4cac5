/** Times of conditions: reading them, and their parts in a zone. */

import { Mistake } from './cel-syntax.ts'
import { Moment, momentOf, type Span, spanOf, type Value, Wrong } from './cel-values.ts'

const SECOND = 1_000_000_000n

/** A time of RFC 3339 with its zone. */
function readMoment(text: string): Moment {
  const form =
    /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/
  const read = form.exec(text)
  if (!read) throw new Wrong('no time of RFC 3339')
  const [year, month, day, hours, minutes, seconds] = read.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  const isDay = date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  const [offsetHours, offsetMinutes] = [Number(read[9] ?? 0), Number(read[10] ?? 0)]
  if (
    !isDay ||
    hours > 23 ||
    minutes > 59 ||
    seconds > 59 ||
    offsetHours > 23 ||
    offsetMinutes > 59
  ) {
    throw new Wrong('no time')
  }
  const offset = (read[8] === '-' ? -1 : 1) * (offsetHours * 60 + offsetMinutes)
  const local =
    BigInt(date.getTime()) / 1000n + BigInt((hours * 60 + minutes - offset) * 60 + seconds)
  return momentOf(local * SECOND + BigInt((read[7] ?? '').slice(0, 3).padEnd(9, '0')))
}

/** `timestamp`: a time of RFC 3339, or seconds. */
export function timestamp(value: Value): Moment {
  if (typeof value === 'string') return readMoment(value)
  if (typeof value === 'bigint') return momentOf(value * SECOND)
  if (typeof value !== 'number') throw new Wrong('no time')
  return momentOf(BigInt(Math.trunc(value * 1000)) * 1_000_000n)
}

const UNITS: Record<string, bigint> = {
  h: 3600n * SECOND,
  m: 60n * SECOND,
  s: SECOND,
  ms: 1_000_000n,
  us: 1000n,
  µs: 1000n,
  ns: 1n,
}

/** `duration`: a literal text such as `"90s"` or `"1h30m"`. */
export function duration(text: string): Span {
  const form = /(\d+)(?:\.(\d+))?(h|ms|m|s|us|µs|ns)/gy
  const isNegative = text.startsWith('-')
  const digits = text.replace(/^[+-]/, '')
  let [nanos, end] = [0n, 0]
  for (const [part, whole = '0', fraction = '', unit = 's'] of digits.matchAll(form)) {
    const scale = UNITS[unit] ?? 0n
    nanos += BigInt(whole) * scale
    if (fraction !== '') nanos += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length)
    end += part.length
  }
  if (end === 0 || end !== digits.length) throw new Mistake(`no duration: ${text}`)
  return spanOf(isNegative ? -nanos : nanos)
}

/** The clock on the wall of a zone, as a Date whose UTC parts are its parts. */
function onTheWall(moment: Moment, zone: string): Date {
  const floor = moment.nanos / 1_000_000n - (moment.nanos % 1_000_000n < 0n ? 1n : 0n)
  const utc = new Date(Number(floor))
  const offset = /^([+-]?)(\d\d):(\d\d)$/.exec(zone)
  if (offset) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3])
    return new Date(utc.getTime() + (offset[1] === '-' ? -minutes : minutes) * 60_000)
  }
  if (zone === 'UTC') return utc
  try {
    return new Date(`${utc.toLocaleString('en-US', { timeZone: zone })} UTC`)
  } catch {
    throw new Mistake(`no zone: ${zone}`)
  }
}

const PARTS: Record<string, (wall: Date) => number> = {
  getFullYear: (wall) => wall.getUTCFullYear(),
  getMonth: (wall) => wall.getUTCMonth(),
  getDate: (wall) => wall.getUTCDate(),
  getDayOfMonth: (wall) => wall.getUTCDate() - 1,
  getDayOfWeek: (wall) => wall.getUTCDay(),
  getHours: (wall) => wall.getUTCHours(),
  getMinutes: (wall) => wall.getUTCMinutes(),
  getSeconds: (wall) => wall.getUTCSeconds(),
}

/** Whether a function takes a part of a time. */
export const isPartOfTime = (name: string): boolean => Object.hasOwn(PARTS, name)

/** A part of a time, in UTC or in a zone. */
export function partOfTime(name: string, moment: Value, zone = 'UTC'): bigint {
  // Docs: unclear — CEL has getHours and the like for durations too. Taken here: an error.
  if (!(moment instanceof Moment)) throw new Wrong('no time')
  return BigInt(PARTS[name]?.(onTheWall(moment, zone)) ?? 0)
}
