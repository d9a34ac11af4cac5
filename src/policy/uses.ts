import { MCP_KINDS, type McpKind, type McpRule, type McpUse } from '../model/mcp.ts'
import { isOpenTo } from '../model/mcp-access.ts'
import type { Policy } from '../model/policy.ts'
import type { ScopeTemplate } from '../model/route.ts'
import { declaredScopes, valuesIn } from './compare/values.ts'
import type { Described } from './reachable.ts'

/** Something that may be used of an MCP server, by its kind. */
export interface KindOfUse {
  readonly kind: McpKind
  readonly use: McpUse
}

/** Everything that a rule names of its MCP server. */
export const usesOf = ({ names }: McpRule): readonly KindOfUse[] =>
  MCP_KINDS.flatMap((kind) => names[kind].all.map((use) => ({ kind, use })))

/**
 * Whether such an agent could use something with some parameters and arguments, as far as what is
 * described says so. Its `when` is not judged.
 */
export const isUsable = (
  use: McpUse,
  { type, scopes: held }: Pick<Described, 'type' | 'scopes'>,
  policy: Pick<Policy, 'scopes' | 'includedBy'>,
): boolean => {
  if (type !== undefined && !isOpenTo(use, [type])) return false
  if (!held) return true
  const isHeld = (scope: string) => policy.includedBy(scope).some((one) => held.includes(one))
  const isCovered = (template: ScopeTemplate) =>
    template.parts.length === 1
      ? isHeld(template.source)
      : [...held, ...declaredScopes(policy)].some((one) => valuesIn(template, one) && isHeld(one))
  const { mode, scopes: templates } = use.scopes
  return mode === 'all' ? templates.every(isCovered) : templates.some(isCovered)
}
