import { MCP_KINDS } from '../../core/model/mcp.ts'
import { isArgument } from '../../core/model/mcp-scopes.ts'
import type { Policy } from '../../core/model/policy.ts'
import type { Route } from '../../core/model/route.ts'
import type { ScopeTemplate } from '../../core/model/scope.ts'
import { placeOf, type Shape } from './shapes.ts'

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
  const names = template.parts.filter((_, i) => i % 2 === 1)
  const found =
    wholeOf(template).exec(scope) ??
    (scope.endsWith('*') ? beginningOf(template).exec(scope.slice(0, -1)) : null)
  if (!found) return undefined
  const values = new Map<string, string>()
  for (const [i, name] of names.entries()) {
    const value = found[i + 1]
    if (value === undefined) continue
    if ((values.get(name) ?? value) !== value) return undefined
    values.set(name, value)
  }
  return values
}

/** All that is made of a rule's parameters, or could be. */
const templatesOf = ({
  scopes,
  authorizationDetails = [],
  mcp,
}: Route): readonly ScopeTemplate[] => [
  ...scopes.scopes,
  ...authorizationDetails.flatMap(({ identifier }) => identifier ?? []),
  ...MCP_KINDS.flatMap((kind) => mcp?.names[kind].all ?? []).flatMap((use) => use.scopes.scopes),
]

/** Text that a rule writes where a parameter could stand. */
export function writtenTexts(route: Route): readonly string[] {
  return templatesOf(route).flatMap(({ parts }) => parts.filter((_, i) => i % 2 === 0))
}

/** Every scope that is declared or included somewhere. */
export function declaredScopes({ scopes }: Pick<Policy, 'scopes'>): readonly string[] {
  return [...new Set([...scopes].flatMap(([scope, included]) => [scope, ...included]))]
}

/**
 * The values of a rule's parameters with which one of its templates is one of these scopes; none
 * for one that a template names where no scope is about it.
 */
export function tellingValues(route: Route, scopes: readonly string[]): Shape['values'] {
  const found = new Map<number, string[]>()
  for (const template of route.scopes.scopes) {
    for (const [i, name] of template.parts.entries()) {
      const place = placeOf(route, name)
      if (i % 2 === 1 && !found.has(place)) found.set(place, [])
    }
    if (template.parts.length === 1) continue
    for (const scope of scopes) {
      for (const [name, value] of valuesIn(template, scope) ?? []) {
        const place = placeOf(route, name)
        const known = found.get(place) ?? []
        if (!known.includes(value)) found.set(place, [...known, value])
      }
    }
  }
  return found
}
