/** Messages to an MCP server, in the order of the stages (docs/mcp.md). `mcp.ts` reads and judges them. */
import { checkBody } from './body.ts'
import type { Variables } from './conditions.ts'
import { checkAccess, checkUseConditions, checkUseScopes } from './mcp-access.ts'
import { readOperation } from './mcp-request.ts'
import type { Policy } from './policy.ts'
import type { Progress } from './progress.ts'
import type { Route } from './route.ts'
import { holderOf, includes } from './scopes.ts'
import { type Request, refuse, type World } from './types.ts'
import type { Verified } from './verification.ts'

/** The stages `operation` to `use_condition` of an MCP server. Scopes of the token that the uses needed. */
export function checkMessages(
  policy: Policy,
  request: Request,
  world: World,
  progress: Progress,
  rule: Route['rule'],
  params: Record<string, string>,
  variables: Variables,
  identity: Verified['identity'],
): string[] {
  if (rule.mcp === undefined) return []
  const read = readOperation(
    request,
    rule.mcp,
    (id) => world.unseal?.(id, identity.subject) ?? 'unknown',
  )
  if (!read.ok) refuse(read.code)
  const { operation } = read
  progress.operation = operation
  if (operation.isBatch && rule.rateLimit !== undefined && operation.messages.length > 1) {
    refuse('batch_not_allowed')
  }
  checkBody(policy, rule, request)
  const accessCode = checkAccess(operation, rule.mcp, identity.types)
  if (accessCode !== undefined) refuse(accessCode)
  const held = identity.scopes
  const granted: string[] = []
  const holds = (scope: string) => {
    const isHeld = includes(policy, held, scope)
    if (isHeld) granted.push(holderOf(policy, scope, held))
    return isHeld
  }
  const scopes = checkUseScopes(operation, rule.mcp, params, holds)
  if (!scopes.ok) {
    const fromGrants = identity.issuer.scopesFrom === 'grants' && scopes.code === 'scope_missing'
    refuse(fromGrants ? 'grant_missing' : scopes.code)
  }
  const conditionCode = checkUseConditions(operation, rule.mcp, variables)
  if (conditionCode !== undefined) refuse(conditionCode)
  return granted
}
