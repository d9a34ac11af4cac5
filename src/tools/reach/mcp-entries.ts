import type { Issuer } from '../../core/model/issuer.ts'
import type { McpUse } from '../../core/model/mcp.ts'
import { isOpenTo } from '../../core/model/mcp-access.ts'
import { argumentText, isArgument } from '../../core/model/mcp-scopes.ts'
import type { Policy } from '../../core/model/policy.ts'
import type { ScopeTemplate } from '../../core/model/scope.ts'
import { counted, declaredScopes, valuesIn } from '../../diff/scopes.ts'
import { type Described, isServed, type Only, type Reach, typesIn } from './reachable.ts'

type Declared = Pick<Policy, 'scopes' | 'includedBy'>

/** An agent, and how it reaches the rule of a use. */
type Asking = Pick<Described, 'type' | 'scopes'> & Pick<Reach, 'route' | 'issuers' | 'only'>

/**
 * Whether the described agent could use something with some parameters and arguments, on a path
 * where it reaches the rule by POST. Does not evaluate `when`. With too many combinations, values
 * may differ between templates.
 */
export async function isUsable(use: McpUse, asking: Asking, policy: Policy): Promise<boolean> {
  const ways = new Map(
    asking.issuers
      .flatMap((issuer) => usableWays(issuer, use, asking, policy))
      .map((way) => [pathText(way), way] as const),
  )
  for (const way of ways.values()) {
    // MCP messages are sent by POST.
    if (await isServed(policy, asking.route, way, ['POST'])) return true
  }
  return false
}

/** A text of the path parameters among some values. */
const pathText = (way: Only): string =>
  JSON.stringify(
    Object.entries(way)
      .filter(([hole]) => !isArgument(hole))
      .sort(),
  )

/** Alternative values with which an agent of the issuer has the use's scopes and type. */
const usableWays = (
  issuer: Issuer,
  use: McpUse,
  { type, scopes, only }: Asking,
  policy: Declared,
): readonly Only[] => {
  if (type !== undefined && !isOpenTo(use, typesIn(type, issuer))) return []
  const start = only.length > 0 ? only : [{}]
  if (!scopes) return start
  const held = counted(scopes, issuer)
  const { mode, scopes: templates } = use.scopes
  const join = (from: readonly Only[], template: ScopeTemplate) =>
    joined(from, waysOf(template, held, policy))
  return mode === 'all'
    ? templates.reduce(join, start)
    : templates.flatMap((template) => join(start, template))
}

/** Alternative values with which the agent has a template's scope. */
const waysOf = (
  template: ScopeTemplate,
  held: readonly string[],
  policy: Declared,
): readonly Only[] => {
  const isHeld = (scope: string) => policy.includedBy(scope).some((one) => held.includes(one))
  if (template.parts.length === 1) return isHeld(template.source) ? [{}] : []
  return [...new Set([...held, ...declaredScopes(policy)])].flatMap((scope) => {
    const found = valuesIn(template, scope)
    if (!found) return []
    const values = Object.fromEntries(found)
    if (filled(template, values) === scope) {
      return isHeld(scope) && Object.entries(values).every(isTaken) ? [values] : []
    }
    // A wildcard scope: an argument that it cuts off may continue in any way.
    if (!scope.endsWith('*') || !isHeld(`${scope.slice(0, -1)}x`)) return []
    return [Object.fromEntries(Object.entries(values).filter(([, value]) => !value.endsWith('/')))]
  })
}

const filled = ({ parts }: ScopeTemplate, values: Only): string | undefined =>
  parts.every((part, i) => i % 2 === 0 || Object.hasOwn(values, part))
    ? parts.map((part, i) => (i % 2 === 0 ? part : values[part])).join('')
    : undefined

const isTaken = ([hole, value]: readonly [string, string]): boolean =>
  !isArgument(hole) || argumentText(value) !== undefined

/** The most pairs of alternatives per template. */
const MOST = 10_000

/** Combines alternatives that do not contradict each other. */
const joined = (some: readonly Only[], others: readonly Only[]): readonly Only[] => {
  if (some.length * others.length > MOST) return [{}]
  return some.flatMap((one) =>
    others.flatMap((other) => (agree(one, other) ? [{ ...one, ...other }] : [])),
  )
}

const agree = (one: Only, other: Only): boolean =>
  Object.entries(other).every(([name, value]) => !Object.hasOwn(one, name) || one[name] === value)
