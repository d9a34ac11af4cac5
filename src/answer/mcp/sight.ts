import type { Facts } from '../../guard.ts'
import type { McpRule, McpUse } from '../../model/mcp.ts'
import { type McpCaller, mayUse } from '../../model/mcp-access.ts'
import { typesOf } from '../../model/token.ts'
import type { Sight } from './lists.ts'
import { templateSight } from './templates.ts'

/** What a caller may know of: what its token could use with some arguments. */
export const sightOf = (
  { names }: McpRule,
  { access, agent, params, policy }: Pick<Facts, 'access' | 'agent' | 'params' | 'policy'>,
): Sight => {
  const caller: McpCaller = { scopes: access.scopes, types: typesOf(agent), params, policy }
  const isUsable = (use: McpUse) => mayUse(use, caller)
  return {
    has(kind, name) {
      const use = names[kind].find(name)
      return use !== undefined && isUsable(use)
    },
    hasTemplate: templateSight(names.resources.all, isUsable),
  }
}
