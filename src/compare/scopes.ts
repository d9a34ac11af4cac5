import type { Issuer } from '../gate/model/issuer.ts'
import { MCP_KINDS, type McpKind, type McpUse } from '../gate/model/mcp.ts'
import { isArgument } from '../gate/model/mcp-scopes.ts'
import type { Policy } from '../gate/model/policy.ts'
import type { Route, RouteMatch } from '../gate/model/route.ts'
import { holesOf, readScopes, resolveScope, type ScopeTemplate } from '../gate/model/scope.ts'

/** A rule that matches a request, and its policy. */
export interface Met extends RouteMatch {
  readonly policy: Policy
}

/** A matched rule with one issuer. */
export interface MetBy extends Met {
  readonly issuer: Issuer
}

/** A name that an MCP rule has, and its kind. */
export interface KindOfUse {
  readonly kind: McpKind
  readonly use: McpUse
}

/** For each scope a rule needs: the issuer's scopes that cover it. */
const coversOf = ({ policy, route, params, issuer }: MetBy): readonly (readonly string[])[] =>
  route.scopes.scopes.map((template) => {
    const scope = resolveScope(template, params)
    return scope === undefined ? [] : counted(policy.includedBy(scope), issuer)
  })

/** Filters some scopes: keeps those that an agent of this issuer can have, by its token or by grants. */
export function counted(scopes: readonly string[], issuer: Issuer): readonly string[] {
  const read = { ...issuer, scope: [['scope']], scopeElse: [] }
  const own = readScopes({ scope: scopes }, read, issuer.grants) ?? []
  return issuer.scopesFrom ? scopes.filter((one) => own.includes(one)) : own
}

/** Whether a token of the issuer can have the scopes the rule needs. */
export function canBeCovered(met: MetBy): boolean {
  const isCovered = ({ length }: readonly string[]) => length > 0
  const covers = coversOf(met)
  return met.route.scopes.mode === 'all' ? covers.every(isCovered) : covers.some(isCovered)
}

/**
 * A minimal set of scopes that suffices for one rule but not the other; `undefined` if there is
 * none. Exact: considers every set of scopes by the members it needs for `one` and must lack for
 * `other`.
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

/** The scope as the rule writes it, if it contains a placeholder. */
export function asWritten(scope: string, { route, params }: MetBy, placeholder: string): string {
  if (!scope.includes(placeholder)) return scope
  const made = route.scopes.scopes.find((template) => resolveScope(template, params) === scope)
  return made?.source ?? scope
}

const VALUE = '([A-Za-z0-9._~-]{1,128})'
const ARGUMENT = '([A-Za-z0-9._~/-]{1,256})'

const holeOf = (hole: string): string => (isArgument(hole) ? ARGUMENT : VALUE)

const literal = (text: string): string => text.replace(/[.*+?^$()[\]{}|\\/-]/g, '\\$&')

/** Matches the scopes a template can produce. */
const wholeOf = ({ parts }: ScopeTemplate): RegExp =>
  new RegExp(`^${parts.map((part, i) => (i % 2 === 0 ? literal(part) : holeOf(part))).join('')}$`)

/** Matches the prefixes of scopes a template can produce. */
const beginningOf = ({ parts }: ScopeTemplate): RegExp => {
  const steps = parts.flatMap((part, i) => (i % 2 === 0 ? [...part].map(literal) : [holeOf(part)]))
  return new RegExp(`^${steps.reduceRight((rest, one) => `(?:${one}${rest})?`, '')}$`)
}

/** Parameter values with which a template produces a scope, or one that a `prefix*` includes. */
export function valuesIn(
  template: ScopeTemplate,
  scope: string,
): ReadonlyMap<string, string> | undefined {
  const found =
    wholeOf(template).exec(scope) ??
    (scope.endsWith('*') ? beginningOf(template).exec(scope.slice(0, -1)) : null)
  if (!found) return undefined
  const values = new Map<string, string>()
  for (const [i, name] of holesOf(template).entries()) {
    const value = found[i + 1]
    if (value === undefined) continue
    if ((values.get(name) ?? value) !== value) return undefined
    values.set(name, value)
  }
  return values
}

/** Everything that a rule names of its MCP server, with its kind; nothing without `mcp`. */
export function usesOf({ mcp }: Pick<Route, 'mcp'>): readonly KindOfUse[] {
  return MCP_KINDS.flatMap((kind) => (mcp?.names[kind].all ?? []).map((use) => ({ kind, use })))
}

/** All scope templates of a rule's `mcp`. */
export function templatesOfMcp(route: Pick<Route, 'mcp'>): readonly ScopeTemplate[] {
  return usesOf(route).flatMap(({ use }) => use.scopes.scopes)
}

/** The literal texts around parameters in a rule. */
export function writtenTexts(route: Route): readonly string[] {
  const details = (route.authorizationDetails ?? []).flatMap(({ identifier }) => identifier ?? [])
  const all = [...route.scopes.scopes, ...details, ...templatesOfMcp(route)]
  return all.flatMap(({ parts }) => parts.filter((_, i) => i % 2 === 0))
}

/** Every scope that SCOPES declares or includes. */
export function declaredScopes({ scopes }: Pick<Policy, 'scopes'>): readonly string[] {
  return [...new Set([...scopes].flatMap(([scope, included]) => [scope, ...included]))]
}
