import type { Issuer } from '../../core/model/issuer.ts'
import type { Gate, Policy } from '../../core/model/policy.ts'
import type { Route } from '../../core/model/route.ts'
import { counted } from './scopes.ts'
import { listed, type Side, told } from './words.ts'

/** What several rules share, so that no rule alone tells whether it is more or less. */

type Said = readonly [side: Side, of: string, text: string]

/**
 * Which limited rules count the same requests, by the rules of both policies that some request
 * falls under. Each rule has a quota of its own, so that several in place of one let more pass,
 * whatever their numbers: those are compared rule by rule.
 */
export function quotaChanges(
  pairs: readonly (readonly [old: Route, now: Route])[],
): readonly Said[] {
  const limited = pairs.filter(([old, now]) => old.rateLimit && now.rateLimit)
  const several = (all: readonly (readonly [one: Route, other: Route])[]) => {
    const others = new Map<Route, Set<Route>>()
    for (const [one, other] of all) others.set(one, (others.get(one) ?? new Set()).add(other))
    return [...others]
      .filter(([, { size }]) => size > 1)
      .map(([{ name, host }, rules]) => {
        const names = [...rules].map(({ name, host }) => `\`${name}\`${onHost(host)}`).sort()
        return [name + onHost(host), listed(names, 'and')] as const
      })
  }
  return [
    ...several(limited).map(
      ([of, rules]): Said => [
        'gains',
        of,
        `its \`rate_limit\` is now counted for each of ${rules}: as wider`,
      ],
    ),
    ...several(limited.map(([old, now]) => [now, old] as const)).map(
      ([of, rules]): Said => [
        'loses',
        of,
        `its \`rate_limit\` is now one for what was counted under ${rules}`,
      ],
    ),
  ]
}

const onHost = (host: string | undefined): string => (host === undefined ? '' : ` on ${host}`)

/**
 * A header that some rule sets is taken from every request: what callers may bring of their own once
 * no rule sets it, and what they no longer may. Those of `strip_headers` are a setting.
 */
export function headerChanges(before: Gate, after: Gate): readonly Said[] {
  const onlyIn = (one: Gate, other: Gate) => {
    const names = [...one.ownHeaders].filter(
      (name) => !one.stripHeaders.has(name) && !isRemoved(name, other),
    )
    return names.length === 0 ? [] : [told(names.map((name) => `\`${name}\``))]
  }
  const say = (side: Side, may: string, names: string, end: string): Said => [
    side,
    'GATE',
    `callers ${may} send ${names} of their own, ${end}`,
  ]
  return [
    ...onlyIn(before, after).map((names) =>
      say('gains', 'may now', names, 'which no rule sets any more'),
    ),
    ...onlyIn(after, before).map((names) =>
      say('loses', 'may no longer', names, 'which a rule sets now'),
    ),
  ]
}

/** Names in the one's `strip_headers` that the other lets pass: not where it takes them away as it may. */
export function strippedBeside(one: Gate, other: Gate): readonly string[] {
  return [...one.stripHeaders].filter((name) => !isRemoved(name, other))
}

/** Does not know the names that every gate takes from requests. */
const isRemoved = (name: string, { stripHeaders, ownHeaders, identityPrefix }: Gate): boolean =>
  stripHeaders.has(name) || ownHeaders.has(name) || name.startsWith(identityPrefix)

/**
 * What SCOPES lets a token have beyond its parent, for an issuer whose tokens name their parent's
 * scopes (`delegation.parent_scope`): what may now be made from what, and what no longer.
 */
export function parentChanges(before: Policy, after: Policy, issuer: Issuer): readonly Said[] {
  const scopes = scopesOf(before, after)
  const more = (side: Side, may: string, one: Policy, other: Policy): readonly Said[] => {
    const made = new Map<string, Set<string>>()
    for (const [scope, written] of scopes) {
      const known = new Set(other.includedBy(scope))
      for (const parent of counted(one.includedBy(scope), issuer)) {
        if (known.has(parent)) continue
        made.set(parent, (made.get(parent) ?? new Set()).add(`\`${written}\``))
      }
    }
    return [...made]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([parent, some]) => [
        side,
        `issuer ${issuer.name}`,
        `a token with ${told([...some], 'or')} ${may} be made from one with \`${parent}\` (\`parent_scope\` by SCOPES)`,
      ])
  }
  return [
    ...more('gains', 'may now', after, before),
    ...more('loses', 'may no longer', before, after),
  ]
}

/** Every scope that SCOPES says something of, and one for all that a wildcard includes, as it is written. */
const scopesOf = (...policies: readonly Policy[]): ReadonlyMap<string, string> => {
  const named = policies.flatMap(({ scopes }) => [...scopes.keys()])
  const included = policies.flatMap(({ scopes }) => [...scopes.values()].flat())
  let other = 'x'
  while ([...named, ...included].some((scope) => scope.includes(other))) other += 'x'
  return new Map([
    ...named.map((scope) => [scope, scope] as const),
    ...included.map((scope) => [scope.replace(/\*$/, other), scope] as const),
  ])
}
