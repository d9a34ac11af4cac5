import type { Facts } from '../../core/guard.ts'
import type { McpRule, McpUse } from '../../core/model/mcp.ts'
import { type McpCaller, mayUse } from '../../core/model/mcp-access.ts'
import { typesOf } from '../../core/model/token.ts'
import type { Sight } from './lists.ts'

/** What a caller may know of: what its token could use with some arguments. */
export function sightOf(
  { names }: McpRule,
  { access, agent, params, policy }: Pick<Facts, 'access' | 'agent' | 'params' | 'policy'>,
): Sight {
  const caller: McpCaller = { scopes: access.scopes, types: typesOf(agent), params, policy }
  const verdicts = new Map<McpUse, boolean>()
  const isUsable = (use: McpUse) => {
    const known = verdicts.get(use) ?? mayUse(use, caller)
    verdicts.set(use, known)
    return known
  }
  return {
    has(kind, name) {
      const use = names[kind].find(name)
      return use !== undefined && isUsable(use)
    },
    hasTemplate(template) {
      const needed = names.resources.template(template)
      return needed.length > 0 && needed.every(isUsable)
    },
  }
}
