import type { Issuer } from '../../core/model/issuer.ts'
import { MCP_KINDS, type McpKind, type McpRule, type McpUse } from '../../core/model/mcp.ts'
import { isOpenTo } from '../../core/model/mcp-access.ts'
import { argumentText, isArgument } from '../../core/model/mcp-scopes.ts'
import type { Policy } from '../../core/model/policy.ts'
import type { ScopeTemplate } from '../../core/model/scope.ts'
import { counted, declaredScopes, valuesIn } from '../diff/scopes.ts'
import { type Described, isServed, type Only, type Reach, typesIn } from './reachable.ts'

/** Something that may be used of an MCP server, by its kind. */
export interface KindOfUse {
  readonly kind: McpKind
  readonly use: McpUse
}

/** Everything that a rule names of its MCP server. */
export function usesOf({ names }: McpRule): readonly KindOfUse[] {
  return MCP_KINDS.flatMap((kind) => names[kind].all.map((use) => ({ kind, use })))
}

type Declared = Pick<Policy, 'scopes' | 'includedBy'>

/** An agent, and how it reaches the rule of a use. */
type Asking = Pick<Described, 'type' | 'scopes'> & Pick<Reach, 'route' | 'issuers' | 'only'>

/**
 * Whether such an agent could use something with some parameters and arguments, as far as what is
 * described says so: of one of the issuers, and on a path on which it reaches the rule by POST. Its
 * `when` is not judged. Where there are very many values to join, they may differ from template to
 * template.
 */
export async function isUsable(use: McpUse, asking: Asking, policy: Policy): Promise<boolean> {
  const ways = new Map(
    asking.issuers
      .flatMap((issuer) => usableWays(issuer, use, asking, policy))
      .map((way) => [pathText(way), way] as const),
  )
  for (const way of ways.values()) {
    // Messages to an MCP server are posted.
    if (await isServed(policy, asking.route, way, ['POST'])) return true
  }
  return false
}

/** What a path has of some values, as one text. */
const pathText = (way: Only): string =>
  JSON.stringify(
    Object.entries(way)
      .filter(([hole]) => !isArgument(hole))
      .sort(),
  )

/** Values of holes with which an agent of the issuer could use it, as alternatives. */
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

/** Values of holes with which the agent has what a template stands for, as alternatives. */
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
    // Scopes that begin like it: where it is cut off within an argument, that may go on in any way.
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

/** Pairs of alternatives that are tried for one template. */
const MOST = 10_000

/** Both at once, where they do not contradict each other. */
const joined = (some: readonly Only[], others: readonly Only[]): readonly Only[] => {
  if (some.length * others.length > MOST) return [{}]
  return some.flatMap((one) =>
    others.flatMap((other) => (agree(one, other) ? [{ ...one, ...other }] : [])),
  )
}

const agree = (one: Only, other: Only): boolean =>
  Object.entries(other).every(([name, value]) => !Object.hasOwn(one, name) || one[name] === value)
