import type { Issuer } from '../../gate/model/issuer.ts'
import type { McpUse } from '../../gate/model/mcp.ts'
import { argumentText, isArgument } from '../../gate/model/mcp-scopes.ts'
import type { Policy } from '../../gate/model/policy.ts'
import { holesOf, type ScopeTemplate, scopeValue } from '../../gate/model/scope.ts'
import { counted, declaredScopes, valuesIn } from '../scopes.ts'

/** Required values of path parameters, and of arguments of an MCP request. */
export type Only = Readonly<Record<string, string>>

/** The known facts of an agent. Facts that are missing count as satisfied. */
export interface Described {
  /** The token's type; several entity profiles are separated by spaces. */
  readonly type?: string
  readonly scopes?: readonly string[]
  /** `iss` of its issuer. */
  readonly issuer?: string
  readonly workflow?: string
}

type Declared = Pick<Policy, 'scopes' | 'includedBy'>

/** A value that no scope, workflow or rule mentions. */
export const ANY = 'x'.repeat(128)

/** The most pairs of alternatives per template. */
const MOST = 10_000

/**
 * Alternative values with which an agent of the issuer has the scopes and the type that a rule, or a name of an MCP
 * rule, needs. Each alternative includes the values of one of `start`. `undefined` if there are too many combinations.
 */
export function waysOf(
  issuer: Issuer,
  { scopes: { mode, scopes: templates }, agentTypes }: Pick<McpUse, 'scopes' | 'agentTypes'>,
  { type, scopes }: Described,
  start: readonly Only[],
  policy: Declared,
): readonly Only[] | undefined {
  if (type !== undefined && agentTypes) {
    const types = issuer.entityProfiles ? type.split(' ') : [type]
    if (!types.some((one) => agentTypes.has(one))) return []
  }
  if (!scopes) return start
  const held = counted(scopes, issuer)
  const join = (some: readonly Only[] | undefined, template: ScopeTemplate) =>
    joined(
      some?.filter((way) => canFill(template, way)),
      waysOfTemplate(template, held, policy),
    )
  if (mode === 'all') return templates.reduce(join, start)
  const all = templates.map((template) => join(start, template))
  return all.some((ways) => !ways) ? undefined : all.flatMap((ways) => ways ?? [])
}

/** Whether a way needs no particular value. */
export function isFree(way: Only): boolean {
  return Object.keys(way).length === 0
}

/** Alternative values with which the agent has a template's scope. */
const waysOfTemplate = (
  template: ScopeTemplate,
  held: readonly string[],
  policy: Declared,
): readonly Only[] => {
  const isHeld = (scope: string) => policy.includedBy(scope).some((one) => held.includes(one))
  if (template.parts.length === 1) return isHeld(template.source) ? [{}] : []
  const ways = [...new Set([...held, ...declaredScopes(policy)])].flatMap((scope) => {
    const found = valuesIn(template, scope)
    if (!found) return []
    const values = Object.fromEntries(found)
    if (filled(template, values) === scope) {
      return isHeld(scope) && Object.entries(values).every(isTaken) ? [values] : []
    }
    // A wildcard scope: an argument that it cuts off may continue in any way.
    if (!scope.endsWith('*') || !isHeld(`${scope.slice(0, -1)}${ANY}`)) return []
    return [Object.fromEntries(Object.entries(values).filter(([, value]) => !value.endsWith('/')))]
  })
  return ways.some(isFree) ? [{}] : ways
}

const filled = ({ parts }: ScopeTemplate, values: Only): string | undefined =>
  parts.every((part, i) => i % 2 === 0 || Object.hasOwn(values, part))
    ? parts.map((part, i) => (i % 2 === 0 ? part : values[part])).join('')
    : undefined

/** Whether a scope may have the values; a workflow may be another text. */
const canFill = (template: ScopeTemplate, way: Only): boolean =>
  holesOf(template).every(
    (hole) => isArgument(hole) || !Object.hasOwn(way, hole) || scopeValue(way[hole]) !== undefined,
  )

const isTaken = ([hole, value]: readonly [string, string]): boolean =>
  !isArgument(hole) || argumentText(value) !== undefined

/** Combines alternatives that do not contradict each other; `undefined` if there are too many. */
const joined = (
  some: readonly Only[] | undefined,
  others: readonly Only[],
): readonly Only[] | undefined => {
  if (others.length === 0) return []
  if (!some || some.length * others.length > MOST) return undefined
  return some.flatMap((one) =>
    others.flatMap((other) => (agree(one, other) ? [{ ...one, ...other }] : [])),
  )
}

const agree = (one: Only, other: Only): boolean =>
  Object.entries(other).every(([name, value]) => !Object.hasOwn(one, name) || one[name] === value)
