import { MCP_KINDS, type McpRule, type McpUse } from '../../core/model/mcp.ts'
import { writtenCondition } from '../../policy/conditions/field.ts'
import { writtenScopes } from '../../policy/rows.ts'
import type { Shown } from '../../policy/show-parts.ts'

/** What a rule says of the MCP server behind it, every default filled in. */
export function showMcp({ names, ...rule }: McpRule): Shown {
  return {
    ...Object.fromEntries(
      MCP_KINDS.filter((kind) => names[kind].all.length > 0).map((kind) => [
        kind,
        Object.fromEntries(names[kind].all.map((use) => [use.pattern, showUse(use)])),
      ]),
    ),
    methods: [...rule.methods],
    revisions: [...rule.revisions],
    origins: [...rule.origins],
    max_body: rule.maxBody,
    refusals: rule.refusals,
    ...(rule.offeredScopes.length > 0 && { offered_scopes: rule.offeredScopes }),
  }
}

const showUse = ({ scopes, agentTypes, when }: McpUse): unknown =>
  agentTypes || when
    ? {
        scopes: writtenScopes(scopes),
        ...(agentTypes && { agent_types: [...agentTypes] }),
        ...(when && { when: writtenCondition(when) }),
      }
    : writtenScopes(scopes)
