/** Values that several tables of the policy have: durations, lists, claims in headers. */

/** A table of the policy. */
export type Table = Record<string, unknown>

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration of the policy (`"90s"`) in milliseconds; `undefined` if it is absent. */
export function milliseconds(value: unknown): number | undefined {
  if (value === undefined) return undefined
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(value)) ?? []
  if (number === undefined || unit === undefined) throw new Error(`not a duration: ${value}`)
  return Number(number) * (UNITS[unit] ?? 0)
}

/** A duration of the policy in seconds. */
export function seconds(value: unknown): number | undefined {
  const length = milliseconds(value)
  return length === undefined ? undefined : length / 1000
}

/** The second in which a request arrived: what has passed of it does not count. */
export function presentSecond({ now }: { now: number }): number {
  return Math.floor(now / 1000)
}

/** One value or a list of values, as a list. */
export function list(value: unknown): string[] | undefined {
  if (value === undefined) return undefined
  return Array.isArray(value) ? value : [value as string]
}

/** The host of a URL, in lower case and without port. */
export function hostOf(url: string): string {
  return new URL(url).hostname
}

/** A name of a header or parameter as servers may read it: case and punctuation make no difference. */
export function spelling(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}

/**
 * Whether some parser reads the name of a parameter as another: without case and punctuation, or as a member of it
 * (`run[x]`, `run.x`).
 */
export function isReadAsName(sent: string, name: string): boolean {
  const parts = sent.split(/[[\].]/)
  return parts.some((_, at) => letters(parts.slice(0, at + 1).join('')) === letters(name))
}

function letters(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '')
}

/** Whether a value can name somebody: text of 1 to 2,048 characters without control characters. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[\s\S]{1,2048}$/.test(value) && !hasControls(value)
}

/** Whether a text has control characters or half of a surrogate pair. */
export function hasControls(text: string): boolean {
  return /\p{Cc}/u.test(text) || !text.isWellFormed()
}
