/** Messages to an MCP server, in the order of the stages (docs/mcp.md). `mcp.ts` reads and judges them. */
import type { Asked } from './asked.ts'
import { checkBody } from './body.ts'
import type { Variables } from './conditions.ts'
import { checkAccess, checkUseConditions, checkUseScopes } from './mcp-access.ts'
import { readOperation } from './mcp-request.ts'
import type { Route } from './route.ts'
import { holderOf, includes, missing } from './scopes.ts'
import { refuse } from './types.ts'
import type { Verified } from './verification.ts'

/** The stages `operation` to `use_condition` of an MCP server. Scopes of the token that the uses needed. */
export function checkMessages(
  asked: Asked,
  { rule, params }: Route,
  variables: Variables,
  { identity }: Verified,
): string[] {
  const { policy, request, world } = asked
  if (rule.mcp === undefined) return []
  const operation = readOperation(
    request,
    rule.mcp,
    (id) => world.unseal?.(id, identity.subject) ?? 'unknown',
  )
  asked.operation = operation
  if (operation.isBatch && rule.rateLimit !== undefined && operation.messages.length > 1) {
    refuse('batch_not_allowed')
  }
  checkBody(policy, rule, request)
  checkAccess(operation, rule.mcp, identity.types)
  const granted: string[] = []
  const holds = (scope: string) => {
    const isHeld = includes(policy, identity.scopes, scope)
    if (isHeld) granted.push(holderOf(policy, scope, identity.scopes))
    return isHeld
  }
  checkUseScopes(operation, rule.mcp, params, holds, missing(identity.issuer))
  checkUseConditions(operation, rule.mcp, variables)
  return granted
}
