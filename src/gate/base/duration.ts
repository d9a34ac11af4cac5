const DURATION = /^(\d{1,15})(ms|s|m|h|d)$/
/** Milliseconds of each unit, the smallest first. */
const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/**
 * Milliseconds of a duration; `undefined` for other text. Has no upper bound.
 * @example durationMs('15m') // 900_000
 */
export function durationMs(text: string): number | undefined {
  const [, count, unit = ''] = DURATION.exec(text) ?? []
  return count === undefined ? undefined : Number(count) * (UNITS[unit] ?? Number.NaN)
}

/**
 * Rounded seconds in hours, minutes or seconds: the largest unit in which they are whole.
 * @example durationText(5_400) // '90m'
 */
export function durationText(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole % 3_600 === 0 && whole > 0) return `${whole / 3_600}h`
  return whole % 60 === 0 && whole > 0 ? `${whole / 60}m` : `${whole}s`
}

/**
 * The longest duration within a bound that can be written in the unit of `text`, or else in the next smaller one.
 * @example longestLike('2h', 5_400_000) // '1h'
 */
export function longestLike(text: string, most: number): string {
  const [, , used = 's'] = DURATION.exec(text) ?? []
  const units = Object.entries(UNITS)
  const own = units.findIndex(([unit]) => unit === used)
  const [unit, size] = units
    .slice(0, Math.max(1, own) + 1)
    .findLast(([, size]) => size <= most) ?? ['ms', 1]
  return `${Math.floor(most / size)}${unit}`
}

/** RFC 3339 §5.6, with its zone: without one the text is another moment on each machine. */
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/i

/**
 * Milliseconds since the epoch of a time with its zone (RFC 3339 §5.6). NaN for other text and impossible days.
 * @example
 * dateTime('2026-11-30T12:00:00+01:00') // Date.UTC(2026, 10, 30, 11)
 * dateTime('2026-11-31T12:00:00Z') // NaN
 */
export function dateTime(text: string): number {
  const minute = text.slice(0, 'YYYY-MM-DDThh:mm'.length).toUpperCase()
  const ms = DATE_TIME.test(text) ? Date.parse(`${minute}Z`) : Number.NaN
  const isOnCalendar = !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(minute)
  return isOnCalendar ? Date.parse(text.toUpperCase()) : Number.NaN
}

/**
 * A time as RFC 3339 text, from whole milliseconds since the epoch. The text of its second is made once.
 * @example dateTimeText(1_000) // '1970-01-01T00:00:01.000Z'
 */
export function dateTimeText(time: number): string {
  const ms = time % 1000
  if (time - ms !== second) {
    secondText = new Date(time - ms).toISOString().slice(0, -4)
    second = time - ms
  }
  // A joined text is flat, which JSON.stringify writes twice as fast as a concatenated one.
  return [secondText, String(ms).padStart(3, '0'), 'Z'].join('')
}

let second = Number.NaN
let secondText = ''
