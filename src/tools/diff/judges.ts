import { durationMs } from '../../core/duration.ts'
import { isObject, own } from '../../core/json.ts'
import { sameText } from './same.ts'

/** What a change of one setting does to what is allowed. */
export type Direction = 'wider' | 'narrower' | 'unclear' | 'neutral'

/** Judges one setting that changed; `undefined` is a setting that is not there. */
export type Judge = (before: unknown, after: unknown) => readonly Direction[]

/** A number, or the milliseconds of a duration. */
const sizeOf = (value: unknown): number | undefined => {
  if (typeof value === 'number') return value
  return typeof value === 'string' ? durationMs(value) : undefined
}

const textsOf = (value: unknown): readonly string[] | undefined =>
  Array.isArray(value) ? value.map((one) => String(sameText(one))) : undefined

const turned: Readonly<Record<Direction, Direction>> = {
  wider: 'narrower',
  narrower: 'wider',
  unclear: 'unclear',
  neutral: 'neutral',
}

const reversed =
  (judge: Judge): Judge =>
  (before, after) =>
    judge(before, after).map((one) => turned[one])

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

/** `true` lets more pass. */
export const flag: Judge = (before, after) =>
  (before ?? false) === false && after === true
    ? ['wider']
    : before === true && (after ?? false) === false
      ? ['narrower']
      : ['unclear']

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

/** Words from the one that lets least pass to the one that lets most. */
export function words(...order: readonly unknown[]): Judge {
  return (before, after) => {
    const [old, now] = [order.indexOf(before), order.indexOf(after)]
    return old < 0 || now < 0 ? ['unclear'] : [now > old ? 'wider' : 'narrower']
  }
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

/** Something that is asked beside the rest, and cannot be compared where it is. */
export const restriction: Judge = (before, after) =>
  before === undefined ? ['narrower'] : after === undefined ? ['wider'] : ['unclear']

/** Something that lets more pass where it is. */
export const permission = reversed(restriction)

/** A restriction that can be compared where it is there in both. */
export function restrictionBy(judge: Judge): Judge {
  return (before, after) =>
    before === undefined || after === undefined ? restriction(before, after) : judge(before, after)
}

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
