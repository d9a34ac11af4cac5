import { readScopes, resolveScope } from '../../core/model/scope.ts'
import type { MetBy } from './matched-rule.ts'

/** For each scope that a rule needs, those that cover it and count for the issuer; none for one that no token can have. */
const coversOf = ({ policy, route, params, issuer }: MetBy): readonly (readonly string[])[] =>
  route.scopes.scopes.map((template) => {
    const scope = resolveScope(template, params)
    return scope === undefined ? [] : counted(policy.includedBy(scope), issuer)
  })

/** The scopes that a token of this issuer has if these are written in it. */
export function counted(scopes: readonly string[], issuer: MetBy['issuer']): readonly string[] {
  return readScopes({ scope: scopes }, { ...issuer, scope: [['scope']], scopeElse: [] }) ?? []
}

/** Whether some token of the issuer has what the rule needs. */
export function canBeCovered(met: MetBy): boolean {
  const covers = coversOf(met)
  return met.route.scopes.mode === 'all'
    ? covers.every(({ length }) => length > 0)
    : covers.some(({ length }) => length > 0)
}

/**
 * Scopes that are enough for the one rule and not for the other, as few as can be; `undefined`
 * where all that are enough for the one are for the other. Exact: every set of scopes is judged,
 * by what it must have to be enough here and must lack not to be there.
 */
export function scopeExcess(one: MetBy, other: MetBy): readonly string[] | undefined {
  const covers = coversOf(one)
  const others = coversOf(other)
  const lacked = other.route.scopes.mode === 'all' ? others : [others.flat()]
  for (const lack of lacked) {
    const without = new Set(lack)
    const chosen = covers.map((scopes) => scopes.find((scope) => !without.has(scope)))
    const found = chosen.filter((scope) => scope !== undefined)
    if (one.route.scopes.mode === 'any') {
      if (found[0] !== undefined) return [found[0]]
    } else if (found.length === covers.length) return [...new Set(found)]
  }
  return undefined
}

/** A scope as the rule writes it, where it is made of a parameter that could be anything. */
export function asWritten(
  scope: string,
  { route, params }: Pick<MetBy, 'route' | 'params'>,
  placeholder: string,
): string {
  return (
    (scope.includes(placeholder)
      ? route.scopes.scopes.find((template) => resolveScope(template, params) === scope)?.source
      : undefined) ?? scope
  )
}
