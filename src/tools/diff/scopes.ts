import type { Issuer } from '../../core/model/issuer.ts'
import { MCP_KINDS } from '../../core/model/mcp.ts'
import { isArgument } from '../../core/model/mcp-scopes.ts'
import type { Policy } from '../../core/model/policy.ts'
import type { Route, RouteMatch } from '../../core/model/route.ts'
import { readScopes, resolveScope, type ScopeTemplate } from '../../core/model/scope.ts'

/** A rule as some request falls under it, in its policy. */
export interface Met extends RouteMatch {
  readonly policy: Policy
}

/** A rule as it meets the tokens of one issuer. */
export interface MetBy extends Met {
  readonly issuer: Issuer
}

/** For each scope that a rule needs, those that cover it and count for the issuer; none for one that no token can have. */
const coversOf = ({ policy, route, params, issuer }: MetBy): readonly (readonly string[])[] =>
  route.scopes.scopes.map((template) => {
    const scope = resolveScope(template, params)
    return scope === undefined ? [] : counted(policy.includedBy(scope), issuer)
  })

/** The scopes that a token of this issuer has if these are written in it. */
export function counted(scopes: readonly string[], issuer: Issuer): readonly string[] {
  return readScopes({ scope: scopes }, { ...issuer, scope: [['scope']], scopeElse: [] }) ?? []
}

/** Whether some token of the issuer has what the rule needs. */
export function canBeCovered(met: MetBy): boolean {
  const isCovered = ({ length }: readonly string[]) => length > 0
  const covers = coversOf(met)
  return met.route.scopes.mode === 'all' ? covers.every(isCovered) : covers.some(isCovered)
}

/**
 * Scopes that are enough for the one rule and not for the other, as few as can be; `undefined`
 * where all that are enough for the one are for the other. Exact: every set of scopes is judged,
 * by what it must have to be enough here and must lack not to be there.
 */
export function scopeExcess(one: MetBy, other: MetBy): readonly string[] | undefined {
  const covers = coversOf(one)
  const others = coversOf(other)
  for (const lack of other.route.scopes.mode === 'all' ? others : [others.flat()]) {
    const without = new Set(lack)
    const found = covers.flatMap((scopes) => scopes.find((scope) => !without.has(scope)) ?? [])
    if (one.route.scopes.mode === 'any') {
      if (found[0] !== undefined) return [found[0]]
    } else if (found.length === covers.length) return [...new Set(found)]
  }
  return undefined
}

/** A scope as the rule writes it, where it is made of a parameter that could be anything. */
export function asWritten(scope: string, { route, params }: MetBy, placeholder: string): string {
  if (!scope.includes(placeholder)) return scope
  const made = route.scopes.scopes.find((template) => resolveScope(template, params) === scope)
  return made?.source ?? scope
}

const VALUE = '([A-Za-z0-9._~-]{1,128})'
const ARGUMENT = '([A-Za-z0-9._~/-]{1,256})'

const holeOf = (hole: string): string => (isArgument(hole) ? ARGUMENT : VALUE)

const literal = (text: string): string => text.replace(/[.*+?^$()[\]{}|\\/-]/g, '\\$&')

/** What a whole scope must be to be made of a template. */
const wholeOf = ({ parts }: ScopeTemplate): RegExp =>
  new RegExp(`^${parts.map((part, i) => (i % 2 === 0 ? literal(part) : holeOf(part))).join('')}$`)

/** What the beginning of a scope must be: the template cut off anywhere. */
const beginningOf = ({ parts }: ScopeTemplate): RegExp => {
  const steps = parts.flatMap((part, i) => (i % 2 === 0 ? [...part].map(literal) : [holeOf(part)]))
  return new RegExp(`^${steps.reduceRight((rest, one) => `(?:${one}${rest})?`, '')}$`)
}

/** The parameters' values with which a template is a scope, or one that begins with `prefix*`. */
export function valuesIn(
  template: ScopeTemplate,
  scope: string,
): ReadonlyMap<string, string> | undefined {
  const found =
    wholeOf(template).exec(scope) ??
    (scope.endsWith('*') ? beginningOf(template).exec(scope.slice(0, -1)) : null)
  if (!found) return undefined
  const values = new Map<string, string>()
  for (const [i, name] of namesIn(template).entries()) {
    const value = found[i + 1]
    if (value === undefined) continue
    if ((values.get(name) ?? value) !== value) return undefined
    values.set(name, value)
  }
  return values
}

/** The parameters that a template is made of. */
export function namesIn({ parts }: ScopeTemplate): readonly string[] {
  return parts.filter((_, i) => i % 2 === 1)
}

/** What all entries of a rule's `mcp` need. */
export function templatesOfMcp({ mcp }: Pick<Route, 'mcp'>): readonly ScopeTemplate[] {
  const uses = MCP_KINDS.flatMap((kind) => mcp?.names[kind].all ?? [])
  return uses.flatMap((use) => use.scopes.scopes)
}

/** Text that a rule writes where a parameter could stand. */
export function writtenTexts(route: Route): readonly string[] {
  const details = (route.authorizationDetails ?? []).flatMap(({ identifier }) => identifier ?? [])
  const all = [...route.scopes.scopes, ...details, ...templatesOfMcp(route)]
  return all.flatMap(({ parts }) => parts.filter((_, i) => i % 2 === 0))
}

/** Every scope that is declared or included somewhere. */
export function declaredScopes({ scopes }: Pick<Policy, 'scopes'>): readonly string[] {
  return [...new Set([...scopes].flatMap(([scope, included]) => [scope, ...included]))]
}
