import { type Admin, holds, refuse } from '../../gate/app/context.ts'
import { scopeDenials } from '../../gate/guard/stages/scope.ts'

/** Refuses callers without the scope, as the guard does where the rule of an endpoint has it. */
export function mustHold(c: Admin, scope: string): void {
  const { scopes, entry } = c.get('access')
  if (entry.admin === false) refuse(c, scopeDenials('admin_not_allowed'))
  if (holds(c, scope)) return
  const asked = { requiredScopes: [scope], missingScopes: [scope] }
  refuse(c, scopeDenials('scope_missing', { held: scopes }, asked))
}
