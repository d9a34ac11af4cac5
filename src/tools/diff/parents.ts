import type { Issuer } from '../../core/model/issuer.ts'
import type { Policy } from '../../core/model/policy.ts'
import type { Side } from './matched-rule.ts'
import { told } from './matched-rule.ts'
import { counted } from './scopes.ts'

/**
 * What SCOPES lets a token have beyond its parent, for an issuer whose tokens name their parent's
 * scopes (`delegation.parent_scope`): what may now be made from what, in words, and what no longer.
 */
export function parentChanges(
  before: Policy,
  after: Policy,
  issuer: Issuer,
): readonly (readonly [side: Side, text: string])[] {
  const scopes = scopesOf(before, after)
  const more = (one: Policy, other: Policy): readonly (readonly [string, string])[] => {
    const made = new Map<string, Set<string>>()
    for (const [scope, written] of scopes) {
      const known = new Set(other.includedBy(scope))
      for (const parent of counted(one.includedBy(scope), issuer)) {
        if (!known.has(parent)) {
          made.set(parent, (made.get(parent) ?? new Set()).add(`\`${written}\``))
        }
      }
    }
    return [...made]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([parent, some]) => [parent, told([...some], 'or')])
  }
  const say = (may: string, all: ReturnType<typeof more>) =>
    all.map(
      ([parent, some]) =>
        `a token with ${some} ${may} be made from one with \`${parent}\` (\`parent_scope\` by SCOPES)`,
    )
  return [
    ...say('may now', more(after, before)).map((text) => ['gains', text] as const),
    ...say('may no longer', more(before, after)).map((text) => ['loses', text] as const),
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
