import { durationMs } from '../gate/base/duration.ts'
import { isObject, listOf, objectOf, own } from '../gate/base/json.ts'
import type { ComparedRows, Comparing } from '../gate/policy/reading/table.ts'

/** The effect of a changed setting on access. */
export type Direction = 'wider' | 'narrower' | 'unclear' | 'neutral'

/** Compares the values of a changed setting; `undefined` is an absent one. */
export type Judge = (before: unknown, after: unknown) => readonly Direction[]

/** Sorts the keys of all tables, since their order does not matter. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, one]) => [name, sorted(one)])
}

/** A text that is equal for equal values, whatever the order of keys. */
export function sameText(value: unknown): string | undefined {
  return JSON.stringify(sorted(value))
}

/** Whether two settings are equal; the order of keys does not matter. */
export function isSame(one: unknown, other: unknown): boolean {
  return sameText(one) === sameText(other)
}

/** A list without duplicates, in sorted order. */
export function asSet(texts: Iterable<string>): readonly string[] {
  return [...new Set(texts)].sort()
}

/** The number, or a duration's milliseconds. */
const sizeOf = (value: unknown): number | undefined => {
  if (typeof value === 'number') return value
  return typeof value === 'string' ? durationMs(value) : undefined
}

const textsOf = (value: unknown): readonly string[] | undefined =>
  Array.isArray(value) ? value.map((one) => String(sameText(one))) : undefined

/** The values that an expectation lists; `undefined` for a pattern or a range. */
export function scalars(expected: unknown): readonly unknown[] | undefined {
  return Array.isArray(expected) ? expected : isObject(expected) ? undefined : [expected]
}

/** Whether a claim that meets one expectation is sure to meet another. */
export function implies(one: unknown, other: unknown): boolean {
  const listed = scalars(other)
  return isSame(one, other) || !!scalars(one)?.every((value) => listed?.includes(value))
}

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

/** Cannot be compared: counted as wider. */
export function opaque(): readonly Direction[] {
  return ['unclear']
}

/** Access does not depend on it. */
export function neutral(): readonly Direction[] {
  return ['neutral']
}

/** Reports nothing if the setting appears or disappears. */
export function whereBoth(judge: Judge): Judge {
  return (before, after) =>
    before === undefined || after === undefined ? [] : judge(before, after)
}

/** Compared with the requests. */
export function elsewhere(): readonly Direction[] {
  return []
}

/** A larger value allows more. */
export function larger(before: unknown, after: unknown): readonly Direction[] {
  const [old, now] = [sizeOf(before), sizeOf(after)]
  if (old === undefined || now === undefined) return ['unclear']
  return old === now ? [] : [now > old ? 'wider' : 'narrower']
}

/** Values in order, beginning with the value that allows least. */
export function words(...order: readonly unknown[]): Judge {
  return (before, after) => {
    const [old, now] = [order.indexOf(before), order.indexOf(after)]
    const isKnown = old >= 0 && now >= 0 && old !== now
    return isKnown ? [now > old ? 'wider' : 'narrower'] : ['unclear']
  }
}

/** `true` allows more. */
export function flag(before: unknown, after: unknown): readonly Direction[] {
  return words(false, true)(before ?? false, after ?? false)
}

/** `true` allows less. */
export const guard = reversed(flag)

/** A URL: a different URL is neutral, unless it has http in place of https. */
export function secured(before: unknown, after: unknown): readonly Direction[] {
  const [old, now] = [before, after].map((url) => String(url).startsWith('https:'))
  return old === now ? ['neutral'] : [old ? 'wider' : 'narrower']
}

/** An origin: neutral if only its name for assertions differs, else unclear. */
export function destination(before: unknown, after: unknown): readonly Direction[] {
  const [old, now] = [before, after].map((place) => own(objectOf(place), 'at'))
  return [old !== undefined && old === now ? 'neutral' : 'unclear']
}

/** A list of accepted values. */
export function accepts(before: unknown, after: unknown): readonly Direction[] {
  const [old, now] = [textsOf(before), textsOf(after)]
  if (!old || !now) return ['unclear']
  return [
    ...(now.some((one) => !old.includes(one)) ? (['wider'] as const) : []),
    ...(old.some((one) => !now.includes(one)) ? (['narrower'] as const) : []),
  ]
}

/** RSA algorithms: an RSA key without `alg` uses the first of the list. */
const OF_RSA = /^"[RP]S/

