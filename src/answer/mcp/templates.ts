import type { McpUse } from '../../model/mcp.ts'
import { templateUses } from '../../policy/mcp-templates.ts'

/**
 * Tells which templates of URIs (RFC 6570) a caller may know of: those of which everything may be used that
 * they need.
 */
export const templateSight = (
  uses: readonly McpUse[],
  isUsable: (use: McpUse) => boolean,
): ((template: string) => boolean) => {
  const usesOf = templateUses(uses)
  return (template) => {
    const needed = usesOf(template)
    return needed.length > 0 && needed.every(isUsable)
  }
}
