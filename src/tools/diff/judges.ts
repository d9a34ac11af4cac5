import { durationMs } from '../../core/duration.ts'
import { isObject, own } from '../../core/json.ts'

/** What a change of one setting does to what is allowed. */
export type Direction = 'wider' | 'narrower' | 'unclear' | 'neutral'

/** Judges one setting that changed; `undefined` is a setting that is not there. */
export type Judge = (before: unknown, after: unknown) => readonly Direction[]

/** With the names of every table in one order: nothing depends on it. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, one]) => [name, sorted(one)])
}

/** One text for values that are the same, whatever the order of keys in their tables. */
export function sameText(value: unknown): string | undefined {
  return JSON.stringify(sorted(value))
}

/** Whether two settings are equal, whatever the order of their keys. */
export function isSame(one: unknown, other: unknown): boolean {
  return sameText(one) === sameText(other)
}

/** A list of which neither the order counts nor what is written twice. */
export function asSet(texts: Iterable<string>): readonly string[] {
  return [...new Set(texts)].sort()
}

/** A number, or the milliseconds of a duration. */
const sizeOf = (value: unknown): number | undefined => {
  if (typeof value === 'number') return value
  return typeof value === 'string' ? durationMs(value) : undefined
}

const textsOf = (value: unknown): readonly string[] | undefined =>
  Array.isArray(value) ? value.map((one) => String(sameText(one))) : undefined

const TURNED: Readonly<Record<Direction, Direction>> = {
  wider: 'narrower',
  narrower: 'wider',
  unclear: 'unclear',
  neutral: 'neutral',
}

const reversed =
  (judge: Judge): Judge =>
  (before, after) =>
    judge(before, after).map((one) => TURNED[one])

/** No way to tell: counted as wider. */
export const opaque: Judge = () => ['unclear']

/** Whom it lets pass does not depend on it. */
export const neutral: Judge = () => ['neutral']

/** As {@link neutral}, and nothing to tell where what it belongs to comes or goes. */
export const neutralPart: Judge = (before, after) =>
  before === undefined || after === undefined ? [] : ['neutral']

/** Compared with the requests themselves. */
export const elsewhere: Judge = () => []

/** More of it lets more pass. */
export const larger: Judge = (before, after) => {
  const [old, now] = [sizeOf(before), sizeOf(after)]
  if (old === undefined || now === undefined) return ['unclear']
  return old === now ? [] : [now > old ? 'wider' : 'narrower']
}

/** Values from the one that lets least pass to the one that lets most. */
export function words(...order: readonly unknown[]): Judge {
  return (before, after) => {
    const [old, now] = [order.indexOf(before), order.indexOf(after)]
    const isKnown = old >= 0 && now >= 0 && old !== now
    return isKnown ? [now > old ? 'wider' : 'narrower'] : ['unclear']
  }
}

/** `true` lets more pass. */
export const flag: Judge = (before, after) => words(false, true)(before ?? false, after ?? false)

/** `true` lets less pass. */
export const guard = reversed(flag)

/** An address: others see it, and only one of https is for requests that nobody could read. */
export const secured: Judge = (before, after) => {
  const [old, now] = [before, after].map((url) => String(url).startsWith('https:'))
  return old === now ? ['neutral'] : [old ? 'wider' : 'narrower']
}

/** Where requests go; how else that is written, only assertions tell. */
export const destination: Judge = (before, after) => {
  const [old, now] = [before, after].map((place) =>
    isObject(place) ? own(place, 'at') : undefined,
  )
  return [old !== undefined && old === now ? 'neutral' : 'unclear']
}

/** A list of what is taken. */
export const accepts: Judge = (before, after) => {
  const [old, now] = [textsOf(before), textsOf(after)]
  if (!old || !now) return ['unclear']
  return [
    ...(now.some((one) => !old.includes(one)) ? (['wider'] as const) : []),
    ...(old.some((one) => !now.includes(one)) ? (['narrower'] as const) : []),
  ]
}

/** Those that one kind of key is for: an RSA key that names none is for the first of them. */
const OF_RSA = /^"[RP]S/

/** A list of algorithms, of which the order counts where keys do not name theirs. */
export const algorithms: Judge = (before, after) => {
  const [old = [], now = []] = [before, after].map(textsOf)
  const [was = '', is = ''] = [old, now].map((list) => list.find((one) => OF_RSA.test(one)))
  const isOther = was !== is && (now.includes(was) || old.includes(is))
  return [...accepts(before, after), ...(isOther ? (['unclear'] as const) : [])]
}

/** A list of what must be there; without it nothing must. */
export const requires: Judge = (before, after) => reversed(accepts)(before ?? [], after ?? [])

/** Something that is asked beside the rest, compared by a judge where it is there in both. */
export function restrictionBy(judge: Judge): Judge {
  return (before, after) =>
    before === undefined ? ['narrower'] : after === undefined ? ['wider'] : judge(before, after)
}

/** Something that is asked beside the rest, and cannot be compared where it is. */
export const restriction = restrictionBy(opaque)

/** Something that lets more pass where it is. */
export const permission = reversed(restriction)

/** Numbers of a quota in which more lets more pass; one that is not there is no limit. */
const QUOTAS: ReadonlySet<string> = new Set(['limit', 'daily'])

/** A limit by numbers; what is counted, and in what time, must be the same to be compared. */
export const quota: Judge = (before, after) => {
  if (!isObject(before) || !isObject(after)) return ['unclear']
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  const found = keys.flatMap((key): readonly Direction[] => {
    const [old, now] = [own(before, key), own(after, key)]
    if (old === now) return []
    return QUOTAS.has(key) ? restrictionBy(larger)(old, now) : ['unclear']
  })
  return found.includes('unclear') ? ['unclear'] : [...new Set(found)]
}