/** A list of accepted algorithms. The first RSA algorithm matters for keys without `alg`. */
export function algorithms(before: unknown, after: unknown): readonly Direction[] {
  const [old = [], now = []] = [before, after].map(textsOf)
  const [was = '', is = ''] = [old, now].map((list) => list.find((one) => OF_RSA.test(one)))
  const isOther = was !== is && (now.includes(was) || old.includes(is))
  return [...accepts(before, after), ...(isOther ? (['unclear'] as const) : [])]
}

/** A list of accepted values; absent, none is accepted. */
export function acceptsMore(before: unknown, after: unknown): readonly Direction[] {
  return accepts(before ?? [], after ?? [])
}

/** A list of required values; absent, none is required. */
export const requires = reversed(acceptsMore)

/** An additional restriction; present in both, `judge` compares it. */
export function restrictionBy(judge: Judge): Judge {
  return (before, after) =>
    before === undefined ? ['narrower'] : after === undefined ? ['wider'] : judge(before, after)
}

/** An additional restriction that cannot be compared. */
export const restriction = restrictionBy(opaque)

/** A setting that allows more if present. */
export const permission = reversed(restriction)

/** Quotas: a larger number allows more, and an absent quota does not limit. */
const QUOTAS: ReadonlySet<string> = new Set(['limit', 'daily'])

/** A limit by numbers. Limits with different keys or periods cannot be compared. */
export function quota(before: unknown, after: unknown): readonly Direction[] {
  if (!isObject(before) || !isObject(after)) return ['unclear']
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  const found = keys.flatMap((key): readonly Direction[] => {
    const [old, now] = [own(before, key), own(after, key)]
    if (old === now) return []
    return QUOTAS.has(key) ? restrictionBy(larger)(old, now) : ['unclear']
  })
  return found.includes('unclear') ? ['unclear'] : [...new Set(found)]
}

/** A grant to compare: as configured, with its claims as pairs of path and expectation. */
export interface ComparedGrant {
  readonly claims: readonly (readonly [path: string, expected: unknown])[]
  readonly scopes: readonly string[]
  readonly agent_type?: unknown
  readonly agent_id?: unknown
}

/**
 * Grants, which add up. Grants that name an agent can be in conflict with one another, so a changed grant may allow
 * more or less.
 */
export function grants(before: unknown, after: unknown): readonly Direction[] {
  const [old = [], now = []] = [before, after].map((list) => listOf(list) as ComparedGrant[])
  const naming = (list: readonly ComparedGrant[]) =>
    asSet(
      list.flatMap(({ scopes: _, ...rest }) =>
        'agent_type' in rest || 'agent_id' in rest ? String(sameText(rest)) : [],
      ),
    )
  if (!isSame(naming(old), naming(now))) return ['unclear']
  const isIn = ({ claims, scopes }: ComparedGrant, list: readonly ComparedGrant[]) => {
    const wider = list.filter((one) =>
      one.claims.every(([path, expected]) =>
        claims.some(([name, own]) => name === path && implies(own, expected)),
      ),
    )
    return scopes.every((scope) => wider.some((one) => one.scopes.includes(scope)))
  }
  return [
    ...(now.every((one) => isIn(one, old)) ? [] : (['wider'] as const)),
    ...(old.every((one) => isIn(one, now)) ? [] : (['narrower'] as const)),
  ]
}

/** What a row may name, and how it is compared. */
const JUDGES: Readonly<Record<Comparing, Judge>> = {
  elsewhere,
  opaque,
  neutral,
  neutralWhereBoth: whereBoth(neutral),
  flag,
  guard,
  larger,
  largerWhereBoth: whereBoth(larger),
  accepts,
  acceptsMore,
  requires,
  permission,
  restriction,
  restrictionByAccepts: restrictionBy(accepts),
  restrictionByLarger: restrictionBy(larger),
  restrictionByQuota: restrictionBy(quota),
  algorithms,
  destination,
  secured,
}

/** The judge of each setting. A setting without a judge cannot be compared. */
export type Table = Readonly<Record<string, Judge>>

/** The judges that the rows of a table name; `table.key` for the keys of a nested table. */
export function judgesOf(rows: ComparedRows): Table {
  const judges: Record<string, Judge> = {}
  for (const [key, { compare }] of Object.entries(rows)) {
    if (typeof compare === 'string') judges[key] = JUDGES[compare]
    else if (Array.isArray(compare)) judges[key] = words(...compare)
    else {
      for (const [inner, judge] of Object.entries(judgesOf(compare as ComparedRows)))
        judges[`${key}.${inner}`] = judge
    }
  }
  return judges
}
