import { getOrMake } from '../gate/base/memo.ts'
import type { Issuer } from '../gate/model/issuer.ts'
import type { Gate, Policy } from '../gate/model/policy.ts'
import type { Route } from '../gate/model/route.ts'
import { counted, usesOf } from './scopes.ts'
import type { Changed } from './settings.ts'
import { firstOf, listed, type Side } from './words.ts'

/** A finding about several rules together. */
type Said = readonly [side: Side, of: string, text: string]

/**
 * What one policy allows beyond the other: gains are what only the new policy allows, losses what only the old one
 * allows.
 */
const bothWays = <Of>(
  before: Of,
  after: Of,
  excess: (one: Of, other: Of, side: Side, may: string) => readonly Said[],
): readonly Said[] => [
  ...excess(after, before, 'gains', 'may now'),
  ...excess(before, after, 'loses', 'may no longer'),
]

/**
 * Compares which rules share a quota, by the rule pairs of requests. Every rule has its own quota,
 * so several in place of one allow more. The numbers of quotas are compared per rule.
 */
export function quotaChanges(
  pairs: readonly (readonly [old: Route, now: Route])[],
): readonly Said[] {
  const limited = pairs.filter(([old, now]) => old.rateLimit && now.rateLimit)
  const several = (
    side: Side,
    all: readonly (readonly [one: Route, other: Route])[],
    say: (rules: string) => string,
  ): readonly Said[] => {
    const others = new Map<Route, Set<Route>>()
    for (const [one, other] of all) getOrMake(others, one, () => new Set()).add(other)
    return [...others]
      .filter(([, { size }]) => size > 1)
      .map(([one, rules]) => {
        const names = [...rules].map(({ name, host }) => `\`${name}\`${onHost(host)}`).sort()
        return [side, one.name + onHost(one.host), say(listed(names, 'and'))]
      })
  }
  const swapped = limited.map(([old, now]) => [now, old] as const)
  return [
    ...several(
      'gains',
      limited,
      (rules) => `its \`rate_limit\` is now counted for each of ${rules}: as wider`,
    ),
    ...several(
      'loses',
      swapped,
      (rules) => `its \`rate_limit\` now counts together what was counted apart under ${rules}`,
    ),
  ]
}

const onHost = (host: string | undefined): string => (host === undefined ? '' : ` on ${host}`)

/**
 * Compares the headers removed from requests because a rule sets them: callers may send those that
 * no rule sets. `strip_headers` is compared as a setting.
 */
export function headerChanges(before: Gate, after: Gate): readonly Said[] {
  return bothWays(before, after, (one, other, side, may) => {
    const names = [...other.ownHeaders].filter(
      (name) => !other.stripHeaders.has(name) && !isRemoved(name, one),
    )
    const headers = firstOf(names.map((name) => `\`${name}\``))
    const end = side === 'gains' ? 'which no rule sets any more' : 'which a rule sets now'
    const text = `callers ${may} send ${headers} of their own, ${end}`
    return names.length === 0 ? [] : [[side, 'GATE', text]]
  })
}

/** The names of `strip_headers` that the other policy forwards. */
export function strippedBeside(one: Gate, other: Gate): readonly string[] {
  return [...one.stripHeaders].filter((name) => !isRemoved(name, other))
}

/** Does not include the names that every gate removes. */
const isRemoved = (name: string, { stripHeaders, ownHeaders, identityPrefix }: Gate): boolean =>
  stripHeaders.has(name) || ownHeaders.has(name) || name.startsWith(identityPrefix)

/**
 * Compares which scopes SCOPES allows a token beyond the scopes of its parent token. Applies to issuers with
 * `delegation.parent_scope`. The parent's scopes are those in the token, whatever grants give.
 */
export function parentChanges(before: Policy, after: Policy, issuer: Issuer): readonly Said[] {
  const scopes = scopesOf(before, after)
  return bothWays(before, after, (one, other, side, may) => {
    const made = new Map<string, Set<string>>()
    for (const [scope, written] of scopes) {
      const known = new Set(other.includedBy(scope))
      for (const parent of counted(one.includedBy(scope), { ...issuer, scopesFrom: 'both' })) {
        if (known.has(parent)) continue
        getOrMake(made, parent, () => new Set()).add(`\`${written}\``)
      }
    }
    return [...made]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([parent, some]) => [
        side,
        `issuer ${issuer.name}`,
        `a token with ${firstOf([...some], 'or')} ${may} be made from one with \`${parent}\` (because SCOPES changes what \`parent_scope\` allows)`,
      ])
  })
}

/** Settings of an issuer by which its tokens lose scopes. */
const LOSING: ReadonlySet<string> = new Set(['grants', 'scopes_from'])

/**
 * The direction of a changed setting of an issuer. Fewer scopes may allow more: a condition can refuse a token that has
 * a scope, and so can `delegation.parent_scope`.
 */
export function ofFewerScopes(change: Changed, { parentScope }: Issuer, policy: Policy): Changed {
  const isHeldAgainst =
    LOSING.has(change.key) && (parentScope !== undefined || policy.routes.some(readsScopes))
  return isHeldAgainst ? { ...change, directions: ['unclear'] } : change
}

const readsScopes = (route: Route): boolean =>
  [route, ...usesOf(route).map(({ use }) => use)].some(({ when }) =>
    when?.source.includes('scopes'),
  )

/** Every scope in SCOPES, and one example per wildcard, with its written form. */
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
