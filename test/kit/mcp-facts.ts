import type { McpMessage, McpOperation, McpRule } from '../../src/gate/model/mcp.ts'
import type { Policy } from '../../src/gate/model/policy.ts'
import type { Route } from '../../src/gate/model/route.ts'
import { policy } from '../gate/policy/support.ts'
import type { Members } from './signing.ts'

/** A rule of an MCP server as the policy reads it, and what it stands in. */
export interface McpFacts {
  readonly policy: Policy
  readonly route: Route & { readonly mcp: McpRule }
}

/** Reads `mcp` of a rule; `rule` is laid over the rule, `vars` over the rest. */
export const mcpFacts = (mcp: Members, rule: Members = {}, vars: Members = {}): McpFacts => {
  const read = policy({
    ...vars,
    ROUTES: [{ match: 'GET,POST,DELETE /mcp', scopes: ['mcp:connect'], mcp, ...rule }],
  })
  const [route] = read.routes
  if (!route?.mcp) throw new Error('the rule has no mcp')
  return { policy: read, route: { ...route, mcp: route.mcp } }
}

/** What was read of a request with these messages. */
export const operationOf = (
  messages: readonly McpMessage[],
  changes: Partial<McpOperation> = {},
): McpOperation => ({ kind: 'mcp', method: 'POST', revision: '2025-11-25', messages, ...changes })

/** A call of a tool, as it is read. */
export const callOf = (name: string, given: Members = {}, id: string | number = 1): McpMessage => ({
  id,
  method: 'tools/call',
  use: { kind: 'tools', name, arguments: given },
})
